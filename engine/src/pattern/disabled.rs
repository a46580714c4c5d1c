//! The stand-in for `enabled` in builds without patterns: the same names, but nothing compiles.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::{Reader, Writer};
use crate::flat::Flat;

/// Nothing makes one but a damaged read, which is refused.
#[derive(Debug)]
pub(crate) struct Pattern(());

const ABSENT: &str = "this build has no regular expressions (feature `patterns`)";

impl Pattern {
    pub(crate) fn compile(_pattern: &str) -> Result<Pattern, String> {
        Err(ABSENT.into())
    }

    pub(crate) fn weight(&self) -> usize {
        1
    }

    pub(crate) fn is_bounded(&self) -> bool {
        false
    }

    pub(crate) fn is_match(&self, _text: &str) -> bool {
        false
    }

    pub(crate) fn starts(&self) -> Option<Vec<&str>> {
        None
    }

    pub(crate) fn ends(&self) -> Option<Vec<&str>> {
        None
    }

    pub(crate) fn every_start(&self) -> Vec<&str> {
        Vec::new()
    }

    pub(crate) fn every_end(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Flat for Pattern {
    fn write(&self, _w: &mut Writer) {}

    fn read(r: &mut Reader<'_>) -> Pattern {
        r.fail(ABSENT);
        Pattern(())
    }
}
