//! How a trail of an older version becomes one of the next.
//!
//! Takes the version that is found, gives the DDL of one step; whoever runs it does so in one transaction.
//! All steps from the first version give the tables of a new trail.

use super::{RETENTION_TABLES, SEGMENTS};

/// Text of the DDL that makes a trail of `version` one of the next version; none where there is no step.
#[must_use]
pub fn upgrade_from(version: i64) -> Option<String> {
    match version {
        1 => Some(format!(
            "ALTER TABLE segments RENAME TO segments_of_1;
{SEGMENTS}
INSERT INTO segments(segment_id, state, first_seq, last_seq, first_time, last_time, rows, bytes,
                     opened_at, sealed_at, archived_at, dropped_at)
  SELECT segment_id, state, first_seq, last_seq, first_time, last_time, rows, bytes,
         opened_at, sealed_at, archived_at, dropped_at FROM segments_of_1;
DROP TABLE segments_of_1;
{RETENTION_TABLES}"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::VERSION;
    use super::*;

    #[test]
    fn every_version_has_a_step() {
        for version in 1..VERSION {
            assert!(upgrade_from(version).is_some(), "{version}");
        }
        assert_eq!(upgrade_from(VERSION), None);
    }
}
