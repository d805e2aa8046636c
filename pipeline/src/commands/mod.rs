//! One file per subcommand: its arguments and its run.

pub mod record;
pub mod servers;
pub mod detach;
pub mod doctor;
pub mod status;
pub mod tail;
pub mod query;
pub mod compact;
pub mod retain;
pub mod hold;
pub mod verify;
pub mod config;
