//! What a recorder must know to go on where another ended: kept beside the rows, in their transaction.
//!
//! Takes notes about a ring, gives them back after a crash. Notes of a ring that is gone say nothing and
//! are removed. It never changes a row but one that is `running`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};
use schema::sqlite::delete_event;

use super::error::{StoreError, sqlite};
use super::event::{self, Counted, Dictionaries};
use super::objects::{self, Objects};
use super::resume::FIRST_TEMPLATE;
use super::segment::Segment;
use super::{files, health, open};
use crate::assemble::Kept;
use crate::dedup::dictionary::{self, Dictionary};
use crate::flow::{Event, Status};
use crate::health::Snapshot;

/// How long a sealed segment waits for statements in it that still run, microseconds. After that it is
/// archived with their rows as they are, and what comes of them is a row of its own.
pub const RUNNING_MAX_US: i64 = 3_600_000_000;

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The probes are off and the ring is read to its end.
    Clean,
    /// The probes go on.
    Kept,
}

/// What stands beside the rows of a batch.
#[derive(Debug, Default)]
pub struct Standing {
    /// Rows that were stored as running and are so no more, with the `seq` that they have.
    pub completed: Vec<Event>,
    /// `seq` of rows that stay as they are, however their statements end.
    pub let_go: Vec<i64>,
    /// What is to be known of each thread that has changed, encrypted.
    pub threads: Vec<Kept>,
    /// Up to where the losses of each reason are in the rows.
    pub counted: Vec<(&'static str, u64)>,
    /// Notices that are among the rows; see [`super::notices`].
    pub told: Vec<i64>,
    /// How the recording goes, when that is to be told.
    pub health: Option<Snapshot>,
    /// Set with the last batch of a recording.
    pub end: Option<End>,
}

/// What a former recorder has noted about a ring.
#[derive(Debug, Default)]
pub struct Notes {
    /// See [`Standing::threads`].
    pub threads: Vec<(u64, Vec<u8>)>,
    /// See [`Standing::counted`].
    pub counted: Vec<(String, u64)>,
}

/// One recording, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The ring that it read.
    pub ring_id: String,
    /// When it was last known to record, microseconds since the epoch.
    pub alive_us: i64,
    /// When it stopped; none when it never said so.
    pub stopped_us: Option<i64>,
    /// Whether it left its probes on.
    pub kept: bool,
}

/// The last recording.
pub(crate) fn last_run(connection: &Connection) -> rusqlite::Result<Option<Run>> {
    connection
        .query_row(
            "SELECT ring_id, alive_at, stopped_at, kept FROM runs ORDER BY run_id DESC LIMIT 1",
            [],
            |row| {
                Ok(Run {
                    ring_id: row.get(0)?,
                    alive_us: row.get(1)?,
                    stopped_us: row.get(2)?,
                    kept: row.get(3)?,
                })
            },
        )
        .optional()
}

/// When the last recorder last stored something, microseconds since the epoch.
///
/// # Errors
/// What SQLite says.
pub fn last_heard(connection: &Connection, path: &Path) -> Result<Option<i64>, StoreError> {
    last_run(connection)
        .map(|run| run.map(|run| run.stopped_us.unwrap_or(run.alive_us)))
        .map_err(sqlite(path, "read the last recording"))
}

/// Recordings that never said that they stopped and of which no row says so yet: from when to when
/// nobody is known to have recorded, microseconds since the epoch.
pub(crate) fn crashes(connection: &Connection, now_us: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    connection
        .prepare(
            "SELECT alive_at, next FROM
               (SELECT *, lead(started_at, 1, ?1) OVER (ORDER BY run_id) AS next FROM runs)
             WHERE stopped_at IS NULL AND told = 0 ORDER BY run_id",
        )?
        .query_map([now_us], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Begins a recording; notes about any other ring go.
pub(crate) fn begin_run(
    connection: &Connection,
    ring_id: &str,
    now_us: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO runs(started_at, alive_at, ring_id) VALUES (?1, ?1, ?2)",
        params![now_us, ring_id],
    )?;
    for table in ["threads", "drops", "targets", "ring"] {
        connection.execute(
            &format!("DELETE FROM {table} WHERE ring_id <> ?1"),
            [ring_id],
        )?;
    }
    connection.execute("DELETE FROM running WHERE ring_id <> ?1", [ring_id])?;
    Ok(())
}

/// Notes that the recording goes on.
pub(crate) fn alive(connection: &Connection, now_us: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE runs SET alive_at = ?1 WHERE run_id = (SELECT max(run_id) FROM runs)",
        )?
        .execute([now_us])
        .map(drop)
}

/// What was noted about a ring.
pub(crate) fn notes(connection: &Connection, ring_id: &str) -> rusqlite::Result<Notes> {
    let threads = connection
        .prepare("SELECT thread, state FROM threads WHERE ring_id = ?1 ORDER BY thread")?
        .query_map([ring_id], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let counted = connection
        .prepare("SELECT reason, counted FROM drops WHERE ring_id = ?1")?
        .query_map([ring_id], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Notes { threads, counted })
}

/// Stores what stands beside a batch, whose own rows are in `segment` already.
pub(crate) fn write(
    connection: &Connection,
    standing: &Standing,
    ring_id: &str,
    rows: &[Event],
    dictionaries: &mut Dictionaries,
    segment: &Segment,
    now_us: i64,
) -> rusqlite::Result<()> {
    let running = rows.iter().filter(|row| row.status == Status::Running);
    for row in running.filter(|_| standing.end != Some(End::Clean)) {
        connection
            .prepare_cached("INSERT INTO running(seq, segment_id, ring_id) VALUES (?1, ?2, ?3)")?
            .execute(params![row.seq, segment.id, ring_id])?;
    }
    for event in &standing.completed {
        complete(connection, event, dictionaries, segment)?;
    }
    for seq in &standing.let_go {
        forget_running(connection, *seq)?;
    }
    for (thread, state) in &standing.threads {
        let thread = thread.cast_signed();
        match state {
            Some(state) => connection
                .prepare_cached(
                    "INSERT INTO threads(ring_id, thread, state) VALUES (?1, ?2, ?3)
                     ON CONFLICT (ring_id, thread) DO UPDATE SET state = excluded.state",
                )?
                .execute(params![ring_id, thread, state])?,
            None => connection
                .prepare_cached("DELETE FROM threads WHERE ring_id = ?1 AND thread = ?2")?
                .execute(params![ring_id, thread])?,
        };
    }
    for (reason, counted) in &standing.counted {
        connection
            .prepare_cached(
                "INSERT INTO drops(ring_id, reason, counted) VALUES (?1, ?2, ?3)
                 ON CONFLICT (ring_id, reason) DO UPDATE SET counted = excluded.counted",
            )?
            .execute(params![ring_id, reason, counted.cast_signed()])?;
    }
    connection
        .prepare_cached(
            "UPDATE runs SET told = 1 WHERE told = 0 AND run_id < (SELECT max(run_id) FROM runs)",
        )?
        .execute([])?;
    alive(connection, now_us)?;
    if let Some(health) = &standing.health {
        health::write(connection, health)?;
    }
    if let Some(end) = standing.end {
        connection.execute(
            "UPDATE runs SET stopped_at = ?1, kept = ?2 WHERE run_id = (SELECT max(run_id) FROM runs)",
            params![now_us, end == End::Kept],
        )?;
        if end == End::Clean {
            connection.execute_batch("DELETE FROM threads; DELETE FROM running;")?;
        }
    }
    Ok(())
}

/// Puts the whole row in the place of the running one. Its text is stored whole: the dictionary of a
/// sealed segment is closed, and few statements run for so long.
fn complete(
    connection: &Connection,
    event: &Event,
    dictionaries: &mut Dictionaries,
    open: &Segment,
) -> rusqlite::Result<()> {
    let segment_id: Option<i64> = connection
        .prepare_cached("SELECT segment_id FROM running WHERE seq = ?1")?
        .query_row([event.seq], |row| row.get(0))
        .optional()?;
    let Some(segment_id) = segment_id else {
        // Its segment was let go together with it, so nothing asks for this.
        debug_assert!(false, "row {} is not running", event.seq);
        return Ok(());
    };
    connection
        .prepare_cached(&delete_event(segment_id))?
        .execute([event.seq])?;
    let whole = dictionary::Limits {
        templates: 0,
        bytes: 0,
        ..dictionary::Limits::default()
    };
    let templates = std::mem::replace(
        &mut dictionaries.templates,
        Dictionary::new(whole, FIRST_TEMPLATE),
    );
    let none = objects::Limits {
        lists_max: 0,
        bytes_max: 0,
    };
    let lists = std::mem::replace(&mut dictionaries.objects, Objects::new(none));
    let mut segment = open.uncounted(segment_id);
    let inserted = event::insert(
        connection,
        std::slice::from_ref(event),
        dictionaries,
        &mut segment,
        Counted::Before,
    );
    (dictionaries.templates, dictionaries.objects) = (templates, lists);
    inserted?;
    if event.status == Status::Running {
        return Ok(());
    }
    forget_running(connection, event.seq)
}

fn forget_running(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM running WHERE seq = ?1")?
        .execute([seq])
        .map(drop)
}

/// Running rows of segments that have waited for them long enough.
pub(crate) fn overdue(connection: &Connection, now_us: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT seq FROM running JOIN segments USING (segment_id) WHERE sealed_at <= ?1",
        )?
        .query_map([now_us.saturating_sub(RUNNING_MAX_US)], |row| row.get(0))?
        .collect()
}

/// A server binary whose records are in a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTarget {
    /// Its index in the records.
    pub index: u32,
    /// Device and inode of the binary.
    pub key: (u64, u64),
    /// What reading its records takes, in JSON.
    pub facts: String,
}

/// The server binaries of each ring, written before a probe of theirs is attached, beside the
/// recorder's connection.
#[derive(Debug)]
pub struct Targets {
    connection: Connection,
    path: PathBuf,
    ring_id: String,
}

impl Targets {
    /// Opens the trail in `dir`, which must exist.
    ///
    /// # Errors
    /// As [`super::catalog::Catalog::open`].
    pub fn open(dir: &Path, ring_id: &str) -> Result<Self, StoreError> {
        let path = files::database(dir);
        let connection = open::open_writer(&path, super::Sync::Full)?;
        Ok(Self {
            connection,
            path,
            ring_id: ring_id.to_owned(),
        })
    }

    /// Those of this ring.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn list(&self) -> Result<Vec<KnownTarget>, StoreError> {
        let list = || {
            self.connection
                .prepare(
                    "SELECT target, device, inode, facts FROM targets WHERE ring_id = ?1 ORDER BY target",
                )?
                .query_map([&self.ring_id], |row| {
                    let key: (i64, i64) = (row.get(1)?, row.get(2)?);
                    Ok(KnownTarget {
                        index: row.get(0)?,
                        key: (key.0.cast_unsigned(), key.1.cast_unsigned()),
                        facts: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()
        };
        list().map_err(sqlite(&self.path, "list the server binaries"))
    }

    /// Notes one, in the place of any other that had its index.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put(&self, target: &KnownTarget) -> Result<(), StoreError> {
        self.connection
            .execute(
                "INSERT OR REPLACE INTO targets(ring_id, target, device, inode, facts)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    self.ring_id,
                    target.index,
                    target.key.0.cast_signed(),
                    target.key.1.cast_signed(),
                    target.facts
                ],
            )
            .map(drop)
            .map_err(sqlite(&self.path, "note a server binary"))
    }
}
