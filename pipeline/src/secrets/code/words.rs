//! What words and symbols say about the literals behind them.

use super::{
    Finder,
    statement::{Previous, Statement},
    zone::{Armed, By, Until, Zone},
};
use crate::{dedup::lex::Token, secrets::names};

/// Brackets that are deeper are not told apart.
const BRACKETS_MAX: usize = 4096;

impl Finder<'_> {
    pub(super) fn word(&mut self, token: &Token) {
        let name = names::lower(token.of(self.text));
        let is_call = self.text.get(token.end) == Some(&b'(');
        if self.is_password_place() && !is_call && !names::is_password_keyword(&name) {
            self.add_bare(token.start);
            return;
        }
        if !self.continues_armed(&name) {
            self.declare(&name);
            self.take_in_zone(&name);
            self.begin_identified(&name);
            self.arm(&name, By::Word, is_call);
            self.statement.take(&name, &self.previous);
            if self.statement.account == Some(false) && name != "for" {
                self.statement.account = Some(true);
            }
        }
        self.previous = Previous::word(name);
    }

    /// Whether the word stands between a secret's name and its value.
    fn continues_armed(&mut self, name: &str) -> bool {
        let Some(armed) = &mut self.armed else {
            return false;
        };
        if armed.by == By::Literal {
            return false;
        }
        if armed.set && name == "for" {
            self.statement.account = Some(false);
            self.armed = None;
            return true;
        }
        match name {
            "to" | "like" | "ilike" | "in" | "regexp" | "rlike" | "similar" => {
                self.zone = Some(Zone::value(*armed, self.calls.len()));
                self.armed = None;
                true
            }
            "not" | "binary" => true,
            // The type of a cast.
            _ if armed.colons >= 2 => {
                armed.colons = 0;
                true
            }
            // The character set of the literal.
            _ => name.starts_with('_'),
        }
    }

    /// A word that is no value stands behind a secret's name: perhaps its type.
    fn declare(&mut self, name: &str) {
        let named = self.armed.take().filter(|armed| armed.by != By::Literal);
        self.declared = named.or(self.declared);
        if name == "default"
            && let Some(armed) = self.declared.take()
        {
            self.zone = Some(Zone::value(armed, self.calls.len()));
        }
    }

    fn take_in_zone(&mut self, name: &str) {
        self.end_value_before_word(name);
        let Some(zone) = &mut self.zone else {
            return;
        };
        if zone.until == Until::Identified {
            let stays = zone.direct && matches!(name, "password" | "old_password");
            zone.direct = stays || matches!(name, "by" | "as" | "using");
            zone.plugin = matches!(name, "with" | "via" | "or");
        }
    }

    pub(super) fn end_value_before_word(&mut self, name: &str) {
        let depth = self.calls.len();
        if self
            .zone
            .as_mut()
            .is_some_and(|zone| zone.ends_before(name, depth))
        {
            self.zone = None;
        }
    }

    fn begin_identified(&mut self, name: &str) {
        let begins = matches!(
            name,
            "by" | "with" | "via" | "as" | "using" | "password" | "externally"
        );
        if begins && self.previous.is_word("identified") {
            self.zone = Some(Zone {
                direct: matches!(name, "by" | "as" | "using"),
                plugin: matches!(name, "with" | "via"),
                ..Zone::new(Until::Identified, self.calls.len())
            });
        }
    }

    /// Awaits a secret if `name` is that of one.
    pub(super) fn arm(&mut self, name: &str, by: By, is_call: bool) {
        let is_option = self.calls.last().is_some_and(|call| call.options);
        let is_secret = names::is_secret(name)
            || (is_option && names::is_secret_option(name))
            || (name == "replace" && by == By::Word && self.statement.passwords);
        if !is_secret {
            return;
        }
        if !is_call && let Some(left) = self.previous.compared() {
            self.found
                .values
                .push(self.text[left.range.clone()].to_vec());
            self.add(left.range, left.bare);
        }
        self.armed = Some(Armed {
            strict: by == By::Word && name == "password" && self.statement.role,
            set: self.previous.is_word("set"),
            ..Armed::new(by, name)
        });
    }

    pub(super) fn symbol(&mut self, token: &Token, byte: u8) {
        if self.is_password_place() && b"!#^&+-/\\~|<>{}[].`".contains(&byte) {
            self.add_bare(token.start);
            return;
        }
        match byte {
            b'(' | b')' | b'[' | b']' | b'.' | b':' => {}
            b'=' if self.previous.is_symbol(b':') => {
                self.armed = self.armed.or(self.declared.take());
            }
            _ => self.declared = None,
        }
        match byte {
            b';' => {
                self.armed = None;
                self.zone = None;
                self.calls.clear();
                self.unmarked_calls = 0;
                self.statement = Statement::default();
            }
            b'(' => self.open_bracket(),
            b')' => self.close_bracket(),
            b',' => self.comma(),
            b'=' | b'<' | b'>' | b'!' | b'~' => self.compare(byte),
            b':' => {
                if let Some(armed) = &mut self.armed {
                    armed.colons = armed.colons.saturating_add(1);
                }
            }
            b'@' => {
                self.armed = None;
                if self.statement.account.is_some() {
                    self.statement.account = Some(false);
                }
            }
            b'%' => {
                // Part of a format: the value comes from elsewhere.
                self.found.open |= self.is_secret_place() || self.is_password_place();
                self.armed = None;
            }
            _ => self.armed = None,
        }
        self.previous.symbol(byte);
    }

    fn open_bracket(&mut self) {
        self.armed = None;
        if self.calls.len() < BRACKETS_MAX {
            let call = self.previous.call(self.reading.dialect, self.calls.last());
            self.calls.push(call);
        } else {
            self.unmarked_calls += 1;
        }
    }

    fn close_bracket(&mut self) {
        if self.unmarked_calls > 0 {
            self.unmarked_calls -= 1;
        } else {
            self.calls.pop();
        }
        let depth = self.calls.len();
        if self.zone.is_some_and(|zone| depth < zone.depth) {
            self.zone = None;
        }
        if self.armed.is_some_and(|armed| armed.by == By::Literal) {
            self.armed = None;
        }
    }

    fn comma(&mut self) {
        let depth = self.calls.len();
        let is_value = |zone: Zone| zone.until != Until::End && depth <= zone.depth;
        if self.zone.is_some_and(is_value) {
            self.zone = None;
        }
        let armed = self.armed.take();
        if let Some(call) = self.calls.last_mut() {
            call.argument += 1;
            if let Some(armed) = armed
                && armed.by == By::Literal
                && call.named
            {
                self.zone = Some(Zone::value(armed, depth));
            }
        }
    }

    fn compare(&mut self, byte: u8) {
        let depth = self.calls.len();
        if let Some(armed) = self.armed.take() {
            self.zone = Some(Zone::value(armed, depth));
        } else if byte == b'=' && self.statement.account.take().is_some() {
            self.zone = Some(Zone {
                strict: true,
                number: true,
                ..Zone::new(Until::Value, depth)
            });
        }
    }
}
