//! Everything behind the ring.
#![forbid(unsafe_code)]

pub mod flow;
pub mod config;
pub mod decode;
pub mod assemble;
pub mod secrets;
pub mod dedup;
pub mod store;
pub mod compact;
pub mod retain;
pub mod verify;
pub mod query;
pub mod output;
pub mod health;
pub mod record;
pub mod time;
pub mod exit;
pub mod commands;
