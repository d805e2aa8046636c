//! Binds one event to the held insert statement.
//!
//! Takes values field by field, gives a stored row and its size. Bindings outlive an execution in
//! SQLite, so a field that is NULL in this row and was in the last one is not bound again: most are.

use rusqlite::{Statement, ToSql};
use schema::sqlite::{Field, LITERAL_FIELDS};

/// Bytes of a row besides its texts: the header, one byte a field, and the integers.
const ROW_BYTES: i64 = 64;

/// Fields of the literals that have one each.
const LITERALS: [Field; LITERAL_FIELDS] = [
    Field::Literal1,
    Field::Literal2,
    Field::Literal3,
    Field::Literal4,
    Field::Literal5,
    Field::Literal6,
    Field::Literal7,
    Field::Literal8,
];

/// The insert statement of the open segment, and what is bound to it.
#[derive(Debug)]
pub(crate) struct RowWriter<'s, 'c> {
    statement: &'s mut Statement<'c>,
    /// Bit `n` is set while field `n` is bound to something else than NULL.
    bound: u64,
    bytes: i64,
}

impl<'s, 'c> RowWriter<'s, 'c> {
    /// Takes a statement made from [`schema::sqlite::insert_event`].
    pub(crate) fn new(statement: &'s mut Statement<'c>) -> Self {
        statement.clear_bindings();
        Self {
            statement,
            bound: 0,
            bytes: ROW_BYTES,
        }
    }

    pub(crate) fn integer(&mut self, field: Field, value: Option<i64>) -> rusqlite::Result<()> {
        self.bind(field, value)
    }

    pub(crate) fn text(&mut self, field: Field, value: Option<&str>) -> rusqlite::Result<()> {
        self.bytes += value.map_or(0, |value| size(value.len()));
        self.bind(field, value)
    }

    pub(crate) fn blob(&mut self, field: Field, value: Option<&[u8]>) -> rusqlite::Result<()> {
        self.bytes += value.map_or(0, |value| size(value.len()));
        self.bind(field, value)
    }

    /// Up to [`LITERAL_FIELDS`] literals; the fields of the others become NULL.
    pub(crate) fn literals<'t>(
        &mut self,
        mut literals: impl Iterator<Item = &'t str>,
    ) -> rusqlite::Result<()> {
        LITERALS
            .into_iter()
            .try_for_each(|field| self.text(field, literals.next()))
    }

    /// Stores the row; gives its size in bytes, estimated.
    pub(crate) fn insert(&mut self) -> rusqlite::Result<i64> {
        self.statement.raw_execute()?;
        Ok(std::mem::replace(&mut self.bytes, ROW_BYTES))
    }

    fn bind(&mut self, field: Field, value: Option<impl ToSql>) -> rusqlite::Result<()> {
        let bit = 1_u64 << (field.parameter() - 1);
        match &value {
            None if self.bound & bit == 0 => return Ok(()),
            None => self.bound &= !bit,
            Some(_) => self.bound |= bit,
        }
        self.statement.raw_bind_parameter(field.parameter(), value)
    }
}

fn size(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
