//! Writes the events of a batch into a segment.
//!
//! Takes events and the dictionaries, gives rows. Each text is split once. It must be called inside a
//! transaction: an error leaves rows and dictionary entries behind, which the caller rolls back.

use rusqlite::{Connection, params};
use schema::sqlite::{Field, LITERAL_FIELDS, LITERALS_MAX, insert_event, insert_template};

use super::objects::Objects;
use super::row::RowWriter;
use super::segment::Segment;
use super::sessions::{Commands, Sessions};
use super::statements::Statements;
use super::text::readable;
use crate::dedup::dictionary::{Dictionary, Found, Shaped};
use crate::dedup::fingerprint::Fingerprint;
use crate::dedup::template::rebuild;
use crate::flow::{Dialect, Event, Text};

/// Everything that rows refer to by number.
#[derive(Debug)]
pub(crate) struct Dictionaries {
    pub(crate) templates: Dictionary,
    pub(crate) objects: Objects,
    pub(crate) sessions: Sessions,
    pub(crate) commands: Commands,
}

/// How much of the dictionaries was there before a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    template: i64,
    objects: i64,
    session: i64,
    command: i64,
}

impl Dictionaries {
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            template: self.templates.next_id(),
            objects: self.objects.mark(),
            session: self.sessions.mark(),
            command: self.commands.mark(),
        }
    }

    /// Forgets what came since the mark.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.templates.roll_back(mark.template);
        self.objects.truncate_to(mark.objects);
        self.sessions.truncate_to(mark.session);
        self.commands.truncate_to(mark.command);
    }
}

/// Whether the events are new to the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// They are counted in `statements` and in their segment.
    Now,
    /// They were counted when they were stored as running.
    Before,
}

/// Inserts the events and what they newly refer to; gives how many texts the dictionary did not take.
pub(crate) fn insert(
    connection: &Connection,
    events: &[Event],
    dictionaries: &mut Dictionaries,
    segment: &mut Segment,
    counted: Counted,
) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(&insert_event(segment.id))?;
    let mut row = RowWriter::new(&mut statement);
    let mut statements = Statements::default();
    let mut whole_texts = 0;
    for event in events {
        let session = event.session.as_ref();
        let session = session
            .map(|session| dictionaries.sessions.key(connection, session))
            .transpose()?;
        let command = dictionaries.commands.id(connection, event.command)?;
        facts(&mut row, event, session, command)?;
        let objects = event.objects.as_deref();
        let listed = objects
            .map(|list| dictionaries.objects.id(connection, segment.id, list))
            .transpose()?
            .flatten();
        row.integer(Field::ObjectsId, listed)?;
        row.text(Field::Objects, objects.filter(|_| listed.is_none()))?;
        match &event.text {
            Some(text) => {
                let (fingerprint, found) = statement_text(
                    &mut row,
                    connection,
                    &mut dictionaries.templates,
                    text,
                    event.dialect(),
                    segment,
                )?;
                if counted == Counted::Now {
                    statements.count(fingerprint, event);
                }
                whole_texts += usize::from(found == Found::Full);
            }
            None => no_text(&mut row)?,
        }
        let bytes = row.insert()?;
        segment.count(event.seq, event.time_us, bytes);
    }
    statements.write(connection)?;
    Ok(whole_texts)
}

impl Event {
    /// How its text is read. The recorder's own rows have none.
    pub(crate) fn dialect(&self) -> Dialect {
        self.session
            .as_ref()
            .map_or(Dialect::Postgres, |session| session.dialect)
    }
}

/// All but the text.
fn facts(
    row: &mut RowWriter<'_, '_>,
    event: &Event,
    session: Option<i64>,
    command: i64,
) -> rusqlite::Result<()> {
    row.integer(Field::Seq, Some(event.seq))?;
    row.integer(Field::Time, Some(event.time_us))?;
    row.integer(Field::Kind, Some(event.kind as i64))?;
    row.integer(Field::SessionKey, session)?;
    row.integer(Field::CommandId, Some(command))?;
    row.integer(Field::Status, Some(event.status as i64))?;
    row.integer(Field::RowsReturned, event.rows_returned)?;
    row.integer(Field::RowsAffected, event.rows_affected)?;
    row.integer(Field::DurationUs, event.duration_us)?;
    row.integer(Field::RepeatCount, Some(event.repeat_count))?;
    row.integer(
        Field::MessageSeq,
        (event.message_seq != event.seq).then_some(event.message_seq),
    )?;
    row.integer(Field::ParentSeq, event.parent_seq)?;
    row.text(Field::Parameters, event.parameters.as_deref())?;
    row.text(Field::StatusCode, event.status_code.as_deref())?;
    row.text(Field::Sqlstate, event.sqlstate.as_deref())?;
    row.text(Field::ErrorMessage, event.error_message.as_deref())
}

/// The text, split where it can be; what names its shape, and how the dictionary took it.
fn statement_text(
    row: &mut RowWriter<'_, '_>,
    connection: &Connection,
    templates: &mut Dictionary,
    text: &Text,
    dialect: Dialect,
    segment: &mut Segment,
) -> rusqlite::Result<(Fingerprint, Found)> {
    let readable = readable(&text.bytes);
    let shaped = templates.shape(&readable.text, dialect);
    if let Found::New(id) = shaped.found {
        segment.count_template(template(connection, segment.id, id, &shaped, dialect)?);
    }
    row.integer(Field::TemplateId, shaped.found.id())?;
    row.integer(
        Field::QueryBytes,
        Some(i64::try_from(text.len).unwrap_or(i64::MAX)),
    )?;
    row.integer(Field::Truncated, Some(i64::from(text.truncated)))?;
    row.blob(Field::QueryRaw, (!readable.exact).then_some(&text.bytes))?;
    let split = readable.exact
        && !text.bytes.is_empty()
        && shaped.found != Found::Full
        && shaped.literal_count() <= LITERALS_MAX;
    row.text(Field::QueryText, (!split).then_some(&readable.text))?;
    let listed = split && shaped.literal_count() > LITERAL_FIELDS;
    let literals = listed.then(|| list(&shaped)).transpose()?;
    row.text(Field::Literals, literals.as_deref())?;
    row.literals(shaped.literals().filter(|_| split && !listed))?;
    name_shape(row, (shaped.found == Found::Full).then_some(&shaped))?;
    Ok((shaped.fingerprint, shaped.found))
}

fn no_text(row: &mut RowWriter<'_, '_>) -> rusqlite::Result<()> {
    row.integer(Field::TemplateId, None)?;
    row.integer(Field::QueryBytes, None)?;
    row.integer(Field::Truncated, None)?;
    row.blob(Field::QueryRaw, None)?;
    row.text(Field::QueryText, None)?;
    row.text(Field::Literals, None)?;
    row.literals(std::iter::empty())?;
    name_shape(row, None)
}

/// What a template would say, on the row itself.
fn name_shape(row: &mut RowWriter<'_, '_>, shaped: Option<&Shaped<'_>>) -> rusqlite::Result<()> {
    let fingerprint = shaped.map(|shaped| shaped.fingerprint.to_string());
    row.text(Field::Fingerprint, fingerprint.as_deref())?;
    row.text(Field::Class, shaped.map(|shaped| shaped.class.as_str()))?;
    row.text(
        Field::DbOperationName,
        shaped
            .map(|shaped| shaped.operation)
            .filter(|name| !name.is_empty()),
    )
}

/// The literals as a JSON list of strings.
fn list(shaped: &Shaped<'_>) -> rusqlite::Result<String> {
    let literals: Vec<&str> = shaped.literals().collect();
    serde_json::to_string(&literals)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Stores a template; gives its size in bytes.
fn template(
    connection: &Connection,
    segment_id: i64,
    template_id: i64,
    shaped: &Shaped<'_>,
    dialect: Dialect,
) -> rusqlite::Result<i64> {
    let shown = rebuild(shaped.format, std::iter::repeat("?"));
    connection
        .prepare_cached(&insert_template(segment_id))?
        .execute(params![
            template_id,
            dialect as i64,
            shaped.format,
            (shown != shaped.format).then_some(&shown),
            i64::try_from(shaped.literal_count()).unwrap_or(i64::MAX),
            shaped.fingerprint.to_string(),
            shaped.class.as_str(),
            Some(shaped.operation).filter(|name| !name.is_empty())
        ])?;
    Ok(i64::try_from(shaped.format.len() + shown.len()).unwrap_or(i64::MAX))
}
