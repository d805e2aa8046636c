//! The columns as Arrow sees them.
//!
//! Takes [`COLUMNS`], gives the Arrow schema of a row; must never name a column itself.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::columns::{COLUMNS, Type};

/// Time zone of every time. Spark and DuckDB take it as "an instant", not as wall-clock time.
pub const TIME_ZONE: &str = "UTC";

/// Arrow schema of a row: one field for each column, in the same order.
#[must_use]
pub fn schema() -> SchemaRef {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|column| Field::new(column.name, data_type(column.kind), column.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}

/// What Arrow makes of a column type.
///
/// Times are microseconds because Spark refuses nanoseconds; integers are signed because it refuses
/// unsigned ones. Words are dictionaries in memory and plain strings in Parquet.
#[must_use]
pub fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Integer => DataType::Int64,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(TIME_ZONE.into())),
        Type::Boolean => DataType::Boolean,
        Type::Text => DataType::Utf8,
        Type::Word => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Type::Bytes => DataType::Binary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_a_field_in_the_same_order() {
        let schema = schema();
        assert_eq!(schema.fields().len(), COLUMNS.len());
        for (column, field) in COLUMNS.iter().zip(schema.fields()) {
            assert_eq!(column.name, field.name());
            assert_eq!(column.nullable, field.is_nullable(), "{}", column.name);
            assert_eq!(
                *field.data_type(),
                data_type(column.kind),
                "{}",
                column.name
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
    }
}
