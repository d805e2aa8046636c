//! What is told is counted, stored and served.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::*;
use crate::flow::Kind;

const HOUR_US: i64 = 3_600_000_000;

fn busy() -> Health {
    let health = Health::new(42, HOUR_US);
    health.servers(vec![
        Server {
            system: "postgresql".to_owned(),
            version: "15.1".to_owned(),
            exe: "/a".to_owned(),
        },
        Server {
            system: "postgresql".to_owned(),
            version: "16.1".to_owned(),
            exe: "/b".to_owned(),
        },
    ]);
    let mut lost = Event::new(3, HOUR_US, Kind::Loss, "ring_full");
    lost.repeat_count = 17;
    let events = [
        Event::new(1, HOUR_US, Kind::Query, "simple"),
        Event::new(2, HOUR_US, Kind::Query, "simple"),
        lost,
    ];
    health.waiting(4096, 65_536, 30_000, HOUR_US);
    health.stored(&events, 1_500, 250_000, HOUR_US + 1);
    health.stored(&events[..1], 20_000_000, 10, HOUR_US + 2);
    health.waiting(1024, 65_536, 0, HOUR_US + 3);
    health
}

#[test]
fn what_was_told_is_counted() {
    let now = busy().snapshot();
    assert_eq!(now.rows["query"], 3);
    assert_eq!(now.rows["loss"], 1);
    assert_eq!((now.lost["ring_full"], now.lost_total()), (17, 17));
    assert_eq!((now.ring.used, now.ring.used_max), (1024, 4096));
    assert_eq!((now.lag_us, now.lag_max_us), (0, 250_000));
    let times = &now.commits.time_us;
    assert_eq!(
        (times.count, times.sum, times.max),
        (2, 20_001_500, 20_000_000)
    );
    assert_eq!(
        times.classes.iter().sum::<u64>(),
        1,
        "20 s are beyond every class"
    );
    assert!(!now.held_up);
}

#[test]
fn a_failed_commit_holds_up_until_the_next_good_one() {
    let health = busy();
    health.held_up("database or disk is full", HOUR_US);
    let now = health.snapshot();
    assert!(now.held_up);
    assert_eq!((now.commits.failed, now.errors), (1, 1));
    assert_eq!(now.last_error.unwrap().message, "database or disk is full");
    health.stored(&[], 10, 0, HOUR_US);
    assert!(!health.snapshot().held_up);
}

#[test]
fn the_page_has_every_number() {
    let health = busy();
    health.error("a \"quoted\"\nerror", 2 * HOUR_US);
    health.trail(Trail {
        segments: [("open".to_owned(), 1), ("sealed".to_owned(), 2)].into(),
        rows: 5,
        database_bytes: 8192,
        wal_bytes: 0,
        archive_files: 3,
        archive_rows: 9,
        archive_bytes: 777,
    });
    health.disk(Disk {
        stage: "warn".to_owned(),
        free_bytes: 4096,
        reading_stopped: true,
    });
    health.wal_held(Some(health.snapshot().at_us - 2_000_000));
    let page = text(health.snapshot()).unwrap();
    let version = concat!(
        "sqltrail_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1"
    );
    for line in [
        version,
        "# TYPE sqltrail_events_total counter",
        "sqltrail_events_total{kind=\"query\"} 3",
        "sqltrail_lost_events_total{reason=\"ring_full\"} 17",
        "sqltrail_servers{db_system_name=\"postgresql\"} 2",
        "sqltrail_start_time_seconds 3600.0",
        "sqltrail_ring_size_bytes 65536",
        "sqltrail_ring_used_bytes 1024",
        "sqltrail_ring_used_max_bytes 4096",
        "sqltrail_lag_seconds 0.0",
        "# TYPE sqltrail_commit_duration_seconds histogram",
        "sqltrail_commit_duration_seconds_bucket{le=\"0.001\"} 0",
        "sqltrail_commit_duration_seconds_bucket{le=\"0.002\"} 1",
        "sqltrail_commit_duration_seconds_bucket{le=\"10\"} 1",
        "sqltrail_commit_duration_seconds_bucket{le=\"+Inf\"} 2",
        "sqltrail_commit_duration_seconds_count 2",
        "sqltrail_commit_duration_seconds_sum 20.0015",
        "sqltrail_batch_rows_bucket{le=\"4\"} 2",
        "sqltrail_failed_commits_total 0",
        "sqltrail_held_up 0.0",
        "sqltrail_segments{state=\"sealed\"} 2",
        "sqltrail_database_size_bytes 8192",
        "sqltrail_archive_files 3",
        "sqltrail_archive_size_bytes 777",
        "sqltrail_disk_free_bytes 4096",
        "sqltrail_disk_stage{stage=\"warn\"} 1",
        "sqltrail_disk_stage{stage=\"act\"} 0",
        "sqltrail_reading_stopped 1.0",
        "sqltrail_wal_held_seconds 2.0",
        "sqltrail_errors_total 1",
        "sqltrail_last_error_time_seconds{message=\"a \\\"quoted\\\"\\nerror\"} 7200.0",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "{line} is not in\n{page}"
        );
    }
}

#[test]
fn a_snapshot_of_another_version_can_be_read() {
    let now: Snapshot = serde_json::from_str(r#"{"pid": 3, "unheard_of": {"a": 1}}"#).unwrap();
    assert_eq!(now.pid, 3);
    let stored = serde_json::to_string(&busy().snapshot()).unwrap();
    assert_eq!(
        serde_json::from_str::<Snapshot>(&stored).unwrap(),
        busy().snapshot()
    );
}

#[test]
fn the_page_is_served() {
    let served = serve("127.0.0.1:0".parse().unwrap(), busy()).unwrap();
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("\nsqltrail_events_total{kind=\"query\"} 3\n"),
        "{answer}"
    );
    assert!(ask("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
    assert!(ask("POST /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 405 "));
    assert!(ask("rubbish\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let taken = serve(served.address(), busy()).unwrap_err();
    assert_eq!(
        taken.to_string(),
        format!("cannot serve metrics on {}", served.address())
    );
}
