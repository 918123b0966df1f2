//! Sets rings up: wishes, checks, and giving up one by one what the kernel does not have.
//!
//! In the order of a ring's birth: [`Builder`] collects wishes, `conflict` refuses what no kernel
//! grants, `ladder` asks the kernel, `memory` maps or lends the queues, and a ring that was built
//! [disabled](DisabledRing) takes [`Restrictions`] before it becomes a [`Ring`](crate::Ring).

mod builder;
mod conflict;
mod disabled;
mod ladder;
mod memory;
mod restriction;

pub use builder::{Builder, SqPoll};
pub use disabled::DisabledRing;
pub use ladder::GivenUp;
pub use restriction::Restrictions;

pub(crate) use memory::QueueMemory;
