//! What is to go, of made-up catalogues.

use super::{DAY_US, change};
use crate::retain::plan::{Deed, Limits, Reason, plan};
use crate::store::catalog::{ArchiveFile, SegmentEntry, SegmentState, Span};
use crate::store::holds::Hold;

/// Segment `id` of `states` has the rows of day `id`, 100 bytes of them, and a file of 10.
fn catalogue(states: &[SegmentState]) -> (Vec<SegmentEntry>, Vec<ArchiveFile>) {
    (1..)
        .zip(states)
        .map(|(id, state)| {
            let span = Span {
                first_seq: id * 5,
                last_seq: id * 5 + 4,
                first_time_us: id * DAY_US,
                last_time_us: (id + 1) * DAY_US - 1,
            };
            let entry = SegmentEntry {
                segment_id: id,
                state: *state,
                span: Some(span),
                rows: 5,
                bytes: 100,
                opened_at_us: 0,
                sealed_at_us: None,
                archived_at_us: None,
            };
            let file = ArchiveFile {
                path: format!("archive/date=1970-01-0{id}/{id}-1.parquet"),
                segment_id: id,
                date: format!("1970-01-0{id}"),
                rows: 5,
                bytes: 10,
                span,
                sha256: String::new(),
            };
            (entry, file)
        })
        .unzip()
}

fn hold(from_us: i64, to_us: i64) -> Hold {
    Hold {
        hold_id: 1,
        from_us,
        to_us,
        placed: change(),
        released: None,
    }
}

#[test]
fn what_is_old_or_too_much_goes() {
    use SegmentState::{Archived, Dropped, Open, Purged, Sealed};
    let (segments, files) = catalogue(&[Purged, Dropped, Archived, Archived, Sealed, Open]);
    let files = &files[1..4];
    // The day of segment 6.
    let now = 6 * DAY_US;
    let check = |limits: Limits, holds: &[Hold], expected: &[(i64, Deed, Reason)]| {
        let steps: Vec<_> = plan(&segments, files, holds, &limits, now)
            .iter()
            .map(|step| (step.segment_id, step.deed, step.reason))
            .collect();
        assert_eq!(steps, expected, "{limits:?}");
    };
    let none = Limits::default();
    check(none, &[], &[]);

    // By age: until the last row is old enough, and only what is archived.
    let hot_age = |days| Limits {
        hot_age_us: Some(days * DAY_US),
        ..none
    };
    check(
        hot_age(0),
        &[],
        &[
            (3, Deed::Drop, Reason::HotAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );
    check(hot_age(2), &[], &[(3, Deed::Drop, Reason::HotAge)]);
    check(hot_age(3), &[], &[]);
    let total_age = |days| Limits {
        total_age_us: Some(days * DAY_US),
        ..none
    };
    check(total_age(4), &[], &[]);
    check(total_age(3), &[], &[(2, Deed::Purge, Reason::TotalAge)]);
    check(
        Limits {
            hot_age_us: Some(DAY_US),
            ..total_age(2)
        },
        &[],
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Purge, Reason::TotalAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );

    // By size: SQLite has four segments, two of which cannot go.
    let hot_bytes = |bytes| Limits {
        hot_bytes: Some(bytes),
        ..none
    };
    check(hot_bytes(400), &[], &[]);
    check(hot_bytes(399), &[], &[(3, Deed::Drop, Reason::HotBytes)]);
    check(
        hot_bytes(0),
        &[],
        &[
            (3, Deed::Drop, Reason::HotBytes),
            (4, Deed::Drop, Reason::HotBytes),
        ],
    );
    let total_bytes = |bytes| Limits {
        total_bytes: Some(bytes),
        ..none
    };
    check(total_bytes(30), &[], &[]);
    check(
        total_bytes(29),
        &[],
        &[(2, Deed::Purge, Reason::TotalBytes)],
    );
    check(
        Limits {
            hot_bytes: Some(399),
            ..total_bytes(19)
        },
        &[],
        // What is purged counts no more.
        &[
            (2, Deed::Purge, Reason::TotalBytes),
            (3, Deed::Purge, Reason::TotalBytes),
        ],
    );
    let excess = |bytes| Limits {
        excess_bytes: bytes,
        ..none
    };
    check(
        excess(11),
        &[],
        &[
            (2, Deed::Purge, Reason::DiskFull),
            (3, Deed::Purge, Reason::DiskFull),
        ],
    );

    // What is held stays, and the next one goes in its place; its rows may still leave SQLite.
    let held = [hold(3 * DAY_US, 3 * DAY_US)];
    check(
        total_bytes(15),
        &held,
        &[
            (2, Deed::Purge, Reason::TotalBytes),
            (3, Deed::Hold, Reason::TotalBytes),
            (4, Deed::Purge, Reason::TotalBytes),
        ],
    );
    check(
        excess(11),
        &held,
        &[
            (2, Deed::Purge, Reason::DiskFull),
            (3, Deed::Hold, Reason::DiskFull),
            (4, Deed::Purge, Reason::DiskFull),
        ],
    );
    check(
        Limits {
            hot_age_us: Some(DAY_US),
            ..total_age(2)
        },
        &held,
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Hold, Reason::TotalAge),
            (3, Deed::Drop, Reason::HotAge),
            (4, Deed::Drop, Reason::HotAge),
        ],
    );
    let released = [Hold {
        released: Some(change()),
        ..held[0].clone()
    }];
    check(
        total_age(3),
        &released,
        &[(2, Deed::Purge, Reason::TotalAge)],
    );
    check(
        total_age(2),
        &released,
        &[
            (2, Deed::Purge, Reason::TotalAge),
            (3, Deed::Purge, Reason::TotalAge),
        ],
    );
}

#[test]
fn a_hold_covers_both_its_ends() {
    let span = Span {
        first_seq: 1,
        last_seq: 2,
        first_time_us: 10,
        last_time_us: 20,
    };
    for (from_us, to_us, expected) in [
        (0, 9, false),
        (0, 10, true),
        (20, 30, true),
        (21, 30, false),
        (12, 13, true),
    ] {
        assert_eq!(
            hold(from_us, to_us).covers(span),
            expected,
            "{from_us} {to_us}"
        );
    }
}
