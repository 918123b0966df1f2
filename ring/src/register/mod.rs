//! What is registered with a ring: the kernel looks it up, pins it or remembers it once instead of
//! per request. Each file extends `ring::Ring` by one kind; none decides what to register.

mod buffer_ring;
mod buffers;
mod cancel;
mod files;
mod message;
mod notify;
mod personality;
mod resize;
mod waits;
mod workers;

pub use buffer_ring::{BufferRing, Taken};
pub use files::SlotUpdate;
pub use message::send_message;
pub use waits::Clock;
pub use workers::WorkerLimits;

pub(crate) use waits::WaitRegion;
