//! Places at which a test may have the recorder killed; nothing in a release build.
//!
//! Takes the name of an effect that comes next or has just been. `SQLTRAIL_CRASH_AT=name` kills the
//! process when it gets there, `SQLTRAIL_CRASH_AT=name:3` the third time.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Environment variable that names the place.
pub const VARIABLE: &str = "SQLTRAIL_CRASH_AT";

/// Ends the process here as `kill -9` would, if a test asks for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    static WANTED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });
    let Some((wanted, left)) = wanted else { return };
    if wanted == name && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let killed =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        debug_assert!(killed.is_ok(), "a process may end itself");
    }
}

/// Ends the process here as `kill -9` would, if a test asks for it.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}
