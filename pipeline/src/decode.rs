//! Ring bytes into records.
//!
//! Takes the bytes of one ring record, gives its typed form that borrows them. Any bytes are safe to
//! give: what is not a record is an error that the caller counts.

mod encode;
#[cfg(test)]
mod tests;

use capture_common::{
    ids::kind,
    record::{
        Begin, End, Header, NAME_MAX, NAMES, NO_NAME, OBJECT_NAMES, Object, Parameters, Prepared,
        Session, SubBegin, SubEnd, Text, Value,
    },
};

/// One record of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// Who is connected, with user, database, application, host and address.
    Session(Session, [Option<&'a [u8]>; NAMES]),
    /// A statement begins; the first bytes of its text.
    Begin(Begin, &'a [u8]),
    /// More bytes of a text.
    Text(Text, &'a [u8]),
    /// A statement ended; the error message (or completion tag, PostgreSQL 12).
    End(End, &'a [u8]),
    /// An outcome with no statement begun; the error message.
    Failure(End, &'a [u8]),
    /// The thread that served a session is gone.
    SessionEnd(Header),
    /// The command that last began on the thread is over.
    CommandEnd(Header),
    /// A login succeeded.
    Connect(Header),
    /// A session that had begun ends.
    Disconnect(Header),
    /// Bind values, in the form of the server.
    Parameters(Parameters, &'a [u8]),
    /// The first bytes of one bind value.
    Value(Value, &'a [u8]),
    /// A table that was touched: its schema (database) and name.
    Object(Object, [&'a [u8]; 2]),
    /// A statement begins inside another; the first bytes of its text.
    SubBegin(SubBegin, &'a [u8]),
    /// A statement inside another ended; the error message.
    SubEnd(SubEnd, &'a [u8]),
    /// A prepared statement came to be, or was closed.
    Prepared(Prepared),
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Less bytes than the kind has.
    #[error("record of {have} bytes ends within field {at}")]
    Short {
        /// Bytes that there are.
        have: usize,
        /// Where the field that does not fit starts.
        at: usize,
    },
    /// A kind that this version does not know.
    #[error("unknown record kind {0}")]
    Kind(u16),
    /// A length beyond what it counts, or not what it must be.
    #[error("length {0} does not fit the record")]
    Length(u32),
}

impl Record<'_> {
    /// The common part.
    #[must_use]
    pub fn header(&self) -> &Header {
        match self {
            Self::Session(session, _) => &session.header,
            Self::Begin(begin, _) => &begin.header,
            Self::Text(text, _) => &text.header,
            Self::End(end, _) | Self::Failure(end, _) => &end.header,
            Self::Parameters(parameters, _) => &parameters.header,
            Self::Value(value, _) => &value.header,
            Self::Object(object, _) => &object.header,
            Self::SubBegin(begin, _) => &begin.header,
            Self::SubEnd(end, _) => &end.header,
            Self::Prepared(prepared) => &prepared.header,
            Self::SessionEnd(header)
            | Self::CommandEnd(header)
            | Self::Connect(header)
            | Self::Disconnect(header) => header,
        }
    }
}

/// Reads one record.
///
/// # Errors
///
/// When the bytes are too few, of an unknown kind, or give a length beyond them.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let mut fields = Fields { bytes, at: 0 };
    let header = header(&mut fields)?;
    let record = match header.kind {
        kind::SESSION => {
            let session = Session {
                header,
                remote: fields.take()?,
                peer_port: fields.u32()?,
                lengths: [
                    fields.u32()?,
                    fields.u32()?,
                    fields.u32()?,
                    fields.u32()?,
                    fields.u32()?,
                ],
            };
            let names = names(&session, fields.data(header.data_len)?)?;
            Record::Session(session, names)
        }
        kind::BEGIN => {
            let begin = Begin {
                header,
                text_len: fields.u64()?,
                statement_start: fields.i64()?,
                row_limit: fields.u64()?,
                portal: fields.u64()?,
                message_call: fields.u64()?,
                command: fields.u32()?,
                location: fields.i32()?,
                length: fields.i32()?,
                prepared_id: fields.u32()?,
            };
            Record::Begin(begin, fields.data(header.data_len)?)
        }
        kind::TEXT => {
            let text = Text {
                header,
                offset: fields.u64()?,
                text_len: fields.u64()?,
            };
            Record::Text(text, fields.data(header.data_len)?)
        }
        kind::END => {
            let end = end(header, &mut fields)?;
            Record::End(end, fields.data(header.data_len)?)
        }
        kind::FAILURE => {
            let end = end(header, &mut fields)?;
            Record::Failure(end, fields.data(header.data_len)?)
        }
        kind::SESSION_END => Record::SessionEnd(header),
        kind::COMMAND_END => Record::CommandEnd(header),
        kind::CONNECT => Record::Connect(header),
        kind::DISCONNECT => Record::Disconnect(header),
        kind::PARAMETERS => {
            let parameters = Parameters {
                header,
                form: fields.u32()?,
                count: fields.u32()?,
                len: fields.u64()?,
            };
            Record::Parameters(parameters, fields.data(header.data_len)?)
        }
        kind::VALUE => {
            let value = Value {
                header,
                index: fields.u32()?,
                kind: fields.u32()?,
                len: fields.u64()?,
            };
            Record::Value(value, fields.data(header.data_len)?)
        }
        kind::OBJECT => {
            let object = Object {
                header,
                access: fields.u32()?,
                name_at: fields.u32()?,
                schema: fields.u32()?,
                reserved: fields.u32()?,
                inserted: fields.u64()?,
                updated: fields.u64()?,
                deleted: fields.u64()?,
            };
            let names = object_names(&object, fields.data(header.data_len)?)?;
            Record::Object(object, names)
        }
        kind::SUB_BEGIN => {
            let begin = SubBegin {
                header,
                text_len: fields.u64()?,
                depth: fields.u32()?,
                location: fields.i32()?,
                length: fields.i32()?,
                reserved: fields.u32()?,
            };
            Record::SubBegin(begin, fields.data(header.data_len)?)
        }
        kind::SUB_END => {
            let end = SubEnd {
                header,
                depth: fields.u32()?,
                outcome: fields.u32()?,
                code: fields.u32()?,
                reserved: fields.u32()?,
                sqlstate: fields.take()?,
                rows: fields.u64()?,
                rows_sent: fields.u64()?,
            };
            Record::SubEnd(end, fields.data(header.data_len)?)
        }
        kind::PREPARED => Record::Prepared(Prepared {
            header,
            statement: fields.u32()?,
            reserved: fields.u32()?,
        }),
        other => return Err(DecodeError::Kind(other)),
    };
    Ok(record)
}

fn header(fields: &mut Fields<'_>) -> Result<Header, DecodeError> {
    Ok(Header {
        kind: u16::from_ne_bytes(fields.take()?),
        flags: u16::from_ne_bytes(fields.take()?),
        target: fields.u32()?,
        pid_tgid: fields.u64()?,
        session: fields.u64()?,
        time_ns: fields.u64()?,
        call: fields.u64()?,
        generation: fields.u32()?,
        data_len: fields.u32()?,
    })
}

fn end(header: Header, fields: &mut Fields<'_>) -> Result<End, DecodeError> {
    Ok(End {
        header,
        outcome: fields.u32()?,
        code: fields.u32()?,
        sqlstate: fields.take()?,
        rows: fields.u64()?,
        rows_sent: fields.u64()?,
        tag: fields.u32()?,
        source: fields.u32()?,
        piece_address: fields.u64()?,
        piece_len: fields.u64()?,
        message_call: fields.u64()?,
        statement_start: fields.i64()?,
    })
}

fn names<'a>(session: &Session, slots: &'a [u8]) -> Result<[Option<&'a [u8]>; NAMES], DecodeError> {
    if slots.len() != NAMES * NAME_MAX {
        return Err(DecodeError::Length(session.header.data_len));
    }
    let mut names = [None; NAMES];
    for ((name, slot), len) in names
        .iter_mut()
        .zip(slots.chunks(NAME_MAX))
        .zip(session.lengths)
    {
        if len != NO_NAME {
            let bytes = usize::try_from(len).ok().and_then(|len| slot.get(..len));
            *name = Some(bytes.ok_or(DecodeError::Length(len))?);
        }
    }
    Ok(names)
}

/// Schema and name, each without the NUL behind it.
fn object_names<'a>(object: &Object, data: &'a [u8]) -> Result<[&'a [u8]; 2], DecodeError> {
    if data.len() != OBJECT_NAMES {
        return Err(DecodeError::Length(object.header.data_len));
    }
    let terminated = |bytes: &'a [u8]| {
        let end = bytes.iter().position(|byte| *byte == 0);
        &bytes[..end.unwrap_or(bytes.len())]
    };
    let schema = terminated(data);
    let name_at = match usize::try_from(object.name_at) {
        Ok(0) => schema.len() + 1,
        Ok(at) => at,
        Err(_) => return Err(DecodeError::Length(object.name_at)),
    };
    let name = data.get(name_at..).map(terminated);
    Ok([schema, name.ok_or(DecodeError::Length(object.name_at))?])
}

/// The fields of a record, one behind the other.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let field = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let field = *field.ok_or(DecodeError::Short {
            have: self.bytes.len(),
            at: self.at,
        })?;
        self.at += N;
        Ok(field)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.take().map(i32::from_ne_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.take().map(u64::from_ne_bytes)
    }

    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.take().map(i64::from_ne_bytes)
    }

    fn data(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let data = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        data.ok_or(DecodeError::Length(len))
    }
}
