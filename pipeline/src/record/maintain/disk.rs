//! How full the disk of the trail is, in stages.
//!
//! Takes the free bytes and the levels, gives the stage. Pure, but for asking the system.

use std::{io, path::Path};

use schema::sqlite::PAGE_SIZE;

use crate::config::{amount::Size, file};

/// How full the disk is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is enough space.
    #[default]
    Ok,
    /// There is little, which is said.
    Warn,
    /// There is too little to go on as usual.
    Act,
}

impl Stage {
    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Act => "act",
        }
    }

    /// The stage with so many bytes free. A stage is left only when there is an eighth more than what it began
    /// below, so that no row is written each second that the disk is on the edge.
    pub(super) fn next(self, free: i64, disk: &file::Disk) -> Self {
        let is_below = |level: i64, in_it: bool| {
            let margin = if in_it { level / 8 } else { 0 };
            free < level.saturating_add(margin)
        };
        if is_below(act_bytes(disk), self == Self::Act) {
            Self::Act
        } else if is_below(disk.warn_free.bytes(), self != Self::Ok) {
            Self::Warn
        } else {
            Self::Ok
        }
    }

    /// A sentence for it.
    pub(super) fn told(self, free: i64, disk: &file::Disk) -> String {
        let below = match self {
            Self::Ok => return format!("{} free", Size::of(free).about()),
            Self::Warn => format!("less than warn_free, {}", disk.warn_free),
            Self::Act => format!("less than act_free, {}", Size::of(act_bytes(disk))),
        };
        format!("{} free, {below}", Size::of(free).about())
    }
}

/// Bytes to be freed, so that [`Stage::Act`] is left.
pub(super) fn missing(free: i64, disk: &file::Disk) -> i64 {
    let level = act_bytes(disk);
    (level + level / 8 - free).max(0)
}

/// Below that there is not even a page for a row.
fn act_bytes(disk: &file::Disk) -> i64 {
    disk.act_free.bytes().max(PAGE_SIZE)
}

/// Bytes that are free for this process where `dir` is.
pub(super) fn free(dir: &Path) -> io::Result<i64> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(i64::try_from(space.f_bavail.saturating_mul(space.f_frsize)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_left_later_than_it_is_entered() {
        use Stage::{Act, Ok, Warn};
        let disk = file::Disk {
            warn_free: Size::of(8_000_000),
            act_free: Size::of(800_000),
            ..file::Disk::default()
        };
        for (from, free, expected) in [
            (Ok, 8_000_000, Ok),
            (Ok, 7_999_999, Warn),
            (Warn, 8_000_000, Warn),
            (Warn, 9_000_000, Ok),
            (Ok, 799_999, Act),
            (Warn, 800_000, Warn),
            (Act, 899_999, Act),
            (Act, 900_000, Warn),
            (Act, 8_500_000, Warn),
            (Act, 9_000_000, Ok),
        ] {
            assert_eq!(from.next(free, &disk), expected, "{from:?} {free}");
        }
        assert_eq!(missing(0, &disk), 900_000);
        assert_eq!(missing(900_001, &disk), 0);
    }

    #[test]
    fn no_page_is_too_little_whatever_the_level() {
        let disk = file::Disk {
            warn_free: Size::of(0),
            act_free: Size::of(0),
            ..file::Disk::default()
        };
        assert_eq!(Stage::Ok.next(PAGE_SIZE - 1, &disk), Stage::Act);
        assert_eq!(Stage::Ok.next(PAGE_SIZE, &disk), Stage::Ok);
    }

    #[test]
    fn a_disk_has_free_space() {
        assert!(free(Path::new("/")).unwrap() >= 0);
        free(Path::new("/nowhere")).unwrap_err();
    }
}
