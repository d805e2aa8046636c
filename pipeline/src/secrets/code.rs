//! Secrets in SQL, by the words that stand before them.
//!
//! Takes any bytes as code of one dialect, gives the ranges in it that are secrets. Literals,
//! comments and bodies of functions are read as code again, to a fixed depth; what is deeper and may
//! have a secret is one as a whole.

mod statement;
mod words;
mod zone;

use std::ops::Range;

use self::{
    statement::{Call, Previous, Statement},
    zone::{Armed, By, Until, Zone},
};
use super::{
    content::{self, Nature},
    literal::Inside,
    names,
    trigger::may_have_secret,
};
use crate::{
    dedup::{
        classify,
        lex::{Kind, Lexer, Quoting, Token},
    },
    flow::Dialect,
};

/// How often code may be in a literal of code.
const DEPTH_MAX: usize = 6;

/// How code is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    /// What a backslash is within quotes.
    pub(super) quoting: Quoting,
    /// The server may have refused it: quotes may be unbalanced, and a quoted name may have been meant
    /// as a literal.
    pub(super) failed: bool,
    /// It is a server's message, whose literals are names as a rule.
    pub(super) message: bool,
}

impl Reading {
    /// A statement that was not refused, as far as is known.
    pub(super) fn whole(dialect: Dialect, quoting: Quoting) -> Self {
        Self {
            dialect,
            quoting,
            failed: false,
            message: false,
        }
    }

    pub(super) fn lexer(self, text: &[u8], at: usize) -> Lexer<'_> {
        Lexer::at(text, self.dialect, at).quoting(self.quoting)
    }

    /// Whether a backslash takes the next byte with it in a literal with this quote and no prefix.
    pub(super) fn escapes(self, quote: u8) -> bool {
        self.quoting.escapes(self.dialect, quote)
    }
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    /// Where it is.
    pub(super) range: Range<usize>,
    /// Whether it stands there without quotes, or with its quotes.
    pub(super) bare: bool,
}

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Secrets, in no order; they may overlap.
    pub(super) secrets: Vec<Secret>,
    /// The same as the server reads them.
    pub(super) values: Vec<Vec<u8>>,
    /// Numbers of bind values that are secrets, from 1.
    pub(super) parameters: Vec<usize>,
    /// Whether a secret was to follow, or the last one goes on behind the end.
    pub(super) open: bool,
}

/// Finds the secrets of a text.
pub(super) fn find(text: &[u8], reading: Reading) -> Found {
    Finder::new(text, reading, 0).run()
}

struct Finder<'a> {
    text: &'a [u8],
    reading: Reading,
    depth: usize,
    lexer: Lexer<'a>,
    found: Found,
    /// The calls and brackets around the place.
    calls: Vec<Call>,
    /// How many more brackets there are.
    unmarked_calls: usize,
    zone: Option<Zone>,
    armed: Option<Armed>,
    /// A secret's name and words behind it, as where a variable or a column is declared.
    declared: Option<Armed>,
    previous: Previous,
    statement: Statement,
    /// How many `?` there were.
    question_marks: usize,
}

impl<'a> Finder<'a> {
    fn new(text: &'a [u8], reading: Reading, depth: usize) -> Self {
        Self {
            text,
            reading,
            depth,
            lexer: reading.lexer(text, 0),
            found: Found::default(),
            calls: Vec::new(),
            unmarked_calls: 0,
            zone: None,
            armed: None,
            declared: None,
            previous: Previous::default(),
            statement: Statement::default(),
            question_marks: 0,
        }
    }

    fn run(mut self) -> Found {
        while let Some(token) = self.lexer.next() {
            match token.kind {
                Kind::Space | Kind::Marker => {}
                Kind::Comment => self.comment(&token),
                Kind::Word => self.word(&token),
                Kind::Quoted => self.quoted(&token),
                Kind::Text => self.literal(&token),
                Kind::Number => self.number(&token),
                Kind::Parameter => self.parameter(&token),
                Kind::Symbol => self.symbol(&token, self.text[token.start]),
            }
        }
        let awaited = self.armed.is_some_and(|armed| armed.by == By::Word)
            || self.zone.is_some_and(Zone::awaits)
            || self.calls.last().is_some_and(Call::is_secret);
        let last = self.text.last().copied().unwrap_or(b'x');
        self.found.open |=
            awaited && (last.is_ascii_whitespace() || matches!(last, b'=' | b'(' | b':'));
        self.found
    }

    /// Whether a literal here is a secret.
    fn is_secret_place(&self) -> bool {
        self.armed.is_some_and(Armed::takes_literal)
            || self.zone.is_some()
            || self.calls.last().is_some_and(Call::is_secret)
            || self.previous.is_word("identified")
    }

    /// Whether whatever stands here was meant as a password, quoted or not.
    fn is_password_place(&self) -> bool {
        self.armed.is_some_and(|armed| armed.strict) || self.zone.is_some_and(Zone::is_direct)
    }

    fn add(&mut self, range: Range<usize>, bare: bool) {
        if !range.is_empty() {
            self.found.secrets.push(Secret { range, bare });
        }
    }

    /// Something stands where a value was awaited.
    fn fill(&mut self, previous: Previous) {
        self.armed = None;
        self.declared = None;
        if let Some(zone) = &mut self.zone {
            zone.filled = true;
            zone.direct = false;
            zone.plugin = false;
        }
        self.statement.fill_account();
        self.previous = previous;
    }

    /// A secret without quotes: everything up to whitespace or the end of a list.
    fn add_bare(&mut self, start: usize) {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b";,)".contains(byte);
        let length = self.text[start..].iter().position(is_end);
        let end = length.map_or(self.text.len(), |length| start + length);
        self.found.values.push(self.text[start..end].to_vec());
        self.found.open |= end == self.text.len();
        self.add(start..end, true);
        self.lexer = self.reading.lexer(self.text, end);
        self.fill(Previous::operand());
    }

    fn comment(&mut self, token: &Token) {
        let inside = Inside::of(self.text, token, self.reading);
        let has_quote = inside.bytes.iter().any(|byte| matches!(byte, b'\'' | b'"'));
        if has_quote && (self.is_secret_place() || self.is_password_place()) {
            self.add(inside.content, false);
        } else if may_have_secret(&inside.bytes) {
            let nature = match self.nature(&inside.bytes) {
                Nature::Code => Nature::Code,
                Nature::Data | Nature::Program => Nature::Program,
            };
            self.inside(&inside, nature);
        }
    }

    fn literal(&mut self, token: &Token) {
        let inside = Inside::of(self.text, token, self.reading);
        let name = names::lower(&inside.bytes);
        let plugin = self.zone.is_some_and(|zone| zone.plugin) || self.statement.role;
        if plugin && inside.pieces == 1 && names::is_plugin(&name) {
            self.fill(Previous::operand());
            return;
        }
        let next = self.text.get(token.end).copied();
        let in_role = self.statement.role
            && !self.reading.message
            && next != Some(b'@')
            && (inside.pieces > 1 || !self.previous.is_before_a_name());
        let in_account = self
            .statement
            .account
            .is_some_and(|named| named || inside.pieces > 1);
        if self.is_secret_place() || self.is_password_place() || in_role || in_account {
            self.secret_literal(token, &inside);
            self.fill(Previous::operand());
            return;
        }
        let mut open = false;
        if self.is_before_program() || may_have_secret(&inside.bytes) {
            let nature = self.nature(&inside.bytes);
            open = self.inside(&inside, nature);
        }
        if open {
            self.follows(token);
        }
        let joined = inside.pieces > 1;
        let range = if joined {
            token.start..token.end
        } else {
            inside.content
        };
        self.fill(Previous::literal(range, joined));
        if !open && names::is_secret(name.rsplit(['.', '/']).next().unwrap_or_default()) {
            self.armed = Some(Armed::new(By::Literal, &name));
        }
    }

    /// What the text in a literal is, by what stands around it and how it begins.
    fn nature(&self, bytes: &[u8]) -> Nature {
        let connection = self.previous.is_word("connection")
            || self.previous.is_word("conninfo")
            || self.calls.last().is_some_and(|call| call.connection);
        if self.is_before_program() {
            Nature::Program
        } else if !connection && is_code(bytes, self.reading.dialect) {
            Nature::Code
        } else {
            Nature::Data
        }
    }

    fn is_before_program(&self) -> bool {
        self.previous.is_word("program") || self.previous.is_word("system")
    }

    fn secret_literal(&mut self, token: &Token, inside: &Inside<'_>) {
        if !inside.bytes.is_empty() {
            self.found.values.push(inside.bytes.to_vec());
        }
        self.found.open |= !inside.closed;
        if inside.pieces > 1 {
            self.found
                .values
                .push(self.text[inside.content.clone()].to_vec());
            self.add(token.start..token.end, true);
        } else {
            self.add(inside.content.clone(), false);
        }
        let rest = &self.text[token.end..];
        if inside.backslash_ends && inside.closed && (self.reading.failed || is_glued(rest)) {
            // With `standard_conforming_strings` off the literal goes on behind this quote.
            let end = escaped_end(self.text, inside.content.end);
            self.add(inside.content.start..end, false);
            let behind = (end + 1).min(self.text.len());
            self.lexer = self.reading.lexer(self.text, behind);
        }
    }

    /// Reads what is inside a token of this text; gives whether a secret was to follow.
    fn inside(&mut self, inside: &Inside<'_>, nature: Nature) -> bool {
        if self.depth >= DEPTH_MAX {
            self.found.values.push(inside.bytes.to_vec());
            self.add(inside.content.clone(), false);
            return false;
        }
        let content = content::find(&inside.bytes, nature, inside.closed);
        let mut found = Finder::new(&inside.bytes, self.reading, self.depth + 1).run();
        for range in content.ranges {
            found.values.push(inside.bytes[range.clone()].to_vec());
            found.secrets.push(Secret { range, bare: false });
        }
        for secret in found.secrets {
            for source in inside.source(&secret.range) {
                self.add(source, false);
            }
        }
        self.found.values.append(&mut found.values);
        if !inside.closed {
            self.found.open |= found.open || content.open;
        }
        found.open || content.open
    }

    /// A secret follows that the literal `token` did not have: it is in the literals behind it. Where
    /// anything else stands right behind its quote, a quote is missing somewhere before, and that is
    /// the secret.
    fn follows(&mut self, token: &Token) {
        let rest = &self.text[token.end..];
        if self.reading.failed && is_glued(rest) {
            let is_quote = |byte: &u8| matches!(byte, b'\'' | b'"');
            let end = rest
                .iter()
                .position(is_quote)
                .map_or(self.text.len(), |length| token.end + length);
            self.found.values.push(self.text[token.end..end].to_vec());
            self.add(token.end..end, false);
            self.lexer = self.reading.lexer(self.text, end);
        } else if self.zone.is_none() {
            self.zone = Some(Zone::new(Until::End, self.calls.len()));
        }
    }

    fn quoted(&mut self, token: &Token) {
        let inside = Inside::of(self.text, token, self.reading);
        let qualified = self.previous.is_symbol(b'.') || self.text.get(token.end) == Some(&b'.');
        let meant_as_literal = (self.reading.failed && !qualified && self.is_secret_place())
            || self.armed.is_some_and(Armed::is_key);
        if self.is_password_place() || meant_as_literal {
            self.found.open |= !inside.closed;
            self.found.values.push(inside.bytes.to_vec());
            self.add(inside.content, false);
            self.fill(Previous::operand());
            return;
        }
        if !inside.closed || inside.bytes.iter().any(u8::is_ascii_whitespace) {
            if may_have_secret(&inside.bytes) && self.inside(&inside, Nature::Data) {
                self.follows(token);
            }
            self.fill(Previous::operand());
            return;
        }
        let name = names::lower(&inside.bytes);
        self.end_value_before_word("");
        self.arm(&name, By::Quoted, false);
        self.statement.fill_account();
        self.previous = Previous::word(name);
    }

    fn number(&mut self, token: &Token) {
        let declared = self.declared;
        let hex = token
            .of(self.text)
            .get(1)
            .is_some_and(|byte| matches!(byte, b'x' | b'X'));
        let by_name = self.armed.is_some_and(|armed| armed.number)
            || self
                .zone
                .is_some_and(|zone| zone.number && zone.depth == self.calls.len() && !zone.filled)
            || self.calls.last().is_some_and(|call| call.number);
        if self.is_password_place() {
            self.add_bare(token.start);
        } else if self.is_secret_place() && (hex || by_name) {
            self.found.values.push(token.of(self.text).to_vec());
            self.add(token.start..token.end, true);
            self.fill(Previous::operand());
        } else {
            self.fill(Previous::operand());
            // The length of a type.
            self.declared = declared;
        }
    }

    fn parameter(&mut self, token: &Token) {
        let number = match token.of(self.text) {
            [b'$', digits @ ..] => str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok()),
            _ => {
                self.question_marks += 1;
                Some(self.question_marks)
            }
        };
        if self.is_secret_place() || self.is_password_place() {
            self.found.open = true;
            // Inside a literal the number is that of another statement's value.
            if self.depth == 0 {
                self.found.parameters.extend(number);
            }
        }
        self.fill(Previous::operand());
    }
}

/// Whether what stands behind a literal is none of what does so in SQL as people write it.
fn is_glued(rest: &[u8]) -> bool {
    let follows = |byte: &u8| byte.is_ascii_whitespace() || b";,)|+:].'\"`$?".contains(byte);
    rest.first().is_some_and(|byte| !follows(byte))
}

/// Whether a text begins as a statement does.
pub(super) fn is_code(bytes: &[u8], dialect: Dialect) -> bool {
    /// More need not be read to know how a text begins.
    const BEGINNING: usize = 256;
    let beginning = &bytes[..bytes.len().min(BEGINNING)];
    !classify(&String::from_utf8_lossy(beginning), dialect)
        .operation
        .is_empty()
}

/// Where a literal ends whose quote at `quote` a backslash escapes.
fn escaped_end(text: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\'' if text.get(at + 1) == Some(&b'\'') => at += 1,
            b'\'' => break,
            _ => {}
        }
        at += 1;
    }
    at.min(text.len())
}
