//! Records into ring bytes: the decoder's inverse, for made-up rings (tests, benchmarks).
//!
//! Takes a record, gives the bytes that the kernel half would write, less the unused end of their size
//! class. It writes the header as it is, so a wrong length in it stays wrong.

use capture_common::record::{
    Begin, End, Header, NAME_MAX, NAMES, OBJECT_NAMES, Object, Parameters, Prepared, Session,
    SubBegin, SubEnd, Text, Value,
};

use super::Record;

impl Record<'_> {
    /// Appends the record's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        header(self.header(), out);
        match self {
            Self::Session(fields, names) => session(fields, names, out),
            Self::Begin(fields, data) => {
                begin(fields, out);
                out.extend_from_slice(data);
            }
            Self::Text(fields, data) => {
                text(fields, out);
                out.extend_from_slice(data);
            }
            Self::End(fields, data) | Self::Failure(fields, data) => {
                end(fields, out);
                out.extend_from_slice(data);
            }
            Self::Parameters(fields, data) => {
                parameters(fields, out);
                out.extend_from_slice(data);
            }
            Self::Value(fields, data) => {
                value(fields, out);
                out.extend_from_slice(data);
            }
            Self::Object(fields, names) => object(fields, names, out),
            Self::SubBegin(fields, data) => {
                sub_begin(fields, out);
                out.extend_from_slice(data);
            }
            Self::SubEnd(fields, data) => {
                sub_end(fields, out);
                out.extend_from_slice(data);
            }
            Self::Prepared(fields) => prepared(fields, out),
            Self::SessionEnd(_) | Self::CommandEnd(_) | Self::Connect(_) | Self::Disconnect(_) => {}
        }
    }
}

fn header(header: &Header, out: &mut Vec<u8>) {
    out.extend_from_slice(&header.kind.to_ne_bytes());
    out.extend_from_slice(&header.flags.to_ne_bytes());
    out.extend_from_slice(&header.target.to_ne_bytes());
    out.extend_from_slice(&header.pid_tgid.to_ne_bytes());
    out.extend_from_slice(&header.session.to_ne_bytes());
    out.extend_from_slice(&header.time_ns.to_ne_bytes());
    out.extend_from_slice(&header.call.to_ne_bytes());
    out.extend_from_slice(&header.generation.to_ne_bytes());
    out.extend_from_slice(&header.data_len.to_ne_bytes());
}

fn session(session: &Session, names: &[Option<&[u8]>; NAMES], out: &mut Vec<u8>) {
    out.extend_from_slice(&session.remote);
    out.extend_from_slice(&session.peer_port.to_ne_bytes());
    for len in session.lengths {
        out.extend_from_slice(&len.to_ne_bytes());
    }
    for name in names {
        let mut slot = [0; NAME_MAX];
        for (to, from) in slot.iter_mut().zip(name.unwrap_or_default()) {
            *to = *from;
        }
        out.extend_from_slice(&slot);
    }
}

fn begin(begin: &Begin, out: &mut Vec<u8>) {
    out.extend_from_slice(&begin.text_len.to_ne_bytes());
    out.extend_from_slice(&begin.statement_start.to_ne_bytes());
    out.extend_from_slice(&begin.row_limit.to_ne_bytes());
    out.extend_from_slice(&begin.portal.to_ne_bytes());
    out.extend_from_slice(&begin.message_call.to_ne_bytes());
    out.extend_from_slice(&begin.command.to_ne_bytes());
    out.extend_from_slice(&begin.location.to_ne_bytes());
    out.extend_from_slice(&begin.length.to_ne_bytes());
    out.extend_from_slice(&begin.prepared_id.to_ne_bytes());
}

fn text(text: &Text, out: &mut Vec<u8>) {
    out.extend_from_slice(&text.offset.to_ne_bytes());
    out.extend_from_slice(&text.text_len.to_ne_bytes());
}

fn end(end: &End, out: &mut Vec<u8>) {
    out.extend_from_slice(&end.outcome.to_ne_bytes());
    out.extend_from_slice(&end.code.to_ne_bytes());
    out.extend_from_slice(&end.sqlstate);
    out.extend_from_slice(&end.rows.to_ne_bytes());
    out.extend_from_slice(&end.rows_sent.to_ne_bytes());
    out.extend_from_slice(&end.tag.to_ne_bytes());
    out.extend_from_slice(&end.source.to_ne_bytes());
    out.extend_from_slice(&end.piece_address.to_ne_bytes());
    out.extend_from_slice(&end.piece_len.to_ne_bytes());
    out.extend_from_slice(&end.message_call.to_ne_bytes());
    out.extend_from_slice(&end.statement_start.to_ne_bytes());
}

fn parameters(parameters: &Parameters, out: &mut Vec<u8>) {
    out.extend_from_slice(&parameters.form.to_ne_bytes());
    out.extend_from_slice(&parameters.count.to_ne_bytes());
    out.extend_from_slice(&parameters.len.to_ne_bytes());
}

fn value(value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.index.to_ne_bytes());
    out.extend_from_slice(&value.kind.to_ne_bytes());
    out.extend_from_slice(&value.len.to_ne_bytes());
}

fn object(object: &Object, names: &[&[u8]; 2], out: &mut Vec<u8>) {
    out.extend_from_slice(&object.access.to_ne_bytes());
    out.extend_from_slice(&object.name_at.to_ne_bytes());
    out.extend_from_slice(&object.schema.to_ne_bytes());
    out.extend_from_slice(&object.reserved.to_ne_bytes());
    out.extend_from_slice(&object.inserted.to_ne_bytes());
    out.extend_from_slice(&object.updated.to_ne_bytes());
    out.extend_from_slice(&object.deleted.to_ne_bytes());
    let [schema, name] = names;
    let name_at = match usize::try_from(object.name_at) {
        Ok(0) | Err(_) => schema.len() + 1,
        Ok(at) => at,
    };
    let mut slot = [0; OBJECT_NAMES];
    for (to, from) in slot.iter_mut().zip(*schema) {
        *to = *from;
    }
    for (to, from) in slot.iter_mut().skip(name_at).zip(*name) {
        *to = *from;
    }
    out.extend_from_slice(&slot);
}

fn prepared(prepared: &Prepared, out: &mut Vec<u8>) {
    out.extend_from_slice(&prepared.statement.to_ne_bytes());
    out.extend_from_slice(&prepared.reserved.to_ne_bytes());
}

fn sub_begin(begin: &SubBegin, out: &mut Vec<u8>) {
    out.extend_from_slice(&begin.text_len.to_ne_bytes());
    out.extend_from_slice(&begin.depth.to_ne_bytes());
    out.extend_from_slice(&begin.location.to_ne_bytes());
    out.extend_from_slice(&begin.length.to_ne_bytes());
    out.extend_from_slice(&begin.reserved.to_ne_bytes());
}

fn sub_end(end: &SubEnd, out: &mut Vec<u8>) {
    out.extend_from_slice(&end.depth.to_ne_bytes());
    out.extend_from_slice(&end.outcome.to_ne_bytes());
    out.extend_from_slice(&end.code.to_ne_bytes());
    out.extend_from_slice(&end.reserved.to_ne_bytes());
    out.extend_from_slice(&end.sqlstate);
    out.extend_from_slice(&end.rows.to_ne_bytes());
    out.extend_from_slice(&end.rows_sent.to_ne_bytes());
}
