//! Why a configuration cannot be used, and where in the file.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}", said(path, *line, key, message))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The key with its section, where there is one.
        key: String,
        /// What is wrong.
        message: String,
        /// What could be meant instead.
        hint: Option<String>,
    },
    /// A value of the command line is wrong.
    #[error("{key}: {message}")]
    Flag {
        /// The key that the flag stands for.
        key: String,
        /// What is wrong.
        message: String,
    },
}

impl ConfigError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Read { .. } => Some("`--config FILE` names another file"),
            Self::Invalid { hint, .. } => hint.as_deref(),
            Self::Flag { .. } => Some("`sqltrail record --help` has the flags"),
        }
    }
}

fn said(path: &Path, line: Option<usize>, key: &str, message: &str) -> String {
    let mut said = path.display().to_string();
    if let Some(line) = line {
        said.push_str(&format!(":{line}"));
    }
    if !key.is_empty() {
        said.push_str(&format!(": {key}"));
    }
    said + ": " + message
}

/// What the parser says, told with file, line and key.
pub(super) fn parser(path: PathBuf, text: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    let span = error.span();
    let hint = near_name(&message);
    ConfigError::Invalid {
        path,
        line: span.as_ref().map(|span| line(text, span.start)),
        key: span.map(|span| key(text, &span)).unwrap_or_default(),
        message,
        hint,
    }
}

/// The line of a place, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// The key whose value, or which itself, is at a place, behind the name of its section.
fn key(text: &str, span: &Range<usize>) -> String {
    let until = text[span.start.min(text.len())..]
        .find('\n')
        .map_or(text.len(), |length| span.start + length);
    let mut section = "";
    let mut key = "";
    for line in text.get(..until).unwrap_or(text).lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').filter(|_| line.ends_with(']')) {
            section = header.trim_matches(['[', ']']).trim();
            key = "";
        } else if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#'))
            && name
                .trim()
                .chars()
                .all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
        {
            key = name.trim();
        }
    }
    [section, key]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".")
}

/// The known name that an unknown one comes closest to.
fn near_name(message: &str) -> Option<String> {
    /// As alike as a slip of the finger leaves two names.
    const ALIKE: f64 = 0.8;
    let rest = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let names: Vec<&str> = names.collect();
    let alike = |name: &&str| strsim::jaro_winkler(name, unknown);
    let nearest = names
        .iter()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .filter(|name| alike(name) >= ALIKE);
    Some(match nearest {
        Some(name) => format!("`{name}` is meant, perhaps"),
        None => {
            "`sqltrail config check` without a file prints all keys with their defaults".to_owned()
        }
    })
}

/// A key whose value does not fit, which is known by its name.
pub(super) fn at_key(path: &Path, text: &str, key: &str, message: String) -> ConfigError {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let mut inside = "";
    let place = text.lines().position(|line| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            inside = header.trim_end_matches(']').trim();
        }
        let is_name = line
            .split_once('=')
            .is_some_and(|(before, _)| before.trim() == name);
        inside == section && is_name
    });
    ConfigError::Invalid {
        path: path.to_owned(),
        line: place.map(|place| place + 1),
        key: key.to_owned(),
        message,
        hint: None,
    }
}
