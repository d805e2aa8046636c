//! Masks all literals of a row, for trails with `literals = "mask"`.
//!
//! Takes rows as they are assembled; gives them with `?` in place of each literal, list of literals and
//! comment of the text, without bind values, and with `?` for what a message may repeat of them. Pure,
//! built on the lexer alone, so that it works on failed, cut off and unreadable texts as well. The
//! text's true length stays, and so does the fingerprint.
//!
//! Names are not literals: tables, columns, users and the database stay, and so does what a session
//! says of itself.

mod message;
mod text;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::flow::{Event, Kind, Status};
use text::Masked;

/// What stands for a literal.
pub(super) const LITERAL_MASK: &str = "?";

/// Masks the literals of one row.
pub fn mask_literals(event: &mut Event) {
    // The recorder's own rows say nothing of what clients sent.
    if matches!(event.kind, Kind::Lifecycle | Kind::Loss) {
        return;
    }
    let dialect = event.session.as_ref().map(|session| session.dialect);
    let mut known = Masked::default();
    if let Some(text) = &mut event.text {
        let ended_well = event.status == Status::Ok && !text.truncated;
        known = text::masked(&text.bytes, dialect, ended_well);
        text.bytes = std::mem::take(&mut known.bytes);
    }
    if let Some(parameters) = event.parameters.take() {
        known.values.extend(message::values(&parameters));
    }
    // A refused login has sent names only, and the message says which.
    if event.kind == Kind::AuthFailure {
        return;
    }
    if let Some(message) = &event.error_message {
        let session = event.session.as_deref();
        let state = event.sqlstate.as_deref();
        event.error_message = Some(message::masked(message, state, session, &known));
    }
}
