//! The atomics of `indices`, named here so that a model checker can take their place: the test
//! `loom_queues` compiles `indices` with loom's. Holds nothing else.

pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
