//! The lines of HTML that put Usher's browser SDK into a page, with the keys that pages may have.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha384};
use usher_edge::wire::base64url::base64url;

use crate::exit::Failure;
use crate::files;
use crate::secrets::Credentials;

/// Options of the tag that do not follow from the keys.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The edge as pages reach it, for the tag of the browser SDK; without it the tag is for pages of the edge's own origin
    #[arg(long, value_name = "ORIGIN", value_parser = super::origin::origin)]
    edge: Option<String>,
    /// The SDK's script as your site serves it, usher.js: its hash goes into the tag, as `integrity`
    #[arg(long, value_name = "FILE")]
    sdk: Option<std::path::PathBuf>,
}

/// The tag of the SDK for the pages of these keys.
///
/// # Errors
/// When the SDK's script cannot be read.
pub(super) fn tag(credentials: &Credentials, args: &Args) -> Result<String, Failure> {
    let mut attributes = vec![
        ("data-write-key", credentials.write_key.clone()),
        ("data-token", credentials.public_token.clone()),
    ];
    if let Some(edge) = &args.edge {
        attributes.push(("data-endpoint", edge.clone()));
    }
    if let Some(path) = &args.sdk {
        attributes.push(("integrity", integrity(path)?));
    }
    let attributes = attributes.iter().map(|(name, value)| format!("\n  {name}=\"{}\"", escaped(value)));
    Ok(format!("<script async src=\"/usher.js\"{}></script>\n", attributes.collect::<String>()))
}

/// The hash of a file in the form that browsers compare.
fn integrity(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| files::unread(path, &error))?;
    // 48 bytes need no padding, so the alphabets are the only difference.
    let text = base64url(&Sha384::digest(&bytes)).replace('-', "+").replace('_', "/");
    Ok(format!("sha384-{text}"))
}

/// A text as the value of an attribute in quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
