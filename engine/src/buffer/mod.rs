//! Buffers that operations own while they are in flight, so that no safe code can reach them: of an
//! engine's pool, in classes of one size each, or of the caller's own memory.
//!
//! ```text
//! arena ──► class: mapping + free_list ──► guard::Buffer ◄── foreign: memory of the caller's
//!                                              │
//!                                         list::BufferList
//! ```

mod arena;
mod atomic;
mod class;
mod foreign;
mod free_list;
#[cfg(test)]
mod free_list_tests;
mod guard;
mod list;
#[cfg_attr(not(all(target_os = "linux", not(iomill_portable))), path = "plain_mapping.rs")]
mod mapping;
#[cfg(any(debug_assertions, feature = "poison"))]
mod poison;
#[cfg(not(any(debug_assertions, feature = "poison")))]
#[path = "poison_off.rs"]
mod poison;

pub(crate) use arena::{Arena, too_long};
pub(crate) use class::{Class, PoolSettings};
pub use foreign::OwnedMemory;
pub use guard::Buffer;
pub(crate) use list::advance;
pub use list::{BUFFER_LIST_LEN_MAX, BufferList};
pub(crate) use poison::Seal;
