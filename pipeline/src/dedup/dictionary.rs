//! Gives each template of a segment one number.
//!
//! Takes texts; gives template, literals and what the template says. A template that is known costs
//! one pass over the text and one look-up, and no allocation. Formats are compared byte by byte, so
//! that no chosen text can pass for another, and the hash is keyed. Bounded: when it is full, or a
//! text does not suit it, the text is to be stored whole; what it says is worked out each time.
//!
//! It must never give one number to two formats, or two dialects of one format.

use std::collections::HashMap;
use std::ops::Range;

use super::classify::{Class, Classified, classify};
use super::fingerprint::{Fingerprint, normalise};
use super::template::{Shape, split};
use crate::flow::Dialect;

/// How much a dictionary takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Templates.
    pub templates: usize,
    /// Bytes of all formats together.
    pub bytes: usize,
    /// Bytes of one format; a longer text is stored whole.
    pub format_bytes: usize,
    /// Slots of one format; a text with more is stored whole. SQLite calls a function with 127
    /// arguments at most unless built otherwise, and the format is one of them.
    pub literals: usize,
}

impl Limits {
    /// The defaults: 65,536 templates, 64 MiB of text, 64 KiB and 100 slots each.
    pub const DEFAULT: Self = Self {
        templates: 65_536,
        bytes: 64 << 20,
        format_bytes: 64 << 10,
        literals: 100,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a template says of each statement that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    fingerprint: Fingerprint,
    class: Class,
    operation: String,
}

impl Meaning {
    fn of(text: &str, normalised: &str, dialect: Dialect) -> Self {
        let Classified { class, operation } = classify(text, dialect);
        Self {
            fingerprint: Fingerprint::of(normalised),
            class,
            operation,
        }
    }
}

/// The templates of one segment.
#[derive(Debug)]
pub struct Dictionary {
    limits: Limits,
    places: Places,
    /// By place; a template's number is `first_id` and its place.
    meanings: Vec<Meaning>,
    first_id: i64,
    bytes: usize,
    /// Of the text asked for last.
    shape: Shape,
    normalised: String,
    /// What the last text without a number says.
    whole: Meaning,
}

/// The places of the formats, by dialect.
#[derive(Debug, Default)]
struct Places {
    postgres: HashMap<Box<str>, usize>,
    mysql: HashMap<Box<str>, usize>,
}

impl Places {
    fn of(&mut self, dialect: Dialect) -> &mut HashMap<Box<str>, usize> {
        match dialect {
            Dialect::Postgres => &mut self.postgres,
            Dialect::Mysql => &mut self.mysql,
        }
    }
}

/// How a text stands to the dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its template is stored under this number.
    Known(i64),
    /// Its template has this number now, and is to be stored.
    New(i64),
    /// It has no number: the text is to be stored whole.
    Full,
}

impl Found {
    /// The template's number.
    #[must_use]
    pub fn id(self) -> Option<i64> {
        match self {
            Self::Known(id) | Self::New(id) => Some(id),
            Self::Full => None,
        }
    }
}

/// A text, split, and what it says. Borrows from the dictionary until the next text.
#[derive(Debug, Clone, Copy)]
pub struct Shaped<'a> {
    /// Its template's number, when it has one.
    pub found: Found,
    /// The printf format.
    pub format: &'a str,
    /// Names the shape over all segments.
    pub fingerprint: Fingerprint,
    /// What the statement does.
    pub class: Class,
    /// `SELECT`, `CREATE TABLE` ...; empty when unknown.
    pub operation: &'a str,
    /// The normalised statement, unless the template is known.
    pub normalised: Option<&'a str>,
    text: &'a str,
    literals: &'a [Range<usize>],
}

impl<'a> Shaped<'a> {
    /// How many slots the format has.
    #[must_use]
    pub fn literal_count(&self) -> usize {
        self.literals.len()
    }

    /// What fills the slots, in order; pieces of the text asked for.
    pub fn literals(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let text = self.text;
        self.literals.iter().map(move |range| &text[range.clone()])
    }
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::new(Limits::DEFAULT, 1)
    }
}

impl Dictionary {
    /// An empty dictionary whose first template gets the number `first_id`.
    #[must_use]
    pub fn new(limits: Limits, first_id: i64) -> Self {
        Self {
            limits,
            places: Places::default(),
            meanings: Vec::new(),
            first_id,
            bytes: 0,
            shape: Shape::default(),
            normalised: String::new(),
            whole: Meaning::of("", "", Dialect::Postgres),
        }
    }

    /// Splits `text`, which has no NUL, and finds or enters its template.
    pub fn shape<'a>(&'a mut self, text: &'a str, dialect: Dialect) -> Shaped<'a> {
        split(text, dialect, &mut self.shape);
        let known = self.places.of(dialect).get(self.shape.format()).copied();
        let place = known.or_else(|| self.enter(text, dialect));
        let found = match (known, place) {
            (Some(place), _) => Found::Known(self.id(place)),
            (None, Some(place)) => Found::New(self.id(place)),
            (None, None) => Found::Full,
        };
        let meaning = place.map_or(&self.whole, |place| &self.meanings[place]);
        Shaped {
            found,
            format: self.shape.format(),
            fingerprint: meaning.fingerprint,
            class: meaning.class,
            operation: &meaning.operation,
            normalised: if known.is_none() {
                Some(&self.normalised)
            } else {
                None
            },
            text,
            literals: self.shape.literals(),
        }
    }

    /// Enters a stored template again, after all those with lower numbers; gives its number. What is
    /// stored was within the limits once, so they are not asked.
    pub fn restore(
        &mut self,
        format: &str,
        dialect: Dialect,
        fingerprint: Fingerprint,
        class: Class,
        operation: &str,
    ) -> i64 {
        let place = self.meanings.len();
        self.bytes += format.len();
        self.places.of(dialect).insert(format.into(), place);
        self.meanings.push(Meaning {
            fingerprint,
            class,
            operation: operation.to_owned(),
        });
        self.id(place)
    }

    /// Number of templates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.meanings.len()
    }

    /// Whether no template is entered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.meanings.is_empty()
    }

    /// Bytes of all formats together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number that the next new template gets.
    #[must_use]
    pub fn next_id(&self) -> i64 {
        self.id(self.meanings.len())
    }

    /// Forgets the templates numbered `next_id` and above: those of a transaction that failed.
    pub fn roll_back(&mut self, next_id: i64) {
        let keep = usize::try_from(next_id.saturating_sub(self.first_id)).unwrap_or(0);
        self.meanings.truncate(keep);
        for places in [&mut self.places.postgres, &mut self.places.mysql] {
            places.retain(|format, place| {
                let kept = *place < keep;
                self.bytes -= if kept { 0 } else { format.len() };
                kept
            });
        }
    }

    fn id(&self, place: usize) -> i64 {
        self.first_id.saturating_add_unsigned(place as u64)
    }

    /// Enters the shape's format when there is room; gives its place.
    fn enter(&mut self, text: &str, dialect: Dialect) -> Option<usize> {
        self.normalised = normalise(text, dialect);
        let meaning = Meaning::of(text, &self.normalised, dialect);
        let (format, place) = (self.shape.format(), self.meanings.len());
        let fits = place < self.limits.templates
            && format.len() <= self.limits.format_bytes
            && self.shape.literals().len() <= self.limits.literals
            && self.bytes + format.len() <= self.limits.bytes;
        if !fits {
            self.whole = meaning;
            return None;
        }
        self.bytes += format.len();
        self.places.of(dialect).insert(format.into(), place);
        self.meanings.push(meaning);
        Some(place)
    }
}

#[cfg(test)]
mod tests;
