//! Criteria as an operator tree: `operator: AND, OR, NOT` with `conditions`, or a test of one attribute.

use usher_engine::diagnostic::Code;
use usher_engine::syntax::{Comparison, Expr, Name, Quantity, Test};
use usher_engine::value::{Number, Value};

use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};
use crate::suggest::one_of_these;

/// A group (`operator: AND, OR, NOT, ALWAYS`), a test of one attribute, or a criterion as text.
pub(super) fn condition(lower: &mut Lower, node: &Node) -> Option<Expr> {
    if matches!(node.content, Content::Scalar(_)) {
        return lower.criteria_text(node, "a condition");
    }
    let known = ["attribute", "operator", "value", "array_matching", "conditions", "nested_conditions"];
    let fields = lower.fields(node, "a condition", &known)?;
    let Some(operator) = lower.need_text(fields, "operator") else {
        // The members are checked separately.
        for key in MEMBERS {
            lower.items(fields, key).unwrap_or_default().iter().for_each(|item| {
                condition(lower, item);
            });
        }
        return None;
    };
    match operator.as_str() {
        "ALWAYS" => {
            for key in ["attribute", "value", "array_matching"].into_iter().chain(MEMBERS) {
                let entry = fields.entry(key).filter(|entry| !entry.value.is_null());
                if let Some(entry) =
                    entry.filter(|entry| !matches!(&entry.value.content, Content::List(l) if l.is_empty()))
                {
                    lower.note(Code::WrongType, entry.key_span, format!("`ALWAYS` takes no `{key}`"));
                    return None;
                }
            }
            Some(Expr::Constant(true))
        }
        "AND" | "OR" | "NOT" => group(lower, fields, &operator),
        "segment" => segment(lower, fields),
        _ => question(lower, fields, &operator),
    }
}

/// The keys of a group's members; members under both keys form one group.
const MEMBERS: [&str; 2] = ["conditions", "nested_conditions"];

fn group(lower: &mut Lower, fields: Fields<'_>, operator: &str) -> Option<Expr> {
    for key in ["attribute", "value", "array_matching"] {
        if let Some(entry) = fields.entry(key).filter(|entry| !entry.value.is_null()) {
            lower.note(Code::WrongType, entry.key_span, format!("the group `{operator}` takes no `{key}`"));
        }
    }
    let written = MEMBERS.into_iter().filter(|key| fields.get(key).is_some());
    let written: Vec<&str> = written.collect();
    if written.is_empty() {
        lower.need(fields, "conditions")?;
    }
    let mut items: Vec<&Node> = Vec::new();
    for key in &written {
        items.extend(fields.get(key).and_then(|node| lower.items_of(node, key))?);
    }
    if items.is_empty() && operator != "AND" {
        let message = format!("the group `{operator}` needs at least one condition");
        lower.note(Code::EmptyList, fields.span(written.first().unwrap_or(&"conditions")), message);
        return None;
    }
    // All parts are read before an error ends the group, so that all findings come at once.
    let parts: Vec<Option<Expr>> = items.into_iter().map(|item| condition(lower, item)).collect();
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    match operator {
        "OR" => Expr::any(parts),
        "NOT" => Some(Expr::Not(Box::new(Expr::all(parts)))),
        _ => Some(Expr::all(parts)),
    }
}

/// Membership in the batch segment that `value` names.
fn segment(lower: &mut Lower, fields: Fields<'_>) -> Option<Expr> {
    for key in ["attribute", "array_matching"].into_iter().chain(MEMBERS) {
        if let Some(entry) = fields.entry(key).filter(|entry| !entry.value.is_null()) {
            lower.note(Code::WrongType, entry.key_span, format!("`segment` takes no `{key}`"));
            return None;
        }
    }
    let node = lower.need(fields, "value")?;
    lower.mark_condition(fields.node.span, node.span, node.span);
    lower.text_of(node, "value").map(Expr::Segment)
}

/// The kind of `value` that an operator takes.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Nothing,
    /// A text, number or boolean.
    Scalar,
    /// A text or number.
    Ordered,
    Text,
    /// A number that is not negative.
    Days,
    /// A whole number that is not negative.
    Size,
    /// One or more scalars.
    List,
    /// Two texts or numbers.
    Pair,
}

/// The operators of the tree: name, kind of value, test, and whether it is negated.
const OPERATORS: [(&str, Takes, Ask, bool); 38] = [
    ("greater_than", Takes::Ordered, Ask::Order(Comparison::Greater), false),
    ("greater_equal", Takes::Ordered, Ask::Order(Comparison::GreaterEqual), false),
    ("greater_than_or_equal", Takes::Ordered, Ask::Order(Comparison::GreaterEqual), false),
    ("less_than", Takes::Ordered, Ask::Order(Comparison::Less), false),
    ("less_equal", Takes::Ordered, Ask::Order(Comparison::LessEqual), false),
    ("less_than_or_equal", Takes::Ordered, Ask::Order(Comparison::LessEqual), false),
    ("equals", Takes::Scalar, Ask::Equal, false),
    ("not_equals", Takes::Scalar, Ask::Equal, true),
    ("contains", Takes::Scalar, Ask::Contains, false),
    ("not_contains", Takes::Scalar, Ask::Contains, true),
    ("starts_with", Takes::Text, Ask::StartsWith, false),
    ("ends_with", Takes::Text, Ask::EndsWith, false),
    ("not_starts_with", Takes::Text, Ask::StartsWith, true),
    ("not_ends_with", Takes::Text, Ask::EndsWith, true),
    ("like", Takes::Text, Ask::Like, false),
    ("not_like", Takes::Text, Ask::Like, true),
    ("in", Takes::List, Ask::In, false),
    ("not_in", Takes::List, Ask::In, true),
    ("between", Takes::Pair, Ask::Between, false),
    ("not_between", Takes::Pair, Ask::Between, true),
    ("exists", Takes::Nothing, Ask::Null, true),
    ("not_exists", Takes::Nothing, Ask::Null, false),
    ("within_days", Takes::Days, Ask::WithinDays, false),
    ("more_than_days_ago", Takes::Days, Ask::MoreThanDaysAgo, false),
    ("version_equals", Takes::Text, Ask::Version(Comparison::Equal), false),
    ("version_not_equals", Takes::Text, Ask::Version(Comparison::Equal), true),
    ("version_greater_than", Takes::Text, Ask::Version(Comparison::Greater), false),
    ("version_greater_equal", Takes::Text, Ask::Version(Comparison::GreaterEqual), false),
    ("version_less_than", Takes::Text, Ask::Version(Comparison::Less), false),
    ("version_less_equal", Takes::Text, Ask::Version(Comparison::LessEqual), false),
    ("matches", Takes::Text, Ask::Matches, false),
    ("not_matches", Takes::Text, Ask::Matches, true),
    ("list_size_equals", Takes::Size, Ask::Size(Comparison::Equal), false),
    ("list_size_not_equals", Takes::Size, Ask::Size(Comparison::NotEqual), false),
    ("list_size_greater_than", Takes::Size, Ask::Size(Comparison::Greater), false),
    ("list_size_greater_equal", Takes::Size, Ask::Size(Comparison::GreaterEqual), false),
    ("list_size_less_than", Takes::Size, Ask::Size(Comparison::Less), false),
    ("list_size_less_equal", Takes::Size, Ask::Size(Comparison::LessEqual), false),
];

#[derive(Clone, Copy)]
enum Ask {
    Between,
    Contains,
    EndsWith,
    Equal,
    In,
    Like,
    Matches,
    MoreThanDaysAgo,
    Null,
    Order(Comparison),
    Size(Comparison),
    StartsWith,
    Version(Comparison),
    WithinDays,
}

fn question(lower: &mut Lower, fields: Fields<'_>, operator: &str) -> Option<Expr> {
    let Some((name, takes, ask, negated)) = OPERATORS.into_iter().find(|(name, ..)| *name == operator) else {
        let groups = ["AND", "OR", "NOT", "ALWAYS", "segment"];
        let help = one_of_these(operator, groups.into_iter().chain(OPERATORS.iter().map(|(name, ..)| *name)));
        lower.note_with(
            Code::UnknownName,
            fields.span("operator"),
            format!("unknown operator `{operator}`"),
            Some(help),
        );
        return None;
    };
    if let Some((key, entry)) = MEMBERS.into_iter().find_map(|key| Some((key, fields.entry(key)?))) {
        let help = "only AND, OR and NOT take conditions".to_owned();
        lower.note_with(Code::WrongType, entry.key_span, format!("`{name}` takes no `{key}`"), Some(help));
        return None;
    }
    let attribute = lower.need_text(fields, "attribute");
    let value = value(lower, fields, name, takes)?;
    let quantity = match fields.get("array_matching") {
        Some(node) => Some(quantity(lower, node, "array_matching", ["at_least", "at_most", "exactly"])?),
        None => None,
    };
    lower.mark_condition(fields.node.span, fields.span("attribute"), fields.span("value"));
    let test = match (quantity, ask.test(value)?) {
        (None, test) => test,
        // An item is a single value: containing means being equal.
        (Some(quantity), Test::Contains(value)) => Test::Items(quantity, vec![Test::Equal(value)]),
        (Some(quantity), test) if test.is_of_item() => Test::Items(quantity, vec![test]),
        (Some(_), _) => {
            let message = format!("`{name}` asks about the whole list, so it takes no `array_matching`");
            lower.note(Code::WrongType, fields.span("array_matching"), message);
            return None;
        }
    };
    Some(Expr::new_test(Name(attribute?), test, negated))
}

/// The `value` of an operator, null if it takes none.
fn value(lower: &mut Lower, fields: Fields<'_>, name: &str, takes: Takes) -> Option<Value> {
    let entry = fields.entry("value");
    let written = entry.filter(|entry| !entry.value.is_null());
    match (written, takes) {
        (Some(entry), Takes::Nothing) => {
            let message = format!("`{name}` takes no `value`");
            let help = "remove the `value`, or compare with `equals`".to_owned();
            lower.note_with(Code::WrongType, entry.key_span, message, Some(help));
            None
        }
        (None, Takes::Nothing) => Some(Value::Null),
        (None, _) => {
            let span = entry.map_or(fields.span("operator"), |entry| entry.key_span);
            let help = format!("`{name}` takes {}", takes.in_words());
            lower.note_with(Code::MissingKey, span, format!("missing `value` for `{name}`"), Some(help));
            None
        }
        (Some(entry), _) => {
            let value = lower.compared(&entry.value)?;
            if takes.accepts(&value) {
                return Some(value);
            }
            let found = takes.found(&value).unwrap_or_else(|| entry.value.kind());
            let message = format!("`{name}` takes {}, found {found}", takes.in_words());
            lower.note_with(Code::WrongType, entry.value.span, message, takes.help(&value));
            None
        }
    }
}

/// A quantity of list items: `any`, `all`, or a mapping of one of three words to a number.
pub(super) fn quantity(
    lower: &mut Lower,
    node: &Node,
    key: &str,
    [at_least, at_most, exactly]: [&'static str; 3],
) -> Option<Quantity> {
    match &node.content {
        Content::Scalar(_) => match node.value().as_ref().and_then(Value::as_str) {
            Some("any") => return Some(Quantity::Any),
            Some("all") => return Some(Quantity::All),
            _ => {}
        },
        Content::Map(_) => {
            let fields = lower.fields(node, "a count of items", &[at_least, at_most, exactly])?;
            let written = [at_least, at_most, exactly].into_iter().filter(|word| fields.get(word).is_some());
            if let [word] = written.collect::<Vec<_>>().as_slice() {
                let node = fields.get(word)?;
                let Some(Value::Number(Number::Integer(count))) = node.value() else {
                    lower.wrong(node, &format!("`{word}`"), "a whole number that is not negative");
                    return None;
                };
                let Ok(count) = u32::try_from(count) else {
                    lower.wrong(node, &format!("`{word}`"), "a whole number that is not negative");
                    return None;
                };
                return Some(if *word == at_least {
                    Quantity::AtLeast(count)
                } else if *word == at_most {
                    Quantity::AtMost(count)
                } else {
                    Quantity::Exactly(count)
                });
            }
        }
        Content::List(_) => {}
    }
    let message = format!("`{key}` says how many items of a list");
    let help =
        format!("write `any`, `all`, or one of `{at_least}`, `{at_most}` and `{exactly}` with a number");
    lower.note_with(Code::WrongType, node.span, message, Some(help));
    None
}

impl Takes {
    fn in_words(self) -> &'static str {
        match self {
            Takes::Nothing => "no value",
            Takes::Scalar => "a text, a number or a boolean",
            Takes::Ordered => "a number or a text",
            Takes::Text => "a text",
            Takes::Days => "a number of days that is not negative",
            Takes::Size => "a whole number that is not negative",
            Takes::List => "a list of one or more texts, numbers or booleans",
            Takes::Pair => "a list of two numbers or two texts",
        }
    }

    /// A list that is not accepted, in words; None for another value.
    fn found(self, value: &Value) -> Option<String> {
        match value {
            Value::List(items) if matches!(self, Takes::List | Takes::Pair) => Some(match items.len() {
                0 => "an empty list".to_owned(),
                count if self == Takes::Pair && count != 2 => format!("a list of {count}"),
                _ => "a list of something else".to_owned(),
            }),
            _ => None,
        }
    }

    /// Help for a value that is not accepted.
    fn help(self, value: &Value) -> Option<String> {
        let help = match (value, self) {
            (Value::List(_), Takes::Scalar) => "to ask for any of several use `in`",
            (Value::List(items), Takes::List) if items.is_empty() => {
                "give it values, or remove the condition"
            }
            (Value::List(_), Takes::Pair) => "write the lowest and the highest: `value: [1, 5]`",
            _ => return None,
        };
        Some(help.to_owned())
    }

    fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Takes::Nothing, value) => *value == Value::Null,
            (Takes::Scalar, Value::String(_) | Value::Number(_) | Value::Boolean(_)) => true,
            (Takes::Ordered, Value::String(_) | Value::Number(_)) => true,
            (Takes::Text, Value::String(_)) => true,
            (Takes::Days, Value::Number(number)) => *number >= Number::Integer(0),
            (Takes::Size, Value::Number(Number::Integer(size))) => *size >= 0,
            (Takes::List, Value::List(items)) => {
                !items.is_empty() && items.iter().all(|item| Takes::Scalar.accepts(item))
            }
            (Takes::Pair, Value::List(items)) => {
                items.len() == 2 && items.iter().all(|item| Takes::Ordered.accepts(item))
            }
            _ => false,
        }
    }
}

impl Ask {
    /// The test with its value; None only for a value that [`Takes::accepts`] refuses.
    fn test(self, value: Value) -> Option<Test> {
        Some(match (self, value) {
            (Ask::Contains, value) => Test::Contains(value),
            (Ask::Equal, value) => Test::Equal(value),
            (Ask::Null, _) => Test::Null,
            (Ask::Order(comparison), value) => Test::Order(comparison, value),
            (Ask::Size(comparison), Value::Number(Number::Integer(size))) => Test::Size(comparison, size),
            (Ask::WithinDays, Value::Number(days)) => Test::WithinDays(days),
            (Ask::MoreThanDaysAgo, Value::Number(days)) => Test::MoreThanDaysAgo(days),
            (Ask::Version(comparison), Value::String(version)) => Test::Version(comparison, version),
            (Ask::EndsWith, Value::String(text)) => Test::EndsWith(text),
            (Ask::Like, Value::String(text)) => Test::Like(text),
            (Ask::Matches, Value::String(text)) => Test::Matches(text),
            (Ask::StartsWith, Value::String(text)) => Test::StartsWith(text),
            (Ask::In, Value::List(items)) => Test::In(items),
            (Ask::Between, Value::List(items)) => {
                let [min, max] = <[Value; 2]>::try_from(items).ok()?;
                Test::Between(min, max)
            }
            _ => return None,
        })
    }
}
