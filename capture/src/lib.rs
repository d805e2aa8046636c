//! The user side of the capture.
//!
//! ```text
//! servers (what runs) > elf, resolve (where its functions and facts are) > attach (probes on) > ring (what they saw)
//! ```
//!
//! Takes running processes and their binaries, gives raw records. It never changes a server and
//! decides nothing about what a record means.
pub mod elf;
pub mod resolve;
pub mod doctor;
pub mod servers;
pub mod attach;
pub mod ring;
pub mod crash;
pub mod pins;
