//! What a program under test gets: its disk, and a way to say what it has promised. Made by
//! `explorer`; explores nothing.

use crate::backend::sim::disk::SimDisk;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The disk of a program under test, and its marks. Clones are the same recorder, for callbacks.
#[derive(Debug)]
pub struct Recorder<M> {
    disk: SimDisk,
    marks: Arc<Mutex<Vec<M>>>,
}

impl<M> Clone for Recorder<M> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), marks: Arc::clone(&self.marks) }
    }
}

impl<M> Recorder<M> {
    pub(super) fn new(disk: SimDisk) -> Self {
        Self { disk, marks: Arc::default() }
    }

    /// The disk that the program runs on.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Says what the program has begun or promised: from now on each image has this mark. What was
    /// promised is marked when it is, not before; what may be there too early is marked before it
    /// begins.
    pub fn mark(&self, mark: M) {
        let mut marks = self.marks();
        marks.push(mark);
        self.disk.mark(marks.len());
    }

    /// All marks so far.
    pub(super) fn marks(&self) -> MutexGuard<'_, Vec<M>> {
        // A program that has panicked with a mark in its hand has not made it.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
