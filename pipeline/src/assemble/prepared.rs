//! Prepared statements of MariaDB and MySQL: their texts, and what was bound to them before.
//!
//! A client prepares once and then names the statement by its number, and it tells the types of its
//! values once. Memory is bounded: what does not fit is not known later, and never guessed.

use std::collections::{BTreeMap, HashMap};

use capture_common::record::{NO_COUNT, Value};

use crate::flow::Text;

/// Server binary, process and session.
pub(super) type Key = (u32, u64, u64);

/// Type and flags of a value, as the protocol has them.
pub(super) type Types = Vec<[u8; 2]>;

/// Bytes of all texts and long values together.
const BYTES_MAX: usize = 64 << 20;

/// Prepared statements of all sessions together.
const STATEMENTS_MAX: usize = 1 << 18;

/// The number that means the last statement that was prepared (MariaDB).
const LAST: u32 = u32::MAX;

/// A value that came in parts, before its statement is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Long {
    /// Its first bytes.
    pub(super) bytes: Vec<u8>,
    /// Its length; `None` when it is not known.
    pub(super) len: Option<u64>,
}

/// A statement that is being executed, with what was bound to it before.
#[derive(Debug, Default)]
pub(super) struct Execution {
    key: Key,
    statement: u32,
    /// Types of its values, when they are known.
    pub(super) types: Option<Types>,
    /// Values that came before, by their place.
    pub(super) long: BTreeMap<u32, Long>,
}

#[derive(Debug, Default)]
struct Statement {
    text: Option<Text>,
    types: Option<Types>,
    long: BTreeMap<u32, Long>,
}

impl Statement {
    fn bytes(&self) -> usize {
        let text = self.text.as_ref().map_or(0, |text| text.bytes.len());
        text + self
            .long
            .values()
            .map(|long| long.bytes.len())
            .sum::<usize>()
    }
}

#[derive(Debug, Default)]
struct Session {
    statements: HashMap<u32, Statement>,
    last: Option<u32>,
}

/// Prepared statements of all sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: HashMap<Key, Session>,
    statements: usize,
    bytes: usize,
}

impl Sessions {
    /// A statement was prepared; its text, when that is on record.
    pub(super) fn add(&mut self, key: Key, statement: u32, text: Option<Text>) {
        self.close(key, statement);
        let len = text.as_ref().map_or(0, |text| text.bytes.len());
        if self.bytes + len > BYTES_MAX {
            self.sessions.entry(key).or_default().last = Some(statement);
            return;
        }
        if let Some(known) = self.statement(key, statement) {
            known.text = text;
            self.bytes += len;
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.last = Some(statement);
        }
    }

    /// A statement was closed.
    pub(super) fn close(&mut self, key: Key, statement: u32) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some(closed) = session.statements.remove(&statement) {
            self.statements -= 1;
            self.bytes -= closed.bytes();
        }
    }

    /// The session has no prepared statements any more.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(session) = self.sessions.remove(&key) {
            self.statements -= session.statements.len();
            self.bytes -= session
                .statements
                .values()
                .map(Statement::bytes)
                .sum::<usize>();
        }
    }

    /// A part of a long value came, of which `max` bytes are kept.
    pub(super) fn lengthen(
        &mut self,
        key: Key,
        statement: u32,
        value: &Value,
        data: &[u8],
        max: usize,
    ) {
        let room = BYTES_MAX.saturating_sub(self.bytes);
        let Some(known) = self.statement(key, statement) else {
            return;
        };
        let long = known.long.entry(value.index).or_insert(Long {
            bytes: Vec::new(),
            len: Some(0),
        });
        // Bytes count only as far as those before them are on record.
        let whole = long.len == Some(long.bytes.len() as u64);
        let mut added = 0;
        if whole {
            // One more than is shown, to tell that it is cut.
            let room = room.min((max + 1).saturating_sub(long.bytes.len()));
            let taken = data.get(..room).unwrap_or(data);
            long.bytes.extend_from_slice(taken);
            added = taken.len();
        }
        long.len = match (long.len, value.len) {
            (Some(len), more) if more != NO_COUNT => len.checked_add(more),
            _ => None,
        };
        self.bytes += added;
    }

    /// The parts of long values that came are thrown away.
    pub(super) fn reset(&mut self, key: Key, statement: u32) {
        if let Some(known) = self.known(key, statement) {
            let before = known.bytes();
            known.long.clear();
            let after = known.bytes();
            self.bytes -= before - after;
        }
    }

    /// A statement is executed: what is known of it. Its types are known again once the execution's
    /// values have been read, see [`Sessions::bind`].
    pub(super) fn execute(&mut self, key: Key, statement: u32) -> (Execution, Option<&Text>) {
        let statement = match self.sessions.get(&key) {
            Some(session) if statement == LAST => session.last.unwrap_or(statement),
            _ => statement,
        };
        let mut execution = Execution {
            key,
            statement,
            ..Execution::default()
        };
        let mut freed = 0;
        if let Some(known) = self.known(key, statement) {
            execution.types = known.types.take();
            execution.long = std::mem::take(&mut known.long);
            freed = execution.long.values().map(|long| long.bytes.len()).sum();
        }
        self.bytes -= freed;
        let text = self
            .sessions
            .get(&key)
            .and_then(|session| session.statements.get(&statement))
            .and_then(|known| known.text.as_ref());
        (execution, text)
    }

    /// The types of an execution's values hold for the next ones.
    pub(super) fn bind(&mut self, execution: Execution) {
        if let Some(known) = self.statement(execution.key, execution.statement) {
            known.types = execution.types;
        }
    }

    fn known(&mut self, key: Key, statement: u32) -> Option<&mut Statement> {
        self.sessions.get_mut(&key)?.statements.get_mut(&statement)
    }

    /// The statement, made known if there is room.
    fn statement(&mut self, key: Key, statement: u32) -> Option<&mut Statement> {
        let session = self.sessions.entry(key).or_default();
        if !session.statements.contains_key(&statement) {
            if self.statements >= STATEMENTS_MAX {
                return None;
            }
            self.statements += 1;
        }
        Some(session.statements.entry(statement).or_default())
    }
}

#[cfg(test)]
mod tests {
    use capture_common::record::Header;

    use super::*;

    const KEY: Key = (1, 2, 3);

    fn text(bytes: &[u8]) -> Text {
        Text {
            bytes: bytes.to_vec(),
            len: bytes.len() as u64,
            truncated: false,
        }
    }

    fn part(index: u32, len: u64) -> Value {
        Value {
            header: Header::ZERO,
            index,
            kind: 0,
            len,
        }
    }

    fn known(sessions: &mut Sessions, key: Key, statement: u32) -> Option<Vec<u8>> {
        let (_, text) = sessions.execute(key, statement);
        text.map(|text| text.bytes.clone())
    }

    #[test]
    fn texts_are_known_until_closed() {
        let mut sessions = Sessions::default();
        sessions.add(KEY, 7, Some(text(b"select ?")));
        sessions.add((1, 2, 4), 7, Some(text(b"other")));
        sessions.add(KEY, 8, None);
        assert_eq!(
            known(&mut sessions, KEY, 7).as_deref(),
            Some(&b"select ?"[..])
        );
        assert_eq!(known(&mut sessions, KEY, 8), None);
        sessions.add(KEY, 9, Some(text(b"last")));
        assert_eq!(
            known(&mut sessions, KEY, LAST).as_deref(),
            Some(&b"last"[..])
        );
        sessions.close(KEY, 7);
        assert_eq!(known(&mut sessions, KEY, 7), None);
        sessions.forget(KEY);
        assert_eq!((sessions.statements, sessions.bytes), (1, 5));
    }

    #[test]
    fn types_hold_only_when_the_execution_was_read() {
        let mut sessions = Sessions::default();
        sessions.add(KEY, 7, None);
        let (mut execution, _) = sessions.execute(KEY, 7);
        assert_eq!(execution.types, None);
        execution.types = Some(vec![[3, 0]]);
        sessions.bind(execution);
        let (execution, _) = sessions.execute(KEY, 7);
        assert_eq!(execution.types, Some(vec![[3, 0]]));
        assert_eq!(sessions.execute(KEY, 7).0.types, None);
    }

    #[test]
    fn long_values_grow_until_executed_or_reset() {
        let mut sessions = Sessions::default();
        sessions.lengthen(KEY, 7, &part(1, 3), b"abc", 100);
        sessions.lengthen(KEY, 7, &part(1, 2), b"de", 100);
        let long = sessions.execute(KEY, 7).0.long;
        assert_eq!(long[&1].bytes, b"abcde");
        assert_eq!(long[&1].len, Some(5));
        assert!(sessions.execute(KEY, 7).0.long.is_empty());
        sessions.lengthen(KEY, 7, &part(0, 3), b"abc", 100);
        sessions.reset(KEY, 7);
        assert!(sessions.execute(KEY, 7).0.long.is_empty());
        assert_eq!(sessions.bytes, 0);
    }

    #[test]
    fn long_values_are_cut() {
        let mut sessions = Sessions::default();
        sessions.lengthen(KEY, 7, &part(0, 9), b"abc", 100);
        sessions.lengthen(KEY, 7, &part(0, 2), b"de", 100);
        let long = sessions.execute(KEY, 7).0.long;
        assert_eq!(
            (long[&0].bytes.as_slice(), long[&0].len),
            (&b"abc"[..], Some(11))
        );
    }
}
