//! The wall clock, for the places where time enters, and how a time is shown.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};

/// Microseconds since the Unix epoch, now.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time in microseconds since the Unix epoch, as ISO 8601 text in UTC; the number where no calendar has it.
#[must_use]
pub fn shown(us: i64) -> String {
    DateTime::from_timestamp_micros(us).map_or_else(
        || us.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Micros, true),
    )
}
