//! Which accepted requests go to the backend, and when: decisions only. Nothing here does I/O,
//! reads a clock or knows a backend.

mod batch;
mod deadlines;
mod patience;
mod registry;
mod window;

pub(crate) use batch::Batch;
pub(crate) use deadlines::Deadlines;
pub(crate) use patience::Patience;
pub use window::DepthStatus;
pub(crate) use window::Window;
