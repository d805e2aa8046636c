//! Ring records: a [`Header`], a part fixed by its kind, then `data_len` bytes of data.
//!
//! A record is reserved in the smallest of a few size classes that holds it, so there may be unused
//! bytes behind its data. Records of one thread stand in the ring in the order in which they were made.

/// Size classes of ring records, in bytes, each with this header included.
pub const CLASSES: [usize; 6] = [256, 512, 2048, 8192, 32_768, 65_536];

/// The longest identity string (user, database, application ...) that a record carries, in bytes.
/// MySQL names are at most 64 characters of 4 bytes, PostgreSQL's 63 bytes.
pub const NAME_MAX: usize = 256;

/// Stands for a string that the server did not give.
pub const NO_NAME: u32 = u32::MAX;

/// How many strings a `SESSION` record carries.
pub const NAMES: usize = 5;

/// The longest error message that a record carries, in bytes: it fits a 2 KiB record. MySQL's own
/// limit is 512.
pub const MESSAGE_MAX: usize = 1800;

/// Stands for a count that the server did not give.
pub const NO_COUNT: u64 = u64::MAX;

/// Begins every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Header {
    /// See [`crate::ids::kind`].
    pub kind: u16,
    /// See [`crate::ids::flag`].
    pub flags: u16,
    /// Index of the server binary in the `TARGETS` map.
    pub target: u32,
    /// Process id in the upper, thread id in the lower half.
    pub pid_tgid: u64,
    /// Names the session within its process: the backend's start time (PostgreSQL, microseconds
    /// since 2000-01-01 UTC) or the connection id (MariaDB, MySQL).
    pub session: u64,
    /// Nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`).
    pub time_ns: u64,
    /// Numbers the calls of one thread from 1; 0 where the record belongs to none.
    pub call: u64,
    /// Which of the session's `SESSION` records is in force.
    pub generation: u32,
    /// Bytes of data behind the fixed part.
    pub data_len: u32,
}

impl Header {
    /// All zero.
    pub const ZERO: Self = Self {
        kind: 0,
        flags: 0,
        target: 0,
        pid_tgid: 0,
        session: 0,
        time_ns: 0,
        call: 0,
        generation: 0,
        data_len: 0,
    };
}

/// `SESSION`: who is connected. The data are five slots of [`NAME_MAX`] bytes: user, database,
/// application, host, address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Common part.
    pub header: Header,
    /// The client's `struct sockaddr` (PostgreSQL); family 0 when not known.
    pub remote: [u8; 32],
    /// The client's port (MariaDB, MySQL); 0 when not known.
    pub peer_port: u32,
    /// Length of the string in each slot, bytes; [`NO_NAME`] when there is none.
    pub lengths: [u32; NAMES],
}

/// `BEGIN`: a statement begins. The data are the first bytes of its text.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Begin {
    /// Common part.
    pub header: Header,
    /// Length of the whole text in bytes, [`NO_COUNT`] while it is not known (it comes with `LAST`).
    pub text_len: u64,
    /// The server's own time of the message's arrival, microseconds since 2000-01-01 UTC
    /// (PostgreSQL), or 0.
    pub statement_start: i64,
    /// Row limit of this execution (PostgreSQL), [`NO_COUNT`] without one.
    pub row_limit: u64,
    /// Address of the portal (PostgreSQL), or 0.
    pub portal: u64,
    /// The call whose `BEGIN` carried the text, when the flag `PIECE` is set.
    pub message_call: u64,
    /// Engine's number of the command (MariaDB, MySQL); `CommandDest` (PostgreSQL): 2 simple,
    /// 3 extended protocol.
    pub command: u32,
    /// Where this statement starts in the text (PostgreSQL), bytes; -1 when not known.
    pub location: i32,
    /// Its length; 0 means to the end of the text.
    pub length: i32,
    /// Prepared-statement id in the packet (MariaDB, MySQL), or 0.
    pub prepared_id: u32,
}

/// `TEXT`: more text of the call in the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Common part.
    pub header: Header,
    /// Where these bytes stand in the text.
    pub offset: u64,
    /// Length of the whole text in bytes, [`NO_COUNT`] while it is not known.
    pub text_len: u64,
}

/// `END` and `FAILURE`: the outcome. The data are the error message, without NUL.
/// The text of a `FAILURE` stands in `TEXT` records of the same call before it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct End {
    /// Common part.
    pub header: Header,
    /// See [`outcome`].
    pub outcome: u32,
    /// Error number (MariaDB, MySQL) or packed SQLSTATE (PostgreSQL); 0 without an error.
    pub code: u32,
    /// SQLSTATE as characters (MariaDB, MySQL).
    pub sqlstate: [u8; 8],
    /// Rows that the statement changed, or processed (PostgreSQL), or [`NO_COUNT`].
    pub rows: u64,
    /// Rows sent to the client (MariaDB, MySQL), or [`NO_COUNT`].
    pub rows_sent: u64,
    /// Command tag number (PostgreSQL 13 and later); bytes of stack between the command's beginning
    /// and this end (MariaDB, MySQL).
    pub tag: u32,
    /// `CommandDest` (PostgreSQL): 2 simple, 3 extended protocol; the command number (MariaDB, MySQL).
    pub source: u32,
    /// Address of the statement that ended (MariaDB, MySQL): for the pieces of one text, addresses
    /// within one copy of it.
    pub piece_address: u64,
    /// Its length, bytes (MariaDB, MySQL).
    pub piece_len: u64,
    /// On `FAILURE` with the flag `PIECE`: the call whose `BEGIN` carried the text.
    pub message_call: u64,
    /// The server's own time of the message's arrival, as in [`Begin::statement_start`].
    pub statement_start: i64,
}

/// `PARAMETERS`: the bind values of the call in the header. The data are the values in the form of
/// the server, or as much of them as fits a record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Parameters {
    /// Common part.
    pub header: Header,
    /// See [`crate::ids::parameter_form`].
    pub form: u32,
    /// How many values there are; 0 where the form does not say.
    pub count: u32,
    /// Length of the whole in bytes, of which `data_len` are recorded.
    pub len: u64,
}

/// `VALUE`: a bind value that the `PARAMETERS` record before it only points to. The data are its
/// first bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Value {
    /// Common part.
    pub header: Header,
    /// Which value it is, from 0.
    pub index: u32,
    /// Type of the value in the engine's numbers.
    pub kind: u32,
    /// Its whole length in bytes, of which `data_len` are recorded; [`NO_COUNT`] when not known.
    pub len: u64,
}

/// Bytes of an `OBJECT` record's names.
pub const OBJECT_NAMES: usize = 128;

/// `OBJECT`: a table that the call has touched, stated before the call's `END` or `FAILURE`. The data
/// are [`OBJECT_NAMES`] bytes: the schema (database) and the table, each with a NUL behind it.
/// A call may state a table more than once; the counts add up.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Common part.
    pub header: Header,
    /// See [`crate::ids::access`].
    pub access: u32,
    /// Where the table's name starts in the data; 0 means behind the first NUL.
    pub name_at: u32,
    /// The schema's OID where its name is not known (PostgreSQL), or 0.
    pub schema: u32,
    /// Always 0.
    pub reserved: u32,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

/// `SUB_BEGIN`: a statement begins inside the call in the header. The data are its text, or as much of
/// it as fits the record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubBegin {
    /// Common part; `call` is that of the statement on the outside.
    pub header: Header,
    /// Length of the text in bytes, [`NO_COUNT`] when it is not known.
    pub text_len: u64,
    /// How deep it is: 1 for a statement that the outermost one runs.
    pub depth: u32,
    /// Where this statement starts in the text (PostgreSQL), bytes; -1 when not known.
    pub location: i32,
    /// Its length; 0 means to the end of the text.
    pub length: i32,
    /// Always 0.
    pub reserved: u32,
}

/// `SUB_END`: the statement that last began at this depth ended; those below it are over as well. The
/// data are the error message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubEnd {
    /// Common part; `call` is that of the statement on the outside.
    pub header: Header,
    /// How deep it is, as in [`SubBegin::depth`].
    pub depth: u32,
    /// See [`outcome`].
    pub outcome: u32,
    /// Error number (MariaDB, MySQL) or packed SQLSTATE (PostgreSQL); 0 without an error.
    pub code: u32,
    /// Always 0.
    pub reserved: u32,
    /// SQLSTATE as characters (MariaDB, MySQL).
    pub sqlstate: [u8; 8],
    /// Rows that the statement changed, or [`NO_COUNT`].
    pub rows: u64,
    /// Rows that it gave, or [`NO_COUNT`].
    pub rows_sent: u64,
}

/// `PREPARED`: the call in the header, which carries the text, has made a prepared statement; with the
/// flag `CLOSED`, the statement is no more.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Common part.
    pub header: Header,
    /// Number of the statement within its session.
    pub statement: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Values of [`End::outcome`].
pub mod outcome {
    /// Ended well.
    pub const OK: u32 = 1;
    /// Failed.
    pub const ERROR: u32 = 2;
    /// Failed, and the session with it.
    pub const FATAL: u32 = 3;
    /// Ended well and sent a result set (MariaDB, MySQL).
    pub const RESULT_SET: u32 = 4;
    /// Ended with no outcome to report (MariaDB, MySQL: status DISABLED or EMPTY).
    pub const NONE: u32 = 5;
    /// An empty statement (PostgreSQL).
    pub const EMPTY: u32 = 6;
}

const _: () = {
    assert!(size_of::<Header>() == 48);
    assert!(size_of::<Session>() == 48 + 32 + 24);
    assert!(size_of::<Begin>() == 48 + 40 + 16);
    assert!(size_of::<Text>() == 64);
    assert!(size_of::<End>() == 48 + 16 + 16 + 8 + 32);
    assert!(size_of::<Parameters>() == 48 + 16);
    assert!(size_of::<Value>() == 48 + 16);
    assert!(size_of::<Object>() == 48 + 16 + 24);
    assert!(size_of::<SubBegin>() == 48 + 8 + 16);
    assert!(size_of::<Prepared>() == 48 + 8);
    assert!(size_of::<SubEnd>() == 48 + 16 + 8 + 16);
};
