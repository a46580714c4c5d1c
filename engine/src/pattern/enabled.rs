//! Patterns by our own parser and program: text → tree → comparisons, or else a program.

use alloc::string::String;
use alloc::vec::Vec;

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
    /// Reads a pattern; the error says what is wrong with it, in words for its author.
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

    /// Whether it is found anywhere in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Pattern::Texts(texts) => texts.iter().any(|wanted| wanted.is_match(text)),
            Pattern::Program(program) => program.is_match(text, || {}),
        }
    }

    /// Whether it looks at no text that is longer than the bound.
    pub(crate) fn is_bounded(&self) -> bool {
        matches!(self, Pattern::Program(_))
    }

    /// Texts one of which begins every text that it is found in; None: nothing is known.
    pub(crate) fn starts(&self) -> Option<Vec<&str>> {
        self.texts()?.map(Text::start).collect()
    }

    /// The same of the end.
    pub(crate) fn ends(&self) -> Option<Vec<&str>> {
        self.texts()?.map(Text::end).collect()
    }

    /// Texts with each of which a text begins only if it is found in it.
    pub(crate) fn every_start(&self) -> Vec<&str> {
        self.texts()
            .into_iter()
            .flatten()
            .filter(|text| text.is_only_an_end())
            .filter_map(Text::start)
            .collect()
    }

    /// The same of the end.
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

    /// What one character of a text costs at most, in steps.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Pattern::Texts(texts) => texts.len(),
            Pattern::Program(program) => program.weight,
        }
    }

    /// How many steps answering took.
    #[cfg(test)]
    pub(super) fn steps(&self, text: &str) -> usize {
        let mut steps = 0;
        if let Pattern::Program(program) = self {
            program.is_match(text, || steps += 1);
        }
        steps
    }
}
