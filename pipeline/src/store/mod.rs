//! Stores rows in SQLite, each batch in one transaction, and knows what is stored.
//!
//! Takes a [`Batch`], gives it back as rows of the view `events`, together with how far the ring is
//! accounted for. A batch is stored whole or not at all, in the file and in memory alike, so that the
//! caller can hand over the very same batch again. It never writes a row whose `seq` does not follow.
//!
//! The layout is described in [`schema::sqlite`].
//!
//! # Who holds what
//!
//! The recorder has a [`Store`], which holds the folder's lock. Beside it anyone may open a
//! [`catalog::Catalog`] (compaction, checkpoints) or a [`reader::Reader`].

pub mod catalog;
pub mod error;
pub mod files;
pub mod holds;
pub mod notices;
pub mod objects;
pub mod reader;
pub mod retention;
pub mod segment;
pub mod health;
pub mod standing;

mod event;
mod open;
mod resume;
mod row;
mod sessions;
mod statements;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use capture::crash;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use self::error::{StoreError, sqlite};
use self::event::{Counted, Dictionaries};
use self::files::FolderLock;
use self::notices::Notice;
use self::objects::Objects;
use self::segment::Segment;
use self::sessions::{Commands, Sessions};
use self::standing::{Notes, Run, Standing};
use crate::dedup::dictionary::{self, Dictionary};
use crate::flow::{Batch, Event, RingPosition};
use crate::health::Snapshot;

/// How long the lock of another connection is waited for, by default: a checkpoint or an entry in the
/// catalogue takes milliseconds, a person's open transaction any time.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes to which the WAL file is cut back when it starts anew.
pub const WAL_BYTES_KEPT: i64 = 256 * 1024 * 1024;

/// How far a commit goes before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// To the disk: a committed row survives a power failure.
    #[default]
    Full,
    /// To the kernel: a committed row survives the death of the process.
    Normal,
}

/// How a trail is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far a commit goes.
    pub sync: Sync,
    /// When a segment is closed.
    pub segment: segment::Limits,
    /// How many templates a segment's dictionary takes.
    pub dictionary: dictionary::Limits,
    /// How many lists of touched tables a segment's dictionary takes.
    pub objects: objects::Limits,
    /// How long the lock of another connection is waited for.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: Sync::default(),
            segment: segment::Limits::default(),
            dictionary: dictionary::Limits::default(),
            objects: objects::Limits::default(),
            busy_timeout: BUSY_TIMEOUT,
        }
    }
}

/// What [`Store::append`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Rows stored.
    pub rows: usize,
    /// Rows whose text is whole because the dictionary did not take its template.
    pub whole_texts: usize,
    /// The segment that was sealed after them.
    pub sealed: Option<i64>,
}

/// A trail that is being written.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    options: Options,
    segment: Segment,
    dictionaries: Dictionaries,
    next_seq: i64,
    ring: HashMap<String, u64>,
    _lock: FolderLock,
}

impl Store {
    /// Opens the trail in `dir`, or makes one.
    ///
    /// # Errors
    /// When another recorder holds the folder, when something in it cannot be written, or when its
    /// database is not a trail, or one of a newer version.
    pub fn open(dir: &Path, options: Options, now_us: i64) -> Result<Self, StoreError> {
        files::create_folder(dir)?;
        let lock = FolderLock::take(dir)?;
        let path = files::database(dir);
        let mut connection =
            open::create_or_open(&path, options.sync, options.busy_timeout, now_us)?;
        // The SQL of a batch: more statements than rusqlite keeps unasked.
        connection.set_prepared_statement_cache_capacity(32);
        let failed = "read where the trail ends";
        let segment = resume::open_segment(&mut connection, now_us)
            .map_err(sqlite(&path, "open a segment"))?;
        let next_seq = connection
            .query_row(
                "SELECT coalesce(max(last_seq), 0) + 1 FROM segments",
                [],
                |row| row.get(0),
            )
            .map_err(sqlite(&path, failed))?;
        let dictionaries = Dictionaries {
            templates: resume::templates(&connection, &path, segment.id, options.dictionary)?,
            objects: Objects::read(&connection, segment.id, options.objects)
                .map_err(sqlite(&path, failed))?,
            sessions: Sessions::read(&connection).map_err(sqlite(&path, failed))?,
            commands: Commands::read(&connection).map_err(sqlite(&path, failed))?,
        };
        let ring = resume::ring(&connection).map_err(sqlite(&path, failed))?;
        Ok(Self {
            connection,
            path,
            options,
            segment,
            dictionaries,
            next_seq,
            ring,
            _lock: lock,
        })
    }

    /// The `seq` of the next row.
    #[must_use]
    pub fn next_seq(&self) -> i64 {
        self.next_seq
    }

    /// How far a ring is accounted for, as committed; none for a ring that is new.
    #[must_use]
    pub fn ring_position(&self, ring_id: &str) -> Option<u64> {
        self.ring.get(ring_id).copied()
    }

    /// The last recording into this trail.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn last_run(&self) -> Result<Option<Run>, StoreError> {
        standing::last_run(&self.connection).map_err(sqlite(&self.path, "read the last recording"))
    }

    /// Recordings that ended without a word, and of which no row says so yet: from when to when nobody
    /// is known to have recorded, microseconds since the epoch.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn crashes(&self, now_us: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        standing::crashes(&self.connection, now_us)
            .map_err(sqlite(&self.path, "read the former recordings"))
    }

    /// Begins a recording from a ring; gives what was noted about the ring, and forgets all others.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn begin_run(&mut self, ring_id: &str, now_us: i64) -> Result<Notes, StoreError> {
        let mut begin = || {
            let transaction =
                Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            standing::begin_run(&transaction, ring_id, now_us)?;
            let notes = standing::notes(&transaction, ring_id)?;
            transaction.commit()?;
            Ok(notes)
        };
        let notes = begin().map_err(sqlite(&self.path, "begin a recording"))?;
        self.ring.retain(|known, _| known == ring_id);
        Ok(notes)
    }

    /// Notes that the recording goes on, and how, when nothing is stored.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn note_alive(&mut self, health: &Snapshot, now_us: i64) -> Result<(), StoreError> {
        let mut note = || {
            let transaction =
                Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            standing::alive(&transaction, now_us)?;
            health::write(&transaction, health)?;
            transaction.commit()
        };
        note().map_err(sqlite(&self.path, "note that the recording goes on"))
    }

    /// `seq` of running rows whose segments wait for nothing else, and have for long.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn overdue(&self, now_us: i64) -> Result<Vec<i64>, StoreError> {
        standing::overdue(&self.connection, now_us)
            .map_err(sqlite(&self.path, "look for running statements"))
    }

    /// What happened beside the recorder and waits to be a row.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        notices::waiting(&self.connection).map_err(sqlite(&self.path, "read the notices"))
    }

    /// Makes rows of all [`Store::notices`], for when nothing is recorded; gives how many.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn tell_notices(&mut self, now_us: i64) -> Result<usize, StoreError> {
        let notices = self.notices()?;
        let standing = Standing {
            told: notices.iter().map(|notice| notice.id).collect(),
            ..Standing::default()
        };
        let events: Vec<Event> = (self.next_seq..)
            .zip(notices)
            .map(|(seq, notice)| notice.event(seq))
            .collect();
        if events.is_empty() {
            return Ok(0);
        }
        let batch = Batch { events, ring: None };
        self.append_with(&batch, &standing, now_us)
            .map(|appended| appended.rows)
    }

    /// Names the trail: no two have the same name, wherever they are moved.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn trail_id(&self) -> Result<String, StoreError> {
        let read = || {
            self.connection.execute(
                "INSERT OR IGNORE INTO meta(key, value) VALUES ('trail_id', lower(hex(randomblob(16))))",
                [],
            )?;
            self.connection
                .query_row("SELECT value FROM meta WHERE key = 'trail_id'", [], |row| {
                    row.get(0)
                })
        };
        read().map_err(sqlite(&self.path, "read the trail's name"))
    }

    /// Number of the segment that rows go to.
    #[must_use]
    pub fn segment_id(&self) -> i64 {
        self.segment.id
    }

    /// Path of the database, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores a batch, and closes the segment when it is full then.
    ///
    /// # Errors
    /// [`StoreError::Sequence`] when the rows do not continue the trail. Whatever the error, nothing is
    /// stored and nothing has changed.
    pub fn append(&mut self, batch: &Batch, now_us: i64) -> Result<Appended, StoreError> {
        self.append_with(batch, &Standing::default(), now_us)
    }

    /// As [`Store::append`], with what stands beside the rows, in the same transaction.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_with(
        &mut self,
        batch: &Batch,
        standing: &Standing,
        now_us: i64,
    ) -> Result<Appended, StoreError> {
        let next_seq = self.check_sequence(batch)?;
        let position = batch.ring.as_ref().map(stored_position).transpose()?;
        self.dictionaries.sessions.trim();
        let mark = self.dictionaries.mark();
        match self.write(batch, standing, position, now_us) {
            Ok((segment, appended)) => {
                self.enter(segment);
                self.next_seq = next_seq;
                if let Some(ring) = &batch.ring {
                    self.ring.insert(ring.ring_id.clone(), ring.position);
                }
                Ok(appended)
            }
            Err(source) => {
                self.dictionaries.roll_back(mark);
                Err(sqlite(&self.path, "store a batch")(source))
            }
        }
    }

    /// Closes the segment and opens the next one, unless it has no rows; gives the closed one's number.
    ///
    /// # Errors
    /// What SQLite says; nothing has changed then.
    pub fn seal(&mut self, now_us: i64) -> Result<Option<i64>, StoreError> {
        if self.segment.rows() == 0 {
            return Ok(None);
        }
        let sealed = self.segment.id;
        let segment = self
            .write_seal(now_us)
            .map_err(sqlite(&self.path, "seal a segment"))?;
        self.enter(segment);
        Ok(Some(sealed))
    }

    /// Closes the segment when it has reached a limit; for times when nothing is appended.
    ///
    /// # Errors
    /// As [`Store::seal`].
    pub fn seal_if_due(&mut self, now_us: i64) -> Result<Option<i64>, StoreError> {
        if self.segment.is_due(self.options.segment, now_us) {
            self.seal(now_us)
        } else {
            Ok(None)
        }
    }

    /// Checks that the rows follow; gives the `seq` behind them.
    fn check_sequence(&self, batch: &Batch) -> Result<i64, StoreError> {
        batch
            .events
            .iter()
            .try_fold(self.next_seq, |expected, event| {
                if event.seq == expected {
                    Ok(expected + 1)
                } else {
                    Err(StoreError::Sequence {
                        expected,
                        found: event.seq,
                    })
                }
            })
    }

    /// The transaction; changes nothing in memory that `Dictionaries::roll_back` does not undo.
    fn write(
        &mut self,
        batch: &Batch,
        standing: &Standing,
        position: Option<(&str, i64)>,
        now_us: i64,
    ) -> rusqlite::Result<(Segment, Appended)> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut segment = self.segment.clone();
        let whole_texts = event::insert(
            &transaction,
            &batch.events,
            &mut self.dictionaries,
            &mut segment,
            Counted::Now,
        )?;
        segment.write(&transaction)?;
        notices::told(&transaction, &standing.told)?;
        if let Some((ring_id, position)) = position {
            transaction
                .prepare_cached(
                    "INSERT INTO ring(ring_id, position) VALUES (?1, ?2)
                     ON CONFLICT (ring_id) DO UPDATE SET position = excluded.position",
                )?
                .execute(params![ring_id, position])?;
            standing::write(
                &transaction,
                standing,
                ring_id,
                &batch.events,
                &mut self.dictionaries,
                &segment,
                now_us,
            )?;
        }
        let mut sealed = None;
        if segment.is_due(self.options.segment, now_us) {
            sealed = Some(segment.id);
            segment = segment.seal(&transaction, now_us)?;
        }
        crash::point("before-commit");
        transaction.commit()?;
        crash::point("after-commit");
        Ok((
            segment,
            Appended {
                rows: batch.events.len(),
                whole_texts,
                sealed,
            },
        ))
    }

    fn write_seal(&mut self, now_us: i64) -> rusqlite::Result<Segment> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let segment = self.segment.seal(&transaction, now_us)?;
        crash::point("before-sealed");
        transaction.commit()?;
        crash::point("after-sealed");
        Ok(segment)
    }

    /// Goes on in `segment`; a new one has a dictionary of its own.
    fn enter(&mut self, segment: Segment) {
        if segment.id != self.segment.id {
            self.dictionaries.templates =
                Dictionary::new(self.options.dictionary, resume::FIRST_TEMPLATE);
            self.dictionaries.objects = Objects::new(self.options.objects);
            self.dictionaries.sessions.begin_segment();
        }
        self.segment = segment;
    }
}

fn stored_position(ring: &RingPosition) -> Result<(&str, i64), StoreError> {
    let position = i64::try_from(ring.position).map_err(|_| StoreError::TooLarge {
        what: "a ring position",
    })?;
    Ok((&ring.ring_id, position))
}

#[cfg(test)]
mod tests;
