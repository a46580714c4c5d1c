//! Byte formats: callers' JSON, responses, and frames between the service and its host.

pub mod base64url;
pub(crate) mod entity_tag;
pub mod frame;
pub(crate) mod hex;
pub mod json;
pub(crate) mod query;
pub(crate) mod read;
mod response;

pub use response::Response;
