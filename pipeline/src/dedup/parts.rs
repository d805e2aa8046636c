//! Joins tokens into the parts that a template is made of: a list of literals is one part.
//!
//! Takes a text; gives [`Part`]s that cover it in order, as tokens do. A list is read twice at
//! most: once to see that it is none.

use super::lex::{Kind, Lexer, Quoting, Token};
use crate::flow::Dialect;

/// What a part is to the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whitespace.
    Space,
    /// A comment.
    Comment,
    /// A word.
    Word,
    /// A literal, or a list of literals.
    Literal,
    /// A placeholder, or a list of nothing but placeholders.
    Parameter,
    /// Anything else that is code.
    Code,
    /// What opens or closes an executable comment.
    Marker,
}

/// A piece of the text: `start..end` are byte offsets, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub role: Role,
    /// First byte.
    pub start: usize,
    /// One behind the last byte.
    pub end: usize,
}

/// What the last word allows to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    Nothing,
    /// `IN (`, `ANY (`
    List,
    /// `VALUES (..), (..)`
    Rows,
    /// `ARRAY [`
    Array,
}

impl Opens {
    fn of(word: &[u8], dialect: Dialect) -> Self {
        match word.len() {
            2 if word.eq_ignore_ascii_case(b"in") => Self::List,
            3 if word.eq_ignore_ascii_case(b"any") => Self::List,
            5 if word.eq_ignore_ascii_case(b"array") => Self::Array,
            5 if word.eq_ignore_ascii_case(b"value") && dialect == Dialect::Mysql => Self::Rows,
            6 if word.eq_ignore_ascii_case(b"values") => Self::Rows,
            _ => Self::Nothing,
        }
    }

    fn begins(self, bracket: u8) -> bool {
        match self {
            Self::Nothing => false,
            Self::List | Self::Rows => bracket == b'(',
            Self::Array => bracket == b'[',
        }
    }
}

/// Gives the parts of a text.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    lexer: Lexer<'a>,
    opens: Opens,
}

impl<'a> Parts<'a> {
    /// Begins at the text's first byte.
    #[must_use]
    pub fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self {
            lexer: Lexer::new(text, dialect),
            opens: Opens::Nothing,
        }
    }

    /// Reads quotes as `quoting` says.
    #[must_use]
    pub fn quoting(self, quoting: Quoting) -> Self {
        Self {
            lexer: self.lexer.quoting(quoting),
            ..self
        }
    }

    /// The list, or the run of lists, whose first bracket is `open`; moves behind it.
    fn list(&mut self, open: Token) -> Option<Part> {
        let bracket = self.lexer.bytes()[open.start];
        if !self.opens.begins(bracket) {
            return None;
        }
        let mut ahead = self.lexer;
        let mut list = list(&mut ahead, bracket)?;
        self.lexer = ahead;
        while self.opens == Opens::Rows {
            let Some(next) = next_row(&mut ahead) else {
                break;
            };
            list = list.and(next);
            self.lexer = ahead;
        }
        let role = if list == Holds::Parameters {
            Role::Parameter
        } else {
            Role::Literal
        };
        Some(Part {
            role,
            start: open.start,
            end: self.lexer.position(),
        })
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    #[inline]
    fn next(&mut self) -> Option<Part> {
        let token = self.lexer.next()?;
        let role = match token.kind {
            Kind::Space => Role::Space,
            Kind::Comment => Role::Comment,
            Kind::Word => {
                self.opens = Opens::of(token.of(self.lexer.bytes()), self.lexer.dialect());
                Role::Word
            }
            Kind::Symbol => {
                let list = if self.opens == Opens::Nothing {
                    None
                } else {
                    self.list(token)
                };
                self.opens = Opens::Nothing;
                if let Some(list) = list {
                    return Some(list);
                }
                Role::Code
            }
            kind => {
                self.opens = Opens::Nothing;
                match kind {
                    Kind::Text | Kind::Number => Role::Literal,
                    Kind::Parameter => Role::Parameter,
                    Kind::Marker => Role::Marker,
                    Kind::Quoted | Kind::Space | Kind::Comment | Kind::Word | Kind::Symbol => {
                        Role::Code
                    }
                }
            }
        };
        Some(Part {
            role,
            start: token.start,
            end: token.end,
        })
    }
}

/// What a list is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Placeholders, spaces and commas only.
    Parameters,
    /// Anything that may differ from text to text.
    Literals,
}

impl Holds {
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Literals }
    }
}

/// What may come next inside a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Element,
    /// The number of a sign.
    Number,
    /// The literal of a character set's introducer.
    Introduced,
    /// The bracket of `ROW`.
    Bracket,
    /// A comma, a bracket or a cast.
    Comma,
    /// The second colon of a cast.
    Colon,
    /// The type of a cast.
    Type,
}

/// Reads a list whose opening bracket has been read. A text that ends within a list ends the list.
fn list(lexer: &mut Lexer<'_>, open: u8) -> Option<Holds> {
    let close = if open == b'[' { b']' } else { b')' };
    let mut depth = 1usize;
    let mut expect = Expect::Element;
    let mut holds = Holds::Parameters;
    let mut elements = 0usize;
    loop {
        let Some(token) = lexer.next() else {
            return (elements > 0).then_some(holds);
        };
        let bytes = token.of(lexer.bytes());
        expect = match (expect, token.kind) {
            (_, Kind::Space) => continue,
            (_, Kind::Comment) => {
                holds = Holds::Literals;
                continue;
            }
            (Expect::Element | Expect::Introduced, Kind::Text)
            | (Expect::Element | Expect::Number | Expect::Introduced, Kind::Number) => {
                holds = Holds::Literals;
                elements += 1;
                Expect::Comma
            }
            (Expect::Element, Kind::Parameter) => {
                elements += 1;
                Expect::Comma
            }
            (Expect::Element, Kind::Word) => {
                holds = Holds::Literals;
                let next = element_word(bytes, lexer.dialect())?;
                elements += usize::from(next == Expect::Comma);
                next
            }
            (Expect::Type, Kind::Word) => Expect::Comma,
            (Expect::Element, Kind::Symbol) if matches!(bytes, b"+" | b"-") => Expect::Number,
            (Expect::Element | Expect::Bracket, Kind::Symbol) if bytes == [open] => {
                depth += 1;
                Expect::Element
            }
            (Expect::Comma, Kind::Symbol) if bytes == b"," => Expect::Element,
            (Expect::Comma, Kind::Symbol) if bytes == b":" => Expect::Colon,
            (Expect::Colon, Kind::Symbol) if bytes == b":" => Expect::Type,
            (Expect::Comma, Kind::Symbol) if bytes == [close] => {
                depth -= 1;
                if depth == 0 {
                    return Some(holds);
                }
                Expect::Comma
            }
            _ => return None,
        };
    }
}

/// What follows a word that stands for an element of a list; none when it cannot.
fn element_word(word: &[u8], dialect: Dialect) -> Option<Expect> {
    const CONSTANTS: [&[u8]; 4] = [b"null", b"true", b"false", b"default"];
    if CONSTANTS
        .iter()
        .any(|constant| word.eq_ignore_ascii_case(constant))
    {
        return Some(Expect::Comma);
    }
    if word.eq_ignore_ascii_case(b"row") {
        return Some(Expect::Bracket);
    }
    (dialect == Dialect::Mysql && word.first() == Some(&b'_')).then_some(Expect::Introduced)
}

/// Reads a comma and one more list of a run.
fn next_row(lexer: &mut Lexer<'_>) -> Option<Holds> {
    let mut holds = Holds::Parameters;
    let mut wanted = b',';
    loop {
        let token = lexer.next()?;
        match token.kind {
            Kind::Space => {}
            Kind::Comment => holds = Holds::Literals,
            Kind::Symbol if lexer.bytes()[token.start] == wanted && wanted == b',' => wanted = b'(',
            Kind::Symbol if lexer.bytes()[token.start] == wanted => {
                return Some(list(lexer, wanted)?.and(holds));
            }
            _ => return None,
        }
    }
}
