//! Stitching keys: columns whose names say that they identify people or their devices, and that events have.

use super::kinds::Events;
use super::words::{bare, percent};

/// The keys of a proposal.
pub(super) struct Keys {
    /// The strongest first.
    pub(super) used: Vec<Key>,
    /// Columns that look like keys and are none, with the reason.
    pub(super) unused: Vec<(String, String)>,
    /// The primary key, with the reason.
    pub(super) primary: Option<(String, String)>,
}

/// A stitching key.
pub(super) struct Key {
    pub(super) name: String,
    /// True if only servers may say it: it identifies a person.
    pub(super) verified: bool,
    pub(super) reason: String,
}

/// Names of columns without their marks, strongest first: of people, and of devices.
const PEOPLE: [&str; 13] = [
    "canonicalid",
    "customerid",
    "userid",
    "memberid",
    "accountid",
    "externalid",
    "crmid",
    "loginid",
    "email",
    "emailaddress",
    "phone",
    "phonenumber",
    "mobile",
];
const DEVICES: [&str; 13] = [
    "tdclientid",
    "anonymousid",
    "userpseudoid",
    "domainuserid",
    "visitorid",
    "clientid",
    "deviceid",
    "cookieid",
    "rudderid",
    "networkuserid",
    "browserid",
    "fpid",
    "guestid",
];

/// Less of the events is too few to stitch by.
const SHARE_MIN: f64 = 0.02;

pub(super) fn of(events: &Events) -> Keys {
    let mut keys = Keys { used: Vec::new(), unused: Vec::new(), primary: None };
    let columns = events.kinds.iter().flat_map(|kind| &kind.columns).map(|column| column.name.as_str());
    let mut columns: Vec<&str> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    let wanted = PEOPLE.iter().map(|it| (*it, true)).chain(DEVICES.iter().map(|it| (*it, false)));
    for (wanted, verified) in wanted {
        for name in columns.iter().filter(|name| bare(name) == wanted) {
            match fit(events, name) {
                Ok(share) => {
                    let whose = if verified { "names a person" } else { "names a device or browser" };
                    let reason = format!("{whose}; {} of the events have it", percent(share));
                    keys.used.push(Key { name: (*name).to_owned(), verified, reason });
                }
                Err(reason) => keys.unused.push(((*name).to_owned(), reason)),
            }
        }
    }
    // A phone is shared, and changes hands.
    let is_phone = |key: &&Key| ["phone", "mobile"].iter().any(|part| bare(&key.name).contains(part));
    let first = keys.used.iter().find(|key| key.verified && !is_phone(key));
    keys.primary = first.map(|key| {
        let reason = match bare(&key.name).as_str() {
            "canonicalid" => "the master id of a person",
            _ => "the strongest key that names a person",
        };
        (key.name.clone(), reason.to_owned())
    });
    keys
}

/// The share of events that have a column that may be a key, or the reason for which it may not.
fn fit(events: &Events, name: &str) -> Result<Option<f64>, String> {
    if name.contains(['.', '[']) {
        return Err("it is inside of an object, and a key is at the top of an event".to_owned());
    }
    let columns = events.kinds.iter().flat_map(|kind| &kind.columns);
    if columns.filter(|column| column.name == name).any(|column| column.data_type != "string") {
        return Err("its values are no texts, and a key is a text".to_owned());
    }
    let share = events.share(name);
    if share.is_some_and(|share| share < SHARE_MIN) {
        return Err(format!("only {} of the events have it", percent(share)));
    }
    Ok(share)
}
