//! The byte contract between the kernel half and the user half of the capture.
//!
//! Takes nothing, gives plain `repr(C)` types and ids; it must never hold a type whose layout is the
//! compiler's choice (`bool`, `Option`, data enums). All integers are in the machine's byte order:
//! both halves run on the same machine.
//!
//! * [`record`]: what stands in the ring.
//! * [`target`]: what user space tells the probes about one server binary.
//! * [`ids`]: numbers with a meaning, which are never reused.
#![no_std]

pub mod ids;
pub mod record;
pub mod target;

/// Changes whenever a layout or an id in this crate changes; pinned maps carry it in their path.
pub const LAYOUT_VERSION: u32 = 4;
