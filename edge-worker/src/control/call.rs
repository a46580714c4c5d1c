//! A call with what it reads and what it changes: the draft, or what runs; the objects and their ids.

use usher_engine::definition::{Choice, Definition, Example, Personalization};
use usher_engine::value::{ToValue, Value};

use super::answer::{Answered, Result, response};
use super::fault::Fault;
use super::finding::{self, Finding};
use super::state::{Draft, Kind, Object, State, Token};
use crate::bundle::{self, Bundle, hash_of};
use crate::error::Refusal;
use crate::form::Form;
use crate::limits::{CONTROL_STATE_BYTES_MAX, DRAFT_REST_MS};
use crate::log::Line;
use crate::message::{Api, NO_BUNDLE, Op};
use crate::outcome::{Folded, NEXT, Outcome};
use crate::rehearsal;
use crate::releases;
use crate::store::{ControlRow, ControlWrite, FoundControl, NEVER_MS, Published, Release, Write};
use crate::wire::Response;
use crate::wire::json::Json;
use crate::wire::read;

/// A call of the control API on one audience.
pub(super) struct Call<'a> {
    pub(super) api: &'a Api,
    pub(super) form: Form,
    pub(super) audience: String,
    pub(super) state: State,
    /// Of the draft; of what runs where there is none.
    pub(super) definition: Definition,
    pub(super) examples: Vec<Example>,
    /// The stored bundles, newest first.
    releases: Vec<Release>,
    version: u64,
    last_id: u64,
    ids: Vec<u64>,
    is_changed: bool,
    /// False if the call changes nothing, whatever it tries.
    keeps: bool,
    /// A bundle, or the pointer of a token, to store with the state.
    pub(super) published: Option<Published>,
    log: Vec<Line>,
}

impl<'a> Call<'a> {
    /// Takes what was read. A draft that another bundle overtook is set aside.
    pub(super) fn new(
        api: &'a Api,
        found: FoundControl,
        form: Form,
    ) -> core::result::Result<Call<'a>, Response> {
        let unreadable = |_| Response::failed_call(Refusal::STORAGE, None);
        let version = found.state.as_ref().map_or(0, |row| row.version);
        let mut state = match &found.state {
            Some(row) => State::read(&row.state).ok_or(()).map_err(unreadable)?,
            None => State::default(),
        };
        let base = found.releases.first().map_or(0, |running| running.number);
        let mut is_changed = false;
        if let Some(draft) = state.draft.take_if(|draft| draft.base != base) {
            state.set_aside(draft, api.now_ms);
            is_changed = true;
        }
        let Bundle { definition, examples } = match (&state.draft, &found.body) {
            (Some(Draft { definition, examples, .. }), _) => {
                Bundle { definition: definition.clone(), examples: examples.clone() }
            }
            (None, Some(body)) => Bundle::read(body).map_err(|_| ()).map_err(unreadable)?,
            (None, None) => Bundle::default(),
        };
        let mut call = Call {
            api,
            form,
            audience: found.audience,
            state,
            definition,
            examples,
            releases: found.releases,
            version,
            last_id: found.last_id,
            ids: Vec::new(),
            is_changed,
            keeps: true,
            published: None,
            log: Vec::new(),
        };
        call.definition.audience.id.clone_from(&call.audience);
        call.name_objects();
        Ok(call)
    }

    /// True if the caller may ask about the audience.
    pub(super) fn is_covered(&self) -> bool {
        self.api.covers.as_ref().is_none_or(|own| *own == self.audience)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.api.now_ms
    }

    /// The release that runs, unless the audience was taken out.
    pub(super) fn running(&self) -> Option<&Release> {
        self.releases.first().filter(|running| running.hash != NO_BUNDLE)
    }

    /// The body as a JSON object.
    pub(super) fn body(&self) -> Result<Vec<(String, Value)>> {
        match read::document(&self.api.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            _ => Err(vec![Fault::parameter("", "the body is not a JSON object")]),
        }
    }

    /// The parameter of the path at this place, behind the audience.
    pub(super) fn parameter(&self, place: usize) -> &'a str {
        self.api.parameters.get(place).map_or("", String::as_str)
    }

    /// Notes that the draft was edited: it rests from now on.
    pub(super) fn edit(&mut self) {
        let base = self.releases.first().map_or(0, |running| running.number);
        self.is_changed = true;
        self.state.draft = Some(Draft {
            base,
            touched_ms: self.now_ms(),
            failed: false,
            definition: self.definition.clone(),
            examples: self.examples.clone(),
        });
    }

    /// Notes that the call only tries what it changes.
    pub(super) fn keep_nothing(&mut self) {
        self.keeps = false;
    }

    /// Notes that the state beside the draft was changed.
    pub(super) fn change(&mut self) {
        self.is_changed = true;
    }
}

/// Objects and their ids.
impl Call<'_> {
    /// The next number of the control object.
    fn next_id(&mut self) -> String {
        self.last_id = self.last_id.saturating_add(1);
        self.ids.push(self.last_id);
        self.last_id.to_string()
    }

    /// A new object.
    pub(super) fn add(&mut self, kind: Kind, name: &str, body: Value) -> String {
        let id = self.next_id();
        self.put(kind, name, id.clone(), body);
        id
    }

    /// A new token; `make` gets its id.
    pub(super) fn add_token(&mut self, make: impl FnOnce(String) -> Token) -> String {
        let id = self.next_id();
        self.is_changed = true;
        self.state.tokens.push(make(id.clone()));
        id
    }

    /// The id that a personalization has in the definition: none where older builds read it.
    pub(super) fn new_id(&self, id: String) -> Option<String> {
        (self.form >= Form::Two).then_some(id)
    }

    fn put(&mut self, kind: Kind, name: &str, id: String, body: Value) {
        let now_ms = self.now_ms();
        self.is_changed = true;
        self.state.objects.push(Object {
            kind,
            id,
            name: name.to_owned(),
            former: Vec::new(),
            body,
            made: String::new(),
            part_of: String::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
        });
    }

    /// The object of this kind and name; one that was called so before, if none is.
    pub(super) fn object(&self, kind: Kind, name: &str) -> Option<&Object> {
        let of_kind = || self.state.objects.iter().rev().filter(|object| object.kind == kind);
        let now = of_kind().find(|object| object.name == name);
        now.or_else(|| of_kind().find(|object| object.former.iter().any(|former| former == name)))
    }

    /// The object of this kind and id.
    pub(super) fn object_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Object> {
        self.state.objects.iter_mut().find(|object| object.kind == kind && object.id == id)
    }

    /// The id of an object of the definition.
    pub(super) fn id(&self, kind: Kind, name: &str) -> &str {
        self.object(kind, name).map_or("", |object| object.id.as_str())
    }

    /// The kind of a personalization: that of the object with its id; else entities answer with all sections, and name
    /// no trigger.
    pub(super) fn kind_of(&self, personalization: &Personalization) -> Kind {
        let id = personalization.id.as_deref();
        let of_id = self.state.objects.iter().find(|object| Some(object.id.as_str()) == id);
        let known =
            of_id.map(|object| object.kind).filter(|kind| matches!(kind, Kind::Entity | Kind::Service));
        known.unwrap_or_else(|| shape_of(personalization))
    }

    /// Gives every object of the definition an id that has none yet.
    pub(super) fn name_objects(&mut self) {
        for (kind, name) in [(Kind::Setting, ""), (Kind::Folder, "")] {
            if self.object(kind, name).is_none() {
                self.add(kind, name, Value::Null);
            }
        }
        let Definition { key_events, attributes, personalizations, .. } = &self.definition;
        let key_events = key_events.iter().map(|it| (Kind::KeyEvent, it.name.clone(), None));
        let attributes = attributes.iter().map(|it| (Kind::Attribute, it.name.clone(), None));
        let services = personalizations.iter().map(|it| (self.kind_of(it), it.name.clone(), it.id.clone()));
        let all: Vec<_> = key_events.chain(attributes).chain(services).collect();
        for (kind, name, id) in all {
            match id {
                // A file may say the id.
                Some(id) if self.object_mut(kind, &id).is_none() => {
                    self.ids.extend(id.parse::<u64>().ok().filter(|id| *id > self.last_id));
                    self.last_id = self.ids.last().map_or(self.last_id, |id| self.last_id.max(*id));
                    self.put(kind, &name, id, Value::Null);
                }
                None if self.object(kind, &name).is_none() => {
                    self.add(kind, &name, Value::Null);
                }
                _ => {}
            }
        }
        self.name_journeys();
        // Older builds cannot read the ids of personalizations.
        if self.form < Form::Two {
            return;
        }
        for index in 0..self.definition.personalizations.len() {
            let Some(personalization) = self.definition.personalizations.get(index) else { continue };
            if personalization.id.is_none() {
                let id = self.id(self.kind_of(personalization), &personalization.name).to_owned();
                if let Some(personalization) = self.definition.personalizations.get_mut(index) {
                    personalization.id = Some(id);
                }
            }
        }
    }

    /// The body by which the API made an object, if the definition still has what it became.
    pub(super) fn body_of(&self, kind: Kind, name: &str, part: &impl ToValue) -> Option<&Value> {
        let object = self.object(kind, name)?;
        (object.body != Value::Null && object.made == made(part)).then_some(&object.body)
    }

    /// Notes the body of an object, and what it became.
    pub(super) fn remember(&mut self, kind: Kind, id: &str, name: &str, body: Value, part: &impl ToValue) {
        let now_ms = self.now_ms();
        let Some(object) = self.object_mut(kind, id) else { return };
        if object.name != name {
            let former = core::mem::replace(&mut object.name, name.to_owned());
            object.former.push(former);
        }
        object.body = body;
        object.made = made(part);
        object.updated_ms = now_ms;
    }
}

/// Publishing.
impl Call<'_> {
    /// True if the draft has rested.
    pub(super) fn has_rested(&self) -> bool {
        let rested = |draft: &Draft| self.now_ms().saturating_sub(draft.touched_ms) >= DRAFT_REST_MS;
        self.state.draft.as_ref().is_some_and(rested)
    }

    /// Publishes the draft if it has rested, compiles, and waits for no call.
    pub(super) fn publish_if_rested(&mut self) {
        if self.state.manual
            || !self.has_rested()
            || self.state.draft.as_ref().is_some_and(|draft| draft.failed)
        {
            return;
        }
        if self.publish().is_err()
            && let Some(draft) = &mut self.state.draft
        {
            draft.failed = true;
            self.is_changed = true;
        }
    }

    /// Publishes the draft as the audience's next bundle; returns its release, and whether it is another one than ran.
    ///
    /// # Errors
    ///
    /// The reasons for which it cannot run.
    pub(super) fn publish(&mut self) -> core::result::Result<(Release, bool), Vec<Finding>> {
        let body = self.checked()?;
        let hash = hash_of(&body);
        self.state.draft = None;
        self.is_changed = true;
        if let Some(running) = self.running().filter(|running| running.hash == hash) {
            return Ok((running.clone(), false));
        }
        let number = self.releases.first().map_or(0, |running| running.number).saturating_add(1);
        let release = Release { number, hash, origin: number, at_ms: self.now_ms() };
        let (published, line) =
            releases::published(&self.audience, release.clone(), Some(body), &self.releases);
        self.published = Some(published);
        self.log.push(line);
        self.releases.insert(0, release.clone());
        Ok((release, true))
    }

    /// The body of the draft as a bundle.
    ///
    /// # Errors
    ///
    /// The reasons for which it cannot run.
    pub(super) fn checked(&self) -> core::result::Result<Vec<u8>, Vec<Finding>> {
        let findings = finding::check(&self.definition);
        if !findings.is_empty() {
            return Err(findings);
        }
        let alone = |reason: String| vec![Finding::alone(reason)];
        if let Some(reason) = bundle::beyond(self.form, &self.definition) {
            return Err(alone(reason));
        }
        let bundle = Bundle { definition: self.definition.clone(), examples: self.examples.clone() };
        let body = bundle.write().map_err(alone)?;
        rehearsal::check(&body, &self.audience).map_err(alone)?;
        Ok(body)
    }

    /// The outcome of the call: nothing of a refused one is stored.
    pub(super) fn outcome(mut self, answer: Answered) -> Folded {
        if answer.is_err() || !self.is_changed || !self.keeps {
            return Outcome::of(response(answer));
        }
        let state = self.state.write();
        if state.len() > CONTROL_STATE_BYTES_MAX {
            let detail = "the draft and its objects are over the bound of what is stored for an audience";
            return Outcome::of(response(Err(vec![Fault::unprocessable(detail)])));
        }
        let draft = self.state.draft.as_ref();
        let waits = self.state.manual || draft.is_some_and(|draft| draft.failed);
        let due = draft.filter(|_| !waits).map(|draft| draft.touched_ms.saturating_add(DRAFT_REST_MS));
        let row = ControlRow {
            version: self.version.saturating_add(1),
            due_ms: due.unwrap_or(NEVER_MS),
            base: draft.map(|draft| draft.base),
            state,
        };
        let ids = core::mem::take(&mut self.ids);
        let control = Some(Box::new(ControlWrite { audience: self.audience, row, ids }));
        let write = Write { bundle: self.published, control, ..Write::default() };
        let mut response = response(answer);
        if due.is_some() || self.api.op == Op::DraftDue {
            response = response.header(NEXT, DRAFT_REST_MS.to_string());
        }
        Outcome { write, response, log: self.log }.done()
    }
}

/// The kind that a personalization looks like: entities answer with all sections, and name no trigger.
pub(super) fn shape_of(personalization: &Personalization) -> Kind {
    let Personalization { choice, trigger, inputs, .. } = personalization;
    let is_entity = *choice == Choice::All && trigger.is_none() && inputs.is_empty();
    if is_entity { Kind::Entity } else { Kind::Service }
}

/// The hash of a part of a definition.
fn made(part: &impl ToValue) -> String {
    let mut json = Json::new();
    json.value(&part.to_value());
    hash_of(&json.into_bytes())
}
