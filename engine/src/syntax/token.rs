//! Text to tokens: the words, literals and signs of a criterion, each with its range.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::error::{ParseError, Parsed};
use crate::diagnostic::words;
use crate::value::Number;

/// One token and the bytes it covers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A bare word with its dots: a name, or a keyword in any case.
    Word(&'a str),
    /// A name in double quotes; never a keyword.
    Quoted(Cow<'a, str>),
    /// A text in single quotes.
    Text(Cow<'a, str>),
    Number(Number),
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Open,
    Close,
    Comma,
    Plus,
    Minus,
    Times,
    Slash,
    Percent,
    Join,
    End,
}

/// Functions that count the items of a list.
const QUANTITIES: [&str; 5] = ["ANY", "ALL", "AT_LEAST", "AT_MOST", "EXACTLY"];

/// True if a word is a function that counts items.
pub(super) fn counts_items(word: &str) -> bool {
    QUANTITIES.iter().any(|quantity| word.eq_ignore_ascii_case(quantity))
}

/// Words that cannot be bare names, because the grammar expects them where a name may stand.
pub(super) const KEYWORDS: [&str; 14] = [
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "CONTAINS", "MATCHES", "WITHIN", "STARTS",
    "ENDS", "TRUE",
];

/// True if a name needs quotes.
pub(super) fn is_keyword(word: &str) -> bool {
    word.eq_ignore_ascii_case("FALSE") || KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// True if a name is quoted because it would begin `CASE`, or a branch of it.
pub(super) fn begins_case(word: &str) -> bool {
    word.eq_ignore_ascii_case("CASE") || word.eq_ignore_ascii_case("WHEN")
}

/// True if text reads as one bare word.
pub(super) fn is_bare(name: &str) -> bool {
    let mut parts = name.split('.').peekable();
    core::iter::from_fn(|| {
        let part = parts.next()?;
        // Objects of an array are named `products[].sku`.
        Some(if parts.peek().is_some() { part.strip_suffix("[]").unwrap_or(part) } else { part })
    })
    .all(|part| {
        let mut characters = part.chars();
        characters.next().is_some_and(starts_word) && characters.all(continues_word)
    })
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn continues_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Reads token after token; after the last it returns [`Kind::End`].
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Parsed<Token<'a>> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.byte() {
            None => Kind::End,
            Some(b'\'') => Kind::Text(self.quoted(b'\'')?),
            Some(b'"') => Kind::Quoted(self.quoted(b'"')?),
            Some(byte) if starts_word(char::from(byte)) => Kind::Word(self.word()),
            Some(b'-') if !self.is_negative() => {
                self.bump();
                Kind::Minus
            }
            Some(byte) if byte.is_ascii_digit() || byte == b'-' => self.number()?,
            Some(_) => self.sign()?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    /// The token after the current one.
    pub(super) fn ahead(&self) -> Option<Kind<'a>> {
        Lexer { text: self.text, at: self.at }.next().ok().map(|token| token.kind)
    }

    fn skip_blanks(&mut self) {
        loop {
            self.skip(|byte| byte == b' ');
            // Fast path for printable ASCII; other characters are examined one by one.
            if self.byte().is_none_or(|byte| byte.is_ascii_graphic())
                || !self.peek().is_some_and(char::is_whitespace)
            {
                return;
            }
            self.bump();
        }
    }

    /// The next byte; every character of the grammar is a single byte.
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or("")
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(self.peek().map_or(0, char::len_utf8));
    }

    /// Skips bytes while the condition holds.
    fn skip(&mut self, mut while_it: impl FnMut(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|byte| !while_it(*byte)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(count);
    }

    /// True if a digit follows the sign here.
    fn is_negative(&self) -> bool {
        let next = self.at.saturating_add(1);
        self.text.as_bytes().get(next).is_some_and(u8::is_ascii_digit)
    }

    /// The sign of a negative number, where it stands after a value: the number without it is the next token.
    pub(super) fn split_minus(&mut self, token: &mut Token<'a>) {
        let is_number = matches!(token.kind, Kind::Number(_));
        if !is_number || self.text.as_bytes().get(token.start) != Some(&b'-') {
            return;
        }
        self.at = token.start.saturating_add(1);
        *token = Token { kind: Kind::Minus, start: token.start, end: self.at };
    }

    /// The text between two quotes; a doubled quote stands for one.
    fn quoted(&mut self, quote: u8) -> Parsed<Cow<'a, str>> {
        let start = self.at;
        let mut content = Cow::Borrowed("");
        loop {
            self.at = self.at.saturating_add(1);
            let piece = self.at;
            self.skip(|byte| byte != quote);
            let piece = self.since(piece);
            if content.is_empty() {
                content = Cow::Borrowed(piece);
            } else {
                content.to_mut().push_str(piece);
            }
            if self.byte().is_none() {
                let message = words!("this {} is never closed", if quote == b'"' { "name" } else { "text" });
                let quote = char::from(quote);
                return Err(ParseError::new(start, self.at, message)
                    .help(words!("close it with `{quote}`; inside it, a doubled `{quote}` is one")));
            }
            self.at = self.at.saturating_add(1);
            if self.byte() != Some(quote) {
                return Ok(content);
            }
            content.to_mut().push(char::from(quote));
        }
    }

    /// Words joined by single dots.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.skip(|byte| continues_word(char::from(byte)));
            // Objects of an array are named `products[].sku`.
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let point = if rest.starts_with(b"[].") { 2_usize } else { 0 };
            let after = rest.get(point.saturating_add(1)).copied();
            if rest.get(point) != Some(&b'.') || !after.map(char::from).is_some_and(starts_word) {
                return self.since(start);
            }
            self.at = self.at.saturating_add(point).saturating_add(1);
        }
    }

    fn number(&mut self) -> Parsed<Kind<'a>> {
        let start = self.at;
        let mut before = 0;
        self.skip(|byte| {
            // The first character may be a sign, and so may the one after an `e`.
            let sign = matches!(byte, b'+' | b'-') && matches!(before, 0 | b'e' | b'E');
            before = byte;
            sign || byte.is_ascii_alphanumeric() || byte == b'.'
        });
        let text = self.since(start);
        Number::parse(text)
            .map(Kind::Number)
            .ok_or_else(|| ParseError::new(start, self.at, words!("`{text}` is not a number")))
    }

    #[cold]
    fn unexpected(&self, start: usize) -> Box<ParseError> {
        let sign = self.since(start);
        let error = ParseError::new(start, self.at, words!("unexpected `{sign}`"));
        match sign {
            "&" => error.help(words!("write `AND`")),
            "|" => error.help(words!("write `OR`; texts are joined by `||`")),
            "!" => error.help(words!("write `NOT`")),
            "[" | "]" | "{" | "}" => {
                error.help(words!("lists stand in round brackets: `tier IN ('Gold', 'VIP')`"))
            }
            "^" | "$" | "\\" => error.help(words!(
                "a regular expression stands in quotes: `name MATCHES '^a'`, or `pattern` in a filter"
            )),
            "\u{2018}" | "\u{2019}" | "\u{201c}" | "\u{201d}" => {
                error.help(words!("text stands in straight single quotes: `'VIP'`"))
            }
            _ => error,
        }
    }

    fn sign(&mut self) -> Parsed<Kind<'a>> {
        let start = self.at;
        let first = self.byte();
        self.bump();
        Ok(match first {
            Some(b'=') => Kind::Equal,
            Some(b'<') if self.eat(b'>') => Kind::NotEqual,
            Some(b'<') if self.eat(b'=') => Kind::LessEqual,
            Some(b'<') => Kind::Less,
            Some(b'>') if self.eat(b'=') => Kind::GreaterEqual,
            Some(b'>') => Kind::Greater,
            Some(b'!') if self.eat(b'=') => Kind::NotEqual,
            Some(b'(') => Kind::Open,
            Some(b')') => Kind::Close,
            Some(b',') => Kind::Comma,
            Some(b'+') => Kind::Plus,
            Some(b'*') => Kind::Times,
            Some(b'/') => Kind::Slash,
            Some(b'%') => Kind::Percent,
            Some(b'|') if self.eat(b'|') => Kind::Join,
            _ => return Err(self.unexpected(start)),
        })
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }
}

#[cfg(all(test, feature = "words"))]
mod tests;
