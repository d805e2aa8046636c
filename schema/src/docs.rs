//! The reference page of the trail's columns.
//!
//! Takes [`COLUMNS`] and [`Field`], gives the Markdown text of `docs/schema.md`; it writes no file.

use std::fmt::Write as _;

use crate::columns::{COLUMNS, Type};
use crate::sqlite::{Field, LITERAL_FIELDS, LITERALS_MAX, VERSION};

const INTRODUCTION: &str = "\
# What a row says

<!-- Made from schema/src/columns.rs and schema/src/sqlite. `UPDATE_DOCS=1 cargo test -p schema` writes it anew. -->

Every row of the trail has the columns below: in SQLite they are the view `events` of `audit.db`, in Parquet the
columns of each file in `archive/`.
Names follow the OpenTelemetry database conventions, with underscores for dots.

SQLite has one column more, `time_text`, right after `time`: the same time as ISO 8601 text in UTC with
microseconds, such as `2026-11-22T01:05:51.123456Z`.
";

const TEXT: &str = "
## Text that is not UTF-8

A client can send any bytes, so a statement may be no UTF-8 (a latin-1 client, a binary literal), or hold NUL.
Nothing of it is lost:

- `db_query_raw` has the exact bytes that were recorded. It is set only on such rows and NULL on all others.
- `db_query_text` is text on every row, so that a search never has to look at two columns: each sequence that is
  not UTF-8, and each NUL, shows there as U+FFFD.
- `db_query_template` and `fingerprint` are made from `db_query_text`.

So the exact bytes of any statement, but for its secrets, are `coalesce(db_query_raw, CAST(db_query_text AS BLOB))` in SQLite, and
`coalesce(db_query_raw, encode(db_query_text))` in DuckDB.
Where less than the whole statement was recorded, `truncated` is true and `query_bytes` is its true length; a
character that the cut divides counts as not UTF-8.

## Secrets

Secrets are masked before a row is stored or printed: `***` stands for each password, key and token that the
statement's words announce, in `db_query_text`, `db_query_raw`, `parameters` and `error_message`, and so in what is
made of them (`db_query_template`, `fingerprint`).
It stands between the literal's quotes; a secret that had none is written `'***'`. `query_bytes` is the length that
the client sent.

## How SQLite stores it
";

/// Text of `docs/schema.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(
        "\n| column | SQLite | Parquet | may be NULL | what it says |\n|---|---|---|---|---|\n",
    );
    for column in COLUMNS {
        let (sqlite, parquet) = types(column.kind);
        let null = if column.nullable { "yes" } else { "no" };
        let meaning = cell(column.meaning);
        // Writing to a string cannot fail.
        _ = writeln!(
            page,
            "| `{}` | {sqlite} | {parquet} | {null} | {meaning} |",
            column.name
        );
    }
    page.push_str(TEXT);
    // Writing to a string cannot fail.
    _ = write!(
        page,
        "
This is version {VERSION} of the layout. Read the view `events`; the tables below it may change with the version.

- `events_<n>`: the rows of segment `n`. `segments` lists the segments, `archive_files` the Parquet files made of them.
- `sessions`, `commands`: facts that many rows share, by number; sessions are those of the segments that SQLite has.
- `templates_<n>`: shapes of statements. `format` is the statement with `%` doubled and `%s` for each literal, so that
  `printf(format, literal_1, ...)` is the exact text: up to {LITERAL_FIELDS} literals have a field each, up to
  {LITERALS_MAX} are a JSON list in `literals`. A text with more of them, an empty text, one that is not UTF-8, and any
  text of a new shape once the segment's dictionary is full, is whole in `query_text`.
- `objects_<n>`: lists of touched tables, as long as the segment's dictionary takes them.
- `statements`: each `fingerprint` with its normalised template, when it was first and last seen, and how often.
- `ring`: up to which position of the kernel's ring the rows account for what was recorded.
- `tombstones`: each segment that retention has removed, with its `seq`, times, rows, the reason and by whom;
  `purged_files` has its files with their hashes.
- `holds`: times whose rows are not removed, and who wanted that.
- `notices`: what happened beside the recorder and waits to be a `lifecycle` row.
- `runs`, `threads`, `drops`, `targets`, `running`: what a recorder needs to go on where another ended.
- `meta`: `schema_version` and who created the file, when.

A question about a span of time is answered faster with the rows that can matter, since `seq` is the key:
`seq >= (SELECT min(first_seq) FROM segments WHERE last_time >= :since)`.

| field of `events_<n>` | type | where it differs from the view |
|---|---|---|
"
    );
    for field in Field::ALL {
        let (name, kind, note) = field.definition();
        // Writing to a string cannot fail.
        _ = writeln!(page, "| `{name}` | {kind} | {} |", cell(note));
    }
    page
}

/// SQLite's and Parquet's type.
fn types(kind: Type) -> (&'static str, &'static str) {
    match kind {
        Type::Integer => ("INTEGER", "INT64"),
        Type::Time => (
            "INTEGER (microseconds since 1970-01-01 UTC)",
            "TIMESTAMP(MICROS, UTC)",
        ),
        Type::Boolean => ("INTEGER (0 or 1)", "BOOLEAN"),
        Type::Text | Type::Word => ("TEXT", "STRING"),
        Type::Bytes => ("BLOB", "BYTE_ARRAY"),
    }
}

/// A text as it may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page == markdown(),
            "docs/schema.md is not current: run UPDATE_DOCS=1 cargo test -p schema"
        );
    }

    #[test]
    fn page_names_every_column() {
        let page = markdown();
        for column in COLUMNS {
            assert!(
                page.contains(&format!("| `{}` |", column.name)),
                "{}",
                column.name
            );
            assert!(!column.meaning.is_empty());
        }
    }
}
