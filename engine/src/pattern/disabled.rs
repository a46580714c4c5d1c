//! The stand-in for `enabled` in builds without patterns: the same names, but nothing compiles.

use alloc::string::String;
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) enum Pattern {}

impl Pattern {
    pub(crate) fn compile(_pattern: &str) -> Result<Pattern, String> {
        Err("this build has no regular expressions (feature `patterns`)".into())
    }

    pub(crate) fn weight(&self) -> usize {
        match *self {}
    }

    pub(crate) fn is_bounded(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_match(&self, _text: &str) -> bool {
        match *self {}
    }

    pub(crate) fn starts(&self) -> Option<Vec<&str>> {
        match *self {}
    }

    pub(crate) fn ends(&self) -> Option<Vec<&str>> {
        match *self {}
    }

    pub(crate) fn every_start(&self) -> Vec<&str> {
        match *self {}
    }

    pub(crate) fn every_end(&self) -> Vec<&str> {
        match *self {}
    }
}
