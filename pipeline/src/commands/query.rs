//! `sqltrail query`: saved questions, answered from SQLite.
//!
//! Takes a question's name and its parameters, prints the rows; without a name, prints which questions
//! there are. It opens the trail for reading only.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use rusqlite::types::{Value, ValueRef};

use crate::output::{Format, Output};
use crate::query::{self, DefaultValue, Question};
use crate::store::error::sqlite;
use crate::store::reader::Reader;
use crate::time::now_us;

/// Flags of `query`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which saved question; all are listed when there is none
    name: Option<String>,
    /// A parameter of the question. A time is 2026-11-22, 2026-11-22T01:05:51Z, or -15m, -2h, -7d for that long ago
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair, requires = "name")]
    params: Vec<(String, String)>,
    /// How the rows are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

fn pair(word: &str) -> Result<(String, String), String> {
    word.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a parameter is given as NAME=VALUE".to_owned())
}

/// Answers a question from the trail in `dir`.
///
/// # Errors
/// No such question or parameter, no trail, or what SQLite says.
pub fn run(args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let mut output = Output::stdout();
    match &args.name {
        None => list(&mut output, args.format)?,
        Some(name) => {
            let question = query::find(name)?;
            let values = question.bind(&args.params, now_us())?;
            answer(
                &Reader::open(dir)?,
                &question,
                &values,
                &mut output,
                args.format,
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list<W: Write>(output: &mut Output<W>, format: Format) -> anyhow::Result<()> {
    let mut rows = output.rows(
        format,
        vec!["name".into(), "parameters".into(), "question".into()],
    )?;
    for question in query::questions()? {
        let parameters: Vec<String> = question
            .header
            .parameters
            .iter()
            .map(|parameter| match &parameter.default {
                DefaultValue::Required => parameter.name.clone(),
                DefaultValue::Null | DefaultValue::Word(_) => format!("[{}]", parameter.name),
            })
            .collect();
        let parameters = parameters.join(" ");
        let shown = [question.name, &parameters, &question.header.question];
        rows.row(&shown.map(|text| ValueRef::Text(text.as_bytes())))?;
    }
    rows.finish()?;
    Ok(())
}

fn answer<W: Write>(
    reader: &Reader,
    question: &Question,
    values: &[(String, Value)],
    output: &mut Output<W>,
    format: Format,
) -> anyhow::Result<()> {
    let failed = || sqlite(reader.path(), "answer the question");
    let mut statement = reader
        .connection()
        .prepare(question.sql)
        .map_err(failed())?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let values: Vec<(&str, &dyn rusqlite::ToSql)> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value as &dyn rusqlite::ToSql))
        .collect();
    let mut found = statement.query(values.as_slice()).map_err(failed())?;
    let mut rows = output.rows(format, columns)?;
    while let Some(row) = found.next().map_err(failed())? {
        let row = (0..width)
            .map(|index| row.get_ref(index))
            .collect::<rusqlite::Result<Vec<ValueRef<'_>>>>();
        rows.row(&row.map_err(failed())?)?;
    }
    rows.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store};

    fn output(write: impl FnOnce(&mut Output<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes);
        write(&mut output);
        drop(output);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_question_runs_on_an_empty_trail() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path(), Options::default(), 1).unwrap());
        let reader = Reader::open(dir.path()).unwrap();
        for question in query::questions().unwrap() {
            let given: Vec<(String, String)> = question
                .header
                .parameters
                .iter()
                .filter(|parameter| parameter.default == DefaultValue::Required)
                .map(|parameter| (parameter.name.clone(), "2026-11-22".to_owned()))
                .collect();
            let values = question.bind(&given, 0).unwrap();
            let shown =
                output(|output| answer(&reader, &question, &values, output, Format::Csv).unwrap());
            assert_eq!(shown.lines().count(), 1, "{}: {shown}", question.name);
        }
    }

    #[test]
    fn the_list_names_every_question() {
        let shown = output(|output| list(output, Format::Json).unwrap());
        assert_eq!(shown.lines().count(), query::questions().unwrap().len());
        assert!(shown.contains(
            r#"{"name":"activity_of_user","parameters":"user [since] [until]","question":"What "#
        ));
    }

    #[test]
    fn parameters_are_pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("=b").is_err());
        assert!(pair("ab").is_err());
    }
}
