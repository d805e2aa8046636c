//! Says what a statement does: its class and its operation.
//!
//! Takes a text, whole or cut off; gives the class as pgaudit has them, and the words that name the
//! operation. Reads words only, never the schema: a function that writes is not seen from here. Of
//! a text with several statements the first one counts.

mod objects;
mod reader;
mod verbs;

use std::fmt;

use self::reader::{Item, Reader};
use crate::flow::Dialect;

/// What a statement does, in pgaudit's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads rows.
    Read,
    /// Changes rows.
    Write,
    /// Runs a procedure or a block of code.
    Function,
    /// Changes users, roles, passwords or privileges.
    Role,
    /// Changes the schema.
    Ddl,
    /// Changes who the session acts as: `SET ROLE`, `SET SESSION AUTHORIZATION`.
    MiscSet,
    /// Anything else, and what could not be read.
    Misc,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::Function,
        Self::Role,
        Self::Ddl,
        Self::MiscSet,
        Self::Misc,
    ];

    /// The class of a stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Function => "FUNCTION",
            Self::Role => "ROLE",
            Self::Ddl => "DDL",
            Self::MiscSet => "MISC_SET",
            Self::Misc => "MISC",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What [`classify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What the statement does.
    pub class: Class,
    /// `SELECT`, `CREATE TABLE` ... in upper case; empty when the first word is none that a server
    /// knows, so that stray text (a password typed into the wrong window) does not become a name.
    pub operation: String,
}

impl Classified {
    fn new(class: Class, operation: &str) -> Self {
        Self {
            class,
            operation: operation.to_owned(),
        }
    }

    fn named(found: Option<(Class, &str)>) -> Self {
        let (class, operation) = found.unwrap_or((Class::Misc, ""));
        Self::new(class, operation)
    }
}

/// Words that begin a statement that can be explained, or that a `WITH` can lead.
const EXPLAINABLE: &[&str] = &[
    "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "VALUES", "TABLE",
];

/// Classifies the first statement of `text`.
#[must_use]
pub fn classify(text: &str, dialect: Dialect) -> Classified {
    classify_bytes(text.as_bytes(), dialect)
}

/// [`classify`] for a text that may not be UTF-8.
pub(super) fn classify_bytes(text: &[u8], dialect: Dialect) -> Classified {
    let mut reader = Reader::new(text, dialect);
    let Some(verb) = reader.verb() else {
        return Classified::new(Class::Misc, "");
    };
    match verb.as_str() {
        "EXPLAIN" | "DESCRIBE" | "DESC" => explain(reader, &verb),
        "ANALYZE" | "ANALYSE" => analyze(reader, &verb),
        "CREATE" | "ALTER" | "DROP" => objects::classify(reader, &verb),
        "COPY" => copy(reader),
        "PREPARE" if dialect == Dialect::Postgres && reader.words(1) != ["TRANSACTION"] => {
            prepare(reader, &verb)
        }
        "SET" | "RESET" => Classified::named(verbs::phrase(&set_words(reader, verb))),
        verb if EXPLAINABLE.contains(&verb) || verb == "WITH" => query(reader, verb),
        _ => Classified::named(verbs::single(&verb).or_else(|| {
            let mut words = vec![verb.clone()];
            words.extend(reader.words(2));
            verbs::phrase(&words)
        })),
    }
}

/// The words of a `SET` without its scope, which `SET ROLE` and the like may have.
fn set_words(reader: Reader<'_>, verb: String) -> Vec<String> {
    let mut rest = reader.words(4);
    if rest.first().is_some_and(|word| word == "LOCAL") {
        rest.remove(0);
    }
    if rest.first().is_some_and(|word| word == "SESSION")
        && rest.get(1).is_none_or(|word| word != "AUTHORIZATION")
    {
        rest.remove(0);
    }
    rest.insert(0, verb);
    rest
}

/// A query or a change of rows, and `WITH` before it. `reader` is behind the verb.
fn query(mut reader: Reader<'_>, verb: &str) -> Classified {
    let mut operation = verb.to_owned();
    // PostgreSQL changes rows in a `WITH` too: its verb stands right behind a bracket.
    let mut writes = is_write(verb);
    let mut behind_bracket = false;
    let mut with = verb == "WITH";
    while with || operation == "SELECT" {
        let Some((item, depth)) = reader.next() else {
            break;
        };
        let word = item.upper();
        if with && depth == 0 && EXPLAINABLE.contains(&word.as_str()) {
            with = false;
            writes |= is_write(&word);
            operation = word;
        } else if behind_bracket && verb == "WITH" && is_write(&word) {
            writes = true;
        } else if !with && depth == 0 && word == "INTO" && reader.dialect() == Dialect::Postgres {
            "SELECT INTO".clone_into(&mut operation);
        }
        behind_bracket = item == Item::Symbol(b'(');
    }
    let class = match (operation.as_str(), writes) {
        // It makes a table, as `CREATE TABLE ... AS` does.
        ("SELECT INTO", _) => Class::Ddl,
        (_, true) => Class::Write,
        (_, false) => Class::Read,
    };
    Classified::new(class, &operation)
}

fn is_write(verb: &str) -> bool {
    matches!(verb, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE")
}

/// An explained statement runs when it is analyzed too. `reader` is behind the verb.
fn explain(mut reader: Reader<'_>, verb: &str) -> Classified {
    let mut runs = false;
    let mut was_analyze = false;
    while let Some((item, _)) = reader.next() {
        let word = item.upper();
        if EXPLAINABLE.contains(&word.as_str()) || word == "WITH" {
            let class = if runs {
                query(reader, &word).class
            } else {
                Class::Read
            };
            return Classified::new(class, verb);
        }
        if was_analyze && matches!(word.as_str(), "FALSE" | "OFF") {
            runs = false;
        }
        was_analyze = matches!(word.as_str(), "ANALYZE" | "ANALYSE");
        runs |= was_analyze;
        if matches!(word.as_str(), "CREATE" | "REFRESH" | "EXECUTE" | "DECLARE") {
            let class = match word.as_str() {
                "CREATE" | "REFRESH" if runs => Class::Ddl,
                "EXECUTE" if runs => Class::Misc,
                _ => Class::Read,
            };
            return Classified::new(class, verb);
        }
    }
    Classified::new(Class::Read, verb)
}

/// PostgreSQL's `PREPARE name (types) AS statement` has the class of the statement. `reader` is behind
/// the verb.
fn prepare(mut reader: Reader<'_>, verb: &str) -> Classified {
    let mut class = Class::Misc;
    while let Some((item, depth)) = reader.next() {
        if depth == 0 && item.upper() == "AS" {
            if let Some((item, _)) = reader.next() {
                let word = item.upper();
                if EXPLAINABLE.contains(&word.as_str()) || word == "WITH" {
                    class = query(reader, &word).class;
                }
            }
            break;
        }
    }
    Classified::new(class, verb)
}

/// MariaDB's `ANALYZE` runs a statement and explains it; elsewhere it gathers statistics.
fn analyze(mut reader: Reader<'_>, verb: &str) -> Classified {
    let mut ahead = reader;
    if reader.dialect() == Dialect::Mysql
        && ahead
            .next()
            .is_some_and(|(item, _)| item.upper() == "FORMAT")
    {
        ahead.next();
        ahead.next();
        reader = ahead;
    }
    match reader.next() {
        Some((item, _)) if reader.dialect() == Dialect::Mysql => match item.upper().as_str() {
            "TABLE" => Classified::new(Class::Misc, "ANALYZE TABLE"),
            word if EXPLAINABLE.contains(&word) || word == "WITH" => {
                Classified::new(query(reader, word).class, verb)
            }
            _ => Classified::new(Class::Misc, verb),
        },
        _ => Classified::new(Class::Misc, verb),
    }
}

/// `COPY` reads or writes by its direction. `reader` is behind the verb.
fn copy(reader: Reader<'_>) -> Classified {
    let mut class = Class::Read;
    // A query's verb, also that of one in its `WITH`, stands right behind a bracket.
    let mut behind_bracket = false;
    for (item, depth) in reader {
        let is_verb = std::mem::replace(&mut behind_bracket, item == Item::Symbol(b'('));
        match item.upper().as_str() {
            "FROM" if depth == 0 => {
                class = Class::Write;
                break;
            }
            "TO" if depth == 0 => break,
            word if is_verb && is_write(word) => class = Class::Write,
            _ => {}
        }
    }
    Classified::new(class, "COPY")
}

#[cfg(test)]
mod tests;
