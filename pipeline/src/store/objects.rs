//! Dictionary of the lists of touched tables.
//!
//! Takes a list as JSON, gives its number and stores it when it is new: most statements of a shape touch
//! the same tables. It is bounded; a list that it does not take is whole on its row, which costs space
//! and changes no answer.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use schema::sqlite::{insert_objects, select_objects};

/// How many lists a segment's dictionary takes, and how many bytes of them: lists with numbers of
/// changed rows may all differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lists.
    pub lists_max: usize,
    /// Bytes of lists.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lists_max: 65_536,
            bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// Numbers of the lists of one segment.
#[derive(Debug)]
pub(crate) struct Objects {
    limits: Limits,
    by_list: HashMap<Box<str>, i64>,
    bytes: usize,
    last_id: i64,
}

impl Objects {
    /// The dictionary of a new segment.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_list: HashMap::new(),
            bytes: 0,
            last_id: 0,
        }
    }

    /// The dictionary of a segment as it was when the segment was last written.
    pub(crate) fn read(
        connection: &Connection,
        segment_id: i64,
        limits: Limits,
    ) -> rusqlite::Result<Self> {
        let mut objects = Self::new(limits);
        let mut statement = connection.prepare(&select_objects(segment_id))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            objects.enter(row.get_ref(1)?.as_str()?, row.get(0)?);
        }
        Ok(objects)
    }

    /// The number of a list, stored when it has none; none when the dictionary is full.
    pub(crate) fn id(
        &mut self,
        connection: &Connection,
        segment_id: i64,
        list: &str,
    ) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.by_list.get(list) {
            return Ok(Some(*id));
        }
        let full = self.by_list.len() >= self.limits.lists_max
            || self.bytes + list.len() > self.limits.bytes_max;
        if full {
            return Ok(None);
        }
        let id = self.last_id + 1;
        connection
            .prepare_cached(&insert_objects(segment_id))?
            .execute(params![id, list])?;
        self.enter(list, id);
        Ok(Some(id))
    }

    fn enter(&mut self, list: &str, id: i64) {
        self.bytes += list.len();
        self.last_id = self.last_id.max(id);
        self.by_list.insert(list.into(), id);
    }

    /// Where to go back to when the transaction fails.
    pub(crate) fn mark(&self) -> i64 {
        self.last_id
    }

    /// Forgets what was stored since the mark.
    pub(crate) fn truncate_to(&mut self, mark: i64) {
        if self.last_id == mark {
            return;
        }
        self.last_id = mark;
        self.by_list.retain(|_, id| *id <= mark);
        self.bytes = self.by_list.keys().map(|list| list.len()).sum();
    }
}
