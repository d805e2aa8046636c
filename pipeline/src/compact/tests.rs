//! Every row of a segment against its Parquet row.

mod crash;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::plan::DAY_US;
use super::*;
use crate::flow::{Batch, Dialect, Event, Kind, Session, Status, Text};
use crate::store::{Options, Store};

/// 2026-11-22T00:00:00Z.
const DAY_START_US: i64 = 20_779 * DAY_US;

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

fn session(number: i64) -> Arc<Session> {
    let known = number % 3 != 0;
    Arc::new(Session {
        db_system_name: if number % 2 == 0 {
            "postgresql"
        } else {
            "mariadb"
        }
        .into(),
        server_version: known.then(|| "15.18".into()),
        host_name: "db1".into(),
        server_pid: 4000 + number,
        session_id: format!("65a1b2c3.{number:x}"),
        db_user: known.then(|| format!("user{number}")),
        db_namespace: known.then(|| "shop".into()),
        client_address: Some(if known { "192.0.2.7" } else { "local" }.into()),
        client_port: known.then_some(50_000 + number),
        application_name: known.then(|| "psql".into()),
        dialect: if number % 2 == 0 {
            Dialect::Postgres
        } else {
            Dialect::Mysql
        },
    })
}

fn event(seq: i64, time_us: i64, text: &[u8]) -> Event {
    Event {
        message_seq: seq - i64::from(seq % 5 == 0 && seq > 1),
        session: Some(session(seq % 7)),
        text: Some(Text {
            bytes: text.to_vec(),
            len: text.len() as u64 + 3,
            truncated: seq % 4 == 0,
        }),
        parameters: (seq % 3 == 0).then(|| "[1,\"é\"]".into()),
        objects: (seq % 4 == 0).then(|| "[{\"table\":\"public.users\"}]".into()),
        status: if seq % 6 == 0 {
            Status::Error
        } else {
            Status::Ok
        },
        status_code: (seq % 6 == 0).then(|| "42P01".into()),
        sqlstate: (seq % 6 == 0).then(|| "42P01".into()),
        error_message: (seq % 6 == 0).then(|| "relation \"x\" does not exist".into()),
        rows_returned: (seq % 2 == 0).then_some(seq * 10),
        rows_affected: (seq % 2 == 1).then_some(seq),
        duration_us: (seq % 9 != 0).then_some(seq * 1000),
        repeat_count: 1 + seq % 2,
        parent_seq: (seq % 8 == 0).then_some(seq - 1),
        ..Event::new(
            seq,
            time_us,
            Kind::Query,
            if seq % 2 == 0 { "simple" } else { "COM_QUERY" },
        )
    }
}

/// Statements of every kind that the store keeps in another way.
fn texts() -> Vec<Vec<u8>> {
    let list = |count: usize| {
        (0..count)
            .map(|i| format!("c{i} = 'v{i}'"))
            .collect::<Vec<_>>()
            .join(" or ")
    };
    vec![
        b"select 1".to_vec(),
        b"".to_vec(),
        b"  begin ;\n".to_vec(),
        b"select '100%', \"a%sb\" from t where x like 'y%' and 5 % 2 = 1".to_vec(),
        "select 'zoë 🦀', /* comment\n */ 2 -- more"
            .as_bytes()
            .to_vec(),
        b"select 'caf\xe9' from latin1 where id = 7".to_vec(),
        b"select 'a\0b'".to_vec(),
        format!("select * from t where {}", list(8)).into_bytes(),
        format!("select * from t where {}", list(9)).into_bytes(),
        format!("select * from t where {}", list(200)).into_bytes(),
        b"insert into users(name) values ('it''s'), ('\\'), (E'\\n')".to_vec(),
        b"not sql at all '".to_vec(),
        format!("select '{}'", "x".repeat(300_000)).into_bytes(),
        b"create table t(a int)".to_vec(),
        b"select 1".to_vec(),
        b"select 2".to_vec(),
    ]
}

fn events(times: impl Fn(i64) -> i64) -> Vec<Event> {
    let mut events: Vec<Event> = (1..)
        .zip(texts())
        .map(|(seq, text)| event(seq, times(seq), &text))
        .collect();
    let mut seq = signed(events.len());
    for (kind, command) in [
        (Kind::Lifecycle, "start"),
        (Kind::Loss, "ring_full"),
        (Kind::Connect, "connect"),
    ] {
        seq += 1;
        let session = (kind == Kind::Connect).then(|| session(1));
        events.push(Event {
            kind,
            command,
            session,
            text: None,
            ..event(seq, times(seq), b"")
        });
    }
    events
}

/// A trail of one sealed segment with these events.
fn trail(events: Vec<Event>, options: Options) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options, 1).unwrap();
    store.append(&Batch { events, ring: None }, 2).unwrap();
    store.seal(3).unwrap();
    dir
}

fn compact(dir: &Path) -> Vec<ArchiveFile> {
    run(dir, &mut Catalog::open(dir).unwrap(), 4).unwrap()
}

/// Rows of a statement, each as its values.
fn sqlite_rows(dir: &Path, sql: &str) -> Vec<Vec<Value>> {
    let catalog = Catalog::open(dir).unwrap();
    let mut statement = catalog.connection().prepare(sql).unwrap();
    let width = statement.column_count();
    statement
        .query_map([], |row| (0..width).map(|index| row.get(index)).collect())
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

/// The segment's rows as the view shows them, in the order of the schema.
fn view_rows(dir: &Path) -> Vec<Vec<Value>> {
    let schema = schema::arrow::schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    sqlite_rows(
        dir,
        &format!("select {} from events order by seq", names.join(", ")),
    )
}

/// The rows of a Parquet file, with its schema and metadata.
fn parquet_rows(path: &Path) -> (Vec<Vec<Value>>, Vec<KeyValue>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    assert_eq!(builder.schema().fields(), schema::arrow::schema().fields());
    let facts = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned()
        .unwrap_or_default();
    let mut rows = Vec::new();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            rows.push(
                batch
                    .columns()
                    .iter()
                    .map(|column| value(column, row))
                    .collect(),
            );
        }
    }
    (rows, facts)
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => {
            Value::Integer(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Boolean => Value::Integer(column.as_boolean().value(row).into()),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => Value::Blob(column.as_binary::<i32>().value(row).to_vec()),
        DataType::Dictionary(..) => {
            let words = column.as_dictionary::<Int32Type>();
            let key = usize::try_from(words.keys().value(row)).unwrap();
            value(words.values(), key)
        }
        other => panic!("unexpected type {other}"),
    }
}

fn few_templates() -> Options {
    let mut options = Options::default();
    options.dictionary.templates = 3;
    options
}

#[test]
fn every_parquet_row_is_the_views_row() {
    for options in [Options::default(), few_templates()] {
        let dir = trail(events(|seq| DAY_START_US + seq), options);
        let expected = view_rows(dir.path());
        let files = compact(dir.path());
        assert_eq!(files.len(), 1);
        let (rows, _) = parquet_rows(&dir.path().join(&files[0].path));
        assert_eq!(rows.len(), expected.len());
        let schema = schema::arrow::schema();
        for (row, expected) in rows.iter().zip(&expected) {
            for ((value, expected), field) in row.iter().zip(expected).zip(schema.fields()) {
                assert_eq!(value, expected, "{} of {:?}", field.name(), row[0]);
            }
        }
    }
}

#[test]
fn parquet_holds_the_exact_bytes_of_every_text() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let files = compact(dir.path());
    let (rows, _) = parquet_rows(&dir.path().join(&files[0].path));
    let schema = schema::arrow::schema();
    let (text, raw) = (
        schema.index_of("db_query_text").unwrap(),
        schema.index_of("db_query_raw").unwrap(),
    );
    let mut in_raw = 0;
    for (sent, row) in texts().iter().zip(&rows) {
        let stored = match (&row[raw], &row[text]) {
            (Value::Blob(bytes), _) => {
                in_raw += 1;
                bytes.clone()
            }
            (_, Value::Text(text)) => text.clone().into_bytes(),
            other => panic!("no text: {other:?}"),
        };
        assert_eq!(stored, *sent);
    }
    assert_eq!(in_raw, 2);
}

#[test]
fn sqlite_and_arrow_have_the_same_columns() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let catalog = Catalog::open(dir.path()).unwrap();
    let statement = catalog
        .connection()
        .prepare("select * from events")
        .unwrap();
    let shown: Vec<&str> = statement
        .column_names()
        .filter(|name| *name != "time_text")
        .collect();
    let schema = schema::arrow::schema();
    let fields: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(shown, fields);
}

#[test]
fn a_segment_is_split_at_midnight_utc() {
    // Rows are in order of their end, so that times around midnight alternate.
    let dir = trail(
        events(|seq| DAY_START_US + DAY_US + if seq % 2 == 0 { seq } else { -seq }),
        Options::default(),
    );
    let expected = view_rows(dir.path());
    let files = compact(dir.path());
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "archive/date=2026-11-22/1-1.parquet",
            "archive/date=2026-11-23/1-2.parquet"
        ]
    );
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for file in &files {
        let (part, facts) = parquet_rows(&dir.path().join(&file.path));
        let facts: BTreeMap<String, Option<String>> = facts
            .into_iter()
            .map(|fact| (fact.key, fact.value))
            .collect();
        let says = |key: &str| facts[key].clone().unwrap();
        assert_eq!(says("sqltrail.segment"), "1");
        assert_eq!(says("sqltrail.date"), file.date);
        assert_eq!(says("sqltrail.rows"), part.len().to_string());
        assert_eq!(says("sqltrail.first_seq"), file.span.first_seq.to_string());
        assert_eq!(says("sqltrail.last_seq"), file.span.last_seq.to_string());
        assert_eq!(signed(part.len()), file.rows);
        assert!(part.is_sorted_by_key(|row| match row[0] {
            Value::Integer(seq) => seq,
            ref other => panic!("seq is {other:?}"),
        }));
        for row in &part {
            let Value::Integer(time) = row[1] else {
                panic!("time is {:?}", row[1])
            };
            assert!((file.span.first_time_us..=file.span.last_time_us).contains(&time));
            assert_eq!(
                time.div_euclid(DAY_US),
                if file.date == "2026-11-22" {
                    20_779
                } else {
                    20_780
                }
            );
        }
        rows.extend(part);
    }
    rows.sort_by_key(|row| match row[0] {
        Value::Integer(seq) => seq,
        ref other => panic!("seq is {other:?}"),
    });
    assert_eq!(rows, expected);
}

#[test]
fn times_before_1970_have_a_date_too() {
    let dir = trail(
        vec![event(1, -1, b"select 1"), event(2, 0, b"select 1")],
        Options::default(),
    );
    let dates: Vec<String> = compact(dir.path())
        .into_iter()
        .map(|file| file.date)
        .collect();
    assert_eq!(dates, ["1969-12-31", "1970-01-01"]);
}

#[test]
fn batches_do_not_show() {
    let many = signed(3 * rows::BATCH_ROWS / 2);
    let events = (1..=many)
        .map(|seq| event(seq, DAY_START_US + seq, format!("select {seq}").as_bytes()))
        .collect();
    let dir = trail(events, Options::default());
    let expected = view_rows(dir.path());
    let files = compact(dir.path());
    let (rows, _) = parquet_rows(&dir.path().join(&files[0].path));
    assert!(rows == expected, "rows differ");
}

#[test]
fn the_catalogue_says_what_is_there() {
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let files = compact(dir.path());
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(catalog.archive_files().unwrap(), files);
    assert!(catalog.sealed_segments().unwrap().is_empty());
    let file = &files[0];
    let bytes = fs::read(dir.path().join(&file.path)).unwrap();
    assert_eq!(signed(bytes.len()), file.bytes);
    use sha2::Digest as _;
    assert_eq!(format!("{:x}", sha2::Sha256::digest(&bytes)), file.sha256);
    assert!(compact(dir.path()).is_empty(), "done twice");
}

#[test]
fn only_the_owner_may_read_the_archive() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = trail(events(|seq| DAY_START_US + seq), Options::default());
    let path = dir.path().join(&compact(dir.path())[0].path);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}
