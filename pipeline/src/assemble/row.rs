//! What both engines' rows have in common.

use capture_common::record::NO_COUNT;

/// A count of the server, if it gave one.
pub(super) fn count(value: u64) -> Option<i64> {
    (value != NO_COUNT).then(|| i64::try_from(value).unwrap_or(i64::MAX))
}

/// A server's message as text; `None` when there is none.
pub(super) fn message(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// From `start_us` to `end_us`; a clock that was set back gives 0, not a negative duration.
pub(super) fn duration(start_us: i64, end_us: i64) -> Option<i64> {
    Some(end_us.saturating_sub(start_us).max(0))
}
