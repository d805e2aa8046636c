//! Random lists of actions with crashes in between, against a list of rows in memory.

use std::collections::BTreeSet;

use capture::crash;
use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;
use crate::compact;
use crate::dedup::dictionary;
use crate::retain::{self, plan};
use crate::store::catalog::{Catalog, SegmentState};
use crate::store::holds::Change;
use crate::store::objects;
use crate::store::segment::Limits;

/// Rows: user, shape, literal.
type Rows = Vec<(u8, u8, u16)>;

#[derive(Debug, Clone)]
enum Action {
    Append(Rows),
    /// The same, failing at that row first.
    FailThenAppend(Rows, usize),
    Seal,
    Compact,
    /// One that fails when its files are there, and the catalogue does not know.
    FailToCompact,
    Retain(plan::Limits),
    /// Places a hold from one row to another.
    Hold(i64, i64),
    /// Releases the oldest.
    Release,
    Reopen,
}

impl Action {
    /// Its effects at which it can be cut short.
    fn points(&self) -> &'static [&'static str] {
        match self {
            Self::Append(_) => &["before-commit", "after-commit"],
            Self::Seal => &["before-sealed", "after-sealed"],
            Self::Compact => &[
                "file-made",
                "before-sync",
                "before-rename",
                "after-rename",
                "before-archived",
                "after-archived",
            ],
            Self::Retain(_) => &[
                "before-drop",
                "after-drop",
                "before-tombstone",
                "after-tombstone",
                "after-unlink",
                "after-removed",
            ],
            Self::FailThenAppend(..)
            | Self::FailToCompact
            | Self::Hold(..)
            | Self::Release
            | Self::Reopen => &[],
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let rows = || prop::collection::vec((0..4_u8, 0..12_u8, any::<u16>()), 0..12);
    let limits = prop_oneof![
        (0..40_i64).prop_map(|age| plan::Limits {
            hot_age_us: Some(age),
            ..NO_LIMITS
        }),
        (0..6000_i64).prop_map(|bytes| plan::Limits {
            hot_bytes: Some(bytes),
            ..NO_LIMITS
        }),
        (0..60_i64).prop_map(|age| plan::Limits {
            total_age_us: Some(age),
            ..NO_LIMITS
        }),
        // A file has some 10 KiB.
        (0..40_000_i64).prop_map(|bytes| plan::Limits {
            total_bytes: Some(bytes),
            ..NO_LIMITS
        }),
        (0..20_000_i64).prop_map(|bytes| plan::Limits {
            excess_bytes: bytes,
            ..NO_LIMITS
        }),
    ];
    prop_oneof![
        8 => rows().prop_map(Action::Append),
        2 => (rows(), 0..12_usize).prop_map(|(rows, at)| Action::FailThenAppend(rows, at)),
        1 => Just(Action::Seal),
        5 => Just(Action::Compact),
        1 => Just(Action::FailToCompact),
        7 => limits.prop_map(Action::Retain),
        1 => (0..90_i64, 0..20_i64).prop_map(|(from, length)| Action::Hold(from, from + length)),
        1 => Just(Action::Release),
        1 => Just(Action::Reopen),
    ]
}

const NO_LIMITS: plan::Limits = plan::Limits {
    hot_age_us: None,
    hot_bytes: None,
    total_age_us: None,
    total_bytes: None,
    excess_bytes: 0,
};

/// An action, and at which of its effects it is cut short, the how-manieth time.
fn step() -> impl Strategy<Value = (Action, Option<(usize, u64)>)> {
    (
        action(),
        prop::option::weighted(0.5, (0..6_usize, 1..3_u64)),
    )
}

/// What the trail must show.
#[derive(Debug, Default)]
struct Model {
    /// `seq`, user, text and tables of every statement that was ever stored.
    rows: Vec<(i64, Vec<Value>)>,
    /// Batches up to there are accounted for.
    position: u64,
    /// Holds in force, each with the `seq` of statements that it keeps.
    holds: Vec<(i64, BTreeSet<i64>)>,
    /// How many changes of holds there were.
    changes: i64,
}

impl Model {
    fn batch(&self, store: &Store, rows: &[(u8, u8, u16)]) -> Batch {
        let events = (store.next_seq()..)
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
            let row = vec![
                Value::Integer(event.seq),
                Value::Text(user),
                Value::Text(text),
                event.objects.clone().map_or(Value::Null, Value::Text),
            ];
            self.rows.push((event.seq, row));
        }
        self.position = batch.ring.as_ref().unwrap().position;
    }
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

/// Every row has its `seq` for a time, and so has the present.
fn now(store: &Store) -> i64 {
    NOW + store.next_seq()
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
    let outcome = compact::run(dir, &mut catalog, NOW);
    assert_eq!(outcome.is_err(), waiting > 0);
    assert_eq!(catalog.sealed_segments().unwrap().len(), waiting);
}

fn retain(dir: &Path, limits: &plan::Limits, now_us: i64) {
    let mut catalog = Catalog::open(dir).unwrap();
    let outcome = retain::run(dir, &mut catalog, limits, "model", now_us).unwrap();
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    // What must go because the disk is full went now, and would again.
    let limits = plan::Limits {
        excess_bytes: 0,
        ..*limits
    };
    let left = retain::look(catalog.connection(), catalog.path(), &limits, now_us).unwrap();
    assert!(
        left.iter().all(|step| step.deed == plan::Deed::Hold),
        "{left:?}"
    );
    assert_eq!(catalog.unremoved().unwrap(), []);
}

/// Does it; may be left at any effect.
fn perform(dir: &Path, store: &mut Store, action: &Action, batch: &Batch) {
    match action {
        Action::Append(_) => {
            let appended = store.append(batch, NOW).unwrap();
            assert_eq!(appended.rows, batch.events.len());
        }
        Action::FailThenAppend(_, at) => {
            fail(store, batch, *at);
            store.append(batch, NOW).unwrap();
        }
        Action::Seal => {
            store.seal(NOW).unwrap();
        }
        Action::Compact => {
            let mut catalog = Catalog::open(dir).unwrap();
            compact::run(dir, &mut catalog, NOW).unwrap();
            assert_eq!(catalog.sealed_segments().unwrap(), []);
        }
        Action::FailToCompact => fail_to_compact(dir),
        Action::Retain(limits) => retain(dir, limits, now(store)),
        Action::Hold(..) | Action::Release | Action::Reopen => {}
    }
}

/// Holds are one transaction each.
fn change_holds(dir: &Path, model: &mut Model, action: &Action) {
    let mut catalog = Catalog::open(dir).unwrap();
    let change = Change {
        reason: "a trial".to_owned(),
        by: "counsel".to_owned(),
        at_us: NOW,
    };
    match action {
        Action::Hold(from, to) => {
            let kept = living(&catalog, model).filter(|seq| (from..=to).contains(&seq));
            let kept = kept.collect();
            let id = catalog.add_hold(NOW + from, NOW + to, &change).unwrap();
            model.holds.push((id, kept));
            model.changes += 1;
        }
        Action::Release if !model.holds.is_empty() => {
            let (id, _) = model.holds.remove(0);
            catalog.release_hold(id, &change).unwrap();
            model.changes += 1;
        }
        _ => {}
    }
}

/// Statements whose segments are in one of those states.
fn in_states(
    catalog: &Catalog,
    model: &Model,
    is_meant: impl Fn(SegmentState) -> bool,
) -> impl Iterator<Item = i64> {
    let segments = catalog.segments().unwrap();
    let spans: Vec<_> = segments
        .iter()
        .filter(|segment| is_meant(segment.state))
        .filter_map(|segment| segment.span)
        .collect();
    let seqs: Vec<i64> = model.rows.iter().map(|(seq, _)| *seq).collect();
    seqs.into_iter().filter(move |seq| {
        spans
            .iter()
            .any(|span| (span.first_seq..=span.last_seq).contains(seq))
    })
}

fn living(catalog: &Catalog, model: &Model) -> impl Iterator<Item = i64> {
    in_states(catalog, model, |state| state != SegmentState::Purged)
}

fn check(dir: &Path, store: &Store, model: &Model) {
    let catalog = Catalog::open(dir).unwrap();
    let hot: BTreeSet<i64> = in_states(&catalog, model, SegmentState::is_hot).collect();
    let expected: Vec<_> = model
        .rows
        .iter()
        .filter(|(seq, _)| hot.contains(seq))
        .map(|(_, row)| row.clone())
        .collect();
    assert_eq!(
        rows(
            dir,
            "SELECT seq, db_user, db_query_text, objects FROM events WHERE kind = 'query' ORDER BY seq"
        ),
        expected
    );
    assert_eq!(crate::verify::run(dir).unwrap(), []);
    assert_eq!(store.ring_position("ring-a").unwrap_or(0), model.position);
    // The catalogue counts what is gone, too.
    assert_eq!(
        numbers(dir, "SELECT coalesce(sum(rows), 0) FROM segments"),
        [store.next_seq() - 1]
    );
    let living: BTreeSet<i64> = living(&catalog, model).collect();
    for (id, held) in &model.holds {
        assert!(held.is_subset(&living), "hold {id}");
    }
    // Everything that happened is told, or will be.
    let told = numbers(
        dir,
        "SELECT (SELECT count(*) FROM notices) + (SELECT coalesce(sum(rows), 0) FROM segments)",
    );
    let happened = numbers(
        dir,
        "SELECT (SELECT count(*) FROM tombstones) + (SELECT count(dropped_at) FROM segments)",
    );
    let statements = i64::try_from(model.rows.len()).unwrap();
    assert_eq!(told[0], happened[0] + model.changes + statements);
    // The dictionaries have all that rows refer to.
    assert_eq!(
        numbers(
            dir,
            "SELECT count(*) FROM events WHERE kind = 'query' AND fingerprint NOT IN
               (SELECT fingerprint FROM statements)"
        ),
        [0]
    );
    if living.len() == model.rows.len() {
        assert_eq!(
            numbers(dir, "SELECT coalesce(sum(count), 0) FROM statements"),
            [statements]
        );
    }
    assert_eq!(
        numbers(dir, "SELECT count(*) FROM segments WHERE state = 'open'"),
        [1]
    );
    let n = store.segment_id();
    assert!(numbers(dir, &format!("SELECT count(*) FROM templates_{n}"))[0] <= 6);
    assert!(numbers(dir, &format!("SELECT count(*) FROM objects_{n}"))[0] <= 3);
    // Each segment has sessions of its own.
    let users = "SELECT count(DISTINCT s.segment_id || db_user) FROM events e
                 JOIN segments s ON e.seq BETWEEN s.first_seq AND s.last_seq";
    assert!(numbers(dir, "SELECT count(*) FROM sessions") >= numbers(dir, users));
    if model.rows.len() == hot.len() {
        assert_eq!(
            numbers(dir, "SELECT count(*) FROM sessions"),
            numbers(dir, users)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn trail_shows_what_was_appended_and_is_kept(steps in prop::collection::vec(step(), 10..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let mut store = Store::open(dir.path(), tight(), NOW).unwrap();
        for (action, crash_at) in steps {
            let batch = match &action {
                Action::Append(rows) | Action::FailThenAppend(rows, _) => model.batch(&store, rows),
                _ => Batch::default(),
            };
            change_holds(dir.path(), &mut model, &action);
            let next_seq = store.next_seq();
            let (point, time) = crash_at
                .and_then(|(at, time)| Some((*action.points().get(at)?, time)))
                .unwrap_or(("nowhere", 1));
            let left = crash::leave_at(point, time, || perform(dir.path(), &mut store, &action, &batch));
            if left || matches!(action, Action::Reopen) {
                drop(store);
                store = Store::open(dir.path(), tight(), NOW).unwrap();
            }
            // A batch is stored whole or not at all.
            let position = batch.ring.as_ref().map(|ring| ring.position);
            if let Some(position) = position
                && store.ring_position("ring-a") == Some(position)
            {
                assert_eq!(store.next_seq(), next_seq + i64::try_from(batch.events.len()).unwrap());
                model.take(&batch);
            } else {
                assert!(left || position.is_none());
                assert_eq!(store.next_seq(), next_seq);
            }
            if !left {
                store.tell_notices(NOW).unwrap();
            }
            check(dir.path(), &store, &model);
        }
    }
}
