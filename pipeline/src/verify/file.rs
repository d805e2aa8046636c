//! Rows of a Parquet file, one after another.
//!
//! Takes a file, gives its rows; holds one batch.

use std::fs::File;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use schema::columns::COLUMNS;

use crate::compact::rows::BATCH_ROWS;

/// A row of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowOf<'b> {
    batch: &'b RecordBatch,
    row: usize,
}

/// A value of a row, however the column is encoded.
#[derive(Debug, PartialEq, Eq)]
enum Cell<'b> {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(&'b str),
    Bytes(&'b [u8]),
    /// A type that no column has.
    Strange,
}

impl<'b> RowOf<'b> {
    pub(super) fn new(batch: &'b RecordBatch, row: usize) -> Self {
        Self { batch, row }
    }

    /// An integer or a time; none where it is NULL or missing.
    pub(super) fn integer(self, name: &str) -> Option<i64> {
        match self.cell(name) {
            Cell::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The first column in which two rows differ.
    pub(super) fn difference(self, other: RowOf<'_>) -> Option<&'static str> {
        COLUMNS
            .iter()
            .map(|column| column.name)
            .find(|name| self.cell(name) != other.cell(name))
    }

    fn cell(self, name: &str) -> Cell<'b> {
        let Some(array) = self.batch.column_by_name(name) else {
            return Cell::Strange;
        };
        let row = self.row;
        if array.is_null(row) {
            return Cell::Null;
        }
        match array.data_type() {
            DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
            DataType::Timestamp(..) => match array.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(times) => Cell::Integer(times.value(row)),
                None => Cell::Strange,
            },
            DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
            DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
            DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
            DataType::Dictionary(..) => {
                let words = array.as_dictionary_opt::<Int32Type>().and_then(|words| {
                    Some((words.key(row)?, words.values().as_string_opt::<i32>()?))
                });
                match words {
                    Some((key, words)) if words.is_null(key) => Cell::Null,
                    Some((key, words)) => Cell::Text(words.value(key)),
                    None => Cell::Strange,
                }
            }
            _ => Cell::Strange,
        }
    }
}

/// The rows of a file.
pub(super) struct FileRows {
    reader: ParquetRecordBatchReader,
    batch: RecordBatch,
    next: usize,
}

impl FileRows {
    /// Begins with the first row.
    pub(super) fn open(file: File) -> Result<Self, ArrowError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let batch = RecordBatch::new_empty(builder.schema().clone());
        let reader = builder.with_batch_size(BATCH_ROWS).build()?;
        Ok(Self {
            reader,
            batch,
            next: 0,
        })
    }

    /// The next row, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<RowOf<'_>>, ArrowError> {
        while self.next >= self.batch.num_rows() {
            match self.reader.next().transpose()? {
                Some(batch) => (self.batch, self.next) = (batch, 0),
                None => return Ok(None),
            }
        }
        self.next += 1;
        Ok(Some(RowOf::new(&self.batch, self.next - 1)))
    }
}
