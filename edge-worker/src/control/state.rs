//! The state of the control API for an audience: the objects with their ids, the draft, and the tokens of services.

use usher_engine::definition::{Definition, Example};
use usher_engine::value::{Fields, FromValue, Reading, ToValue, Value, named};

use super::answer::{object, optional};
use crate::limits::DRAFTS_ASIDE_MAX;
use crate::wire::json::Json;
use crate::wire::read;

/// The state of the control API for an audience.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Everything that ever got an id, in the order of the ids: none is used again.
    pub(super) objects: Vec<Object>,
    pub(super) tokens: Vec<Token>,
    pub(super) draft: Option<Draft>,
    /// Drafts that another bundle overtook, oldest first.
    pub(super) aside: Vec<Aside>,
    /// True if a draft waits for a call to publish it.
    pub(super) manual: bool,
}

/// The kinds of objects; names are unique in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Setting,
    Folder,
    KeyEvent,
    Attribute,
    Entity,
    Service,
    /// Journeys, stages and activations are called by the ids in the definition, or by their names where they have none:
    /// stages with the id of the object of their journey before it.
    Journey,
    Stage,
    Activation,
}

impl Kind {
    const OTHERS: [(&str, Kind); 8] = [
        ("folder", Kind::Folder),
        ("key_event", Kind::KeyEvent),
        ("attribute", Kind::Attribute),
        ("entity", Kind::Entity),
        ("service", Kind::Service),
        ("journey", Kind::Journey),
        ("stage", Kind::Stage),
        ("activation", Kind::Activation),
    ];

    fn as_str(self) -> &'static str {
        Kind::OTHERS.iter().find(|(_, kind)| *kind == self).map_or("setting", |(name, _)| name)
    }
}

/// An object with its id.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// The name in the definition; empty where there is one of the kind.
    pub(super) name: String,
    /// Names before it, newest last: a rollback brings them back.
    pub(super) former: Vec<String>,
    /// The body by which the API made it; null: a file did.
    pub(super) body: Value,
    /// The hash of the part of the definition that the body became: with another one the body is out of date.
    pub(super) made: String,
    /// The id of the journey of which it is a part; empty for others.
    pub(super) part_of: String,
    /// Unix milliseconds.
    pub(super) created_ms: i64,
    pub(super) updated_ms: i64,
}

/// A token of a service, without its value.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) id: String,
    /// The id of the service.
    pub(super) service: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) sha256: String,
    pub(super) public: bool,
}

/// A definition that is being edited.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The number of the bundle from which it began; 0: nothing ran.
    pub(super) base: u64,
    /// The time of its last edit, Unix milliseconds.
    pub(super) touched_ms: i64,
    /// True if it had rested and did not compile.
    pub(super) failed: bool,
    pub(super) definition: Definition,
    pub(super) examples: Vec<Example>,
}

/// A draft that was set aside.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    pub(super) base: u64,
    /// The time at which that was noticed, Unix milliseconds.
    pub(super) at_ms: i64,
    pub(super) definition: Definition,
}

impl State {
    pub(super) fn read(bytes: &[u8]) -> Option<State> {
        State::from_value(&read::document(bytes).ok()?).ok()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut json = Json::new();
        json.value(&self.to_value());
        json.into_bytes()
    }

    pub(super) fn set_aside(&mut self, draft: Draft, now_ms: i64) {
        self.aside.push(Aside { base: draft.base, at_ms: now_ms, definition: draft.definition });
        let over = self.aside.len().saturating_sub(DRAFTS_ASIDE_MAX);
        self.aside.drain(..over);
    }
}

impl FromValue for State {
    fn read(value: &Value, reading: &mut Reading) -> State {
        let fields = Fields::of(value, &["objects", "tokens", "draft", "aside", "manual"], reading);
        State {
            objects: fields.or("objects", Vec::new(), reading),
            tokens: fields.or("tokens", Vec::new(), reading),
            draft: fields.or("draft", None, reading),
            aside: fields.or("aside", Vec::new(), reading),
            manual: fields.or("manual", false, reading),
        }
    }
}

impl ToValue for State {
    fn to_value(&self) -> Value {
        let State { objects, tokens, draft, aside, manual } = self;
        object([
            ("objects", objects.to_value()),
            ("tokens", tokens.to_value()),
            ("draft", draft.to_value()),
            ("aside", aside.to_value()),
            ("manual", Value::from(*manual)),
        ])
    }
}

/// A body as it is.
struct Whole(Value);

impl FromValue for Whole {
    fn read(value: &Value, _: &mut Reading) -> Whole {
        Whole(value.clone())
    }
}

impl FromValue for Kind {
    fn read(value: &Value, reading: &mut Reading) -> Kind {
        named(value, ("setting", Kind::Setting), &Kind::OTHERS, reading)
    }
}

impl FromValue for Object {
    fn read(value: &Value, reading: &mut Reading) -> Object {
        let known = ["kind", "id", "name", "former", "body", "made", "part_of", "created_ms", "updated_ms"];
        let fields = Fields::of(value, &known, reading);
        let Whole(body) = fields.or("body", Whole(Value::Null), reading);
        Object {
            kind: fields.required("kind", reading),
            id: fields.required("id", reading),
            name: fields.required("name", reading),
            former: fields.or("former", Vec::new(), reading),
            body,
            made: fields.or("made", String::new(), reading),
            part_of: fields.or("part_of", String::new(), reading),
            created_ms: fields.required("created_ms", reading),
            updated_ms: fields.required("updated_ms", reading),
        }
    }
}

impl ToValue for Object {
    fn to_value(&self) -> Value {
        let Object { kind, id, name, former, body, made, part_of, created_ms, updated_ms } = self;
        object([
            ("kind", Value::from(kind.as_str())),
            ("id", id.to_value()),
            ("name", name.to_value()),
            ("former", former.to_value()),
            ("body", body.clone()),
            ("made", made.to_value()),
            ("part_of", part_of.to_value()),
            ("created_ms", Value::from(*created_ms)),
            ("updated_ms", Value::from(*updated_ms)),
        ])
    }
}

impl FromValue for Token {
    fn read(value: &Value, reading: &mut Reading) -> Token {
        let fields =
            Fields::of(value, &["id", "service", "name", "description", "sha256", "public"], reading);
        Token {
            id: fields.required("id", reading),
            service: fields.required("service", reading),
            name: fields.required("name", reading),
            description: fields.or("description", None, reading),
            sha256: fields.required("sha256", reading),
            public: fields.required("public", reading),
        }
    }
}

impl ToValue for Token {
    fn to_value(&self) -> Value {
        let Token { id, service, name, description, sha256, public } = self;
        object([
            ("id", id.to_value()),
            ("service", service.to_value()),
            ("name", name.to_value()),
            ("description", optional(description.as_deref())),
            ("sha256", sha256.to_value()),
            ("public", Value::from(*public)),
        ])
    }
}

/// A number of a bundle as a value.
pub(super) fn number(number: u64) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

fn unsigned(fields: Fields<'_>, name: &str, reading: &mut Reading) -> u64 {
    let number: i64 = fields.required(name, reading);
    number.unsigned_abs()
}

impl FromValue for Draft {
    fn read(value: &Value, reading: &mut Reading) -> Draft {
        let fields = Fields::of(value, &["base", "touched_ms", "failed", "definition", "examples"], reading);
        Draft {
            base: unsigned(fields, "base", reading),
            touched_ms: fields.required("touched_ms", reading),
            failed: fields.or("failed", false, reading),
            definition: fields.required("definition", reading),
            examples: fields.or("examples", Vec::new(), reading),
        }
    }
}

impl ToValue for Draft {
    fn to_value(&self) -> Value {
        let Draft { base, touched_ms, failed, definition, examples } = self;
        object([
            ("base", number(*base)),
            ("touched_ms", Value::from(*touched_ms)),
            ("failed", Value::from(*failed)),
            ("definition", definition.to_value()),
            ("examples", examples.to_value()),
        ])
    }
}

impl FromValue for Aside {
    fn read(value: &Value, reading: &mut Reading) -> Aside {
        let fields = Fields::of(value, &["base", "at_ms", "definition"], reading);
        Aside {
            base: unsigned(fields, "base", reading),
            at_ms: fields.required("at_ms", reading),
            definition: fields.required("definition", reading),
        }
    }
}

impl ToValue for Aside {
    fn to_value(&self) -> Value {
        let Aside { base, at_ms, definition } = self;
        object([
            ("base", number(*base)),
            ("at_ms", Value::from(*at_ms)),
            ("definition", definition.to_value()),
        ])
    }
}
