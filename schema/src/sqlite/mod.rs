//! How the trail is laid out in SQLite.
//!
//! Takes the list of columns and segment numbers, gives the text of DDL statements; it opens nothing.
//! The names of tables and the meaning of their fields live here and nowhere else.
//!
//! # Constraints
//!
//! * Plain `sqlite3` 3.38 or newer reads it, with no extension: `select ... from events`.
//! * `events` shows exactly [`COLUMNS`], and `time_text` right after `time`.
//! * The text of a statement comes back byte for byte.
//! * No secondary index on events: one costs as much as the insert itself.
//!
//! # Layout
//!
//! `events_<n>` holds one integer for what repeats (session, command, template, touched tables) and the
//! rest as it is.
//! A field that has a usual value is NULL then, since NULL, 0 and 1 take no byte.
//!
//! A statement's text is a row of `templates_<n>` and its literals. `format` is a `printf` format: the
//! text with `%` doubled and `%s` for each literal, so that `printf(format, literal_1, ...)` is the text.
//! Up to [`LITERAL_FIELDS`] literals have a field each; up to [`LITERALS_MAX`] are a JSON list in
//! `literals`; with more, and when the dictionary of templates is full, the text is whole in
//! `query_text`. So is an empty text, since `printf` makes NULL of it.
//! Text that is no UTF-8, or that holds NUL, is exact in `query_raw`, and readable in `query_text`.
//!
//! Rebuilding the text in the view costs, for each row of a `LIKE` over 200,000 of them in SQLite 3.40,
//! 0.6 us without literals, 0.9 us with three, 1.1 us with eight and 6 us with twelve (in the list), where
//! joining pieces by `json_each` cost 8 us. An aggregate over several segments computes every column of
//! each row there, 2 to 3 us a row; over one segment it does not.
//!
//! Each segment has a view `rows_<n>`; `events` unites those of the segments that are not yet dropped.
//! A segment has sessions of its own, although they share a table: what it refers to can go with it.

mod field;
mod upgrade;

use std::fmt::Write as _;

pub use self::field::Field;
pub use self::upgrade::upgrade_from;
use crate::columns::COLUMNS;

/// Version of this layout; a newer one is not opened, nor written to.
pub const VERSION: i64 = 2;

/// `application_id` in the header of the file ("sqtr"), by which `file` and we know a trail.
pub const APPLICATION_ID: i32 = 0x7371_7472;

/// Bytes of a page: 32 KiB costs less CPU per inserted row than 4 to 16 KiB do, and no more space.
pub const PAGE_SIZE: i64 = 32_768;

/// Literals that have a field of their own.
pub const LITERAL_FIELDS: usize = 8;

/// Literals up to which a text is split at all: the view looks for each of them in the list, however
/// many there are, and SQLite passes at most 127 arguments to a function.
pub const LITERALS_MAX: usize = 32;

/// The most SELECTs united in one compound: SQLite allows 500.
const COMPOUND_MAX: usize = 250;

/// Words behind the numbers in `kind`.
pub const KINDS: &[&str] = &[
    "query",
    "connect",
    "disconnect",
    "auth_failure",
    "row_change",
    "loss",
    "lifecycle",
    "alert",
];

/// Words behind the numbers in `status`.
pub const STATUSES: &[&str] = &["ok", "error", "running", "unknown"];

/// Session facts, in the order of the fields of `sessions` behind its key.
pub const SESSION_FIELDS: &[(&str, &str)] = &[
    ("db_system_name", "TEXT NOT NULL"),
    ("server_version", "TEXT"),
    ("host_name", "TEXT NOT NULL"),
    ("server_pid", "INTEGER NOT NULL"),
    ("session_id", "TEXT NOT NULL"),
    ("db_user", "TEXT"),
    ("db_namespace", "TEXT"),
    ("client_address", "TEXT"),
    ("client_port", "INTEGER"),
    ("application_name", "TEXT"),
    ("dialect", "INTEGER NOT NULL"),
];

/// Tables that there is one of.
pub const SHARED_TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE ring(ring_id TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE commands(command_id INTEGER PRIMARY KEY, command TEXT NOT NULL) STRICT;
CREATE TABLE statements(
  fingerprint TEXT PRIMARY KEY, db_query_template TEXT NOT NULL, class TEXT, db_operation_name TEXT,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE archive_files(
  path TEXT PRIMARY KEY, segment_id INTEGER NOT NULL, date TEXT NOT NULL,
  rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, sha256 TEXT NOT NULL) STRICT;
";

/// The list of segments. No row of a segment refers to a session below its `first_session`.
pub const SEGMENTS: &str = "
CREATE TABLE segments(
  segment_id INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('open', 'sealed', 'archived', 'dropped', 'purged')),
  first_seq INTEGER, last_seq INTEGER, first_time INTEGER, last_time INTEGER,
  rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  opened_at INTEGER NOT NULL, sealed_at INTEGER, archived_at INTEGER, dropped_at INTEGER, purged_at INTEGER,
  first_session INTEGER NOT NULL DEFAULT 1) STRICT;
";

/// Tables by which rows go: what is gone, what must not go, and what of that is not yet a row of the trail.
/// A tombstone without `removed_at` has files that may still be there.
pub const RETENTION_TABLES: &str = "
CREATE TABLE tombstones(
  segment_id INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, rows INTEGER NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL,
  reason TEXT NOT NULL, purged_by TEXT NOT NULL, purged_at INTEGER NOT NULL, removed_at INTEGER) STRICT;
CREATE TABLE purged_files(
  path TEXT PRIMARY KEY, segment_id INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL) STRICT;
CREATE TABLE holds(
  hold_id INTEGER PRIMARY KEY, from_time INTEGER NOT NULL, to_time INTEGER NOT NULL,
  reason TEXT NOT NULL, placed_by TEXT NOT NULL, placed_at INTEGER NOT NULL,
  release_reason TEXT, released_by TEXT, released_at INTEGER) STRICT;
CREATE TABLE notices(
  notice_id INTEGER PRIMARY KEY, time INTEGER NOT NULL, command TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
";

/// Tables by which a recorder goes on where another ended. None of them says anything to a reader of the
/// trail. `threads.state` is encrypted, with a key that is in the kernel alone: it holds texts as they
/// came, before secrets are masked.
pub const STANDING_TABLES: &str = "
CREATE TABLE IF NOT EXISTS runs(
  run_id INTEGER PRIMARY KEY, ring_id TEXT NOT NULL, started_at INTEGER NOT NULL, alive_at INTEGER NOT NULL,
  stopped_at INTEGER, kept INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS threads(
  ring_id TEXT NOT NULL, thread INTEGER NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (ring_id, thread)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drops(
  ring_id TEXT NOT NULL, reason TEXT NOT NULL, counted INTEGER NOT NULL,
  PRIMARY KEY (ring_id, reason)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS targets(
  ring_id TEXT NOT NULL, target INTEGER NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
  facts TEXT NOT NULL, PRIMARY KEY (ring_id, target)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running(
  seq INTEGER PRIMARY KEY, segment_id INTEGER NOT NULL, ring_id TEXT NOT NULL) STRICT;
";

/// Text of the DDL that creates `sessions`.
#[must_use]
pub fn create_sessions() -> String {
    let fields: Vec<String> = SESSION_FIELDS
        .iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    format!(
        "CREATE TABLE sessions(session_key INTEGER PRIMARY KEY, {}) STRICT;\n",
        fields.join(", ")
    )
}

/// Text of the DDL that creates the tables and the view of segment `n`.
#[must_use]
pub fn create_segment(n: i64) -> String {
    let fields: Vec<String> = Field::ALL
        .iter()
        .map(|field| {
            let (name, kind, _) = field.definition();
            format!("{name} {kind}")
        })
        .collect();
    format!(
        "CREATE TABLE templates_{n}(
  template_id INTEGER PRIMARY KEY, dialect INTEGER NOT NULL, format TEXT NOT NULL, template TEXT,
  literal_count INTEGER NOT NULL, fingerprint TEXT NOT NULL, class TEXT, db_operation_name TEXT) STRICT;
CREATE TABLE objects_{n}(objects_id INTEGER PRIMARY KEY, objects TEXT NOT NULL) STRICT;
CREATE TABLE events_{n}({}) STRICT;
CREATE VIEW rows_{n} AS SELECT {}
FROM events_{n} e
LEFT JOIN sessions s ON s.session_key = e.session_key
LEFT JOIN commands c ON c.command_id = e.command_id
LEFT JOIN templates_{n} t ON t.template_id = e.template_id
LEFT JOIN objects_{n} o ON o.objects_id = e.objects_id;
",
        fields.join(", "),
        selection()
    )
}

/// Text of the DDL that makes `events` the union of `segments`, which are given in rising order.
#[must_use]
pub fn create_events_view(segments: &[i64]) -> String {
    let unite = |parts: Vec<String>| parts.join("\nUNION ALL ");
    let chunk = |chunk: &[i64]| {
        unite(
            chunk
                .iter()
                .map(|n| format!("SELECT * FROM rows_{n}"))
                .collect(),
        )
    };
    let body = if segments.is_empty() {
        let columns: Vec<String> = view_columns()
            .map(|name| format!("NULL AS {name}"))
            .collect();
        format!("SELECT {} WHERE 0", columns.join(", "))
    } else if segments.len() <= COMPOUND_MAX {
        chunk(segments)
    } else {
        unite(
            segments
                .chunks(COMPOUND_MAX)
                .map(|part| format!("SELECT * FROM ({})", chunk(part)))
                .collect(),
        )
    };
    format!("DROP VIEW IF EXISTS events;\nCREATE VIEW events AS {body};\n")
}

/// Names of the columns of `events` and of each `rows_<n>`, in order.
pub fn view_columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().flat_map(|column| {
        std::iter::once(column.name).chain((column.name == "time").then_some("time_text"))
    })
}

/// Text of the statement that stores one event in segment `n`; parameters as in [`Field::parameter`].
#[must_use]
pub fn insert_event(n: i64) -> String {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    let marks = vec!["?"; names.len()];
    format!(
        "INSERT INTO events_{n}({}) VALUES({})",
        names.join(", "),
        marks.join(", ")
    )
}

/// Text of the DDL that drops the tables and the view of segment `n`; `events` must not have it any more.
#[must_use]
pub fn drop_segment(n: i64) -> String {
    format!(
        "DROP VIEW rows_{n};\nDROP TABLE events_{n};\nDROP TABLE templates_{n};\nDROP TABLE objects_{n};\n"
    )
}

/// Text of the statement that takes one event out of segment `n`, to be put there anew; by its `seq`.
#[must_use]
pub fn delete_event(n: i64) -> String {
    format!("DELETE FROM events_{n} WHERE seq = ?1")
}

/// Text of the statement that stores one template in segment `n`: the fields of `templates_<n>`, in order.
#[must_use]
pub fn insert_template(n: i64) -> String {
    format!("INSERT INTO templates_{n} VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
}

/// Text of the query that reads the templates of segment `n` in order of their numbers:
/// number, dialect, format, fingerprint, class, operation.
#[must_use]
pub fn select_templates(n: i64) -> String {
    format!(
        "SELECT template_id, dialect, format, fingerprint, class, db_operation_name
         FROM templates_{n} ORDER BY template_id"
    )
}

/// Text of the statement that stores one list of tables in segment `n`: its number and the list.
#[must_use]
pub fn insert_objects(n: i64) -> String {
    format!("INSERT INTO objects_{n} VALUES(?, ?)")
}

/// Text of the query that reads the lists of tables of segment `n`: number and list.
#[must_use]
pub fn select_objects(n: i64) -> String {
    format!("SELECT objects_id, objects FROM objects_{n} ORDER BY objects_id")
}

/// Text of the statement that stores one session: the key, then [`SESSION_FIELDS`].
#[must_use]
pub fn insert_session() -> String {
    let names: Vec<&str> = SESSION_FIELDS.iter().map(|(name, _)| *name).collect();
    let marks = vec!["?"; names.len() + 1];
    format!(
        "INSERT INTO sessions(session_key, {}) VALUES({})",
        names.join(", "),
        marks.join(", ")
    )
}

/// The select list of a segment's view.
fn selection() -> String {
    let mut list = String::new();
    for name in view_columns() {
        let separator = if list.is_empty() { "" } else { ",\n  " };
        // Writing to a string cannot fail.
        _ = write!(list, "{separator}{} AS {name}", expression(name));
    }
    list
}

/// What a column of the view is made of.
fn expression(name: &str) -> String {
    match name {
        "time_text" => "strftime('%Y-%m-%dT%H:%M:%S', e.time / 1000000, 'unixepoch') \
                        || printf('.%06dZ', e.time % 1000000)"
            .to_owned(),
        "kind" => word("e.kind", KINDS),
        "status" => word("e.status", STATUSES),
        "command" => "c.command".to_owned(),
        "class" | "db_operation_name" | "fingerprint" => format!("coalesce(t.{name}, e.{name})"),
        "db_query_text" => {
            let fields: Vec<String> = (1..=LITERAL_FIELDS).map(|i| format!("e.literal_{i}")).collect();
            let list: Vec<String> = (0..LITERALS_MAX).map(|i| format!("e.literals->>{i}")).collect();
            format!(
                "CASE WHEN e.query_text IS NOT NULL THEN e.query_text \
                 WHEN e.literals IS NULL THEN printf(t.format, {}) \
                 ELSE printf(t.format, {}) END",
                fields.join(", "),
                list.join(", ")
            )
        }
        "objects" => "coalesce(o.objects, e.objects)".to_owned(),
        "db_query_raw" => "e.query_raw".to_owned(),
        "db_query_template" => "coalesce(t.template, t.format, \
                                (SELECT st.db_query_template FROM statements st WHERE st.fingerprint = e.fingerprint))"
            .to_owned(),
        "message_seq" => "coalesce(e.message_seq, e.seq)".to_owned(),
        _ if SESSION_FIELDS.iter().any(|(field, _)| *field == name) => format!("s.{name}"),
        _ => format!("e.{name}"),
    }
}

/// The word at the place that `field` says.
fn word(field: &str, words: &[&str]) -> String {
    let mut text = format!("CASE {field}");
    for (place, word) in words.iter().enumerate() {
        // Writing to a string cannot fail.
        _ = write!(text, " WHEN {place} THEN '{word}'");
    }
    text + " END"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_comes_from_a_field() {
        for name in view_columns() {
            let expression = expression(name);
            if let Some(field) = expression.strip_prefix("e.") {
                assert!(
                    Field::ALL.iter().any(|known| known.name() == field),
                    "{name}: {expression}"
                );
            }
        }
    }

    #[test]
    fn view_shows_the_columns_in_order() {
        let names: Vec<&str> = view_columns().collect();
        assert_eq!(names[..3], ["seq", "time", "time_text"]);
        assert_eq!(names.len(), COLUMNS.len() + 1);
    }

    #[test]
    fn no_compound_is_too_long() {
        let segments: Vec<i64> = (1..=1000).collect();
        let text = create_events_view(&segments);
        for part in text.split("SELECT * FROM (") {
            assert!(part.matches("UNION ALL").count() < 500);
        }
        for n in segments {
            assert_eq!(
                text.matches(&format!("rows_{n}\n")).count()
                    + text.matches(&format!("rows_{n})")).count(),
                1
            );
        }
    }
}
