//! Fills a trail with made-up events, seals it and compacts it: something to ask questions of.
//!
//! ```text
//! cargo run -p sqltrail --example fill_store -- DIR [EVENTS]
//! ```
//! The same number of events (2000 by default) always gives the same rows. They span two UTC dates and several segments;
//! all of them are in SQLite and in Parquet alike.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use sqltrail::compact;
use sqltrail::flow::{Batch, Dialect, Event, Kind, Session, Status, Text};
use sqltrail::store::catalog::Catalog;
use sqltrail::store::segment::Limits;
use sqltrail::store::{Options, Store};

/// 2026-11-21T23:50:00Z: midnight comes ten minutes later.
const START_US: i64 = 1_795_305_000_000_000;

/// Time between the first and the last event.
const SPAN_US: i64 = 1_200_000_000;

/// Rows of a batch.
const BATCH_ROWS: usize = 100;

/// Segments that the events are spread over.
const SEGMENTS: i64 = 3;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().context("usage: fill_store DIR [EVENTS]")?);
    let events: i64 = arguments
        .next()
        .map_or(Ok(2000), |word| word.parse())
        .context("EVENTS is a number")?;

    let limits = Limits {
        rows_max: (events / SEGMENTS).max(1),
        ..Limits::default()
    };
    let mut store = Store::open(
        &dir,
        Options {
            segment: limits,
            ..Options::default()
        },
        START_US,
    )?;
    let mut source = Source::new(events);
    while source.next_seq <= events {
        let batch: Vec<Event> = std::iter::from_fn(|| source.event())
            .take(BATCH_ROWS)
            .collect();
        store.append(
            &Batch {
                events: batch,
                ring: None,
            },
            START_US,
        )?;
    }
    store.seal(START_US + SPAN_US)?;
    drop(store);
    compact::run(&dir, &mut Catalog::open(&dir)?, START_US + SPAN_US)?;
    Ok(())
}

/// Makes the events, in order.
struct Source {
    next_seq: i64,
    count: i64,
    sessions: Vec<Arc<Session>>,
    random: u64,
}

impl Source {
    fn new(count: i64) -> Self {
        let sessions = (0..40).map(|number| Arc::new(session(number))).collect();
        Self {
            next_seq: 1,
            count,
            sessions,
            random: 1,
        }
    }

    /// A number below `bound`, of a sequence that is always the same.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap_or(0) % bound
    }

    fn event(&mut self) -> Option<Event> {
        if self.next_seq > self.count {
            return None;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let place = self.below(self.sessions.len());
        let session = Arc::clone(&self.sessions[place]);
        let time_us =
            START_US + SPAN_US / self.count * seq - i64::try_from(self.below(500_000)).unwrap_or(0);
        let blank = Event::new(seq, time_us, Kind::Lifecycle, "start");
        Some(if seq == 1 {
            blank
        } else {
            match self.below(100) {
                0 => Event {
                    kind: Kind::Loss,
                    command: "ring_full",
                    repeat_count: i64::try_from(self.below(50)).unwrap_or(0) + 1,
                    ..blank
                },
                1 => Event {
                    kind: Kind::AuthFailure,
                    session: Some(session),
                    command: "login",
                    status: Status::Error,
                    status_code: Some("28P01".into()),
                    sqlstate: Some("28P01".into()),
                    error_message: Some("password authentication failed".into()),
                    ..blank
                },
                2 => Event {
                    kind: Kind::Connect,
                    session: Some(session),
                    command: "connect",
                    ..blank
                },
                _ => self.query(session, blank),
            }
        })
    }

    fn query(&mut self, session: Arc<Session>, blank: Event) -> Event {
        // The last ones are new to the trail in its second half.
        let texts = if blank.seq * 2 > self.count {
            TEXTS.len()
        } else {
            TEXTS.len() - NEW_TEXTS
        };
        let place = self.below(texts);
        let number = self.below(1_000_000);
        let bytes = TEXTS[place].replace("{}", &number.to_string()).into_bytes();
        let bytes = if place == NOT_UTF8 {
            [&bytes[..], b" '\xe9\0'"].concat()
        } else {
            bytes
        };
        let failed = self.below(12) == 0;
        let number = |number: usize| i64::try_from(number).unwrap_or(0);
        Event {
            kind: Kind::Query,
            command: if session.dialect == Dialect::Postgres {
                "simple"
            } else {
                "COM_QUERY"
            },
            session: Some(session),
            text: Some(Text {
                len: bytes.len() as u64,
                bytes,
                truncated: false,
            }),
            objects: (place == 2).then(|| r#"[{"object":"shop.orders","write":true}]"#.into()),
            status: if failed { Status::Error } else { Status::Ok },
            status_code: failed.then(|| "42P01".into()),
            sqlstate: failed.then(|| "42P01".into()),
            error_message: failed.then(|| "relation \"x\"\ndoes not exist".into()),
            rows_returned: (place.is_multiple_of(2) && !failed).then(|| number(self.below(1000))),
            rows_affected: (!place.is_multiple_of(2) && !failed).then(|| number(self.below(10))),
            duration_us: (self.below(20) > 0).then(|| number(self.below(5_000_000))),
            repeat_count: if self.below(30) == 0 { 5 } else { 1 },
            ..blank
        }
    }
}

/// The one that is given bytes which are no text.
const NOT_UTF8: usize = 12;

/// How many of the last ones come late.
const NEW_TEXTS: usize = 3;

const TEXTS: [&str; 19] = [
    "select * from users where id = {}",
    "update users set name = 'n{}' where id = {}",
    "insert into t(a, b) values ({}, 'x'), ({}, 'y')",
    "delete from public.users where id = {}",
    "select u.id from \"public\".\"users\" u, orders o where o.user_id = u.id and o.id in ({}, 2, 3)",
    "insert into `users`(`id`) values ({})",
    "SELECT count(*)\n\tFROM USERS\r\nWHERE note = '100%'",
    "select 'users' as word, {}",
    "select {} /* users */ from orders -- of users",
    "select * from users_old where id = {}",
    "select * from \u{dc}bung where id = {}",
    "select * from \u{fc}bung where id = {}",
    "select {} as broken,",
    "create table users_copy(id int)",
    "grant select on users to bob",
    "begin",
    "alter table public.users add column note text",
    "select sum(x) from late where y < {}",
    "call late_procedure({}, '{}')",
];

fn session(number: i64) -> Session {
    let postgres = number % 2 == 0;
    let named = |names: &[&str]| {
        let place = usize::try_from(number).unwrap_or(0) / 2 % names.len();
        Some(names[place].to_owned()).filter(|name| !name.is_empty())
    };
    Session {
        db_system_name: if postgres { "postgresql" } else { "mariadb" }.into(),
        server_version: Some(if postgres { "15.18" } else { "10.11.14" }.into()),
        host_name: "db1".into(),
        server_pid: if postgres { 4000 + number } else { 900 },
        session_id: if postgres {
            format!("65a1b2c3.{number:x}")
        } else {
            number.to_string()
        },
        db_user: named(&["alice", "bob", "zo\u{eb}", "app"]),
        db_namespace: named(&["shop", "", "stock"]),
        client_address: named(&["local", "192.0.2.7", "2001:db8::1"]),
        client_port: (number % 3 == 0).then_some(50_000 + number),
        application_name: named(&["psql", "", "pgbench", "a\nb"]),
        dialect: if postgres {
            Dialect::Postgres
        } else {
            Dialect::Mysql
        },
    }
}
