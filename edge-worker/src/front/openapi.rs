//! `GET /openapi.json`: the routes, for machines.
//!
//! docs/openapi.json is written from the table of routes and from `described`, and so is the table of docs/http.md: a test
//! compares, and `BLESS=1` rewrites both. So no code that writes it is in what ships.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::Result;
use crate::host::Step;
use crate::wire::Response;

/// The document, OpenAPI 3.1.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// `GET /openapi.json`
pub(super) fn openapi(_: &Edge, _: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    Ok(Step::Respond(Response::typed(200, "application/json", DOCUMENT.as_bytes().to_vec())))
}

#[cfg(test)]
mod described;
#[cfg(test)]
mod described_api;
#[cfg(test)]
mod described_operators;
#[cfg(test)]
mod described_rest;
#[cfg(test)]
mod described_rows;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod tests;
