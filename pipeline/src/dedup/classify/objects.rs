//! Classifies `CREATE`, `ALTER` and `DROP` by the kind of object.
//!
//! Takes what follows the verb; gives class and operation. Modifiers between verb and object (`OR
//! REPLACE`, `UNIQUE`, `DEFINER = ...`) are passed over, not understood.

use super::reader::Reader;
use super::verbs::begins;
use super::{Class, Classified};

/// How far behind the verb the object is looked for: a `DEFINER` clause with all its modifiers is
/// shorter.
const ITEMS_MAX: usize = 24;

/// Kinds of objects. A phrase stands before those that it begins with.
const OBJECTS: &[&str] = &[
    "ACCESS METHOD",
    "AGGREGATE FUNCTION",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DEFAULT PRIVILEGES",
    "DOMAIN",
    "EVENT TRIGGER",
    "EVENT",
    "EXTENSION",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "GROUP",
    "INDEX",
    "INSTANCE",
    "LANGUAGE",
    "LARGE OBJECT",
    "LOGFILE GROUP",
    "MATERIALIZED VIEW",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "OPERATOR",
    "OWNED",
    "PACKAGE BODY",
    "PACKAGE",
    "POLICY",
    "PREPARE",
    "PROCEDURE",
    "PUBLICATION",
    "RESOURCE GROUP",
    "ROLE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "SPATIAL REFERENCE SYSTEM",
    "STATISTICS",
    "SUBSCRIPTION",
    "SYSTEM",
    "TABLE",
    "TABLESPACE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER MAPPING",
    "USER",
    "VIEW",
];

/// `reader` is behind `verb`.
pub(super) fn classify(reader: Reader<'_>, verb: &str) -> Classified {
    let words: Vec<String> = reader
        .take(ITEMS_MAX)
        .map(|(item, _)| item.upper())
        .collect();
    let object =
        (0..words.len()).find_map(|at| OBJECTS.iter().find(|object| begins(&words[at..], object)));
    let Some(object) = object else {
        return Classified::new(Class::Ddl, verb);
    };
    let class = match *object {
        "ROLE" | "USER" | "GROUP" | "DEFAULT PRIVILEGES" => Class::Role,
        // Forgets a prepared statement.
        "PREPARE" => Class::Misc,
        _ => Class::Ddl,
    };
    Classified::new(class, &format!("{verb} {object}"))
}
