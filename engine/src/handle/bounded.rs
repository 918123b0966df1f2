//! The bounded queue of `plug`, named here so that a model checker's can take its place: the test
//! `loom_plug` compiles `plug` with one of loom's. Holds nothing else.

pub(crate) use crossbeam_queue::ArrayQueue;
