//! Random lists of actions, against a list of rows in memory.

use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;
use crate::dedup::dictionary;
use crate::store::catalog::Catalog;
use crate::store::objects;
use crate::store::segment::Limits;

#[derive(Debug, Clone)]
enum Action {
    /// Rows: user, shape, literal.
    Append(Vec<(u8, u8, u16)>),
    /// The same, failing at that row first.
    FailThenAppend(Vec<(u8, u8, u16)>, usize),
    Seal,
    Compact,
    /// One that fails when its files are there, and the catalogue does not know.
    FailToCompact,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let rows = || prop::collection::vec((0..4_u8, 0..12_u8, any::<u16>()), 0..12);
    prop_oneof![
        5 => rows().prop_map(Action::Append),
        3 => (rows(), 0..12_usize).prop_map(|(rows, at)| Action::FailThenAppend(rows, at)),
        1 => Just(Action::Seal),
        1 => Just(Action::Compact),
        1 => Just(Action::FailToCompact),
        1 => Just(Action::Reopen),
    ]
}

/// What the trail must show.
#[derive(Debug, Default)]
struct Model {
    rows: Vec<Vec<Value>>,
    position: u64,
}

impl Model {
    fn batch(&self, rows: &[(u8, u8, u16)]) -> Batch {
        let first = count(&self.rows) + 1;
        let events = (first..)
            .zip(rows)
            .map(|(seq, (user, shape, literal))| Event {
                session: Some(session(&format!("user{user}"), Dialect::Postgres)),
                // Fewer lists of tables than shapes, and more than the dictionary takes.
                objects: (*shape > 0).then(|| format!(r#"[{{"name":"t{}"}}]"#, shape % 6)),
                ..query(seq, format!("select {literal}, '{literal}%' from t{shape}"))
            });
        batch_to(events.collect(), self.position + 1 + rows.len() as u64)
    }

    fn take(&mut self, batch: &Batch) {
        for event in &batch.events {
            let text = String::from_utf8(event.text.clone().unwrap().bytes).unwrap();
            let user = event.session.clone().unwrap().db_user.clone().unwrap();
            self.rows.push(vec![
                Value::Integer(event.seq),
                Value::Text(user),
                Value::Text(text),
                event.objects.clone().map_or(Value::Null, Value::Text),
            ]);
        }
        self.position = batch.ring.as_ref().unwrap().position;
    }
}

fn count<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap()
}

/// Few rows and few templates, so that segments turn and dictionaries are full.
fn tight() -> Options {
    Options {
        segment: Limits {
            rows_max: 15,
            ..Limits::default()
        },
        dictionary: dictionary::Limits {
            templates: 6,
            ..dictionary::Limits::default()
        },
        objects: objects::Limits {
            lists_max: 3,
            ..objects::Limits::default()
        },
        ..options()
    }
}

fn append(store: &mut Store, model: &mut Model, batch: &Batch) {
    let appended = store.append(batch, NOW).unwrap();
    assert_eq!(appended.rows, batch.events.len());
    model.take(batch);
}

fn fail(store: &mut Store, batch: &Batch, at: usize) {
    let Some(event) = batch.events.get(at) else {
        return;
    };
    let trigger = format!(
        "CREATE TEMP TRIGGER fails BEFORE INSERT ON events_{} WHEN new.seq = {}
         BEGIN SELECT RAISE(ABORT, 'simulated'); END",
        store.segment_id(),
        event.seq
    );
    store.connection.execute_batch(&trigger).unwrap();
    store.append(batch, NOW).unwrap_err();
    store
        .connection
        .execute_batch("DROP TRIGGER fails")
        .unwrap();
}

fn fail_to_compact(dir: &Path) {
    let mut catalog = Catalog::open(dir).unwrap();
    let trigger = "CREATE TEMP TRIGGER fails BEFORE INSERT ON archive_files
                   BEGIN SELECT RAISE(ABORT, 'simulated'); END";
    catalog.connection().execute_batch(trigger).unwrap();
    let waiting = catalog.sealed_segments().unwrap().len();
    let outcome = crate::compact::run(dir, &mut catalog, NOW);
    assert_eq!(outcome.is_err(), waiting > 0);
    assert_eq!(catalog.sealed_segments().unwrap().len(), waiting);
}

fn check(dir: &Path, store: &Store, model: &Model) {
    assert_eq!(
        rows(
            dir,
            "SELECT seq, db_user, db_query_text, objects FROM events ORDER BY seq"
        ),
        model.rows
    );
    assert_eq!(crate::verify::run(dir).unwrap(), []);
    assert_eq!(store.next_seq(), count(&model.rows) + 1);
    assert_eq!(store.ring_position("ring-a").unwrap_or(0), model.position);
    // The catalogue, the dictionary and the counts agree with the rows.
    assert_eq!(
        numbers(dir, "SELECT coalesce(sum(rows), 0) FROM segments"),
        [count(&model.rows)]
    );
    assert_eq!(
        numbers(dir, "SELECT coalesce(sum(count), 0) FROM statements"),
        [count(&model.rows)]
    );
    assert_eq!(
        numbers(dir, "SELECT count(*) FROM segments WHERE state = 'open'"),
        [1]
    );
    let n = store.segment_id();
    assert!(numbers(dir, &format!("SELECT count(*) FROM templates_{n}"))[0] <= 6);
    assert!(numbers(dir, &format!("SELECT count(*) FROM objects_{n}"))[0] <= 3);
    // Each segment has sessions of its own.
    assert_eq!(
        numbers(dir, "SELECT count(*) FROM sessions"),
        numbers(
            dir,
            "SELECT count(DISTINCT s.segment_id || db_user)
                      FROM events e JOIN segments s ON e.seq BETWEEN s.first_seq AND s.last_seq"
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn trail_shows_what_was_appended(actions in prop::collection::vec(action(), 1..14)) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let mut store = Store::open(dir.path(), tight(), NOW).unwrap();
        for action in actions {
            match action {
                Action::Append(rows) => {
                    let batch = model.batch(&rows);
                    append(&mut store, &mut model, &batch);
                }
                Action::FailThenAppend(rows, at) => {
                    let batch = model.batch(&rows);
                    fail(&mut store, &batch, at);
                    append(&mut store, &mut model, &batch);
                }
                Action::Seal => {
                    store.seal(NOW).unwrap();
                }
                Action::Compact => {
                    let mut catalog = Catalog::open(dir.path()).unwrap();
                    crate::compact::run(dir.path(), &mut catalog, NOW).unwrap();
                    assert_eq!(catalog.sealed_segments().unwrap(), []);
                }
                Action::FailToCompact => fail_to_compact(dir.path()),
                Action::Reopen => {
                    drop(store);
                    store = Store::open(dir.path(), tight(), NOW).unwrap();
                }
            }
            check(dir.path(), &store, &model);
        }
    }
}
