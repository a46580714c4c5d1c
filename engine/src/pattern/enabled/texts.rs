//! Lowers patterns that amount to a comparison with one of a few texts.

use alloc::string::String;
use alloc::vec::Vec;

use super::parse::{Assert, Node};
use crate::flat::flat;
use crate::limits::PATTERN_TEXTS_MAX;

/// A text and where it must occur.
#[derive(Debug)]
pub(crate) struct Text {
    anchor: Anchor,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Anchor {
    Anywhere,
    End,
    Start,
    Whole,
}

impl Text {
    pub(super) fn is_match(&self, text: &str) -> bool {
        let wanted = self.text.as_str();
        match self.anchor {
            Anchor::Anywhere => text.contains(wanted),
            Anchor::End => text.ends_with(wanted),
            Anchor::Start => text.starts_with(wanted),
            Anchor::Whole => text == wanted,
        }
    }

    /// The prefix that it demands.
    pub(super) fn start(&self) -> Option<&str> {
        matches!(self.anchor, Anchor::Start | Anchor::Whole).then_some(&self.text)
    }

    /// The suffix that it demands.
    pub(super) fn end(&self) -> Option<&str> {
        matches!(self.anchor, Anchor::End | Anchor::Whole).then_some(&self.text)
    }

    /// True if it demands only a prefix or only a suffix.
    pub(super) fn is_only_an_end(&self) -> bool {
        matches!(self.anchor, Anchor::Start | Anchor::End)
    }
}

/// The comparisons of which any one is the pattern, if there are such.
pub(super) fn lower(root: &Node) -> Option<Vec<Text>> {
    let branches = match root {
        Node::Either(branches) => branches,
        branch => core::slice::from_ref(branch),
    };
    let mut found = Vec::new();
    for branch in branches {
        let (anchor, parts) = placed(branch);
        let mut texts = alloc::vec![String::new()];
        for part in parts {
            texts = spelled(part, texts)?;
        }
        found.extend(texts.into_iter().map(|text| Text { anchor, text }));
    }
    (found.len() <= PATTERN_TEXTS_MAX).then_some(found)
}

/// Where a branch is anchored, and the rest of it. Searches are unanchored, so an optional repetition at an open end
/// has no effect.
fn placed(branch: &Node) -> (Anchor, &[Node]) {
    let mut parts = match branch {
        Node::Concat(parts) => parts,
        part => core::slice::from_ref(part),
    };
    let (mut at_start, mut at_end) = (false, false);
    match parts {
        [Node::Assert(Assert::Start), rest @ ..] => (at_start, parts) = (true, rest),
        [Node::Repeat(_, 0, _), rest @ ..] => parts = rest,
        _ => {}
    }
    match parts {
        [rest @ .., Node::Assert(Assert::End)] => (at_end, parts) = (true, rest),
        [rest @ .., Node::Repeat(_, 0, _)] => parts = rest,
        _ => {}
    }
    let anchor = match (at_start, at_end) {
        (false, false) => Anchor::Anywhere,
        (false, true) => Anchor::End,
        (true, false) => Anchor::Start,
        (true, true) => Anchor::Whole,
    };
    (anchor, parts)
}

/// All texts that a node appends to these, if it matches a few fixed texts only.
fn spelled(node: &Node, mut texts: Vec<String>) -> Option<Vec<String>> {
    match node {
        Node::Char(character) => texts.iter_mut().for_each(|text| text.push(*character)),
        Node::Concat(parts) => {
            for part in parts {
                texts = spelled(part, texts)?;
            }
        }
        Node::Either(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.append(&mut spelled(branch, texts.clone())?);
            }
            texts = all;
        }
        Node::Repeat(part, 0, Some(1)) => texts.append(&mut spelled(part, texts.clone())?),
        Node::Assert(_) | Node::Class(_) | Node::Repeat(..) => return None,
    }
    (texts.len() <= PATTERN_TEXTS_MAX).then_some(texts)
}

flat!(struct Text { anchor, text });
flat!(enum Anchor { 0 = Anywhere, 1 = End, 2 = Start, 3 = Whole });
