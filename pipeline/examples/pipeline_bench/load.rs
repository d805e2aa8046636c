//! Made-up ring records, like those of a busy server.
//!
//! [`TEMPLATES`] statements met with by Zipf's law, whose lengths are spread as in usual traffic (half of them
//! below 170 bytes, one in a hundred above 700) and whose literals are random; [`SESSIONS`] sessions, half of them
//! on PostgreSQL and half on MariaDB, some of whose statements run at the same time. It is the same every time.

use capture_common::{
    ids::{engine, flag, kind},
    record::{Begin, CLASSES, End, Header, NAME_MAX, NAMES, NO_COUNT, NO_NAME, Session, outcome},
};
use sqltrail::{
    assemble::{Assembler, Clock, Target},
    decode::Record,
};

/// 2026-11-22T00:00:00Z: when the first record is made, microseconds.
pub(crate) const WALL_US: i64 = 1_795_305_600_000_000;

/// Concurrent sessions.
const SESSIONS: usize = 300;

/// Sessions that have a statement running at once, at most.
const RUNNING: usize = 16;

/// Different statements.
const TEMPLATES: usize = 500;

/// One statement in so many fails.
const FAILS: usize = 100;

/// Bytes of a template to each of its literals.
const BYTES_PER_LITERAL: usize = 45;

/// Indexes of the servers.
const POSTGRES: u32 = 0;
const MARIADB: u32 = 1;

/// The records of a run.
pub(crate) struct Load {
    /// How many events they make.
    pub(crate) events: usize,
    /// Bytes of the statements.
    pub(crate) text_bytes: u64,
    bytes: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
}

impl Load {
    pub(crate) fn new(events: usize) -> Self {
        let mut maker = Maker::new();
        let mut load = Self {
            events,
            text_bytes: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        let mut clients: Vec<Client> = (0..SESSIONS).map(Client::new).collect();
        for client in &mut clients {
            load.push(&client.session());
        }
        let mut running: Vec<usize> = Vec::new();
        for _ in 0..events {
            let next = maker.random.below(SESSIONS);
            if let Some(place) = running.iter().position(|client| *client == next) {
                running.swap_remove(place);
                load.end(&mut clients[next], &mut maker);
            } else if running.len() == RUNNING {
                let place = maker.random.below(RUNNING);
                let client = running.swap_remove(place);
                load.end(&mut clients[client], &mut maker);
            }
            running.push(next);
            let text = maker.statement();
            load.text_bytes += text.len() as u64;
            load.begin(&mut clients[next], &text);
        }
        for client in running {
            load.end(&mut clients[client], &mut maker);
        }
        load
    }

    /// The records, one after the other.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[start..*end])
    }

    /// One that knows the servers.
    pub(crate) fn assembler(&self, next_seq: i64) -> Assembler {
        let mut assembler =
            Assembler::new("db1".to_owned(), next_seq, Clock::new(0, WALL_US * 1000));
        for (index, engine, version) in [
            (POSTGRES, engine::POSTGRES, "15.18"),
            (MARIADB, engine::MARIADB, "10.11.14"),
        ] {
            let target = Target {
                engine,
                version: Some(version.to_owned()),
                tags: ["SELECT", "INSERT", "UPDATE"].map(str::to_owned).to_vec(),
            };
            assembler.add_target(index, target);
        }
        assembler
    }

    /// Adds a record, filled up to its size class as in the ring.
    fn push(&mut self, record: &Record<'_>) {
        let start = self.bytes.len();
        record.encode(&mut self.bytes);
        let len = self.bytes.len() - start;
        let exact = matches!(record, Record::End(_, []) | Record::Session(..));
        let class = CLASSES.into_iter().find(|class| len <= *class && !exact);
        self.bytes.resize(start + class.unwrap_or(len), 0);
        self.ends.push(self.bytes.len());
    }

    fn begin(&mut self, client: &mut Client, text: &str) {
        client.header.call += 1;
        client.text_len = text.len() as u64;
        let begin = Begin {
            header: Header {
                flags: flag::LAST,
                ..client.header(kind::BEGIN, text.len())
            },
            text_len: client.text_len,
            statement_start: 0,
            row_limit: NO_COUNT,
            portal: 0,
            message_call: client.header.call,
            command: client.command(),
            location: if client.is_postgres() { 0 } else { -1 },
            length: 0,
            prepared_id: 0,
        };
        self.push(&Record::Begin(begin, text.as_bytes()));
    }

    fn end(&mut self, client: &mut Client, maker: &mut Maker) {
        let failed = maker.random.below(FAILS) == 0;
        let message: &[u8] = if failed {
            b"relation \"x\" does not exist"
        } else {
            b""
        };
        let rows = maker.random.below(100) as u64;
        let end = End {
            header: client.header(kind::END, message.len()),
            outcome: match (failed, client.is_postgres()) {
                (true, _) => outcome::ERROR,
                (false, true) => outcome::OK,
                (false, false) => outcome::RESULT_SET,
            },
            code: if failed { 1146 } else { 0 },
            sqlstate: *b"42S02\0\0\0",
            rows,
            rows_sent: rows,
            tag: 0,
            source: client.command(),
            piece_address: 0x7f00_0000_1000,
            piece_len: client.text_len,
            message_call: client.header.call,
            statement_start: 0,
        };
        self.push(&Record::End(end, message));
    }
}

/// One session.
struct Client {
    header: Header,
    text_len: u64,
}

impl Client {
    fn new(number: usize) -> Self {
        let postgres = number.is_multiple_of(2);
        let number = number as u64;
        let process = if postgres { 4000 + number } else { 900 };
        Self {
            header: Header {
                target: if postgres { POSTGRES } else { MARIADB },
                pid_tgid: process << 32 | (4000 + number),
                session: number + 1,
                generation: 1,
                ..Header::ZERO
            },
            text_len: 0,
        }
    }

    fn is_postgres(&self) -> bool {
        self.header.target == POSTGRES
    }

    /// `DestRemote`, `COM_QUERY`.
    fn command(&self) -> u32 {
        if self.is_postgres() { 2 } else { 3 }
    }

    /// The next header, 50 microseconds after the last.
    fn header(&mut self, kind: u16, data_len: usize) -> Header {
        self.header.time_ns += 50_000;
        Header {
            kind,
            data_len: u32::try_from(data_len).unwrap_or(0),
            ..self.header
        }
    }

    fn session(&mut self) -> Record<'static> {
        let names: [Option<&[u8]>; NAMES] = [
            Some(b"app"),
            Some(b"shop"),
            Some(b"web"),
            Some(b"web1"),
            Some(b"192.0.2.7"),
        ];
        let session = Session {
            header: self.header(kind::SESSION, NAMES * NAME_MAX),
            remote: [0; 32],
            peer_port: 50_000,
            lengths: names
                .map(|name| name.map_or(NO_NAME, |name| u32::try_from(name.len()).unwrap_or(0))),
        };
        Record::Session(session, names)
    }
}

/// Makes statements.
struct Maker {
    random: Random,
    /// The parts between the literals.
    templates: Vec<Vec<String>>,
    /// Sums of the templates' shares, by Zipf's law.
    shares: Vec<f64>,
}

impl Maker {
    fn new() -> Self {
        let mut random = Random(1);
        let templates = (0..TEMPLATES)
            .map(|number| template(number, &mut random))
            .collect();
        let mut sum = 0.0;
        let mut shares = Vec::with_capacity(TEMPLATES);
        let mut rank = 0.0;
        for _ in 0..TEMPLATES {
            rank += 1.0;
            sum += 1.0 / rank;
            shares.push(sum);
        }
        Self {
            random,
            templates,
            shares,
        }
    }

    fn statement(&mut self) -> String {
        let sum = self.shares.last().copied().unwrap_or(0.0);
        let wanted = self.random.fraction() * sum;
        let place = self
            .shares
            .partition_point(|share| *share <= wanted)
            .min(TEMPLATES - 1);
        let mut text = String::new();
        for (number, part) in self.templates[place].iter().enumerate() {
            if number > 0 {
                literal(number, &mut self.random, &mut text);
            }
            text += part;
        }
        text
    }
}

/// Lengths are log-normal; taken in turn, they are spread evenly over the ranks.
fn template(number: usize, random: &mut Random) -> Vec<String> {
    const MEDIAN: f64 = 169.0;
    const SPREAD: f64 = 0.68;
    // Twelve even shares less six are nearly normal.
    let normal = (0..12).map(|_| random.fraction()).sum::<f64>() - 6.0;
    let len = (MEDIAN * (SPREAD * normal).exp()).clamp(60.0, 2000.0);
    let mut parts = Vec::new();
    let mut part = format!("select id, total from orders_{number} where ");
    let mut made = 0.0;
    for column in 0.. {
        part += ["customer_id = ", "created_at > ", "note like ", "state <> "][column % 4];
        while part.len() < BYTES_PER_LITERAL - 12 {
            part += "coalesce(x, y) = z and ";
        }
        made += f64::from(u32::try_from(part.len()).unwrap_or(0)) + 10.0;
        parts.push(std::mem::replace(&mut part, " and ".to_owned()));
        if made >= len {
            break;
        }
    }
    parts.push(" order by id".to_owned());
    parts
}

fn literal(number: usize, random: &mut Random, text: &mut String) {
    if number % 2 == 1 {
        *text += &random.below(100_000_000).to_string();
    } else {
        *text += &format!("'{:012x}'", random.below(1 << 48));
    }
}

/// A sequence of numbers that is always the same.
struct Random(u64);

impl Random {
    /// Below `bound`, which is at most 2^48.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 16).unwrap_or(0) % bound
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 32)).unwrap_or(0)) / f64::from(u32::MAX)
    }
}
