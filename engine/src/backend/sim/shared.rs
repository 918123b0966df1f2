//! How a disk's handles and backends, on whatever threads, share its model: one lock, and the bell
//! that ends a backend's real wait. Decides nothing about the disk.

use super::model::Model;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// A simulated disk, as everybody holds it.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    model: Mutex<Model>,
    /// Notified when a bell is rung and when the disk is calmed.
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(model: Model) -> Self {
        Self(Arc::new(Inner { model: Mutex::new(model), changed: Condvar::new() }))
    }

    /// The model, also after a panic of another holder: a test that failed may still look at it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No faults any more. Who waits for something that was never to complete looks again.
    pub(super) fn calm(&self) {
        self.lock().calm();
        self.0.changed.notify_all();
    }

    /// Waits in real time, until the bell is rung or the disk is calmed.
    pub(super) fn doze(&self, bell: &Bell) {
        let mut model = self.lock();
        let calms = model.calms;
        while !bell.silence() && model.calms == calms {
            model = self.0.changed.wait(model).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends one backend's wait from any thread.
#[derive(Debug)]
pub(super) struct Bell {
    disk: Shared,
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new(disk: Shared) -> Arc<Self> {
        Arc::new(Self { disk, rung: AtomicBool::new(false) })
    }

    /// Forgets all rings so far; answers whether there was one.
    pub(super) fn silence(&self) -> bool {
        // Acquire: what the ringer did before is seen by whoever looks now.
        self.rung.swap(false, Ordering::Acquire)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Under the lock, so that it cannot fall between the sleeper's look and its sleep.
        let model = self.disk.lock();
        self.rung.store(true, Ordering::Release);
        drop(model);
        self.disk.0.changed.notify_all();
    }
}
