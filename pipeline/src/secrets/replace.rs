//! Puts the mask in place of secrets.
//!
//! Takes a text and ranges of it, in any order and overlapping; gives the new text.

use super::{MASK, code::Secret};

/// `text` with each of `secrets` masked; none when all of them are already.
pub(super) fn masked(text: &[u8], secrets: &[Secret]) -> Option<Vec<u8>> {
    let secrets = merged(text, secrets);
    if secrets.is_empty() {
        return None;
    }
    let mut masked = Vec::with_capacity(text.len());
    let mut from = 0;
    for Secret { range, bare } in secrets {
        masked.extend_from_slice(&text[from..range.start]);
        let quote: &[u8] = if bare { b"'" } else { b"" };
        masked.extend_from_slice(quote);
        masked.extend_from_slice(MASK.as_bytes());
        masked.extend_from_slice(quote);
        from = range.end;
    }
    masked.extend_from_slice(&text[from..]);
    Some(masked)
}

/// Where the first secret begins that is not masked yet.
pub(super) fn first(text: &[u8], secrets: &[Secret]) -> Option<usize> {
    merged(text, secrets)
        .first()
        .map(|secret| secret.range.start)
}

/// Secrets that are not masked yet, in order and apart from each other.
fn merged(text: &[u8], secrets: &[Secret]) -> Vec<Secret> {
    let mut sorted = secrets.to_vec();
    sorted.sort_by_key(|secret| (secret.range.start, usize::MAX - secret.range.end));
    let mut merged: Vec<Secret> = Vec::with_capacity(sorted.len());
    for secret in sorted {
        match merged.last_mut() {
            Some(last) if secret.range.start < last.range.end => {
                if secret.range.end > last.range.end {
                    last.range.end = secret.range.end;
                    last.bare = false;
                }
            }
            _ => merged.push(secret),
        }
    }
    merged.retain(|secret| {
        let bytes = &text[secret.range.clone()];
        bytes != MASK.as_bytes() && !(secret.bare && bytes == b"'***'")
    });
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_once() {
        let check = |text: &str, ranges: &[(usize, usize, bool)], expect: Option<&str>| {
            let secrets: Vec<Secret> = ranges
                .iter()
                .map(|(start, end, bare)| Secret {
                    range: *start..*end,
                    bare: *bare,
                })
                .collect();
            let masked = masked(text.as_bytes(), &secrets);
            assert_eq!(masked.as_deref(), expect.map(str::as_bytes), "{text}");
        };
        check("a 'bc' d", &[(3, 5, false)], Some("a '***' d"));
        check("a 5 d", &[(2, 3, true)], Some("a '***' d"));
        check("a bcd", &[(2, 4, false), (3, 5, false)], Some("a ***"));
        check(
            "a bcd e",
            &[(4, 5, false), (2, 3, false)],
            Some("a ***c*** e"),
        );
        check("a '***'", &[(3, 6, false)], None);
        check("a '***'", &[(2, 7, true)], None);
        check("a", &[], None);
    }
}
