//! Parses the text of a pattern to its tree.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::str::Chars;

use super::class::Class;
use crate::flat::flat;
use crate::limits::PATTERN_DEPTH_MAX;

mod brackets;

/// A node of a pattern. Groups leave no node: they only bind, and captures are not supported.
#[derive(Debug)]
pub(super) enum Node {
    Assert(Assert),
    Char(char),
    /// Any character of the tree's class of this number.
    Class(usize),
    /// A sequence; an empty one matches the empty text.
    Concat(Vec<Node>),
    /// Alternatives, at least one.
    Either(Vec<Node>),
    /// A repetition with its minimum and maximum.
    Repeat(Box<Node>, u32, Option<u32>),
}

/// A condition between two characters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Assert {
    End,
    LineEnd,
    LineStart,
    NoBoundary,
    Start,
    WordBoundary,
}

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) classes: Vec<Class>,
}

/// Parses a pattern; the error describes the problem.
pub(super) fn parse(pattern: &str) -> Result<Tree> {
    let flags = Flags::default();
    let mut parser = Parser { rest: pattern.chars(), flags, depth: 0, classes: Vec::new() };
    let root = parser.either()?;
    if parser.peek().is_some() {
        return Err(said("unopened group"));
    }
    Ok(Tree { root, classes: parser.classes })
}

type Result<T> = core::result::Result<T, &'static str>;

/// The words of an error, for who writes patterns.
const fn said(words: &'static str) -> &'static str {
    if cfg!(feature = "words") { words } else { "" }
}

const UNCLOSED_GROUP: &str = said("unclosed group");

/// Flags, in force up to the end of the group.
#[derive(Clone, Copy, Default)]
struct Flags {
    dot_takes_line_ends: bool,
    ignores_case: bool,
    ignores_space: bool,
    many_lines: bool,
}

/// The meaning of one character, or of an escape.
enum Item {
    Assert(Assert),
    Char(char),
    Class(Class),
}

struct Parser<'p> {
    rest: Chars<'p>,
    flags: Flags,
    depth: u32,
    classes: Vec<Class>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.as_str().strip_prefix(text);
        if let Some(rest) = rest {
            self.rest = rest.chars();
        }
        rest.is_some()
    }

    /// Skips what `(?x)` ignores: spaces and comments.
    fn space(&mut self) {
        while self.flags.ignores_space {
            match self.peek() {
                Some('#') => while self.rest.next().is_some_and(|c| c != '\n') {},
                Some(c) if c.is_whitespace() => {
                    self.rest.next();
                }
                _ => break,
            }
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > PATTERN_DEPTH_MAX { Err(said("groups or repetitions nest too deep")) } else { Ok(()) }
    }

    /// Alternatives, up to the end of the group.
    fn either(&mut self) -> Result<Node> {
        let first = self.concat()?;
        if self.peek() != Some('|') {
            return Ok(first);
        }
        let mut branches = alloc::vec![first];
        while self.eat("|") {
            branches.push(self.concat()?);
        }
        Ok(Node::Either(branches))
    }

    /// A sequence, up to the next alternative.
    fn concat(&mut self) -> Result<Node> {
        let mut parts = Vec::new();
        // The repetitions of the last node; None after flags.
        let mut repeated = None;
        let depth = self.depth;
        loop {
            self.space();
            match self.peek() {
                None | Some('|' | ')') => break,
                Some('*' | '+' | '?' | '{') => {
                    let part = parts.pop().filter(|_| repeated.is_some());
                    let part = part.ok_or(said("a repetition has nothing before it to repeat"))?;
                    let (least, most) = self.repetition()?;
                    if repeated == Some(true) {
                        self.deeper()?;
                    }
                    parts.push(Node::Repeat(Box::new(part), least, most));
                    repeated = Some(true);
                }
                Some('(') => {
                    let group = self.group()?;
                    repeated = group.is_some().then_some(false);
                    parts.extend(group);
                    self.depth = depth;
                }
                Some(_) => {
                    let atom = self.atom()?;
                    repeated = Some(false);
                    parts.push(atom);
                    self.depth = depth;
                }
            }
        }
        self.depth = depth;
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Node::Concat(parts)
            }
        })
    }

    /// Minimum and maximum of a repetition. Laziness changes which match is found, but not whether there is one.
    fn repetition(&mut self) -> Result<(u32, Option<u32>)> {
        let bounds = match self.rest.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            _ => {
                let bounds = self.counts()?;
                self.space();
                bounds
            }
        };
        self.eat("?");
        Ok(bounds)
    }

    /// `n}`, `n,}` or `n,m}`
    fn counts(&mut self) -> Result<(u32, Option<u32>)> {
        self.space();
        let least = self.count().ok_or(said("a `{` begins no repetition; the character itself is `\\{`"))?;
        let mut most = Some(least);
        if self.eat(",") {
            self.space();
            most = None;
            if self.peek() != Some('}') {
                most = Some(self.count().ok_or(said("a repetition has a wrong upper bound"))?);
            }
        }
        if !self.eat("}") {
            return Err(said("unclosed counted repetition"));
        }
        if most.is_some_and(|most| most < least) {
            return Err(said("a repetition has a lower bound above its upper one"));
        }
        Ok((least, most))
    }

    fn count(&mut self) -> Option<u32> {
        self.rest = self.rest.as_str().trim_start().chars();
        let mut count = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.rest.next();
            count = Some(count.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
            self.space();
        }
        self.rest = self.rest.as_str().trim_start().chars();
        self.space();
        count
    }

    /// A group; None where flags are set for the rest of the enclosing group.
    fn group(&mut self) -> Result<Option<Node>> {
        self.rest.next();
        self.space();
        let outer = self.flags;
        if ["?=", "?!", "?<=", "?<!"].iter().any(|sign| self.rest.as_str().starts_with(sign)) {
            return Err(said("look-around is not supported"));
        }
        if self.eat("?P<") || self.eat("?<") {
            self.name()?;
        } else if self.eat("?") && self.set_flags()? == ')' {
            return Ok(None);
        }
        self.deeper()?;
        let node = self.either()?;
        self.flags = outer;
        if self.eat(")") { Ok(Some(node)) } else { Err(UNCLOSED_GROUP) }
    }

    /// Skips a group's name, which has no use.
    fn name(&mut self) -> Result<()> {
        let name = self.rest.as_str().split_once('>').map(|(name, rest)| {
            self.rest = rest.chars();
            name
        });
        let name = name.ok_or(said("unclosed name of a group"))?;
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || !name.starts_with(|c: char| !c.is_ascii_digit()) {
            return Err(said("a group's name is made of letters, digits and `_`, and begins with no digit"));
        }
        Ok(())
    }

    /// Reads flags after `(?`, and returns the character that ended them.
    fn set_flags(&mut self) -> Result<char> {
        let mut seen = alloc::string::String::new();
        let mut on = true;
        loop {
            let sign = self.rest.next().ok_or(UNCLOSED_GROUP)?;
            match sign {
                ')' if seen.is_empty() => return Err(said("a group sets flags and names none")),
                ':' | ')' if seen.ends_with('-') => return Err(said("a `-` has no flag after it")),
                ':' | ')' => return Ok(sign),
                sign if seen.contains(sign) => return Err(said("a flag stands twice in one group")),
                '-' => on = false,
                'i' => self.flags.ignores_case = on,
                'm' => self.flags.many_lines = on,
                's' => self.flags.dot_takes_line_ends = on,
                'x' => self.flags.ignores_space = on,
                // Swaps lazy and greedy repetitions.
                'U' => {}
                'P' => {
                    return Err(said("a group is named by `(?P<name>…)`; backreferences are not supported"));
                }
                'u' | 'R' => return Err(said("the flags `u` and `R` are not supported")),
                _ => {
                    return Err(said(
                        "after `(?` stand flags (`i m s x U`), a `:`, or a name as in `(?<name>…)`",
                    ));
                }
            }
            seen.push(sign);
        }
    }

    /// Any atom except a group.
    fn atom(&mut self) -> Result<Node> {
        let item = match self.rest.next() {
            Some('.') => {
                let mut class = Class::default();
                if !self.flags.dot_takes_line_ends {
                    class = Class::one('\n');
                }
                class.negate();
                Item::Class(class)
            }
            Some('[') => Item::Class(self.class()?),
            Some('^') if self.flags.many_lines => Item::Assert(Assert::LineStart),
            Some('^') => Item::Assert(Assert::Start),
            Some('$') if self.flags.many_lines => Item::Assert(Assert::LineEnd),
            Some('$') => Item::Assert(Assert::End),
            Some('\\') => self.escape()?,
            Some(c) => Item::Char(c),
            None => return Ok(Node::Concat(Vec::new())),
        };
        Ok(match item {
            Item::Assert(assert) => Node::Assert(assert),
            Item::Char(c) if self.flags.ignores_case && c.is_ascii_alphabetic() => {
                let mut class = Class::one(c);
                class.ignore_case();
                self.node(class)
            }
            Item::Char(c) => Node::Char(c),
            Item::Class(class) => self.node(class),
        })
    }

    fn node(&mut self, class: Class) -> Node {
        self.classes.push(class);
        Node::Class(self.classes.len().saturating_sub(1))
    }

    /// The meaning of an escape, after the backslash.
    fn escape(&mut self) -> Result<Item> {
        let sign = self.rest.next().ok_or(said("a backslash has nothing after it"))?;
        Ok(Item::Char(match sign {
            'A' => return Ok(Item::Assert(Assert::Start)),
            'z' => return Ok(Item::Assert(Assert::End)),
            'B' => return Ok(Item::Assert(Assert::NoBoundary)),
            'b' => {
                let special = self.rest.as_str().strip_prefix('{');
                if special.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'))
                {
                    return Err(said("of word boundaries there are `\\b` and `\\B`"));
                }
                return Ok(Item::Assert(Assert::WordBoundary));
            }
            'd' | 'D' => return named("digit", sign == 'D'),
            's' | 'S' => return named("space", sign == 'S'),
            'w' | 'W' => return named("word", sign == 'W'),
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            'x' => self.code(2)?,
            'p' | 'P' => return Err(said("Unicode classes are not supported; write ranges such as `[à-ÿ]`")),
            '0'..='9' => return Err(said("backreferences are not supported")),
            '<' | '>' => return Err(said("of word boundaries there are `\\b` and `\\B`")),
            c if c.is_ascii() && !c.is_ascii_alphabetic() => c,
            _ => return Err(said("a backslash stands before a character that it means nothing for")),
        }))
    }

    /// A character by its code: this many hexadecimal digits, or any number in braces.
    fn code(&mut self, digits: usize) -> Result<char> {
        let wrong = said("a character's number is hexadecimal, as in `\\x41`, `\\u00E9` or `\\x{1F600}`");
        self.space();
        let braced = self.eat("{");
        let (mut code, mut read) = (0_u32, 0_usize);
        loop {
            self.space();
            if if braced { self.eat("}") } else { read == digits } {
                break;
            }
            let digit = self.rest.next().and_then(|c| c.to_digit(16)).ok_or(wrong)?;
            code = code.checked_mul(16).ok_or(wrong)?.wrapping_add(digit);
            read = read.saturating_add(1);
        }
        char::from_u32(code).filter(|_| read > 0).ok_or(wrong)
    }
}

/// The class of a shorthand.
fn named(name: &str, negated: bool) -> Result<Item> {
    let mut class = Class::named(name).unwrap_or_default();
    if negated {
        class.negate();
    }
    Ok(Item::Class(class))
}

flat!(enum Assert {
    0 = End,
    1 = LineEnd,
    2 = LineStart,
    3 = NoBoundary,
    4 = Start,
    5 = WordBoundary,
});
