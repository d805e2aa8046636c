//! Places at which a test may have the recorder killed; nothing in a release build.
//!
//! Takes the name of an effect that comes next or has just been. `SQLTRAIL_CRASH_AT=name` kills the
//! process when it gets there, `SQLTRAIL_CRASH_AT=name:3` the third time.

#[cfg(debug_assertions)]
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Environment variable that names the place.
pub const VARIABLE: &str = "SQLTRAIL_CRASH_AT";

#[cfg(debug_assertions)]
thread_local! {
    /// Where this thread is to leave what it does, and the how-manieth time.
    static LEAVE: RefCell<Option<(&'static str, u64)>> = const { RefCell::new(None) };
}

/// What is thrown there.
#[cfg(debug_assertions)]
struct Left;

/// Runs `body` and leaves it at the place `name`, the `time`th time, with all that follows undone; says whether
/// it got there.
#[cfg(debug_assertions)]
pub fn leave_at(name: &'static str, time: u64, body: impl FnOnce()) -> bool {
    LEAVE.set(Some((name, time)));
    let ended = catch_unwind(AssertUnwindSafe(body));
    LEAVE.set(None);
    match ended {
        Ok(()) => false,
        Err(thrown) if thrown.is::<Left>() => true,
        Err(thrown) => resume_unwind(thrown),
    }
}

/// Ends the process here as `kill -9` would, or what this thread does, if a test asks for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    let leave = LEAVE.with_borrow_mut(|leave| match leave {
        Some((wanted, left)) if *wanted == name => {
            *left -= 1;
            *left == 0
        }
        _ => false,
    });
    if leave {
        LEAVE.set(None);
        resume_unwind(Box::new(Left));
    }
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

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}

/// Runs `body` to its end in a release build.
#[cfg(not(debug_assertions))]
pub fn leave_at(_name: &'static str, _time: u64, body: impl FnOnce()) -> bool {
    body();
    false
}
