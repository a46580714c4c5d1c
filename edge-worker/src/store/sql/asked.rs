//! Keys as parameters, and the statements that several reads have.

use super::cell::Cell;
use super::statement::{Statement, signed, text};
use crate::limits::JOURNAL_ROWS_MAX;
use crate::message::KeyOf;
use crate::store::rows::Holder;
use crate::wire::json::Json;
use usher_engine::gather::Gather;

/// The text of a statement that is a part of another: these columns of each profile once, with the indexes of its keys.
macro_rules! of_keys {
    ($columns:literal) => {
        concat!(
            "SELECT named.keys, ",
            $columns,
            " FROM
            (SELECT k.audience AS audience, k.profile AS id, group_concat(asked.key) AS keys
             FROM json_each(?) AS asked CROSS JOIN profile_key AS k
           ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1
           AND k.value = asked.value ->> 2
             GROUP BY k.audience, k.profile) AS named
          CROSS JOIN profile AS p ON p.audience = named.audience AND p.id = named.id"
        )
    };
}

macro_rules! profiles_of_keys {
    () => {
        of_keys!("p.audience, p.id, p.version, p.state")
    };
}

/// The same for rows of erased keys.
macro_rules! erased_names {
    () => {
        "SELECT CAST(named.key AS TEXT), '', x'', s.at_ms, zeroblob(s.imports)
           FROM json_each(?) AS named CROSS JOIN suppression AS s ON s.name = named.value"
    };
}

/// The same for one key, which most messages read: a list of one takes three times as long.
macro_rules! profile_of_key {
    () => {
        "SELECT '0', p.audience, p.id, p.version, p.state FROM profile_key AS k
           CROSS JOIN profile AS p ON p.audience = k.audience AND p.id = k.profile
           WHERE k.audience = ? AND k.name = ? AND k.value = ?"
    };
}

pub(super) fn profiles(keys: &[KeyOf]) -> Statement {
    if let [key] = keys {
        return Statement { sql: profile_of_key!(), params: fields(key).gather() };
    }
    Statement { sql: profiles_of_keys!(), params: vec![asked(keys.iter().map(|key| (key, None)))] }
}

/// The same with sizes in the place of versions, and no states. SQLite takes a size from the head of the row.
pub(super) fn sizes(keys: &[KeyOf]) -> Statement {
    Statement {
        sql: of_keys!("p.audience, p.id, length(p.state), x''"),
        params: vec![asked(keys.iter().map(|key| (key, None)))],
    }
}

/// The same, and a row for each of the keys that was erased: its index, nothing, no id, when, and whether imports are
/// refused.
pub(super) fn unerased(keys: &[KeyOf], names: &[String]) -> Statement {
    if let ([key], [name]) = (keys, names) {
        return Statement {
            sql: concat!(
                profile_of_key!(),
                " UNION ALL SELECT '0', '', x'', at_ms, zeroblob(imports) FROM suppression WHERE name = ?"
            ),
            params: fields(key).chain([text(name)]).gather(),
        };
    }
    Statement {
        sql: concat!(profiles_of_keys!(), " UNION ALL ", erased_names!()),
        params: vec![asked(keys.iter().map(|key| (key, None))), texts(names)],
    }
}

/// These rows alone.
pub(super) fn erased(names: &[String]) -> Statement {
    Statement { sql: erased_names!(), params: vec![texts(names)] }
}

fn fields(key: &KeyOf) -> impl Iterator<Item = Cell> {
    [&key.audience, &key.name, &key.value].into_iter().map(|field| text(field))
}

fn texts(list: &[String]) -> Cell {
    let mut json = Json::new();
    json.list(list, |json, text| json.text(text));
    Cell::Text(json.into_text())
}

/// The same, and a row without an id for each profile that is being merged or about to absorb another one, for each of these
/// pointers whose key another profile has, and for each of these names that was erased. Profiles that merge are few.
pub(super) fn known(keys: &[KeyOf], pointers: Cell, names: &[String]) -> Statement {
    let keys = || asked(keys.iter().map(|key| (key, None)));
    Statement {
        sql: concat!(
            profiles_of_keys!(),
            " UNION ALL SELECT '', '', x'', 0, x''
                FROM (SELECT audience, id FROM sealed
                      UNION ALL SELECT audience, survivor FROM intent WHERE withdrawn <> 1) AS s
                CROSS JOIN profile_key AS k
                ON k.audience = s.audience AND k.profile = s.id
              CROSS JOIN json_each(?) AS asked ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1
                AND k.value = asked.value ->> 2
              UNION ALL SELECT '', '', x'', 0, x'' FROM json_each(?) AS asked CROSS JOIN key_pointer AS p
                ON p.audience = asked.value ->> 0 AND p.hash = unhex(asked.value ->> 1) AND length(p.profile) > 0
              UNION ALL ",
            erased_names!()
        ),
        params: vec![keys(), keys(), pointers, texts(names)],
    }
}

/// The newest rows of the journal of the profiles that these keys name.
pub(super) fn journals(keys: &[KeyOf]) -> Statement {
    Statement {
        sql: "SELECT j.audience, j.profile, j.at_ms, j.entry FROM json_each(?) AS asked CROSS JOIN profile_key AS k
                ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1 AND k.value = asked.value ->> 2
              CROSS JOIN journal AS j ON j.audience = k.audience AND j.profile = k.profile
              GROUP BY j.number ORDER BY j.number DESC LIMIT ?",
        params: vec![
            asked(keys.iter().map(|key| (key, None))),
            Cell::Number(i64::try_from(JOURNAL_ROWS_MAX).unwrap_or(i64::MAX)),
        ],
    }
}

/// All keys of the profiles that these keys name.
pub(super) fn all_keys(keys: &[KeyOf]) -> Statement {
    Statement {
        sql: "SELECT DISTINCT held.profile, held.name, held.value FROM json_each(?) AS asked
              CROSS JOIN profile_key AS k ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1
                AND k.value = asked.value ->> 2
              CROSS JOIN profile_key AS held ON held.audience = k.audience AND held.profile = k.profile",
        params: vec![asked(keys.iter().map(|key| (key, None)))],
    }
}

/// Keys as JSON, `[[audience, name, value], …]`; for a check also with the holder's id (in hexadecimal digits, empty
/// for none) and version.
pub(super) fn asked<'k>(keys: impl Iterator<Item = (&'k KeyOf, Option<Option<Holder>>)>) -> Cell {
    let mut json = Json::new();
    json.list(keys, |json, (key, holder)| {
        json.list(0..if holder.is_some() { 5 } else { 3 }, |json, field| match field {
            0 => json.text(&key.audience),
            1 => json.text(&key.name),
            // SQLite ends a JSON text at U+0000, and would find another key. No stored key contains it.
            2 if key.value.contains('\0') => json.null(),
            2 => json.text(&key.value),
            3 => json.text(&holder.flatten().map(|holder| upper_hex(&holder.id)).unwrap_or_default()),
            _ => json.number(holder.flatten().map_or(0, |holder| signed(holder.version))),
        });
    });
    Cell::Text(json.into_text())
}

/// Ids, or hashes of keys, as `[[audience, hexadecimal digits], …]`.
pub(super) fn named<'r>(list: impl Iterator<Item = (&'r String, &'r [u8; 16])>) -> Cell {
    let mut json = Json::new();
    json.list(list, |json, (audience, id)| {
        json.list(0..2, |json, field| match field {
            0 => json.text(audience),
            _ => json.text(&upper_hex(id)),
        });
    });
    Cell::Text(json.into_text())
}

/// Hexadecimal digits as SQLite's `hex` prints them.
fn upper_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
