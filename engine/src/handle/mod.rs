//! An engine on a thread of its own, and how other threads feed it. `Config::spawn` starts it; the
//! rest of the crate knows nothing of threads that submit.
//!
//! ```text
//! Handle::try_submit ──► queue ──► Owner's thread: admission ──► Engine::turn ──► callback
//!        │                 ▲            │      ▲
//!        │                 │            │      └── wake: one wake-up per sleep
//! Handle::run ──► future ──┤ ◄── room ──┘
//! Handle::submit ──────────┘
//! ```

mod admission;
mod atomic;
mod blocking;
mod client;
mod future;
mod owner;
mod promise;
mod queue;
mod room;
mod wake;

pub use client::{Handle, HandleCounters};
pub use future::{OpFuture, Unfinished};
pub use owner::Owner;
