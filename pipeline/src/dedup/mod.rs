//! Splits a statement's text into its shape and its values.
//!
//! Takes a text and its dialect; gives a template that many statements share, the literals that
//! only this one has, and what the template says: fingerprint, class, operation. Template and
//! literals give the exact text back, whatever the text is. Pure: no clock, file, thread or log,
//! and no text makes it fail.
//!
//! ```text
//! lex (tokens) > parts (lists joined) > template (format + literals) > dictionary (one id per format)
//!                                   └──> fingerprint, classify: only for a format not seen before
//! ```

pub mod lex;
pub mod parts;
pub mod template;
pub mod fingerprint;
pub mod classify;
pub mod statement;
pub mod dictionary;

pub use classify::{Class, Classified, classify};
pub use statement::{next_statement, statement_end};

#[cfg(test)]
mod properties;
