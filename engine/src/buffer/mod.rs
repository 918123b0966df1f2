//! Aligned buffers that live in one piece of memory, kept out of forked children and registered
//! with the kernel where that is allowed. Callers take a [`Buffer`], give it to an operation and
//! get it back from the completion: while the kernel may write it, no safe code can reach it.

mod arena;
mod free_list;
mod list;

pub(crate) use arena::Arena;
pub use arena::Buffer;
pub(crate) use list::advance;
pub use list::{BUFFER_LIST_LEN_MAX, BufferList};
