//! The settings that hold, and how to read them again.

use std::fmt;

use crate::config::{Config, error::ConfigError};

/// Settings and where they come from.
#[derive(Default)]
pub struct Settings {
    current: Config,
    source: Option<Box<dyn Fn() -> Result<Config, ConfigError>>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// What `read` says.
    pub fn new(
        read: impl Fn() -> Result<Config, ConfigError> + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            current: read()?,
            source: Some(Box::new(read)),
        })
    }

    /// Those that hold.
    #[must_use]
    pub fn current(&self) -> &Config {
        &self.current
    }

    /// Reads them again and gives those that held before; nothing has changed after an error.
    ///
    /// # Errors
    /// What reading says.
    pub fn reload(&mut self) -> Result<Config, ConfigError> {
        let new = match &self.source {
            Some(read) => read()?,
            None => self.current.clone(),
        };
        Ok(std::mem::replace(&mut self.current, new))
    }
}
