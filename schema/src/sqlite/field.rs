//! The fields of `events_<n>`.
//!
//! Takes nothing, gives the one list from which the table, its insert statement, the binding of rows
//! and the documentation derive; a field's place is the same in all of them.

/// Fields of `events_<n>`, in the order in which they are stored and bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Field::definition says what each is")]
pub enum Field {
    Seq,
    Time,
    Kind,
    SessionKey,
    CommandId,
    TemplateId,
    ObjectsId,
    Literal1,
    Literal2,
    Literal3,
    Literal4,
    Literal5,
    Literal6,
    Literal7,
    Literal8,
    QueryBytes,
    Status,
    RowsReturned,
    RowsAffected,
    DurationUs,
    RepeatCount,
    Truncated,
    MessageSeq,
    ParentSeq,
    Literals,
    QueryText,
    QueryRaw,
    Parameters,
    Objects,
    StatusCode,
    Sqlstate,
    ErrorMessage,
    Fingerprint,
    Class,
    DbOperationName,
}

impl Field {
    /// Every field, in order.
    pub const ALL: [Self; 35] = [
        Self::Seq,
        Self::Time,
        Self::Kind,
        Self::SessionKey,
        Self::CommandId,
        Self::TemplateId,
        Self::ObjectsId,
        Self::Literal1,
        Self::Literal2,
        Self::Literal3,
        Self::Literal4,
        Self::Literal5,
        Self::Literal6,
        Self::Literal7,
        Self::Literal8,
        Self::QueryBytes,
        Self::Status,
        Self::RowsReturned,
        Self::RowsAffected,
        Self::DurationUs,
        Self::RepeatCount,
        Self::Truncated,
        Self::MessageSeq,
        Self::ParentSeq,
        Self::Literals,
        Self::QueryText,
        Self::QueryRaw,
        Self::Parameters,
        Self::Objects,
        Self::StatusCode,
        Self::Sqlstate,
        Self::ErrorMessage,
        Self::Fingerprint,
        Self::Class,
        Self::DbOperationName,
    ];

    /// Its name, its type in SQLite, and what it says where the view shows something else.
    #[must_use]
    pub const fn definition(self) -> (&'static str, &'static str, &'static str) {
        const LITERAL: &str = "literal of the statement, where it has at most eight";
        match self {
            Self::Seq => ("seq", "INTEGER PRIMARY KEY", ""),
            Self::Time => ("time", "INTEGER NOT NULL", ""),
            Self::Kind => (
                "kind",
                "INTEGER NOT NULL",
                "place of the word in the list of kinds, from 0",
            ),
            Self::SessionKey => ("session_key", "INTEGER", "row of sessions"),
            Self::CommandId => ("command_id", "INTEGER NOT NULL", "row of commands"),
            Self::TemplateId => ("template_id", "INTEGER", "row of templates_<n>"),
            Self::ObjectsId => ("objects_id", "INTEGER", "row of objects_<n>"),
            Self::Literal1 => ("literal_1", "TEXT", LITERAL),
            Self::Literal2 => ("literal_2", "TEXT", LITERAL),
            Self::Literal3 => ("literal_3", "TEXT", LITERAL),
            Self::Literal4 => ("literal_4", "TEXT", LITERAL),
            Self::Literal5 => ("literal_5", "TEXT", LITERAL),
            Self::Literal6 => ("literal_6", "TEXT", LITERAL),
            Self::Literal7 => ("literal_7", "TEXT", LITERAL),
            Self::Literal8 => ("literal_8", "TEXT", LITERAL),
            Self::QueryBytes => ("query_bytes", "INTEGER", ""),
            Self::Status => (
                "status",
                "INTEGER NOT NULL",
                "place of the word in the list of statuses, from 0",
            ),
            Self::RowsReturned => ("rows_returned", "INTEGER", ""),
            Self::RowsAffected => ("rows_affected", "INTEGER", ""),
            Self::DurationUs => ("duration_us", "INTEGER", ""),
            Self::RepeatCount => ("repeat_count", "INTEGER NOT NULL", ""),
            Self::Truncated => ("truncated", "INTEGER", ""),
            Self::MessageSeq => ("message_seq", "INTEGER", "NULL where it equals seq"),
            Self::ParentSeq => ("parent_seq", "INTEGER", ""),
            Self::Literals => (
                "literals",
                "TEXT",
                "JSON list of the literals, where there are more than eight",
            ),
            Self::QueryText => (
                "query_text",
                "TEXT",
                "the whole text, where it is not split",
            ),
            Self::QueryRaw => (
                "query_raw",
                "BLOB",
                "the exact bytes, where they are no text",
            ),
            Self::Parameters => ("parameters", "TEXT", ""),
            Self::Objects => ("objects", "TEXT", "where there is no objects_id"),
            Self::StatusCode => ("status_code", "TEXT", ""),
            Self::Sqlstate => ("sqlstate", "TEXT", ""),
            Self::ErrorMessage => ("error_message", "TEXT", ""),
            Self::Fingerprint => ("fingerprint", "TEXT", "where there is no template_id"),
            Self::Class => ("class", "TEXT", "where there is no template_id"),
            Self::DbOperationName => ("db_operation_name", "TEXT", "where there is no template_id"),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.definition().0
    }

    /// Its place among the parameters of [`super::insert_event`], from 1.
    #[must_use]
    pub const fn parameter(self) -> usize {
        self as usize + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::LITERAL_FIELDS;

    #[test]
    fn fields_are_bound_where_they_are_stored() {
        for (place, field) in Field::ALL.iter().enumerate() {
            assert_eq!(field.parameter(), place + 1, "{}", field.name());
        }
        for i in 0..LITERAL_FIELDS {
            assert_eq!(
                Field::ALL[Field::Literal1 as usize + i].name(),
                format!("literal_{}", i + 1)
            );
        }
    }
}
