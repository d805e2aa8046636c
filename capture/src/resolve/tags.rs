//! The names of PostgreSQL's command tags, in the order of their numbers.
//!
//! Takes an image, gives what `GetCommandTagName` would return for 0, 1, 2 ...
//! It must never read past the table: its end is where the names stop being in order.

use super::finding::{Finding, first, follow};
use crate::elf::Image;

/// Bytes of an entry: pointer, length and flags.
const ENTRY_BYTES: u64 = 16;
/// More entries than any version has (193 in 18).
const TAGS_MAX: usize = 1024;
/// Longer than any tag (`COMPLETION_TAG_BUFSIZE` is 64).
const TAG_BYTES_MAX: usize = 64;

/// The tags, or why they are not known. They are empty before PostgreSQL 13, whose tags are texts.
pub(super) fn tags(image: &Image) -> Result<Vec<String>, String> {
    let table = table(image)?.value;
    let mut tags: Vec<String> = Vec::new();
    while tags.len() < TAGS_MAX {
        let place = table.wrapping_add(tags.len() as u64 * ENTRY_BYTES);
        let name = image
            .pointer_at(place)
            .and_then(|at| image.text_at(at, TAG_BYTES_MAX));
        // The first, `???`, stands for no tag; the others are sorted, for a binary search.
        match (name, tags.len()) {
            (Some(name), 0 | 1) => tags.push(name.to_owned()),
            (Some(name), n) if name > tags[n - 1].as_str() => tags.push(name.to_owned()),
            (Some(_) | None, _) => break,
        }
    }
    if tags.iter().any(|tag| tag == "SELECT") {
        Ok(tags)
    } else {
        Err(format!(
            "the table at {table:#x} does not hold command tags"
        ))
    }
}

/// `GetCommandTagName(tag)` returns `table[tag].name`.
fn table(image: &Image) -> Finding {
    let trace = follow(image, "GetCommandTagName")?;
    let values = trace.returns().filter_map(|(at, [value, _])| {
        let (address, 8) = value.as_memory()? else {
            return None;
        };
        let (constant, mut index) = (address.constant, address.clone());
        index.constant = 0;
        let strides = index == super::value::Value::argument(0).times(ENTRY_BYTES.cast_signed());
        strides.then_some((at, constant))
    });
    first(&trace, "indexes it", values)
}
