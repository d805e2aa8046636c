//! What a stored row means.
//!
//! Takes nothing, gives the one list of columns ([`columns::COLUMNS`]) from which the SQLite view, the
//! Arrow and Parquet schema and the documentation derive. No I/O.
#![forbid(unsafe_code)]

pub mod columns;
pub mod arrow;
pub mod parquet;
pub mod sqlite;
pub mod docs;
