//! Which accepted requests go to the backend, and when: decisions only. Nothing here does I/O, reads a
//! clock or knows a backend.

mod batch;
mod window;

pub(crate) use batch::batch_limit;
pub(crate) use window::Window;
