//! `usher profile`: everything that an edge has stored of a visitor.

use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::targets::{EdgeOptions, Role};
use crate::terminal::print;

/// Print everything that is stored of a visitor
///
/// Prints keys, batch records, attributes with their values and times, and the journal of merges, as JSON. Sensitive
/// values are printed for a key with the scope `sensitive`.
///
/// The server key needs the scope `read`. It comes from the environment variable USHER_SERVER_KEY, from a file, or from
/// where usher.toml says.
///
/// Examples:
///   usher profile customer_id c-1001 --target local
///   usher profile email jane@shop.example --audience 1069944 --to https://edge.example | jq .records
///
/// Exit status: 0 when the visitor is known, 1 when nobody has this key or the edge refused, 64 for a wrong command line or
/// a missing key.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The name of a key
    #[arg(value_name = "KEY")]
    key: String,
    /// Its value
    #[arg(value_name = "VALUE")]
    value: String,
    #[command(flatten)]
    edge: EdgeOptions,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let edge = args.edge.find(Role::Server)?;
    let path = path(edge.named_audience()?, "profiles", &args.key, &args.value);
    let Some(profile) = edge.client()?.get_any(&path)? else { return Err(unknown(&args.key)) };
    // As the edge answers, one field a line.
    let text = serde_json::to_string_pretty(&profile).unwrap_or_default();
    print(&format!("{text}\n"))?;
    Ok(Exit::Fine)
}

/// The failure when nobody has a key.
pub(super) fn unknown(key: &str) -> Failure {
    Failure::new(format!("nobody has this value of `{key}`"))
        .help("is the key's name one of the definition's, and the audience the right one?")
}

/// The path of what a key and its value name.
pub(super) fn path(audience: &str, what: &str, key: &str, value: &str) -> String {
    format!("/v1/audiences/{audience}/{what}/{}/{}", encoded(key), encoded(value))
}

/// A part of a path, percent-encoded.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// One line with the names of a visitor's keys and the numbers of records and attributes; no values.
pub(super) fn content(profile: &Value) -> String {
    let many = |name: &str, what: &str| {
        let count = profile.get(name).map_or(0, |field| {
            field.as_array().map_or_else(|| field.as_object().map_or(0, serde_json::Map::len), Vec::len)
        });
        crate::definitions::many(count, what)
    };
    let names = profile.get("keys").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|key| key.get("name")?.as_str()).collect();
    format!(
        "The visitor has {} ({}), {}, {}, and absorbed {}.",
        many("keys", "key"),
        names.join(", "),
        many("records", "batch record"),
        many("attributes", "attribute"),
        many("absorbed", "profile"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_sign_of_its_own_in_a_value() {
        assert_eq!(
            path("7", "profiles", "email", "a/b?c#d@e+\u{e9} %"),
            "/v1/audiences/7/profiles/email/a%2Fb%3Fc%23d%40e%2B%C3%A9%20%25"
        );
    }
}
