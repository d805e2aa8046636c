//! The header of a saved question.
//!
//! Takes a `.sql` file's text, gives what its leading comments say; must not look at the SQL.
//!
//! ```text
//! -- question: What is asked, in one line?
//! -- param:  NAME | TYPE | UNIT | DEFAULT | meaning
//! -- column: NAME | TYPE | UNIT | meaning
//! -- note:   anything else
//! ```
//! TYPE of a parameter is `text`, `integer`, `time`, or `choice` with the choices in UNIT, apart by `/`.
//! UNIT is `-` when there is none. DEFAULT is `required`, `none` (SQL NULL) or a value as a person writes
//! it. The header ends at the first line that has another form.

use super::parameter::{DefaultValue, Parameter, ParameterType};

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The question in words.
    pub question: String,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
    /// What it gives, in order.
    pub columns: Vec<OutputColumn>,
    /// Remarks, joined to one text; empty when there are none.
    pub note: String,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// `text` or `integer`.
    pub kind: String,
    /// Its unit, `-` without one.
    pub unit: String,
    /// What it says.
    pub meaning: String,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The first line does not ask.
    #[error("the first line is not `-- question: ...`")]
    NoQuestion,
    /// There is no column.
    #[error("no `-- column:` line")]
    NoColumns,
    /// A line has not the fields that it must have.
    #[error("line {line} needs {expected} fields apart by `|`")]
    Fields {
        /// Line number, from 1.
        line: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A line has a type that is not known.
    #[error("line {line} has unknown type `{kind}`")]
    Type {
        /// Line number, from 1.
        line: usize,
        /// The type.
        kind: String,
    },
}

/// Reads the header of a file.
pub(super) fn parse(sql: &str) -> Result<Header, HeaderError> {
    let mut lines = sql.lines().enumerate();
    let question = lines
        .next()
        .and_then(|(_, line)| line.strip_prefix("-- question:"))
        .map(|rest| rest.trim().to_owned())
        .filter(|question| !question.is_empty())
        .ok_or(HeaderError::NoQuestion)?;
    let mut header = Header {
        question,
        parameters: Vec::new(),
        columns: Vec::new(),
        note: String::new(),
    };
    for (index, line) in lines {
        let number = index + 1;
        if let Some(rest) = line.strip_prefix("-- param:") {
            header.parameters.push(parameter(rest, number)?);
        } else if let Some(rest) = line.strip_prefix("-- column:") {
            header.columns.push(column(rest, number)?);
        } else if let Some(rest) = line.strip_prefix("-- note:") {
            if !header.note.is_empty() {
                header.note.push(' ');
            }
            header.note.push_str(rest.trim());
        } else {
            break;
        }
    }
    if header.columns.is_empty() {
        return Err(HeaderError::NoColumns);
    }
    Ok(header)
}

/// Splits a line into exactly `N` fields; the last one may have further bars.
fn fields<const N: usize>(rest: &str, line: usize) -> Result<[String; N], HeaderError> {
    let parts: Vec<String> = rest
        .splitn(N, '|')
        .map(|part| part.trim().to_owned())
        .collect();
    let filled = parts.iter().all(|part| !part.is_empty());
    match <[String; N]>::try_from(parts) {
        Ok(parts) if filled => Ok(parts),
        Ok(_) | Err(_) => Err(HeaderError::Fields { line, expected: N }),
    }
}

fn parameter(rest: &str, line: usize) -> Result<Parameter, HeaderError> {
    let [name, kind, unit, default, meaning] = fields::<5>(rest, line)?;
    let kind = match kind.as_str() {
        "text" => ParameterType::Text,
        "integer" => ParameterType::Integer,
        "time" => ParameterType::Time,
        "choice" => ParameterType::Choice(unit.split('/').map(str::to_owned).collect()),
        _ => return Err(HeaderError::Type { line, kind }),
    };
    let default = match default.as_str() {
        "required" => DefaultValue::Required,
        "none" => DefaultValue::Null,
        word => DefaultValue::Word(word.to_owned()),
    };
    Ok(Parameter {
        name,
        kind,
        unit,
        default,
        meaning,
    })
}

fn column(rest: &str, line: usize) -> Result<OutputColumn, HeaderError> {
    let [name, kind, unit, meaning] = fields::<4>(rest, line)?;
    match kind.as_str() {
        "text" | "integer" => Ok(OutputColumn {
            name,
            kind,
            unit,
            meaning,
        }),
        _ => Err(HeaderError::Type { line, kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_up_to_the_first_other_line() {
        let header = parse(
            "-- question: Who?\n\
             -- param:  user | text | - | none | whose\n\
             -- param:  by | choice | a/b | a | how\n\
             -- column: n | integer | rows | how many | of them\n\
             -- note:   one\n\
             -- note:   two\n\
             -- the SQL begins\n\
             -- column: not | read\n\
             select 1",
        )
        .unwrap();
        assert_eq!(header.question, "Who?");
        assert_eq!(header.parameters[0].default, DefaultValue::Null);
        assert_eq!(
            header.parameters[1].kind,
            ParameterType::Choice(vec!["a".into(), "b".into()])
        );
        assert_eq!(header.parameters[1].default, DefaultValue::Word("a".into()));
        assert_eq!(header.columns.len(), 1);
        assert_eq!(header.columns[0].meaning, "how many | of them");
        assert_eq!(header.note, "one two");
    }

    #[test]
    fn a_bad_header_is_named_by_its_line() {
        let check =
            |sql: &str, expected: HeaderError| assert_eq!(parse(sql), Err(expected), "{sql}");
        check("select 1", HeaderError::NoQuestion);
        check("-- question:\nselect 1", HeaderError::NoQuestion);
        check("-- question: x\nselect 1", HeaderError::NoColumns);
        check(
            "-- question: x\n-- param: a | text",
            HeaderError::Fields {
                line: 2,
                expected: 5,
            },
        );
        check(
            "-- question: x\n-- column: a | text | | m",
            HeaderError::Fields {
                line: 2,
                expected: 4,
            },
        );
        check(
            "-- question: x\n-- column: a | blob | - | m",
            HeaderError::Type {
                line: 2,
                kind: "blob".into(),
            },
        );
    }
}
