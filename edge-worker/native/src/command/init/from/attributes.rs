//! Attributes by use case, each from a column that the events of its kind have.

use super::super::use_case::UseCase;
use super::kinds::{About, Events, Kind};
use super::words::{PAGE, bare, percent};
use crate::command::seen::Column;

/// The attributes of a proposal, and what could not be proposed.
pub(super) struct Attributes {
    pub(super) all: Vec<Attribute>,
    /// Names with the reason.
    pub(super) missing: Vec<(String, String)>,
    /// The event that is answered.
    pub(super) trigger: String,
}

/// An attribute.
pub(super) struct Attribute {
    pub(super) name: String,
    /// The lines below its name, but the event's.
    pub(super) lines: Vec<String>,
    pub(super) event: String,
    pub(super) form: Form,
    pub(super) sensitive: bool,
    pub(super) reason: String,
}

/// The kinds of attributes that are proposed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    List,
    Counter,
}

const PRODUCT: &[&str] =
    &["productid", "sku", "itemid", "articleno", "trsku", "product", "item", "productname", "itemname"];
const CATEGORY: &[&str] = &["productcategory", "itemcategory", "category", "contentcategory", "section"];
const PRICE: &[&str] = &[
    "price",
    "value",
    "revenue",
    "total",
    "amount",
    "trtotal",
    "purchaserevenue",
    "productprice",
    "itemprice",
    "unitprice",
];
const CONTENT: &[&str] = &[
    "contentid",
    "articleid",
    "videoid",
    "postid",
    "slug",
    "path",
    "tdpath",
    "pagepath",
    "pageurlpath",
    "url",
    "pageurl",
    "pagelocation",
];
/// Parts of names of personal data.
const PERSONAL: [&str; 12] = [
    "email",
    "phone",
    "mobile",
    "firstname",
    "lastname",
    "fullname",
    "address",
    "birth",
    "ssn",
    "ipaddress",
    "latitude",
    "longitude",
];

/// The use case that the events fit.
pub(super) fn usual(events: &Events) -> UseCase {
    if events.first(About::Cart).is_some() {
        UseCase::CartRecovery
    } else if events.first(About::ProductView).is_some() || events.first(About::Purchase).is_some() {
        UseCase::ProductRecommendations
    } else if events.first(About::Content).is_some() || events.first(About::Page).is_some() {
        UseCase::ContentPersonalization
    } else {
        UseCase::UserProfile
    }
}

pub(super) fn of(events: &Events, use_case: UseCase) -> Attributes {
    let first = |wanted: &[About]| wanted.iter().find_map(|about| events.first(*about));
    let trigger = first(&[About::Page, About::ProductView, About::Content]).or(events.kinds.first());
    let trigger = trigger.map(|kind| kind.name.clone()).unwrap_or_default();
    let mut made = Attributes { all: Vec::new(), missing: Vec::new(), trigger };
    match use_case {
        UseCase::ProductRecommendations => {
            let view = first(&[About::ProductView])
                .or_else(|| events.kinds.iter().find(|it| column(it, PRODUCT, false, true).is_some()));
            made.value(
                "last_product_viewed",
                Form::Single,
                view,
                PRODUCT,
                "the product seen last, for what goes with it",
            );
            made.value(
                "viewed_products_30d",
                Form::List,
                view,
                PRODUCT,
                "products seen in 30 days, for recommendations",
            );
            made.value("favorite_category", Form::Single, view, CATEGORY, "the category seen last");
            made.count("product_views_7d", view, "7d", "how much somebody looks around");
            made.count(
                "purchase_count_30d",
                first(&[About::Purchase]),
                "30d",
                "tells buyers from those who look",
            );
        }
        UseCase::CartRecovery | UseCase::Journey | UseCase::Pipeline => {
            let cart = first(&[About::Cart]);
            made.value(
                "cart_items_list",
                Form::List,
                cart,
                PRODUCT,
                "what was put into the cart, to remind of it",
            );
            made.sum("cart_value", cart, "what the cart is worth");
            made.count("cart_item_count", cart, "7d", "how often something was put into it");
            made.count(
                "purchase_count_7d",
                first(&[About::Purchase]),
                "7d",
                "who has bought needs no reminder",
            );
        }
        UseCase::ContentPersonalization => {
            let read = first(&[About::Content, About::Page]);
            made.value(
                "viewed_content_ids",
                Form::List,
                read,
                CONTENT,
                "what was read in 30 days, not to show it again",
            );
            made.value("favorite_category", Form::Single, read, CATEGORY, "the category read last");
            made.count("content_views_7d", read, "7d", "how much somebody reads");
        }
        UseCase::UserProfile => {
            for kind in events.kinds.iter().take(5) {
                made.count(&format!("{}_30d", kind.name), Some(kind), "30d", "how often it happens");
            }
            made.value("last_page", Form::Single, first(&[About::Page]), PAGE, "the page seen last");
        }
    }
    if made.all.is_empty() {
        made.count(
            "events_24h",
            events.kinds.first(),
            "24h",
            "how active somebody is: the events have no column for more",
        );
    }
    made
}

impl Attributes {
    fn value(&mut self, name: &str, form: Form, kind: Option<&Kind>, wanted: &[&str], reason: &str) {
        let Some((kind, column)) = self.found(name, kind, wanted, (false, form == Form::List)) else {
            return;
        };
        let mut lines = vec![format!("source_field: {}", quoted(&column.name))];
        match form {
            Form::List => lines.extend(
                ["aggregation: distinct_list", "max_items: 20", "expiry_days: 30"].map(str::to_owned),
            ),
            _ => lines.push("aggregation: last".to_owned()),
        }
        let reason = format!("{reason}; {} of these events have `{}`", percent(column.share), column.name);
        let sensitive = is_personal(&column.name);
        self.all.push(Attribute {
            name: name.to_owned(),
            lines,
            event: kind.name.clone(),
            form,
            sensitive,
            reason,
        });
    }

    fn sum(&mut self, name: &str, kind: Option<&Kind>, reason: &str) {
        let Some((kind, column)) = self.found(name, kind, PRICE, (true, true)) else { return };
        let lines = vec![
            format!("source_field: {}", quoted(&column.name)),
            "aggregation: sum".to_owned(),
            "duration: 7d".to_owned(),
        ];
        let reason =
            format!("{reason}; {} of these events have the number `{}`", percent(column.share), column.name);
        self.all.push(Attribute {
            name: name.to_owned(),
            lines,
            event: kind.name.clone(),
            form: Form::Single,
            sensitive: false,
            reason,
        });
    }

    fn count(&mut self, name: &str, kind: Option<&Kind>, window: &str, reason: &str) {
        let Some(kind) = kind else {
            return self.missing.push((name.to_owned(), "no event is about that".to_owned()));
        };
        let lines = vec!["aggregation: count".to_owned(), format!("window_duration: {window}")];
        let reason = reason.to_owned();
        self.all.push(Attribute {
            name: name.to_owned(),
            lines,
            event: kind.name.clone(),
            form: Form::Counter,
            sensitive: false,
            reason,
        });
    }

    fn found<'k>(
        &mut self,
        name: &str,
        kind: Option<&'k Kind>,
        wanted: &[&str],
        (numbers, arrays): (bool, bool),
    ) -> Option<(&'k Kind, &'k Column)> {
        let reason = match kind {
            None => "no event is about that".to_owned(),
            Some(kind) => match column(kind, wanted, numbers, arrays) {
                Some(column) => return Some((kind, column)),
                None => {
                    format!("{} has no {} for it", kind.shown(), if numbers { "number" } else { "column" })
                }
            },
        };
        self.missing.push((name.to_owned(), reason));
        None
    }
}

/// The column of a kind with the first of these names, maybe one of objects in an array; of several the one that most events have.
fn column<'k>(kind: &'k Kind, wanted: &[&str], numbers: bool, arrays: bool) -> Option<&'k Column> {
    let fits = |column: &&Column| match column.data_type.as_str() {
        "long" | "double" => true,
        "string" => !numbers,
        _ => false,
    };
    wanted.iter().find_map(|name| {
        let named = kind.columns.iter().filter(fits).filter(|column| bare(&column.name) == *name);
        let named = named.filter(|column| arrays || !column.name.contains('['));
        named.max_by(|a, b| a.share.unwrap_or(0.0).total_cmp(&b.share.unwrap_or(0.0)))
    })
}

/// True for columns whose names say that they are about a person.
pub(super) fn is_personal(column: &str) -> bool {
    let bare = bare(column);
    PERSONAL.iter().any(|part| bare.contains(part)) || bare == "ip" || bare == "name"
}

/// A text in quotes, as YAML and JSON have it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
