//! Patterns with a parser and program of their own: text → tree → text comparisons, or else a program.

use alloc::string::String;
use alloc::vec::Vec;

use crate::flat::flat;
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_SIZE_MAX};

mod class;
mod parse;
mod program;
mod run;
mod texts;

use program::Program;
use texts::Text;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// Any of these comparisons.
    Texts(Vec<Text>),
    /// Everything else.
    Program(Program),
}

impl Pattern {
    /// Compiles a pattern; the error describes the problem to its author.
    pub(crate) fn compile(pattern: &str) -> Result<Pattern, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(alloc::format!("longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let tree = parse::parse(pattern)?;
        if let Some(texts) = texts::lower(&tree.root) {
            return Ok(Pattern::Texts(texts));
        }
        match Program::of(tree) {
            Some(program) => Ok(Pattern::Program(program)),
            None => Err(alloc::format!("too large: it compiles to more than {PATTERN_SIZE_MAX} steps")),
        }
    }

    /// True if the pattern is found anywhere in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Pattern::Texts(texts) => texts.iter().any(|wanted| wanted.is_match(text)),
            Pattern::Program(program) => program.is_match(text, || {}),
        }
    }

    /// True if it reads only texts up to the bound.
    pub(crate) fn is_bounded(&self) -> bool {
        matches!(self, Pattern::Program(_))
    }

    /// Texts of which every matching text begins with one; None if unknown.
    pub(crate) fn starts(&self) -> Option<Vec<&str>> {
        self.texts()?.map(Text::start).collect()
    }

    /// The same for the end.
    pub(crate) fn ends(&self) -> Option<Vec<&str>> {
        self.texts()?.map(Text::end).collect()
    }

    /// Texts for which every text that begins with one of them matches.
    pub(crate) fn every_start(&self) -> Vec<&str> {
        self.texts()
            .into_iter()
            .flatten()
            .filter(|text| text.is_only_an_end())
            .filter_map(Text::start)
            .collect()
    }

    /// The same for the end.
    pub(crate) fn every_end(&self) -> Vec<&str> {
        self.texts()
            .into_iter()
            .flatten()
            .filter(|text| text.is_only_an_end())
            .filter_map(Text::end)
            .collect()
    }

    fn texts(&self) -> Option<impl Iterator<Item = &Text>> {
        match self {
            Pattern::Texts(texts) => Some(texts.iter()),
            Pattern::Program(_) => None,
        }
    }

    /// The most that one character of a text costs, in steps.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Pattern::Texts(texts) => texts.len(),
            Pattern::Program(program) => program.weight,
        }
    }

    /// The number of steps that a search took.
    #[cfg(test)]
    pub(super) fn steps(&self, text: &str) -> usize {
        let mut steps = 0;
        if let Pattern::Program(program) = self {
            program.is_match(text, || steps += 1);
        }
        steps
    }
}

flat!(enum Pattern { 0 = Texts(texts), 1 = Program(program) });
