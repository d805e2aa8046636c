//! Gathers rows into a record batch.
//!
//! Takes rows field by field, gives Arrow arrays in the order of the schema; reads nothing.
//!
//! # Design
//!
//! Columns that SQLite has as one number (session, command, template, tables) become dictionary arrays
//! that share one list of keys: the number's place among those of the batch. So a row costs an integer
//! for each of five dictionaries, and no word is hashed.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Int64Builder, StringBuilder, StringDictionaryBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::ArrowError;
use rusqlite::types::Value;
use schema::arrow::TIME_ZONE;
use schema::columns::{COLUMNS, Type};
use schema::sqlite::{Field, KINDS, SESSION_FIELDS, STATUSES};

use super::CompactError;
use super::rows::Fields;

/// Columns that have a field of the same name, but say something else when it is NULL or a number.
const NOT_PLAIN: [&str; 9] = [
    "seq",
    "time",
    "kind",
    "status",
    "message_seq",
    "objects",
    "fingerprint",
    "class",
    "db_operation_name",
];

/// A column that shows a field as it is stored.
struct Plain {
    field: Field,
    values: PlainValues,
}

enum PlainValues {
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
    Word(StringDictionaryBuilder<Int32Type>),
    Bytes(BinaryBuilder),
}

impl Plain {
    /// All of them.
    fn all() -> Vec<Self> {
        COLUMNS
            .iter()
            .filter(|column| !NOT_PLAIN.contains(&column.name))
            .filter_map(|column| {
                let field = Field::ALL
                    .into_iter()
                    .find(|field| field.name() == column.name)?;
                let values = match column.kind {
                    Type::Integer | Type::Time => PlainValues::Integer(Int64Builder::new()),
                    Type::Boolean => PlainValues::Boolean(BooleanBuilder::new()),
                    Type::Text => PlainValues::Text(StringBuilder::new()),
                    Type::Word => PlainValues::Word(StringDictionaryBuilder::new()),
                    Type::Bytes => PlainValues::Bytes(BinaryBuilder::new()),
                };
                Some(Self { field, values })
            })
            .collect()
    }

    /// Adds a row; gives the bytes of its text.
    fn push(&mut self, fields: &Fields<'_>) -> Result<usize, CompactError> {
        let field = self.field;
        Ok(match &mut self.values {
            PlainValues::Integer(builder) => {
                builder.append_option(fields.integer(field)?);
                0
            }
            PlainValues::Boolean(builder) => {
                builder.append_option(fields.integer(field)?.map(|value| value != 0));
                0
            }
            PlainValues::Text(builder) => {
                let text = fields.text(field)?;
                builder.append_option(text);
                text.map_or(0, str::len)
            }
            PlainValues::Word(builder) => {
                builder.append_option(fields.text(field)?);
                0
            }
            PlainValues::Bytes(builder) => {
                let bytes = fields.bytes(field)?;
                builder.append_option(bytes);
                bytes.map_or(0, <[u8]>::len)
            }
        })
    }

    fn finish(self) -> ArrayRef {
        match self.values {
            PlainValues::Integer(mut builder) => Arc::new(builder.finish()),
            PlainValues::Boolean(mut builder) => Arc::new(builder.finish()),
            PlainValues::Text(mut builder) => Arc::new(builder.finish()),
            PlainValues::Word(mut builder) => Arc::new(builder.finish()),
            PlainValues::Bytes(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// What all statements of one template have in common.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) template: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) class: Option<String>,
    pub(super) db_operation_name: Option<String>,
}

/// Values of the batch's rows, as places in a list of the distinct ones.
#[derive(Debug)]
struct Keyed<T> {
    keys: Vec<Option<i32>>,
    values: Vec<T>,
    places: HashMap<i64, i32>,
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Clone> Keyed<T> {
    /// Adds a row that has the value of a number, or a value that no other row shares.
    fn push(&mut self, number: Option<i64>, value: &T) {
        if let Some(place) = number.and_then(|number| self.places.get(&number)) {
            self.keys.push(Some(*place));
            return;
        }
        // A batch has some thousand rows, and no more values than rows.
        let place = i32::try_from(self.values.len()).unwrap_or(i32::MAX);
        self.values.push(value.clone());
        if let Some(number) = number {
            self.places.insert(number, place);
        }
        self.keys.push(Some(place));
    }

    fn push_none(&mut self) {
        self.keys.push(None);
    }

    /// The values as a column of words.
    fn words<'v>(
        &'v self,
        keys: &Int32Array,
        word: impl Fn(&'v T) -> Option<&'v str>,
    ) -> Result<ArrayRef, ArrowError> {
        dictionary(keys, self.values.iter().map(word).collect())
    }

    /// The values as one array entry for each row.
    fn spread<'v, V: 'v>(
        &'v self,
        value: impl Fn(&'v T) -> Option<V>,
    ) -> impl Iterator<Item = Option<V>> {
        self.keys.iter().map(move |key| {
            let place = usize::try_from((*key)?).ok()?;
            value(self.values.get(place)?)
        })
    }
}

/// Rows that become a record batch.
#[derive(Default)]
pub(super) struct Batch {
    bytes: usize,
    seq: Vec<i64>,
    time: Vec<i64>,
    kind: Vec<i32>,
    status: Vec<i32>,
    message_seq: Vec<i64>,
    commands: Keyed<Rc<str>>,
    sessions: Keyed<Rc<Vec<Value>>>,
    shapes: Keyed<Rc<Shape>>,
    objects: Keyed<Rc<str>>,
    query_text: StringBuilder,
    query_raw: BinaryBuilder,
    plain: Vec<Plain>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            plain: Plain::all(),
            ..Self::default()
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.seq.len()
    }

    /// Bytes of the texts so far, which is what differs from batch to batch.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn session(&mut self, session: Option<(i64, &Rc<Vec<Value>>)>) {
        match session {
            Some((key, facts)) => self.sessions.push(Some(key), facts),
            None => self.sessions.push_none(),
        }
    }

    pub(super) fn command(&mut self, id: i64, command: &Rc<str>) {
        self.commands.push(Some(id), command);
    }

    pub(super) fn shape(&mut self, template_id: Option<i64>, shape: &Rc<Shape>) {
        self.shapes.push(template_id, shape);
    }

    pub(super) fn no_shape(&mut self) {
        self.shapes.push_none();
    }

    /// The touched tables; without a number they are this row's alone.
    pub(super) fn objects(&mut self, objects: Option<(Option<i64>, &Rc<str>)>) {
        match objects {
            Some((id, list)) => self.objects.push(id, list),
            None => self.objects.push_none(),
        }
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        self.bytes += text.map_or(0, str::len);
        self.query_text.append_option(text);
    }

    /// The fields that are stored as they are. They must come last: they end the row.
    pub(super) fn end(&mut self, fields: &Fields<'_>) -> Result<(), CompactError> {
        self.seq.push(fields.seq);
        self.time.push(fields.required(Field::Time)?);
        self.kind.push(place(fields, Field::Kind, KINDS)?);
        self.status.push(place(fields, Field::Status, STATUSES)?);
        self.message_seq
            .push(fields.integer(Field::MessageSeq)?.unwrap_or(fields.seq));
        let raw = fields.bytes(Field::QueryRaw)?;
        self.bytes += raw.map_or(0, <[u8]>::len);
        self.query_raw.append_option(raw);
        for column in &mut self.plain {
            self.bytes += column.push(fields)?;
        }
        Ok(())
    }

    /// The rows as a record batch; `segment_id` is for the message of an error.
    pub(super) fn finish(self, segment_id: i64) -> Result<RecordBatch, CompactError> {
        self.into_arrays()
            .and_then(|mut arrays| {
                let columns = COLUMNS
                    .iter()
                    .map(|column| {
                        arrays.remove(column.name).ok_or_else(|| {
                            ArrowError::SchemaError(format!("no values for column {}", column.name))
                        })
                    })
                    .collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
                RecordBatch::try_new(schema::arrow::schema(), columns)
            })
            .map_err(|source| CompactError::Schema { segment_id, source })
    }

    /// The array of every column, by name.
    fn into_arrays(mut self) -> Result<HashMap<&'static str, ArrayRef>, ArrowError> {
        let mut arrays: HashMap<&'static str, ArrayRef> = HashMap::new();

        let session_keys = Int32Array::from(self.sessions.keys.clone());
        for (index, (name, _)) in SESSION_FIELDS.iter().enumerate() {
            let Some(column) = COLUMNS.iter().find(|column| column.name == *name) else {
                continue;
            };
            let array = match column.kind {
                Type::Word => self
                    .sessions
                    .words(&session_keys, |facts| as_text(&facts[index]))?,
                Type::Integer | Type::Time | Type::Boolean => Arc::new(
                    self.sessions
                        .spread(|facts| as_integer(&facts[index]))
                        .collect::<Int64Array>(),
                ),
                Type::Text | Type::Bytes => Arc::new(
                    self.sessions
                        .spread(|facts| as_text(&facts[index]))
                        .collect::<StringArray>(),
                ),
            };
            arrays.insert(*name, array);
        }

        let shape_keys = Int32Array::from(self.shapes.keys.clone());
        let mut shape = |name, word: fn(&Shape) -> &Option<String>| -> Result<(), ArrowError> {
            arrays.insert(
                name,
                self.shapes
                    .words(&shape_keys, |shape| word(shape).as_deref())?,
            );
            Ok(())
        };
        shape("db_query_template", |shape| &shape.template)?;
        shape("fingerprint", |shape| &shape.fingerprint)?;
        shape("class", |shape| &shape.class)?;
        shape("db_operation_name", |shape| &shape.db_operation_name)?;

        let command_keys = Int32Array::from(self.commands.keys.clone());
        arrays.insert(
            "command",
            self.commands
                .words(&command_keys, |word| Some(word.as_ref()))?,
        );
        let object_keys = Int32Array::from(self.objects.keys.clone());
        arrays.insert(
            "objects",
            self.objects
                .words(&object_keys, |list| Some(list.as_ref()))?,
        );
        let of = |keys: Vec<i32>, words: &[&'static str]| {
            dictionary(
                &Int32Array::from(keys),
                words.iter().map(|&word| Some(word)).collect(),
            )
        };
        arrays.insert("kind", of(self.kind, KINDS)?);
        arrays.insert("status", of(self.status, STATUSES)?);

        arrays.insert("seq", Arc::new(Int64Array::from(self.seq)));
        arrays.insert(
            "time",
            Arc::new(TimestampMicrosecondArray::from(self.time).with_timezone(TIME_ZONE)),
        );
        arrays.insert("message_seq", Arc::new(Int64Array::from(self.message_seq)));
        arrays.insert("db_query_text", Arc::new(self.query_text.finish()));
        arrays.insert("db_query_raw", Arc::new(self.query_raw.finish()));
        for column in self.plain {
            arrays.insert(column.field.name(), column.finish());
        }
        Ok(arrays)
    }
}

fn dictionary(keys: &Int32Array, words: Vec<Option<&str>>) -> Result<ArrayRef, ArrowError> {
    let words: ArrayRef = Arc::new(StringArray::from(words));
    Ok(Arc::new(DictionaryArray::try_new(keys.clone(), words)?))
}

/// A field that is the place of a word in a list.
fn place(fields: &Fields<'_>, field: Field, words: &[&str]) -> Result<i32, CompactError> {
    let place = fields.required(field)?;
    i32::try_from(place)
        .ok()
        .filter(|_| usize::try_from(place).is_ok_and(|place| place < words.len()))
        .ok_or_else(|| fields.bad(field))
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Null | Value::Text(_) | Value::Real(_) | Value::Blob(_) => None,
    }
}
