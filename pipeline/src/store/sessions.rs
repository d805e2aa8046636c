//! Dictionaries of session facts and of commands.
//!
//! Takes a session or a word, gives its number and stores it when it is new. What is held in memory is
//! bounded: a session that fell out of it is stored again under a new number, which costs a row and
//! changes no answer. So is each that goes on in a new segment: the rows of a segment refer to none below
//! its first, and what is below that of every segment can go.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use schema::sqlite::{SESSION_FIELDS, insert_session};

use crate::flow::{Dialect, Session};

/// Sessions held in memory, a few hundred bytes each.
const SESSIONS_MAX: usize = 65_536;

/// Sessions read back when a trail is opened again: those that may still be connected.
const SESSIONS_READ_MAX: i64 = 8192;

/// Numbers of the sessions seen lately.
#[derive(Debug)]
pub(crate) struct Sessions {
    by_content: HashMap<Arc<Session>, i64>,
    /// By address, which is a tenth of the cost of hashing ten strings. Each entry holds its session,
    /// so that no other can come to stand at its address.
    by_address: HashMap<usize, (Arc<Session>, i64)>,
    last_key: i64,
}

impl Sessions {
    /// Those of the open segment.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let first_key: i64 = connection.query_row(
            "SELECT coalesce(max(first_session), 1) FROM segments",
            [],
            |row| row.get(0),
        )?;
        let last_key = connection.query_row(
            "SELECT max(coalesce(max(session_key), 0), ?1 - 1) FROM sessions",
            [first_key],
            |row| row.get(0),
        )?;
        let names: Vec<&str> = SESSION_FIELDS.iter().map(|(name, _)| *name).collect();
        let mut statement = connection.prepare(&format!(
            "SELECT session_key, {} FROM sessions WHERE session_key >= ?1
             ORDER BY session_key DESC LIMIT {SESSIONS_READ_MAX}",
            names.join(", ")
        ))?;
        let by_content = statement
            .query_map([first_key], session)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            by_content,
            by_address: HashMap::new(),
            last_key,
        })
    }

    /// The number of a session; stored when it has none.
    pub(crate) fn key(
        &mut self,
        connection: &Connection,
        session: &Arc<Session>,
    ) -> rusqlite::Result<i64> {
        let address = Arc::as_ptr(session).addr();
        if let Some((_, key)) = self.by_address.get(&address) {
            return Ok(*key);
        }
        let key = match self.by_content.get(session) {
            Some(key) => *key,
            None => self.store(connection, session)?,
        };
        self.by_address.insert(address, (Arc::clone(session), key));
        Ok(key)
    }

    fn store(&mut self, connection: &Connection, session: &Arc<Session>) -> rusqlite::Result<i64> {
        let key = self.last_key + 1;
        connection
            .prepare_cached(&insert_session())?
            .execute(params![
                key,
                session.db_system_name,
                session.server_version,
                session.host_name,
                session.server_pid,
                session.session_id,
                session.db_user,
                session.db_namespace,
                session.client_address,
                session.client_port,
                session.application_name,
                session.dialect as i64,
            ])?;
        self.last_key = key;
        self.by_content.insert(Arc::clone(session), key);
        Ok(key)
    }

    /// A new segment begins, which refers to none of those before.
    pub(crate) fn begin_segment(&mut self) {
        self.by_content.clear();
        self.by_address.clear();
    }

    /// Where to go back to when the transaction fails.
    pub(crate) fn mark(&self) -> i64 {
        self.last_key
    }

    /// Forgets what was stored since the mark.
    pub(crate) fn truncate_to(&mut self, mark: i64) {
        self.last_key = mark;
        self.by_content.retain(|_, key| *key <= mark);
        self.by_address.retain(|_, (_, key)| *key <= mark);
    }

    /// Keeps the memory bounded; to be called between transactions.
    pub(crate) fn trim(&mut self) {
        if self.by_address.len() > SESSIONS_MAX {
            self.by_address.clear();
        }
        if self.by_content.len() > SESSIONS_MAX {
            self.by_content.clear();
        }
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<(Arc<Session>, i64)> {
    let dialect: i64 = row.get(11)?;
    let session = Session {
        db_system_name: row.get(1)?,
        server_version: row.get(2)?,
        host_name: row.get(3)?,
        server_pid: row.get(4)?,
        session_id: row.get(5)?,
        db_user: row.get(6)?,
        db_namespace: row.get(7)?,
        client_address: row.get(8)?,
        client_port: row.get(9)?,
        application_name: row.get(10)?,
        dialect: self::dialect(dialect),
    };
    Ok((Arc::new(session), row.get(0)?))
}

/// The dialect behind a stored number, which is its place in the enum.
pub(crate) fn dialect(number: i64) -> Dialect {
    if number == Dialect::Mysql as i64 {
        Dialect::Mysql
    } else {
        Dialect::Postgres
    }
}

/// Numbers of the commands. Commands are words of our own source, so there are few.
#[derive(Debug)]
pub(crate) struct Commands {
    by_word: HashMap<String, i64>,
    last_id: i64,
    /// The one asked for last, which most rows have.
    last: Option<(&'static str, i64)>,
}

impl Commands {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT command, command_id FROM commands")?;
        let by_word: HashMap<String, i64> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let last_id = by_word.values().copied().max().unwrap_or(0);
        Ok(Self {
            by_word,
            last_id,
            last: None,
        })
    }

    /// The number of a command; stored when it has none.
    pub(crate) fn id(
        &mut self,
        connection: &Connection,
        command: &'static str,
    ) -> rusqlite::Result<i64> {
        if let Some((_, id)) = self.last.filter(|(last, _)| *last == command) {
            return Ok(id);
        }
        let id = match self.by_word.get(command) {
            Some(id) => *id,
            None => self.store(connection, command)?,
        };
        self.last = Some((command, id));
        Ok(id)
    }

    fn store(&mut self, connection: &Connection, command: &'static str) -> rusqlite::Result<i64> {
        let id = self.last_id + 1;
        connection.execute(
            "INSERT INTO commands(command_id, command) VALUES (?1, ?2)",
            params![id, command],
        )?;
        self.last_id = id;
        self.by_word.insert(command.to_owned(), id);
        Ok(id)
    }

    /// Where to go back to when the transaction fails.
    pub(crate) fn mark(&self) -> i64 {
        self.last_id
    }

    /// Forgets what was stored since the mark.
    pub(crate) fn truncate_to(&mut self, mark: i64) {
        self.last_id = mark;
        self.last = None;
        self.by_word.retain(|_, id| *id <= mark);
    }
}
