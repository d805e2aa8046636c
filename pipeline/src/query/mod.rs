//! Saved questions: which there are, and what a run of one needs.
//!
//! Takes the `.sql` files of `queries/` (embedded) and a person's `name=value` words, gives SQL text
//! with typed values to bind. Opens nothing, prints nothing; never puts a value into the SQL text.

mod header;
pub(crate) mod parameter;

pub use header::{Header, HeaderError, OutputColumn};
pub use parameter::{DefaultValue, Parameter, ParameterError, ParameterType};

use rusqlite::types::Value;

/// Names a file of `queries/` once and embeds it.
macro_rules! registry {
    ($($folder:literal: $($name:literal),+;)+) => {
        &[$($(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/../queries/", $folder, "/", $name, ".sql"
        )))),+),+]
    };
}

/// The questions that SQLite answers; a test holds this list against the folders.
const REGISTRY: &[(&str, &str)] = registry! {
    "shared":
        "activity_of_user",
        "ddl_and_role_changes",
        "failed_statements",
        "losses_and_gaps",
        "new_fingerprints_since",
        "sessions_by_client",
        "slowest_statements",
        "top_fingerprints",
        "who_touched_table";
    "sqlite":
        "archive_files";
};

/// Names that are at least this alike (Jaro-Winkler, 0 to 1) are offered in place of an unknown one.
const LIKENESS_MIN: f64 = 0.75;

/// Why a question cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no question of that name.
    #[error("no saved question `{name}`{}", near_words(near))]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Names like it.
        near: Vec<&'static str>,
    },
    /// The file's header is not in the fixed form.
    #[error("saved question `{name}` has a bad header")]
    Header {
        /// The question.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// The question has no parameter of that name.
    #[error(
        "question `{question}` has no parameter `{parameter}`{}",
        near_words(near)
    )]
    UnknownParameter {
        /// The question.
        question: &'static str,
        /// What was given.
        parameter: String,
        /// Names like it; all there are when none is alike.
        near: Vec<String>,
    },
    /// A parameter is given twice.
    #[error("parameter `{parameter}` of question `{question}` is given twice")]
    GivenTwice {
        /// The question.
        question: &'static str,
        /// Its parameter.
        parameter: String,
    },
    /// A parameter without a default is not given.
    #[error("question `{question}` needs parameter `{parameter}` ({meaning})")]
    Missing {
        /// The question.
        question: &'static str,
        /// Its parameter.
        parameter: String,
        /// What the parameter says.
        meaning: String,
    },
    /// A value does not fit its parameter.
    #[error("bad value for parameter `{parameter}` of question `{question}`")]
    BadValue {
        /// The question.
        question: &'static str,
        /// Its parameter.
        parameter: String,
        /// What is wrong with it.
        #[source]
        source: ParameterError,
    },
}

impl QueryError {
    /// One thing to try, for a person.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownName { .. } => Some("`sqltrail query` lists the questions"),
            Self::UnknownParameter { .. }
            | Self::GivenTwice { .. }
            | Self::Missing { .. }
            | Self::BadValue { .. } => Some("a parameter is given as: --param NAME=VALUE"),
            Self::Header { .. } => None,
        }
    }
}

fn near_words<S: AsRef<str>>(near: &[S]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = near
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    format!(" (near it: {})", quoted.join(", "))
}

/// One saved question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its name: the file's, without `.sql`.
    pub name: &'static str,
    /// The file as it is; SQLite takes the header for what it is, comments.
    pub sql: &'static str,
    /// What its header says.
    pub header: Header,
}

/// Every question, in order of name.
///
/// # Errors
/// A header that is not in the fixed form; a test keeps that from happening.
pub fn questions() -> Result<Vec<Question>, QueryError> {
    let mut questions = REGISTRY
        .iter()
        .map(|&(name, sql)| question(name, sql))
        .collect::<Result<Vec<Question>, QueryError>>()?;
    questions.sort_by_key(|question| question.name);
    Ok(questions)
}

/// The question of that name.
///
/// # Errors
/// No such question, naming those with a similar name.
pub fn find(name: &str) -> Result<Question, QueryError> {
    match REGISTRY.iter().find(|(known, _)| *known == name) {
        Some(&(name, sql)) => question(name, sql),
        None => Err(QueryError::UnknownName {
            name: name.into(),
            near: near(name, REGISTRY.iter().map(|(known, _)| *known)),
        }),
    }
}

fn question(name: &'static str, sql: &'static str) -> Result<Question, QueryError> {
    let header = header::parse(sql).map_err(|source| QueryError::Header { name, source })?;
    Ok(Question { name, sql, header })
}

/// The known names that are like `name`, likest first.
fn near<S: AsRef<str>>(name: &str, known: impl Iterator<Item = S>) -> Vec<S> {
    let mut alike: Vec<(f64, S)> = known
        .map(|known| {
            let likeness = if known.as_ref().contains(name) {
                1.0
            } else {
                strsim::jaro_winkler(name, known.as_ref())
            };
            (likeness, known)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.into_iter().map(|(_, known)| known).collect()
}

impl Question {
    /// What to bind: each parameter as `$name` with its value, defaults filled in.
    ///
    /// `given` are a person's words, name and value; `now_us` (microseconds since the Unix epoch) is
    /// what relative times count from.
    ///
    /// # Errors
    /// An unknown, repeated, missing or ill-typed parameter.
    pub fn bind(
        &self,
        given: &[(String, String)],
        now_us: i64,
    ) -> Result<Vec<(String, Value)>, QueryError> {
        let parameters = &self.header.parameters;
        for (index, (name, _)) in given.iter().enumerate() {
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                return Err(self.unknown_parameter(name));
            }
            if given[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(QueryError::GivenTwice {
                    question: self.name,
                    parameter: name.clone(),
                });
            }
        }
        parameters
            .iter()
            .map(|parameter| {
                let word = given
                    .iter()
                    .find(|(name, _)| *name == parameter.name)
                    .map(|(_, word)| word.as_str());
                let word = match (word, &parameter.default) {
                    (Some(word), _) => word,
                    (None, DefaultValue::Word(word)) => word,
                    (None, DefaultValue::Null) => {
                        return Ok((format!("${}", parameter.name), Value::Null));
                    }
                    (None, DefaultValue::Required) => {
                        return Err(QueryError::Missing {
                            question: self.name,
                            parameter: parameter.name.clone(),
                            meaning: parameter.meaning.clone(),
                        });
                    }
                };
                let value =
                    parameter
                        .kind
                        .value(word, now_us)
                        .map_err(|source| QueryError::BadValue {
                            question: self.name,
                            parameter: parameter.name.clone(),
                            source,
                        })?;
                Ok((format!("${}", parameter.name), value))
            })
            .collect()
    }

    fn unknown_parameter(&self, name: &str) -> QueryError {
        let known = || {
            self.header
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
        };
        let mut alike = near(name, known());
        if alike.is_empty() {
            alike = known().collect();
        }
        QueryError::UnknownParameter {
            question: self.name,
            parameter: name.into(),
            near: alike,
        }
    }
}

#[cfg(test)]
mod tests;
