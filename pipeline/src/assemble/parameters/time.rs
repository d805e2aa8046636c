//! Dates and times as the servers print them (ISO 8601 with a space).

use chrono::{DateTime, Duration, NaiveDate};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// A day as many days after 2000-01-01; none beyond the years that can be shown.
pub(super) fn date(days: i64) -> Option<String> {
    let start = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let day = start.checked_add_signed(Duration::try_days(days)?)?;
    Some(day.format("%Y-%m-%d").to_string())
}

/// A moment as many microseconds after 2000-01-01; none beyond the years that can be shown.
pub(super) fn timestamp(us: i64) -> Option<String> {
    /// 2000-01-01 in microseconds since the Unix epoch.
    const EPOCH_US: i64 = 946_684_800_000_000;
    let moment = DateTime::from_timestamp_micros(us.checked_add(EPOCH_US)?)?;
    let text = moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    Some(trimmed(&text))
}

/// A time of day, in microseconds.
pub(super) fn time(us: i64) -> Option<String> {
    if !(0..=DAY_US).contains(&us) {
        return None;
    }
    let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let text = format!(
        "{hours:02}:{:02}:{:02}.{fraction:06}",
        minutes % 60,
        seconds % 60
    );
    Some(trimmed(&text))
}

/// An offset from UTC, in seconds to the west, as PostgreSQL keeps it.
pub(super) fn zone(seconds_west: i32) -> String {
    let east = -i64::from(seconds_west);
    let sign = if east < 0 { '-' } else { '+' };
    let (hours, minutes) = (east.abs() / 3600, east.abs() / 60 % 60);
    if minutes == 0 {
        format!("{sign}{hours:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}")
    }
}

/// Without zeros at the end of the fraction.
fn trimmed(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_server_prints_them() {
        assert_eq!(date(0).as_deref(), Some("2000-01-01"));
        assert_eq!(date(9827).as_deref(), Some("2026-11-27"));
        assert_eq!(date(-1).as_deref(), Some("1999-12-31"));
        assert_eq!(date(i64::MAX), None);
        assert_eq!(timestamp(0).as_deref(), Some("2000-01-01 00:00:00"));
        assert_eq!(
            timestamp(1_500_000).as_deref(),
            Some("2000-01-01 00:00:01.5")
        );
        assert_eq!(
            timestamp(10_000_000).as_deref(),
            Some("2000-01-01 00:00:10")
        );
        assert_eq!(timestamp(i64::MIN), None);
        assert_eq!(time(0).as_deref(), Some("00:00:00"));
        assert_eq!(time(DAY_US).as_deref(), Some("24:00:00"));
        assert_eq!(time(45_296_000_001).as_deref(), Some("12:34:56.000001"));
        assert_eq!(time(-1), None);
        assert_eq!(zone(-7200), "+02");
        assert_eq!(zone(12_600), "-03:30");
    }
}
