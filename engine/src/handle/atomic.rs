//! The atomics of `wake`, named here so that a model checker can take their place: the test
//! `loom_wake` compiles `wake` with loom's. Holds nothing else.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering, fence};
