//! How a row is laid out in Parquet.
//!
//! Takes the columns and what a file holds, gives the writer's properties. Nothing in them depends
//! on the clock or the machine: the same rows must always give the same bytes.
//!
//! * One file holds rows of one segment and one UTC date, in order of `seq`.
//! * Integers and times are delta-encoded without a dictionary; all strings try a dictionary first, so that
//!   prepared statements and session ids cost an index, and fall back to delta lengths when it grows
//!   beyond [`DICTIONARY_BYTES_MAX`]. A search over `db_query_template` reads the dictionary only.
//! * Every column has minimum and maximum per page. There are no bloom filters: rows stand in order of
//!   time, and a filter on any other column did not get faster by them.
//! * `db_query_raw` is an unannotated byte array, everything else that is text is annotated as UTF-8.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::columns::{COLUMNS, Type};

/// Rows in a row group. Measured sizes and scan times do not differ from 64 Ki to 1 Mi rows, but the
/// writer's memory does.
pub const ROW_GROUP_ROWS: usize = 256 * 1024;

/// Bytes after which a row group ends early, so that long statements do not cost memory without bound.
pub const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of distinct values per column and row group after which a dictionary is given up.
pub const DICTIONARY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a data page before compression.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// File metadata key: the schema version of the rows.
pub const KEY_SCHEMA_VERSION: &str = "sqltrail.schema_version";
/// File metadata key: the segment that the rows come from.
pub const KEY_SEGMENT: &str = "sqltrail.segment";
/// File metadata key: the place of the file among those of its segment, from 1.
pub const KEY_PART: &str = "sqltrail.part";
/// File metadata key: the UTC date of every row.
pub const KEY_DATE: &str = "sqltrail.date";
/// File metadata key: number of rows.
pub const KEY_ROWS: &str = "sqltrail.rows";
/// File metadata key: the lowest `seq`.
pub const KEY_FIRST_SEQ: &str = "sqltrail.first_seq";
/// File metadata key: the highest `seq`.
pub const KEY_LAST_SEQ: &str = "sqltrail.last_seq";

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Schema version of the rows.
    pub schema_version: i64,
    /// Segment that the rows come from.
    pub segment: i64,
    /// Place of the file among those of its segment, from 1.
    pub part: u32,
    /// UTC date of every row, `YYYY-MM-DD`.
    pub date: String,
    /// Number of rows.
    pub rows: i64,
    /// The lowest `seq`.
    pub first_seq: i64,
    /// The highest `seq`.
    pub last_seq: i64,
}

impl FileFacts {
    /// The facts as file metadata, in a fixed order.
    #[must_use]
    pub fn key_values(&self) -> Vec<KeyValue> {
        [
            (KEY_SCHEMA_VERSION, self.schema_version.to_string()),
            (KEY_SEGMENT, self.segment.to_string()),
            (KEY_PART, self.part.to_string()),
            (KEY_DATE, self.date.clone()),
            (KEY_ROWS, self.rows.to_string()),
            (KEY_FIRST_SEQ, self.first_seq.to_string()),
            (KEY_LAST_SEQ, self.last_seq.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .collect()
    }
}

/// Properties of the writer of one file.
#[must_use]
pub fn writer_properties(facts: &FileFacts) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        // Level 1 is the default; level 3 and 9 cost more time than the bytes they save are worth.
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]))
        .set_key_value_metadata(Some(facts.key_values()));
    for column in COLUMNS {
        let path = ColumnPath::from(column.name);
        builder = match column.kind {
            Type::Integer | Type::Time => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Type::Boolean => builder.set_column_dictionary_enabled(path, false),
            Type::Text | Type::Word | Type::Bytes => builder
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        };
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::basic::{LogicalType, TimeUnit, Type as Physical};

    use super::*;

    fn facts() -> FileFacts {
        FileFacts {
            schema_version: 1,
            segment: 7,
            part: 1,
            date: "2026-11-22".into(),
            rows: 3,
            first_seq: 10,
            last_seq: 12,
        }
    }

    #[test]
    fn parquet_types_are_those_that_spark_and_duckdb_read() {
        let arrow = crate::arrow::schema();
        let parquet = ArrowSchemaConverter::new().convert(&arrow).unwrap();
        assert_eq!(parquet.num_columns(), COLUMNS.len());
        for (column, leaf) in COLUMNS.iter().zip(parquet.columns()) {
            assert_eq!(leaf.name(), column.name);
            let (physical, logical) = match column.kind {
                Type::Integer => (Physical::INT64, None),
                Type::Time => (
                    Physical::INT64,
                    Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
                ),
                Type::Boolean => (Physical::BOOLEAN, None),
                Type::Text | Type::Word => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                Type::Bytes => (Physical::BYTE_ARRAY, None),
            };
            assert_eq!(leaf.physical_type(), physical, "{}", column.name);
            assert_eq!(leaf.logical_type_ref(), logical.as_ref(), "{}", column.name);
        }
    }

    #[test]
    fn the_file_is_sorted_by_its_first_column() {
        assert_eq!(COLUMNS[0].name, "seq");
        let properties = writer_properties(&facts());
        assert_eq!(
            properties.sorting_columns().map(|s| s[0].column_idx),
            Some(0)
        );
    }

    #[test]
    fn numbers_are_delta_encoded_and_words_are_dictionaries() {
        let properties = writer_properties(&facts());
        for column in COLUMNS {
            let path = ColumnPath::from(column.name);
            let dictionary = matches!(column.kind, Type::Text | Type::Word | Type::Bytes);
            assert_eq!(
                properties.dictionary_enabled(&path),
                dictionary,
                "{}",
                column.name
            );
            if matches!(column.kind, Type::Integer | Type::Time) {
                assert_eq!(
                    properties.encoding(&path),
                    Some(Encoding::DELTA_BINARY_PACKED),
                    "{}",
                    column.name
                );
            }
        }
    }

    #[test]
    fn the_file_names_its_rows() {
        let pairs: Vec<(String, Option<String>)> = facts()
            .key_values()
            .into_iter()
            .map(|pair| (pair.key, pair.value))
            .collect();
        assert!(pairs.contains(&(KEY_SEGMENT.into(), Some("7".into()))));
        assert!(pairs.contains(&(KEY_FIRST_SEQ.into(), Some("10".into()))));
        assert!(pairs.contains(&(KEY_LAST_SEQ.into(), Some("12".into()))));
        assert!(pairs.contains(&(KEY_SCHEMA_VERSION.into(), Some("1".into()))));
    }
}
