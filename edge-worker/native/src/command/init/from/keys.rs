//! Stitching keys: columns whose names say that they identify people or their devices, and that events have.

use super::kinds::Events;
use super::words::{bare, percent};

/// The keys of a proposal.
pub(super) struct Keys {
    /// The strongest first.
    pub(super) used: Vec<Key>,
    /// Columns that look like keys and are none, with the reason.
    pub(super) unused: Vec<(String, String)>,
    /// The primary key, with the reason; None: there is no key.
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

/// Names of visits: who comes again is somebody else, so they are keys only where nothing else is.
const VISITS: [&str; 4] = ["sessionid", "visitid", "domainsessionid", "gasessionid"];

/// Less of the events is too few to stitch by.
const SHARE_MIN: f64 = 0.02;

pub(super) fn of(events: &Events) -> Keys {
    let mut keys = Keys { used: Vec::new(), unused: Vec::new(), primary: None };
    let columns = events.kinds.iter().flat_map(|kind| &kind.columns).map(|column| column.name.as_str());
    let mut columns: Vec<&str> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    let names = |wanted: &'static [&'static str]| {
        wanted.iter().flat_map(|wanted| columns.iter().filter(move |name| bare(name) == **wanted))
    };
    names(&PEOPLE).for_each(|name| keys.add(events, name, "names a person"));
    names(&DEVICES).for_each(|name| keys.add(events, name, "names a device or browser"));
    if keys.used.is_empty() {
        let whose = "names a visit, and nothing names who comes again";
        names(&VISITS).for_each(|name| keys.add(events, name, whose));
    }
    keys.primary = keys.strongest();
    keys
}

impl Keys {
    /// Takes a column as a key if it may be one.
    fn add(&mut self, events: &Events, name: &str, whose: &str) {
        match fit(events, name) {
            Ok(share) => {
                let reason = format!("{whose}; {} of the events have it", percent(share));
                let verified = PEOPLE.contains(&bare(name).as_str());
                self.used.push(Key { name: name.to_owned(), verified, reason });
            }
            Err(reason) => self.unused.push((name.to_owned(), reason)),
        }
    }

    /// The primary key: of a person, or else of a device.
    fn strongest(&self) -> Option<(String, String)> {
        // A phone is shared, and changes hands.
        let is_phone = |key: &&Key| ["phone", "mobile"].iter().any(|part| bare(&key.name).contains(part));
        let person = self.used.iter().find(|key| key.verified && !is_phone(key));
        let key = person.or_else(|| self.used.iter().find(|key| !key.verified)).or(self.used.first())?;
        let reason = match bare(&key.name).as_str() {
            "canonicalid" => "the master id of a person",
            _ if person.is_some() => "the strongest key that names a person",
            _ => "no key names a person for sure, so this is who a visitor is",
        };
        Some((key.name.clone(), reason.to_owned()))
    }
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
