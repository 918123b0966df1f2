//! The typed operations: what a caller hands in and gets back. Each holds its file, its buffers and
//! its paths by value, so that nothing of it can be reached while it is in flight. Nothing here
//! touches a backend; `intake` asks an operation to describe itself, `callback` for its result.

mod atomic;
mod chain;
mod close;
mod copy;
mod durable;
mod nop;
mod operation;
mod path;
mod space;
mod sync;
mod transfer;
mod vectored;
mod whole;

pub use chain::{Chain, ChainStep, ChainSteps};
pub use close::Close;
pub use copy::{CopyParts, CopyRange};
pub use durable::{DurableAppend, DurableWrite};
pub use nop::Nop;
pub use operation::Operation;
pub(crate) use operation::sealed::{After, Described, Surroundings};
pub use path::{Link, MakeDirectory, Open, Rename, Stat, Unlink};
pub use space::{Advice, Advise, Allocate, AllocateMode, Truncate};
pub use sync::{Sync, SyncRange};
pub use transfer::{Append, Read, Write, WriteFlags, WriteWith};
pub use vectored::{ReadVectored, WriteVectored};
pub use whole::ReadWhole;
