//! Settings: one TOML file, and the flags that override it.
//!
//! ```text
//! file (what TOML says) + flags ─▶ File ─▶ validated: Config ─▶ record
//! ```
//!
//! Takes the text of a file; gives a [`Config`] that can be recorded with, or an error that names file,
//! line and key. What is read here is also what `sqltrail config check` prints and what the hash in the
//! trail is of. Nothing but [`load`] reads a file.

pub mod amount;
pub mod error;
pub mod file;
pub mod filter;
pub mod value;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use capture::attach::{self, PARAMETER_MAX_LIMIT, TEXT_MAX_LIMIT};
use sha2::{Digest, Sha256};

use self::{
    amount::{Age, Size},
    error::ConfigError,
    file::{Disk, File, Kernel, Literals},
    filter::Filter,
};
use crate::retain::plan::Limits;

/// Where the file is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/sqltrail/sqltrail.toml";

/// Least and most bytes of the ring: the least holds the largest record many times over.
const RING_BYTES: std::ops::RangeInclusive<u32> = 1 << 20..=1 << 30;

/// Least bytes of one statement: what the first record of it holds anyway.
const QUERY_BYTES_LEAST: u32 = 256;

/// Most entries of one list of the kernel half.
const KERNEL_LIST_MAX: usize = 64;

/// Settings that can be recorded with.
#[derive(Debug, Clone)]
pub struct Config {
    file: File,
    filter: Arc<Filter>,
    sha256: String,
}

impl Config {
    /// Checks what single values cannot say.
    ///
    /// # Errors
    /// A key whose value is out of its range.
    pub fn new(file: File) -> Result<Self, (&'static str, String)> {
        let record = &file.record;
        let query = QUERY_BYTES_LEAST..=TEXT_MAX_LIMIT;
        if !query.contains(&record.max_query_bytes.0) {
            return Err(("record.max_query_bytes", between(&query)));
        }
        let parameter = 0..=PARAMETER_MAX_LIMIT;
        if !parameter.contains(&record.max_parameter_bytes.0) {
            return Err(("record.max_parameter_bytes", between(&parameter)));
        }
        let ring = record.ring_bytes.0;
        if !ring.is_power_of_two() || !RING_BYTES.contains(&ring) {
            let message = format!("must be a power of two, {}", between(&RING_BYTES));
            return Err(("record.ring_bytes", message));
        }
        let kernel = &file.kernel;
        for (key, list) in [
            ("kernel.pids", &kernel.pids),
            ("kernel.exclude_pids", &kernel.exclude_pids),
            ("kernel.uids", &kernel.uids),
            ("kernel.exclude_uids", &kernel.exclude_uids),
        ] {
            if list.len() > KERNEL_LIST_MAX {
                return Err((key, format!("must have {KERNEL_LIST_MAX} entries at most")));
            }
        }
        let retention = &file.retention;
        if let (Some(hot), Some(total)) = (retention.hot_age, retention.total_age)
            && total < hot
        {
            let message = format!("must be at least retention.hot_age, which is {hot}");
            return Err(("retention.total_age", message));
        }
        if file.disk.warn_free < file.disk.act_free {
            let message = format!(
                "must be at least disk.act_free, which is {}",
                file.disk.act_free
            );
            return Err(("disk.warn_free", message));
        }
        let filter = Arc::new(Filter::new(file.filter.clone()));
        let sha256 = format!("{:x}", Sha256::digest(shown(&file).as_bytes()));
        Ok(Self {
            file,
            filter,
            sha256,
        })
    }

    /// Names, process ids or paths of the servers to record.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.file.record.servers
    }

    /// What the kernel half records, and how much of it. Bind values that would be masked are not
    /// even read.
    #[must_use]
    pub fn capture(&self) -> attach::Options {
        let record = &self.file.record;
        attach::Options {
            ring_bytes: record.ring_bytes.0,
            text_max: record.max_query_bytes.0,
            parameters: record.parameters && record.literals == Literals::Keep,
            parameter_max: record.max_parameter_bytes.0,
            objects: record.objects,
            sub_statements: record.sub_statements,
        }
    }

    /// Which processes the probes pass over.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.file.kernel
    }

    /// How much is kept.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let retention = &self.file.retention;
        Limits {
            hot_age_us: retention.hot_age.map(Age::us),
            hot_bytes: retention.hot_bytes.map(Size::bytes),
            total_age_us: retention.total_age.map(Age::us),
            total_bytes: retention.total_bytes.map(Size::bytes),
            excess_bytes: 0,
        }
    }

    /// What is done when the disk fills.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.file.disk
    }

    /// Which statements are left out.
    #[must_use]
    pub fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    /// What becomes of literals.
    #[must_use]
    pub fn literals(&self) -> Literals {
        self.file.record.literals
    }

    /// Where the recorder's numbers are served.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.file.record.metrics
    }

    /// SHA-256 of the effective settings as [`Config::to_toml`] gives them, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The effective settings, every key with its value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        shown(&self.file)
    }

    /// What is different in `new`: each key with both values; of filters only that they are.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let (old, new_table) = (table(&self.file), table(&new.file));
        let mut changes = Vec::new();
        for section in ["record", "kernel", "retention", "disk"] {
            let (Some(old), Some(new)) = (old.get(section), new_table.get(section)) else {
                continue;
            };
            let keys = |of: &toml::Value| -> BTreeSet<String> {
                of.as_table()
                    .map(|table| table.keys().cloned().collect())
                    .unwrap_or_default()
            };
            for key in keys(old).union(&keys(new)) {
                let shown =
                    |value: Option<&toml::Value>| value.map_or("unset".into(), ToString::to_string);
                let (old, new) = (old.get(key), new.get(key));
                if old != new {
                    changes.push(format!("{section}.{key} {} -> {}", shown(old), shown(new)));
                }
            }
        }
        if self.file.filter != new.file.filter {
            let (old, new) = (self.file.filter.len(), new.file.filter.len());
            changes.push(format!("filter ({old} rules -> {new})"));
        }
        changes
    }

    /// The key of what is different in `new` and takes a restart.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Option<&'static str> {
        let (old, new) = (&self.file.record, &new.file.record);
        if old.ring_bytes != new.ring_bytes {
            return Some("record.ring_bytes");
        }
        (old.metrics != new.metrics).then_some("record.metrics")
    }
}

impl Default for Config {
    fn default() -> Self {
        let file = File::default();
        let sha256 = format!("{:x}", Sha256::digest(shown(&file).as_bytes()));
        Self {
            filter: Arc::default(),
            file,
            sha256,
        }
    }
}

fn between(range: &std::ops::RangeInclusive<u32>) -> String {
    let shown = |bytes: &u32| value::Bytes(*bytes);
    format!(
        "must be from {} to {}",
        shown(range.start()),
        shown(range.end())
    )
}

fn table(file: &File) -> toml::Table {
    toml::Table::try_from(file).unwrap_or_default()
}

fn shown(file: &File) -> String {
    toml::to_string(file).unwrap_or_default()
}

/// The text of a file as settings; `path` is for the error alone.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| error::parser(path.to_owned(), text, &error))
}

/// Where settings come from, so that they can be read again.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file; none when there is none at the usual place.
    pub path: Option<PathBuf>,
}

impl Source {
    /// The file named, or the usual one if it is there.
    #[must_use]
    pub fn new(path: Option<PathBuf>) -> Self {
        let usual = || Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.exists());
        Self {
            path: path.or_else(usual),
        }
    }
}

/// Reads the file, lets `flags` override it, and checks the whole.
///
/// # Errors
/// A file that cannot be read, or something wrong in it or in the flags.
pub fn load(source: &Source, flags: impl FnOnce(&mut File)) -> Result<Config, ConfigError> {
    let (path, text) = match &source.path {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })?;
            (path.as_path(), text)
        }
        None => (Path::new(""), String::new()),
    };
    let mut file = parse(path, &text)?;
    // What the file says by itself must be right, also where a flag overrides it.
    Config::new(file.clone()).map_err(|(key, message)| error::at_key(path, &text, key, message))?;
    flags(&mut file);
    Config::new(file).map_err(|(key, message)| ConfigError::Flag {
        key: key.to_owned(),
        message,
    })
}
