//! Writes down what the probes of one thread would record, and shows the rows that come of it.
//!
//! Records are kept as ring bytes, so each test goes through the decoder as well. A [`Script`] counts
//! calls and time (a millisecond between records) as the kernel half does.

use capture_common::{
    ids::{engine, flag, kind},
    record::{Begin, End, Header, NAME_MAX, NAMES, NO_COUNT, NO_NAME, Session, Text, outcome},
};

use crate::{
    assemble::{Assembler, Clock, Target},
    decode::{Record, decode},
    flow::{Event, Kind},
};

/// Indexes of the targets that the tests know.
pub(super) const POSTGRES: u32 = 1;
pub(super) const MARIADB: u32 = 2;

/// Commands of MariaDB.
pub(super) const INIT_DB: u32 = 2;
pub(super) const QUERY: u32 = 3;
pub(super) const PREPARE: u32 = 22;
pub(super) const EXECUTE: u32 = 23;

/// Where MariaDB keeps a text; any address will do.
pub(super) const ADDRESS: u64 = 0x7f00_1234_5000;

/// Tags by number.
const TAGS: [&str; 6] = ["SELECT", "INSERT", "BEGIN", "COPY", "UPDATE", "FETCH"];

/// The records of one thread.
#[derive(Debug, Clone)]
pub(super) struct Script {
    header: Header,
    message_call: u64,
    /// As the kernel half keeps it: the command of the last beginning.
    source: u32,
    pub(super) records: Vec<Vec<u8>>,
}

impl Script {
    /// A session of alice on PostgreSQL; thread and process have the same number.
    pub(super) fn postgres(thread: u32) -> Self {
        Self::new(
            POSTGRES,
            thread,
            u64::from(thread) << 32 | u64::from(thread),
        )
    }

    /// A session of alice on MariaDB.
    pub(super) fn mariadb(thread: u32) -> Self {
        Self::new(MARIADB, thread, 77 << 32 | u64::from(thread))
    }

    fn new(target: u32, thread: u32, pid_tgid: u64) -> Self {
        let header = Header {
            target,
            pid_tgid,
            session: 1000 + u64::from(thread),
            time_ns: 1_000_000_000 + u64::from(thread),
            ..Header::ZERO
        };
        let mut script = Self {
            header,
            message_call: 0,
            source: 0,
            records: Vec::new(),
        };
        script.session("alice", "shop");
        script
    }

    fn header(&mut self, kind: u16, flags: u16, data: &[u8]) -> Header {
        self.header.time_ns += 1_000_000;
        Header {
            kind,
            flags,
            data_len: u32::try_from(data.len()).unwrap(),
            ..self.header
        }
    }

    fn push(&mut self, record: &Record<'_>) -> &mut Self {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.records.push(bytes);
        self
    }

    /// Loses the last record, as a full ring would.
    pub(super) fn lost(&mut self) -> &mut Self {
        self.records.pop();
        self
    }

    /// Who is connected from now on.
    pub(super) fn session(&mut self, user: &str, database: &str) -> &mut Self {
        self.header.generation += 1;
        let names = [
            Some(user.as_bytes()),
            Some(database.as_bytes()),
            None,
            None,
            None,
        ];
        let session = Session {
            header: self.header(kind::SESSION, 0, &[0; NAMES * NAME_MAX]),
            remote: [0; 32],
            peer_port: 0,
            lengths: names
                .map(|name| name.map_or(NO_NAME, |name| u32::try_from(name.len()).unwrap())),
        };
        self.push(&Record::Session(session, names))
    }

    /// Another session on the same thread, of bob.
    pub(super) fn next_session(&mut self) -> &mut Self {
        self.header.session += 1000;
        self.session("bob", "shop")
    }

    /// Another thread of the server serves the session from now on.
    pub(super) fn on_thread(&mut self, thread: u32) -> &mut Self {
        self.header.pid_tgid = self.header.pid_tgid >> 32 << 32 | u64::from(thread);
        self
    }

    /// The thread is gone.
    pub(super) fn exit(&mut self) -> &mut Self {
        let header = self.header(kind::SESSION_END, 0, b"");
        self.push(&Record::SessionEnd(header))
    }

    /// The client has logged in.
    pub(super) fn connect(&mut self) -> &mut Self {
        let header = self.header(kind::CONNECT, 0, b"");
        self.push(&Record::Connect(header))
    }

    /// The session ends, the thread does not.
    pub(super) fn disconnect(&mut self) -> &mut Self {
        let header = self.header(kind::DISCONNECT, 0, b"");
        self.push(&Record::Disconnect(header))
    }

    /// The server has gone on to a command that is not recorded.
    pub(super) fn command_end(&mut self) -> &mut Self {
        let header = self.header(kind::COMMAND_END, 0, b"");
        self.push(&Record::CommandEnd(header))
    }

    /// A beginning; `change` makes it special.
    pub(super) fn begin(&mut self, data: &[u8], change: impl FnOnce(&mut Begin)) -> &mut Self {
        self.header.call += 1;
        let call = self.header.call;
        let mut begin = Begin {
            header: self.header(kind::BEGIN, flag::LAST, data),
            text_len: data.len() as u64,
            statement_start: 0,
            row_limit: NO_COUNT,
            portal: 0,
            message_call: call,
            command: 2,
            location: -1,
            length: 0,
            prepared_id: 0,
        };
        change(&mut begin);
        if begin.header.flags & flag::PIECE == 0 {
            self.message_call = call;
        } else {
            begin.message_call = self.message_call;
        }
        self.source = begin.command;
        self.push(&Record::Begin(begin, data))
    }

    /// PostgreSQL: the only statement of a message of the simple protocol.
    pub(super) fn simple(&mut self, text: &str) -> &mut Self {
        self.begin(text.as_bytes(), |begin| begin.location = 0)
    }

    /// PostgreSQL: the first statement of a message, `length` bytes at `location`.
    pub(super) fn first(&mut self, text: &str, location: i32, length: i32) -> &mut Self {
        self.begin(text.as_bytes(), |begin| {
            (begin.location, begin.length) = (location, length);
        })
    }

    /// PostgreSQL: a further statement of the message.
    pub(super) fn piece(&mut self, location: i32, length: i32) -> &mut Self {
        self.begin(b"", |begin| {
            begin.header.flags = flag::PIECE;
            begin.text_len = NO_COUNT;
            (begin.location, begin.length) = (location, length);
        })
    }

    /// PostgreSQL: a portal of the extended protocol, with a row limit or without.
    pub(super) fn portal(&mut self, text: &str, row_limit: Option<u64>) -> &mut Self {
        self.begin(text.as_bytes(), |begin| {
            begin.command = 3;
            begin.portal = 0x5500;
            begin.location = 0;
            begin.row_limit = row_limit.unwrap_or(NO_COUNT);
        })
    }

    /// MariaDB: a command with its text.
    pub(super) fn command(&mut self, number: u32, text: &str) -> &mut Self {
        self.begin(text.as_bytes(), |begin| begin.command = number)
    }

    /// MariaDB: `COM_QUERY`.
    pub(super) fn query(&mut self, text: &str) -> &mut Self {
        self.command(QUERY, text)
    }

    /// More text of the current call.
    pub(super) fn text(
        &mut self,
        offset: u64,
        data: &str,
        change: impl FnOnce(&mut Text),
    ) -> &mut Self {
        let mut text = Text {
            header: self.header(kind::TEXT, flag::LAST, data.as_bytes()),
            offset,
            text_len: offset + data.len() as u64,
        };
        change(&mut text);
        self.push(&Record::Text(text, data.as_bytes()))
    }

    fn outcome(&mut self, kind: u16, data: &[u8]) -> End {
        End {
            header: self.header(kind, 0, data),
            outcome: outcome::OK,
            code: 0,
            sqlstate: *b"00000\0\0\0",
            rows: NO_COUNT,
            rows_sent: NO_COUNT,
            tag: u32::MAX,
            source: self.source,
            piece_address: 0,
            piece_len: 0,
            message_call: self.message_call,
            statement_start: 0,
        }
    }

    /// An end of the current call.
    pub(super) fn end(&mut self, data: &str, change: impl FnOnce(&mut End)) -> &mut Self {
        let mut end = self.outcome(kind::END, data.as_bytes());
        change(&mut end);
        self.push(&Record::End(end, data.as_bytes()))
    }

    /// An outcome with no beginning: a call of its own.
    pub(super) fn failure(&mut self, message: &str, change: impl FnOnce(&mut End)) -> &mut Self {
        let mut end = self.outcome(kind::FAILURE, message.as_bytes());
        (end.outcome, end.source) = (outcome::ERROR, 0);
        end.message_call = end.header.call;
        change(&mut end);
        if end.header.flags & flag::PIECE != 0 {
            end.message_call = self.message_call;
        }
        self.push(&Record::Failure(end, message.as_bytes()))
    }

    /// Starts the call of a [`Self::failure`]; its text may follow.
    pub(super) fn call(&mut self) -> &mut Self {
        self.header.call += 1;
        self
    }

    /// PostgreSQL: ended well, with a tag of [`TAGS`].
    pub(super) fn done(&mut self, tag: &str, rows: u64) -> &mut Self {
        let place = TAGS.iter().position(|known| *known == tag).unwrap();
        self.end("", |end| {
            (end.tag, end.rows) = (u32::try_from(place).unwrap(), rows);
        })
    }

    /// PostgreSQL: failed.
    pub(super) fn fails(&mut self, state: &str) -> &mut Self {
        self.end("it failed", |end| {
            (end.outcome, end.code) = (outcome::ERROR, packed(state));
        })
    }

    /// MariaDB: `len` bytes at `offset` of the text ended with a result set.
    pub(super) fn ends(&mut self, offset: usize, len: usize) -> &mut Self {
        self.end("", |end| {
            end.outcome = outcome::RESULT_SET;
            (end.piece_address, end.piece_len) = (ADDRESS + offset as u64, len as u64);
            (end.rows_sent, end.tag) = (1, 2496);
        })
    }

    /// MariaDB: something within the command ended, `stack` bytes away from it.
    pub(super) fn within(&mut self, stack: u32) -> &mut Self {
        self.end("", |end| {
            end.header.flags = flag::NESTED;
            end.outcome = outcome::RESULT_SET;
            (end.piece_address, end.piece_len) = (0x6600, 8);
            (end.rows_sent, end.tag) = (5, stack);
        })
    }

    /// MariaDB: something within the command failed, `stack` bytes away from it.
    pub(super) fn within_fails(&mut self, stack: u32, number: u32, state: [u8; 8]) -> &mut Self {
        self.end("it failed", |end| {
            end.header.flags = flag::NESTED;
            (end.outcome, end.code, end.sqlstate) = (outcome::ERROR, number, state);
            (end.piece_address, end.piece_len) = (0x6600, 8);
            end.tag = stack;
        })
    }

    /// MariaDB: the command sent an error.
    pub(super) fn errors(&mut self, number: u32, state: [u8; 8]) -> &mut Self {
        self.end("it failed", |end| {
            (end.outcome, end.code, end.sqlstate) = (outcome::ERROR, number, state);
        })
    }

    /// The rows of this thread alone, shown.
    pub(super) fn rows(&self) -> Vec<String> {
        rows(&self.records)
    }

    /// Checks the rows of this thread alone.
    #[track_caller]
    pub(super) fn gives(&self, expected: &[&str]) {
        assert_eq!(self.rows(), expected);
    }
}

/// A SQLSTATE as PostgreSQL packs it.
pub(super) fn packed(state: &str) -> u32 {
    let sixbit = |(place, byte): (u32, u8)| u32::from(byte - b'0') << (6 * place);
    (0..).zip(state.bytes()).map(sixbit).sum()
}

/// An assembler that knows [`POSTGRES`] and [`MARIADB`]; boot was at 2000-01-01 UTC.
pub(super) fn assembler() -> Assembler {
    let mut assembler = Assembler::new("db1".to_owned(), 1, Clock::new(0, BOOT_US * 1000));
    for (index, engine) in [(POSTGRES, engine::POSTGRES), (MARIADB, engine::MARIADB)] {
        let target = Target {
            engine,
            version: None,
            tags: TAGS.map(str::to_owned).to_vec(),
        };
        assembler.add_target(index, target);
    }
    assembler
}

/// Microseconds from 1970 to 2000.
pub(super) const BOOT_US: i64 = 946_684_800_000_000;

/// What the records give, with what still runs at the end.
pub(super) fn events(records: &[Vec<u8>]) -> Vec<Event> {
    let mut assembler = assembler();
    let mut events = Vec::new();
    for bytes in records {
        assembler.record(&decode(bytes).unwrap(), &mut events);
    }
    assembler.finish(&mut events);
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event.seq, seq, "seq has no gaps");
    }
    events
}

/// [`events`], shown.
pub(super) fn rows(records: &[Vec<u8>]) -> Vec<String> {
    events(records).iter().map(show).collect()
}

/// A row as a line: `seq command status 'text' facts`, where `2<1` is the row 2 of the message that
/// began with row 1, and `'ab'..9` is what is recorded of 9 bytes.
pub(super) fn show(event: &Event) -> String {
    let mut line = event.seq.to_string();
    if event.message_seq != event.seq {
        line += &format!("<{}", event.message_seq);
    }
    line += &format!(" {} {}", event.command, event.status.as_str());
    if event.kind != Kind::Query {
        line += &format!(" {}", event.kind.as_str());
    }
    match &event.text {
        None => line += " -",
        Some(text) => {
            line += &format!(" '{}'", text.bytes.escape_ascii());
            if text.truncated {
                line += &format!("..{}", text.len);
            } else {
                assert_eq!(text.len, text.bytes.len() as u64);
            }
        }
    }
    for (name, number) in [
        ("sent", event.rows_returned),
        ("changed", event.rows_affected),
    ] {
        if let Some(number) = number {
            line += &format!(" {name}={number}");
        }
    }
    if let Some(code) = &event.status_code {
        line += &format!(" code={code}");
    }
    line
}
