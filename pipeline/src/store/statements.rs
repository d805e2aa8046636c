//! Counts of the statements of one batch, by fingerprint.
//!
//! Takes each statement as it is stored, gives one update of `statements` for each fingerprint. Lives
//! as long as one transaction, and is bounded by its rows.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::text::readable;
use crate::dedup::classify::classify;
use crate::dedup::fingerprint::{Fingerprint, normalise};
use crate::flow::Event;

/// What a batch says of each fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Statements<'b> {
    seen: HashMap<Fingerprint, Seen<'b>>,
}

#[derive(Debug)]
struct Seen<'b> {
    /// One that has it.
    event: &'b Event,
    first_us: i64,
    last_us: i64,
    count: i64,
}

impl<'b> Statements<'b> {
    /// Counts one event.
    pub(crate) fn count(&mut self, fingerprint: Fingerprint, event: &'b Event) {
        let time_us = event.time_us;
        let seen = self.seen.entry(fingerprint).or_insert(Seen {
            event,
            first_us: time_us,
            last_us: time_us,
            count: 0,
        });
        seen.first_us = seen.first_us.min(time_us);
        seen.last_us = seen.last_us.max(time_us);
        seen.count = seen.count.saturating_add(event.repeat_count);
    }

    /// Stores the counts.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut update = connection.prepare_cached(
            "UPDATE statements
             SET first_seen = min(first_seen, ?2), last_seen = max(last_seen, ?3), count = count + ?4
             WHERE fingerprint = ?1",
        )?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO statements(fingerprint, first_seen, last_seen, count,
                                    db_query_template, class, db_operation_name)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, ''))",
        )?;
        // In the order of the table, so that its pages are visited once.
        let mut seen: Vec<(&Fingerprint, &Seen<'_>)> = self.seen.iter().collect();
        seen.sort_unstable_by_key(|(fingerprint, _)| **fingerprint);
        for (fingerprint, seen) in seen {
            let digits = fingerprint.to_string();
            if update.execute(params![digits, seen.first_us, seen.last_us, seen.count])? > 0 {
                continue;
            }
            let Some(text) = &seen.event.text else {
                continue;
            };
            let (text, dialect) = (readable(&text.bytes).text, seen.event.dialect());
            let classified = classify(&text, dialect);
            insert.execute(params![
                digits,
                seen.first_us,
                seen.last_us,
                seen.count,
                normalise(&text, dialect),
                classified.class.as_str(),
                classified.operation
            ])?;
        }
        Ok(())
    }
}
