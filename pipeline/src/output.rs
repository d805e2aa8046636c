//! What goes to standard output: data, and nothing else. No other module may write there.
//!
//! Takes rows of SQLite values or single lines, gives a table, JSON lines or CSV.
//! A statement's text must never be able to forge a line or to steer a terminal: tables and lines
//! have every control and invisible formatting character escaped, JSON by its own rules. CSV is for programs and keeps
//! the text as it is, quoted.
//!
//! A reader that goes away (`| head`) is no error: see [`unless_closed`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write};

use rusqlite::types::ValueRef;
use unicode_width::UnicodeWidthStr;

/// Rows that a table looks at before it fixes its column widths; what it holds in memory.
const TABLE_SAMPLE_ROWS: usize = 1000;

/// Columns are not padded beyond this width; longer values stick out, whole.
const TABLE_PAD_MAX: usize = 48;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people; control characters escaped.
    Table,
    /// One JSON object a line.
    Json,
    /// RFC 4180 with a header line.
    Csv,
}

/// Why standard output does not take more.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Its reader has gone.
    #[error("standard output was closed by its reader")]
    Closed,
    /// Anything else.
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

impl OutputError {
    fn new(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Write(source)
        }
    }
}

/// Makes success of a command's failure whose cause is that the reader of its output has gone.
///
/// # Errors
/// Every other failure, as it came.
pub fn unless_closed<T: Default>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        matches!(
            cause.downcast_ref::<OutputError>(),
            Some(OutputError::Closed)
        )
    };
    match result {
        Err(error) if error.chain().any(closed) => Ok(T::default()),
        other => other,
    }
}

/// Buffered output; [`Output::flush`] must end it, since a drop cannot report an error.
#[derive(Debug)]
pub struct Output<W: Write> {
    writer: BufWriter<W>,
}

impl Output<StdoutLock<'static>> {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(io::stdout().lock())
    }
}

impl<W: Write> Output<W> {
    /// Output into `writer`.
    pub fn new(writer: W) -> Self {
        Self {
            writer: BufWriter::new(writer),
        }
    }

    /// Writes one line of text, escaped.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn line(&mut self, text: &str) -> Result<(), OutputError> {
        self.raw_line(&escape(text))
    }

    /// Writes one JSON object.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn json<S: AsRef<str>>(
        &mut self,
        names: &[S],
        values: &[ValueRef<'_>],
    ) -> Result<(), OutputError> {
        self.raw_line(&json_object(names, values))
    }

    /// Begins rows with these columns.
    ///
    /// # Errors
    /// The output does not take the header.
    pub fn rows(
        &mut self,
        format: Format,
        columns: Vec<String>,
    ) -> Result<Rows<'_, W>, OutputError> {
        if format == Format::Csv {
            let names: Vec<Cow<'_, str>> = columns.iter().map(|name| csv_field(name)).collect();
            self.raw_line(&names.join(","))?;
        }
        Ok(Rows {
            output: self,
            format,
            columns,
            sample: Vec::new(),
            widths: None,
        })
    }

    /// Hands everything to the reader.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.writer.flush().map_err(OutputError::new)
    }

    fn raw_line(&mut self, line: &str) -> Result<(), OutputError> {
        writeln!(self.writer, "{line}").map_err(OutputError::new)
    }
}

/// Rows on their way out; [`Rows::finish`] must end them.
#[derive(Debug)]
pub struct Rows<'a, W: Write> {
    output: &'a mut Output<W>,
    format: Format,
    columns: Vec<String>,
    sample: Vec<Vec<Cell>>,
    widths: Option<Vec<usize>>,
}

/// A value of a table.
#[derive(Debug)]
struct Cell {
    text: String,
    number: bool,
}

impl<W: Write> Rows<'_, W> {
    /// Writes one row: a value for each column.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn row(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        match self.format {
            Format::Json => self.output.json(&self.columns, values),
            Format::Csv => {
                let fields: Vec<String> = values
                    .iter()
                    .map(|&value| csv_field(&plain(value)).into_owned())
                    .collect();
                self.output.raw_line(&fields.join(","))
            }
            Format::Table => {
                let cells: Vec<Cell> = values.iter().map(|&value| cell(value)).collect();
                if self.widths.is_some() {
                    return self.table_line(&cells);
                }
                self.sample.push(cells);
                if self.sample.len() == TABLE_SAMPLE_ROWS {
                    self.table_begin()
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Writes what is held back.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn finish(mut self) -> Result<(), OutputError> {
        if self.format == Format::Table && self.widths.is_none() {
            self.table_begin()?;
        }
        self.output.flush()
    }

    /// Fixes the widths, writes the header and the rows so far.
    fn table_begin(&mut self) -> Result<(), OutputError> {
        let sample = std::mem::take(&mut self.sample);
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let longest = sample
                    .iter()
                    .map(|row| row[index].text.width())
                    .max()
                    .unwrap_or(0);
                name.width().max(longest.min(TABLE_PAD_MAX))
            })
            .collect();
        let names: Vec<Cell> = self
            .columns
            .iter()
            .map(|name| Cell {
                text: escape(name).into_owned(),
                number: false,
            })
            .collect();
        let rule: Vec<Cell> = widths
            .iter()
            .map(|&width| Cell {
                text: "-".repeat(width),
                number: false,
            })
            .collect();
        self.widths = Some(widths);
        self.table_line(&names)?;
        self.table_line(&rule)?;
        sample.iter().try_for_each(|row| self.table_line(row))
    }

    fn table_line(&mut self, cells: &[Cell]) -> Result<(), OutputError> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (cell, &width) in cells.iter().zip(widths) {
            let padding = width.saturating_sub(cell.text.width());
            let (before, after) = if cell.number {
                (padding, 0)
            } else {
                (0, padding)
            };
            line.extend(std::iter::repeat_n(' ', before));
            line.push_str(&cell.text);
            line.extend(std::iter::repeat_n(' ', after + 2));
        }
        let end = line.trim_end_matches(' ').len();
        line.truncate(end);
        self.output.raw_line(&line)
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    let number = matches!(value, ValueRef::Integer(_) | ValueRef::Real(_));
    Cell {
        text: escape(&plain(value)).into_owned(),
        number,
    }
}

/// A value as text: nothing for NULL, `\x` and hexadecimal digits for bytes.
fn plain(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Null => Cow::Borrowed(""),
        ValueRef::Integer(number) => Cow::Owned(number.to_string()),
        ValueRef::Real(number) => Cow::Owned(number.to_string()),
        ValueRef::Text(text) => String::from_utf8_lossy(text),
        ValueRef::Blob(bytes) => Cow::Owned(hexadecimal(bytes)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("\\x"), |mut digits, byte| {
        // Writing to a String cannot fail.
        let _infallible: std::fmt::Result = write!(digits, "{byte:02x}");
        digits
    })
}

/// `{"name":value,...}` in the order of the columns.
fn json_object<S: AsRef<str>>(names: &[S], values: &[ValueRef<'_>]) -> String {
    let members: Vec<String> = names
        .iter()
        .zip(values)
        .map(|(name, &value)| {
            let value = match value {
                ValueRef::Null => serde_json::Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(_) | ValueRef::Blob(_) => plain(value).into_owned().into(),
            };
            format!("{}:{value}", serde_json::Value::from(name.as_ref()))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

fn csv_field(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text on one line: backslash doubled, `\n`, `\r`, `\t`, and `\u{..}` for every other character
/// that a terminal does not show as itself.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character == '\\' || is_hidden(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            hidden if is_hidden(hidden) => escaped.extend(hidden.escape_unicode()),
            shown => escaped.push(shown),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, line separators, and what reorders or hides text.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, columns: &[&str], rows: &[&[ValueRef<'_>]]) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes);
        let mut out = output
            .rows(
                format,
                columns.iter().map(|&name| name.to_owned()).collect(),
            )
            .unwrap();
        for row in rows {
            out.row(row).unwrap();
        }
        out.finish().unwrap();
        drop(output);
        String::from_utf8(bytes).unwrap()
    }

    fn text(value: &str) -> ValueRef<'_> {
        ValueRef::Text(value.as_bytes())
    }

    #[test]
    fn tables_are_aligned_and_no_value_makes_a_line() {
        let rows: &[&[ValueRef<'_>]] = &[
            &[
                ValueRef::Integer(7),
                text("alice"),
                text("select 1;\n2026 mallory drop"),
            ],
            &[
                ValueRef::Integer(1234),
                ValueRef::Null,
                text("\u{1b}[2Jx\\n\u{202e}"),
            ],
            &[ValueRef::Null, text("日本"), ValueRef::Blob(&[0, 255])],
        ];
        let expected = "\
seq   db_user  db_query_text
----  -------  ----------------------------
   7  alice    select 1;\\n2026 mallory drop
1234           \\u{1b}[2Jx\\\\n\\u{202e}
      日本     \\\\x00ff
";
        assert_eq!(
            written(Format::Table, &["seq", "db_user", "db_query_text"], rows),
            expected
        );
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(written(Format::Table, &["a", "bc"], &[]), "a  bc\n-  --\n");
    }

    #[test]
    fn a_long_table_streams_with_the_widths_of_its_first_rows() {
        let short: &[ValueRef<'_>] = &[text("a"), text("b")];
        let long: &[ValueRef<'_>] = &[text("aaaa"), text("b")];
        let mut rows = vec![short; TABLE_SAMPLE_ROWS];
        rows.push(long);
        let table = written(Format::Table, &["x", "y"], &rows);
        assert_eq!(table.lines().count(), TABLE_SAMPLE_ROWS + 3);
        assert_eq!(table.lines().last(), Some("aaaa  b"));
    }

    #[test]
    fn json_keeps_order_types_and_one_line_a_row() {
        let row: &[ValueRef<'_>] = &[
            ValueRef::Integer(-1),
            text("a\n\"b\""),
            ValueRef::Null,
            ValueRef::Blob(&[1]),
            ValueRef::Real(0.5),
        ];
        assert_eq!(
            written(Format::Json, &["z", "y", "x", "w", "v"], &[row]),
            "{\"z\":-1,\"y\":\"a\\n\\\"b\\\"\",\"x\":null,\"w\":\"\\\\x01\",\"v\":0.5}\n"
        );
    }

    #[test]
    fn csv_quotes_what_must_be_quoted() {
        let row: &[ValueRef<'_>] = &[
            text("a,b"),
            text("say \"x\"\r\n"),
            text("plain"),
            ValueRef::Null,
        ];
        assert_eq!(
            written(Format::Csv, &["a", "b", "c", "d"], &[row]),
            "a,b,c,d\n\"a,b\",\"say \"\"x\"\"\r\n\",plain,\n"
        );
    }

    #[derive(Debug)]
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_success() {
        let mut output = Output::new(Gone);
        output.line("x").unwrap();
        let error = output.flush().unwrap_err();
        assert!(unless_closed::<i32>(Err(anyhow::Error::new(error).context("tail"))).is_ok());
        let other = OutputError::new(io::ErrorKind::StorageFull.into());
        assert!(unless_closed::<i32>(Err(anyhow::Error::new(other))).is_err());
    }
}
