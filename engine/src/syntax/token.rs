//! Text to tokens: the words, literals and signs of a criterion, each with where it stands.

use alloc::string::String;

use super::parse::ParseError;
use crate::value::Number;

/// One token and the bytes it covers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A bare word with its dots: a name, or a keyword in any case.
    Word(String),
    /// A name in double quotes, which is never a keyword.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
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
    End,
}

/// Words that a bare name cannot be, because the grammar expects them where a name may stand.
pub(super) const KEYWORDS: [&str; 14] = [
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "CONTAINS", "MATCHES", "WITHIN", "STARTS",
    "ENDS", "TRUE",
];

/// Whether a name must be quoted to be read as one.
pub(super) fn is_keyword(word: &str) -> bool {
    word.eq_ignore_ascii_case("FALSE") || KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Whether text reads as one bare word.
pub(super) fn is_bare(name: &str) -> bool {
    name.split('.').all(|part| {
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

/// Reads one token after another; after the last it gives [`Kind::End`].
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token, ParseError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let start = self.at;
        let kind = match self.peek() {
            None => Kind::End,
            Some('\'') => Kind::Text(self.quoted('\'', "text")?),
            Some('"') => Kind::Quoted(self.quoted('"', "name")?),
            Some(c) if starts_word(c) => Kind::Word(self.word()),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number()?,
            Some(_) => self.sign()?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(self.peek().map_or(0, char::len_utf8));
    }

    /// What stands between two quotes; a doubled quote is one of it.
    fn quoted(&mut self, quote: char, what: &str) -> Result<String, ParseError> {
        let start = self.at;
        self.bump();
        let mut content = String::new();
        loop {
            match self.peek() {
                Some(c) if c == quote => {
                    self.bump();
                    if self.peek() != Some(quote) {
                        return Ok(content);
                    }
                    content.push(c);
                }
                Some(c) => content.push(c),
                None => {
                    return Err(ParseError::new(
                        start,
                        self.at,
                        alloc::format!("this {what} is never closed"),
                    )
                    .help(alloc::format!("close it with `{quote}`; inside it, a doubled `{quote}` is one")));
                }
            }
            self.bump();
        }
    }

    /// Words joined by single dots.
    fn word(&mut self) -> String {
        let start = self.at;
        loop {
            while self.peek().is_some_and(continues_word) {
                self.bump();
            }
            let mut ahead = self.rest().chars();
            if ahead.next() == Some('.') && ahead.next().is_some_and(starts_word) {
                self.bump();
            } else {
                return self.text.get(start..self.at).unwrap_or("").into();
            }
        }
    }

    fn number(&mut self) -> Result<Kind, ParseError> {
        let start = self.at;
        self.bump();
        while let Some(c) = self.peek() {
            let sign_of_exponent = matches!(c, '+' | '-')
                && self.text.get(start..self.at).is_some_and(|so_far| so_far.ends_with(['e', 'E']));
            if !(c.is_ascii_alphanumeric() || c == '.' || sign_of_exponent) {
                break;
            }
            self.bump();
        }
        let text = self.text.get(start..self.at).unwrap_or("");
        Number::parse(text)
            .map(Kind::Number)
            .ok_or_else(|| ParseError::new(start, self.at, alloc::format!("`{text}` is not a number")))
    }

    fn sign(&mut self) -> Result<Kind, ParseError> {
        const SIGNS: [(&str, Kind); 10] = [
            ("!=", Kind::NotEqual),
            ("<>", Kind::NotEqual),
            ("<=", Kind::LessEqual),
            (">=", Kind::GreaterEqual),
            ("=", Kind::Equal),
            ("<", Kind::Less),
            (">", Kind::Greater),
            ("(", Kind::Open),
            (")", Kind::Close),
            (",", Kind::Comma),
        ];
        let start = self.at;
        for (sign, kind) in SIGNS {
            if self.rest().starts_with(sign) {
                self.at = self.at.saturating_add(sign.len());
                return Ok(kind);
            }
        }
        let c = self.peek().unwrap_or(' ');
        self.bump();
        Err(ParseError::new(start, self.at, alloc::format!("unexpected `{c}`")))
    }
}
