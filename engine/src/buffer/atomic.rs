//! The atomics of `free_list`, named here so that a model checker can take their place: the test
//! `loom_free_list` compiles `free_list` with loom's. Holds nothing else.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
