//! Prepared statements of MariaDB and MySQL: their texts, and what was bound to them before.
//!
//! A client prepares once and then names the statement by its number, and it tells the types of its
//! values once. Memory is bounded: what does not fit is not known later, and never guessed.

use std::collections::{BTreeMap, HashMap};

use capture_common::record::{NO_COUNT, Value};
use serde::{Deserialize, Serialize};

use super::keep::{KeepError, Kept, bytes};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Long {
    /// Its first bytes.
    pub(super) bytes: Vec<u8>,
    /// Its length; `None` when it is not known.
    pub(super) len: Option<u64>,
}

/// A statement that is being executed, with what was bound to it before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Execution {
    key: Key,
    statement: u32,
    /// The types as they were known before.
    before: Option<Types>,
    /// Types of its values, when they are known.
    pub(super) types: Option<Types>,
    /// Values that came before, by their place.
    pub(super) long: BTreeMap<u32, Long>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
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

#[derive(Debug, Default, Serialize, Deserialize)]
struct Session {
    statements: HashMap<u32, Statement>,
    last: Option<u32>,
    #[serde(skip)]
    place: u32,
    #[serde(skip)]
    changed: bool,
}

impl Session {
    fn bytes(&self) -> usize {
        self.statements.values().map(Statement::bytes).sum()
    }
}

/// Prepared statements of all sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: HashMap<Key, Session>,
    /// Under which number each session is kept.
    places: BTreeMap<u32, Key>,
    next_place: u32,
    /// Numbers of those that are gone since the last look.
    gone: Vec<u32>,
    statements: usize,
    bytes: usize,
}

impl Sessions {
    /// A statement was prepared; its text, when that is on record.
    pub(super) fn add(&mut self, key: Key, statement: u32, text: Option<Text>) {
        self.close(key, statement);
        let len = text.as_ref().map_or(0, |text| text.bytes.len());
        self.session(key).last = Some(statement);
        if self.bytes + len > BYTES_MAX {
            return;
        }
        if let Some(known) = self.statement(key, statement) {
            known.text = text;
            self.bytes += len;
        }
    }

    /// A statement was closed.
    pub(super) fn close(&mut self, key: Key, statement: u32) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some(closed) = session.statements.remove(&statement) {
            session.changed = true;
            self.statements -= 1;
            self.bytes -= closed.bytes();
        }
    }

    /// The session has no prepared statements any more.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(session) = self.sessions.remove(&key) {
            self.statements -= session.statements.len();
            self.bytes -= session.bytes();
            self.places.remove(&session.place);
            self.gone.push(session.place);
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
        self.session(key).changed = true;
    }

    /// The parts of long values that came are thrown away.
    pub(super) fn reset(&mut self, key: Key, statement: u32) {
        if let Some(known) = self.known(key, statement) {
            let before = known.bytes();
            known.long.clear();
            let after = known.bytes();
            self.bytes -= before - after;
            self.session(key).changed = true;
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
            execution.before.clone_from(&execution.types);
            execution.long = std::mem::take(&mut known.long);
            freed = execution.long.values().map(|long| long.bytes.len()).sum();
        }
        if !execution.long.is_empty() {
            self.bytes -= freed;
            self.session(key).changed = true;
        }
        let text = self
            .sessions
            .get(&key)
            .and_then(|session| session.statements.get(&statement))
            .and_then(|known| known.text.as_ref());
        (execution, text)
    }

    /// The types of an execution's values hold for the next ones.
    pub(super) fn bind(&mut self, execution: Execution) {
        let is_news = execution.types != execution.before;
        if let Some(known) = self.statement(execution.key, execution.statement) {
            known.types = execution.types;
            self.session(execution.key).changed |= is_news;
        }
    }

    /// Sessions that have changed since the last call, by the number that each is kept under, and what
    /// is to be known of it; none of one that is gone.
    pub(super) fn changed(&mut self) -> Result<Vec<Kept>, KeepError> {
        let mut changed = Vec::new();
        for place in std::mem::take(&mut self.gone) {
            if !self.places.contains_key(&place) {
                changed.push((u64::from(place), None));
            }
        }
        for (key, session) in &mut self.sessions {
            if std::mem::take(&mut session.changed) {
                let state = bytes(&(key, &*session))?;
                changed.push((u64::from(session.place), Some(state)));
            }
        }
        Ok(changed)
    }

    /// Takes back what [`Sessions::changed`] gave of a session.
    pub(super) fn restore(&mut self, place: u32, state: &[u8]) -> Result<(), KeepError> {
        let (key, mut session): (Key, Session) =
            rmp_serde::from_slice(state).map_err(|_| KeepError)?;
        session.place = place;
        self.statements += session.statements.len();
        self.bytes += session.bytes();
        self.places.insert(place, key);
        self.sessions.insert(key, session);
        Ok(())
    }

    /// The session, made known.
    fn session(&mut self, key: Key) -> &mut Session {
        self.sessions.entry(key).or_insert_with(|| {
            // Numbers of sessions that live are few among so many.
            while self.next_place == 0 || self.places.contains_key(&self.next_place) {
                self.next_place = self.next_place.wrapping_add(1);
            }
            self.places.insert(self.next_place, key);
            Session {
                place: self.next_place,
                ..Session::default()
            }
        })
    }

    fn known(&mut self, key: Key, statement: u32) -> Option<&mut Statement> {
        self.sessions.get_mut(&key)?.statements.get_mut(&statement)
    }

    /// The statement, made known if there is room.
    fn statement(&mut self, key: Key, statement: u32) -> Option<&mut Statement> {
        let is_full = self.statements >= STATEMENTS_MAX;
        let session = self.session(key);
        let is_new = !session.statements.contains_key(&statement);
        if is_new {
            if is_full {
                return None;
            }
            session.changed = true;
            self.statements += 1;
        }
        let session = self.session(key);
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
    fn another_goes_on_where_one_ended() {
        let mut sessions = Sessions::default();
        sessions.add(KEY, 7, Some(text(b"select ?")));
        sessions.add((1, 2, 4), 1, Some(text(b"gone")));
        let mut kept: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut note = |sessions: &mut Sessions| {
            let changed = sessions.changed().unwrap();
            let count = changed.len();
            for (place, state) in changed {
                match state {
                    Some(state) => kept.insert(place, state),
                    None => kept.remove(&place),
                };
            }
            (count, kept.clone())
        };
        assert_eq!(note(&mut sessions).0, 2);
        let (mut execution, _) = sessions.execute(KEY, 7);
        execution.types = Some(vec![[3, 0]]);
        sessions.bind(execution);
        sessions.forget((1, 2, 4));
        assert_eq!(note(&mut sessions).0, 2);
        // The same types again are no news.
        let (execution, _) = sessions.execute(KEY, 7);
        sessions.bind(execution);
        let (count, kept) = note(&mut sessions);
        assert_eq!((count, kept.len()), (0, 1));

        let mut other = Sessions::default();
        for (place, state) in &kept {
            other
                .restore(u32::try_from(*place).unwrap(), state)
                .unwrap();
        }
        let (execution, found) = other.execute(KEY, 7);
        assert_eq!(found.map(|text| &text.bytes[..]), Some(&b"select ?"[..]));
        assert_eq!(execution.types, Some(vec![[3, 0]]));
        // A session that comes then is kept under another number.
        other.add((1, 2, 5), 1, None);
        assert_eq!(other.places.len(), 2);
        assert!(other.restore(9, b"nonsense").is_err());
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
