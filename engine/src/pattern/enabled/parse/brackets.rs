//! Classes in brackets.

use super::super::class::Class;
use super::{Item, Parser, Result, said};

const UNCLOSED: &str = said("unclosed character class");

impl Parser<'_> {
    /// A class in brackets, after the first bracket.
    pub(super) fn class(&mut self) -> Result<Class> {
        let mut class = Class::default();
        self.space();
        let negated = self.eat("^");
        // At the beginning, a character that ends a class or range is literal.
        let mut fresh = true;
        self.space();
        while self.eat("-") {
            class.add('-', '-');
            fresh = false;
            self.space();
        }
        if fresh && self.eat("]") {
            class.add(']', ']');
        }
        loop {
            self.space();
            match self.rest.next().ok_or(UNCLOSED)? {
                ']' => break,
                '[' => self.posix(&mut class)?,
                sign @ ('&' | '-' | '~') if self.peek() == Some(sign) => {
                    return Err(said(
                        "operations on classes (`&&`, `--`, `~~`) are not supported; escape the characters",
                    ));
                }
                sign => self.range(sign, &mut class)?,
            }
        }
        if self.flags.ignores_case {
            class.ignore_case();
        }
        if negated {
            class.negate();
        }
        Ok(class)
    }

    /// A character of a class, a range, or an escape.
    fn range(&mut self, sign: char, class: &mut Class) -> Result<()> {
        let first = self.item(sign)?;
        self.space();
        let behind = self.rest.clone();
        let mut last = None;
        if self.eat("-") {
            // Engines differ on whether the content of such a comment counts.
            if self.flags.ignores_space && self.rest.as_str().trim_start().starts_with('#') {
                return Err(said("a comment stands within a range"));
            }
            self.space();
            if matches!(self.peek(), Some(']' | '-')) {
                self.rest = behind;
            } else {
                let sign = self.rest.next().ok_or(UNCLOSED)?;
                last = Some(self.item(sign)?);
            }
        }
        match (first, last) {
            (Item::Char(only), None) => class.add(only, only),
            (Item::Char(first), Some(Item::Char(last))) if first <= last => class.add(first, last),
            (Item::Char(_), Some(Item::Char(_))) => return Err(said("a range's end is before its start")),
            (Item::Class(named), None) => class.join(&named),
            (Item::Assert(_), _) | (_, Some(Item::Assert(_))) => {
                return Err(said("a class has characters in it, not places such as `\\b`"));
            }
            _ => return Err(said("a range goes from one character to another")),
        }
        Ok(())
    }

    fn item(&mut self, sign: char) -> Result<Item> {
        if sign == '\\' { self.escape() } else { Ok(Item::Char(sign)) }
    }

    /// `[:name:]` or `[:^name:]` within a class, after its first bracket.
    fn posix(&mut self, class: &mut Class) -> Result<()> {
        let named = self.rest.as_str().strip_prefix(':').and_then(|text| {
            let (name, rest) = text.split_once(":]")?;
            let negated = name.strip_prefix('^');
            let mut class = Class::named(negated.unwrap_or(name))?;
            if self.flags.ignores_case {
                class.ignore_case();
            }
            if negated.is_some() {
                class.negate();
            }
            self.rest = rest.chars();
            Some(class)
        });
        class.join(
            &named
                .ok_or(said("a class within a class is not supported; a `[` in a class is written `\\[`"))?,
        );
        Ok(())
    }
}
