//! An engine on a thread of its own, and how other threads feed it. `Config::spawn` starts it; the
//! rest of the crate knows nothing of threads that submit.
//!
//! ```text
//! Handle::try_submit ──► queue ──► keeper: admission, held ──► Engine::turn ──► callback
//!        │                 ▲            │      ▲
//!        │                 │            │      └── wake: one wake-up per sleep
//! Handle::run ──► future ──┤ ◄── room ──┤
//! Handle::submit ──────────┘            │
//! Handle::cancel, register_file ──► errands ──► answer
//! ```

mod admission;
mod answer;
mod atomic;
mod blocking;
mod bounded;
mod client;
mod errands;
mod future;
mod held;
mod keeper;
mod owner;
mod plug;
mod promise;
mod queue;
mod room;
mod runner;
mod wake;

pub use answer::Answer;
pub use client::{Handle, HandleCounters, Ticket};
pub use future::{OpFuture, Unfinished};
pub use owner::Owner;
pub use runner::{Runner, Stopper};
