//! Reads a segment's rows.
//!
//! Takes a connection and a part of the plan, gives record batches in order of `seq`, each whole by
//! itself. It puts texts together natively, since the view does so for one row at a time with every
//! literal named; that both give the same is tested. It holds one batch, never a segment.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use arrow_array::RecordBatch;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};
use schema::sqlite::{Field, LITERAL_FIELDS, SESSION_FIELDS};

use super::CompactError;
use super::batch::{Batch, Shape};
use super::plan::{DAY_US, DayRows, Part};
use crate::dedup::template::rebuild;
use crate::store::catalog::Span;

/// Rows of a batch.
pub const BATCH_ROWS: usize = 8192;

/// Bytes of texts after which a batch ends early.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Sessions held in memory; a session that fell out of it is read again.
const SESSIONS_MAX: usize = 65_536;

/// The rows of a segment on each UTC date.
///
/// # Errors
/// What SQLite says.
pub fn days(connection: &Connection, segment_id: i64) -> Result<Vec<DayRows>, CompactError> {
    // Integer division rounds to zero; times before 1970 must go to the day that they are on.
    let sql = format!(
        "SELECT (time - ((time % {DAY_US}) + {DAY_US}) % {DAY_US}) / {DAY_US} AS day,
                count(*), min(seq), max(seq), min(time), max(time)
         FROM events_{segment_id} GROUP BY 1 ORDER BY 1"
    );
    let read = || {
        connection
            .prepare(&sql)?
            .query_map([], |row| {
                let span = Span {
                    first_seq: row.get(2)?,
                    last_seq: row.get(3)?,
                    first_time_us: row.get(4)?,
                    last_time_us: row.get(5)?,
                };
                Ok(DayRows {
                    day: row.get(0)?,
                    rows: row.get(1)?,
                    span,
                })
            })?
            .collect::<rusqlite::Result<Vec<DayRows>>>()
    };
    read().map_err(|source| CompactError::Read { segment_id, source })
}

/// Hands the rows of a part to `each`, in batches; gives their number.
///
/// # Errors
/// A row that cannot be read, or what `each` says.
pub fn read(
    connection: &Connection,
    part: &Part,
    mut each: impl FnMut(RecordBatch) -> Result<(), CompactError>,
) -> Result<i64, CompactError> {
    let segment_id = part.segment_id;
    let failed = |source| CompactError::Read { segment_id, source };
    let mut dictionaries = Dictionaries::new(connection, segment_id).map_err(failed)?;
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    let mut statement = connection
        .prepare(&format!(
            "SELECT {} FROM events_{segment_id}
             WHERE seq BETWEEN ?1 AND ?2 AND time >= ?3 AND time < ?4 ORDER BY seq",
            names.join(", ")
        ))
        .map_err(failed)?;
    let (start, end) = part.bounds_us();
    let mut rows = statement
        .query(params![
            part.rows.span.first_seq,
            part.rows.span.last_seq,
            start,
            end
        ])
        .map_err(failed)?;
    let mut batch = Batch::new();
    let mut count = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        dictionaries.push(row, &mut batch)?;
        count += 1;
        if batch.rows() >= BATCH_ROWS || batch.bytes() >= BATCH_BYTES {
            each(std::mem::replace(&mut batch, Batch::new()).finish(segment_id)?)?;
        }
    }
    if batch.rows() > 0 {
        each(batch.finish(segment_id)?)?;
    }
    Ok(count)
}

/// A statement's template, as `templates_<n>` has it.
struct Template {
    format: String,
    shape: Rc<Shape>,
}

/// What the numbers in a segment's rows stand for.
struct Dictionaries<'c> {
    segment_id: i64,
    commands: HashMap<i64, Rc<str>>,
    sessions: HashMap<i64, Rc<Vec<Value>>>,
    session: Statement<'c>,
    /// The segment bounds its dictionary, and so this.
    templates: HashMap<i64, Rc<Template>>,
    template: Statement<'c>,
    normalised: Statement<'c>,
    /// The segment bounds this dictionary, too.
    lists: HashMap<i64, Rc<str>>,
    list: Statement<'c>,
}

impl<'c> Dictionaries<'c> {
    fn new(connection: &'c Connection, segment_id: i64) -> rusqlite::Result<Self> {
        let session_names: Vec<&str> = SESSION_FIELDS.iter().map(|(name, _)| *name).collect();
        let commands = connection
            .prepare("SELECT command_id, command FROM commands")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            segment_id,
            commands,
            sessions: HashMap::new(),
            session: connection.prepare(&format!(
                "SELECT {} FROM sessions WHERE session_key = ?1",
                session_names.join(", ")
            ))?,
            templates: HashMap::new(),
            template: connection.prepare(&format!(
                "SELECT format, coalesce(template, format), fingerprint, class, db_operation_name
                 FROM templates_{segment_id} WHERE template_id = ?1"
            ))?,
            normalised: connection
                .prepare("SELECT db_query_template FROM statements WHERE fingerprint = ?1")?,
            lists: HashMap::new(),
            list: connection.prepare(&format!(
                "SELECT objects FROM objects_{segment_id} WHERE objects_id = ?1"
            ))?,
        })
    }

    /// Puts a row together and into the batch.
    fn push(&mut self, row: &Row<'_>, batch: &mut Batch) -> Result<(), CompactError> {
        let segment_id = self.segment_id;
        let seq = row
            .get(Field::Seq as usize)
            .map_err(|source| CompactError::Read { segment_id, source })?;
        let fields = Fields {
            row,
            segment_id,
            seq,
        };
        let read = |source| CompactError::Read { segment_id, source };

        let session = match fields.integer(Field::SessionKey)? {
            Some(key) => Some((
                key,
                self.session(key)
                    .map_err(read)?
                    .ok_or_else(|| fields.dangling("session", key))?,
            )),
            None => None,
        };
        batch.session(session.as_ref().map(|(key, facts)| (*key, facts)));

        let command_id = fields.required(Field::CommandId)?;
        let command = self
            .commands
            .get(&command_id)
            .ok_or_else(|| fields.dangling("command", command_id))?;
        batch.command(command_id, command);

        let objects = match fields.integer(Field::ObjectsId)? {
            Some(id) => Some((
                Some(id),
                self.list(id)
                    .map_err(read)?
                    .ok_or_else(|| fields.dangling("list of tables", id))?,
            )),
            None => fields
                .text(Field::Objects)?
                .map(|list| (None, Rc::from(list))),
        };
        batch.objects(objects.as_ref().map(|(id, list)| (*id, list)));

        let text = fields.text(Field::QueryText)?;
        if let Some(key) = fields.integer(Field::TemplateId)? {
            let template = self
                .template(key)
                .map_err(read)?
                .ok_or_else(|| fields.dangling("template", key))?;
            batch.shape(Some(key), &template.shape);
            match text {
                Some(text) => batch.text(Some(text)),
                None => batch.text(Some(&rebuilt(&template.format, &fields)?)),
            }
        } else {
            match self.own_shape(&fields)? {
                Some(shape) => batch.shape(None, &Rc::new(shape)),
                None => batch.no_shape(),
            }
            batch.text(text);
        }
        batch.end(&fields)
    }

    /// The shape of a row that has no template.
    fn own_shape(&mut self, fields: &Fields<'_>) -> Result<Option<Shape>, CompactError> {
        let own = |field| fields.text(field).map(|text| text.map(str::to_owned));
        let fingerprint = own(Field::Fingerprint)?;
        let class = own(Field::Class)?;
        let db_operation_name = own(Field::DbOperationName)?;
        if fingerprint.is_none() && class.is_none() && db_operation_name.is_none() {
            return Ok(None);
        }
        let template = self
            .normalised
            .query_row([&fingerprint], |row| row.get(0))
            .optional()
            .map_err(|source| CompactError::Read {
                segment_id: self.segment_id,
                source,
            })?;
        Ok(Some(Shape {
            template,
            fingerprint,
            class,
            db_operation_name,
        }))
    }

    fn session(&mut self, key: i64) -> rusqlite::Result<Option<Rc<Vec<Value>>>> {
        if let Some(facts) = self.sessions.get(&key) {
            return Ok(Some(Rc::clone(facts)));
        }
        let facts = self
            .session
            .query_row([key], |row| {
                (0..SESSION_FIELDS.len())
                    .map(|index| row.get(index))
                    .collect()
            })
            .optional()?
            .map(Rc::new);
        if let Some(facts) = &facts {
            if self.sessions.len() >= SESSIONS_MAX {
                self.sessions.clear();
            }
            self.sessions.insert(key, Rc::clone(facts));
        }
        Ok(facts)
    }

    fn template(&mut self, key: i64) -> rusqlite::Result<Option<Rc<Template>>> {
        if let Some(template) = self.templates.get(&key) {
            return Ok(Some(Rc::clone(template)));
        }
        let template = self
            .template
            .query_row([key], |row| {
                let shape = Shape {
                    template: row.get(1)?,
                    fingerprint: row.get(2)?,
                    class: row.get(3)?,
                    db_operation_name: row.get(4)?,
                };
                Ok(Template {
                    format: row.get(0)?,
                    shape: Rc::new(shape),
                })
            })
            .optional()?
            .map(Rc::new);
        if let Some(template) = &template {
            self.templates.insert(key, Rc::clone(template));
        }
        Ok(template)
    }

    fn list(&mut self, id: i64) -> rusqlite::Result<Option<Rc<str>>> {
        if let Some(list) = self.lists.get(&id) {
            return Ok(Some(Rc::clone(list)));
        }
        let list: Option<Rc<str>> = self.list.query_row([id], |row| row.get(0)).optional()?;
        if let Some(list) = &list {
            self.lists.insert(id, Rc::clone(list));
        }
        Ok(list)
    }
}

/// The exact text of a row that has a template.
fn rebuilt(format: &str, fields: &Fields<'_>) -> Result<String, CompactError> {
    if let Some(json) = fields.text(Field::Literals)? {
        let literals: Vec<Cow<'_, str>> =
            serde_json::from_str(json).map_err(|_| fields.bad(Field::Literals))?;
        return Ok(rebuild(format, literals.iter().map(AsRef::as_ref)));
    }
    let mut literals = [""; LITERAL_FIELDS];
    for (place, literal) in literals.iter_mut().enumerate() {
        *literal = fields
            .text(Field::ALL[Field::Literal1 as usize + place])?
            .unwrap_or_default();
    }
    Ok(rebuild(format, literals))
}

/// The stored fields of one row.
pub(super) struct Fields<'r> {
    row: &'r Row<'r>,
    segment_id: i64,
    /// Which row it is.
    pub(super) seq: i64,
}

impl<'r> Fields<'r> {
    pub(super) fn integer(&self, field: Field) -> Result<Option<i64>, CompactError> {
        self.value(field)?
            .as_i64_or_null()
            .map_err(|_| self.bad(field))
    }

    pub(super) fn required(&self, field: Field) -> Result<i64, CompactError> {
        self.value(field)?.as_i64().map_err(|_| self.bad(field))
    }

    /// Text that is no UTF-8 has no place in a text field: it would be `query_raw`.
    pub(super) fn text(&self, field: Field) -> Result<Option<&'r str>, CompactError> {
        self.value(field)?
            .as_str_or_null()
            .map_err(|_| self.bad(field))
    }

    pub(super) fn bytes(&self, field: Field) -> Result<Option<&'r [u8]>, CompactError> {
        self.value(field)?
            .as_blob_or_null()
            .map_err(|_| self.bad(field))
    }

    pub(super) fn bad(&self, field: Field) -> CompactError {
        CompactError::BadField {
            segment_id: self.segment_id,
            seq: self.seq,
            field: field.name(),
        }
    }

    fn dangling(&self, table: &'static str, key: i64) -> CompactError {
        CompactError::Dangling {
            segment_id: self.segment_id,
            seq: self.seq,
            table,
            key,
        }
    }

    fn value(&self, field: Field) -> Result<ValueRef<'r>, CompactError> {
        self.row
            .get_ref(field as usize)
            .map_err(|source| CompactError::Read {
                segment_id: self.segment_id,
                source,
            })
    }
}
