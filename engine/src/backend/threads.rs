//! The backend on helper threads: each request is one blocking system call on one of them. For
//! kernels and containers without io_uring. Made by `select`, driven by `engine`.
//!
//! Requests and completions travel through two bounded lock-free queues. The locks here are taken
//! only to sleep and to wake: a busy pool takes none.
//!
//! # Why no wake-up is lost
//!
//! Helpers and the engine sleep by the same rule. The sleeper, under the lock, first announces
//! itself (`sleepers` or `wanted`), fences, and looks at the queue once more before it waits. The
//! waker first pushes to the queue, fences, and then looks for the announcement. With both fences
//! SeqCst at least one side sees the other: the sleeper finds the entry, or the waker finds the
//! sleeper and takes the lock, which it gets only when the sleeper waits.

use super::call::{is_full_success, perform};
use super::crew::{Crew, Life};
use super::{Backend, Completion, Memory, Request, RequestKind, Wait};
use crate::error::{Error, ErrorKind};
use crate::lanes::Lane;
use crate::platform::Processors;
use crossbeam_queue::ArrayQueue;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

/// What the engine's thread and the helpers share.
#[derive(Debug)]
struct Shared {
    requests: ArrayQueue<Request>,
    /// What is linked behind a request in the queue, or behind one that a helper is at: each with
    /// the id of the one before.
    linked: Mutex<Vec<(u64, Request)>>,
    completions: ArrayQueue<Completion>,
    /// Helpers that sleep or are about to.
    sleepers: AtomicU32,
    /// For how many completions the engine sleeps; 0 while it is awake.
    wanted: AtomicU32,
    /// Requests to be given up, and how many they are: helpers look into the list only when there
    /// are any.
    cancelled: Mutex<Vec<u64>>,
    cancelled_count: AtomicU32,
    /// Whether the engine was woken by name; guarded by `engine_lock`.
    rung: AtomicBool,
    /// What wakes the engine where it does not sleep here, but in another backend.
    alarm: Option<Waker>,
    closing: AtomicBool,
    helpers_lock: Mutex<()>,
    work_came: Condvar,
    engine_lock: Mutex<()>,
    completions_came: Condvar,
}

/// A pool of helper threads.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    helpers: Crew,
    /// Wake-ups and waits so far.
    enters: u64,
}

impl Threads {
    /// A pool of `count` helpers for at most `depth` requests in flight. They start when there is
    /// work for them; how many are to be had is tried now.
    pub(crate) fn new(count: u32, depth: u32) -> Result<Self, Error> {
        let crew = Crew::new(count, Processors::current());
        let mut threads = Self::with_crew(crew, depth, None);
        threads.start()?;
        threads.end();
        Ok(threads)
    }

    /// A pool beside another backend in which the engine sleeps, and out of which `alarm` wakes it;
    /// before such a sleep comes [`announce_sleep`](Self::announce_sleep). They start now.
    pub(super) fn beside(crew: Crew, depth: u32, alarm: Waker) -> Result<Self, Error> {
        let mut threads = Self::with_crew(crew, depth, Some(alarm));
        threads.start()?;
        Ok(threads)
    }

    fn with_crew(helpers: Crew, depth: u32, alarm: Option<Waker>) -> Self {
        let shared = Arc::new(Shared {
            requests: ArrayQueue::new(depth as usize),
            linked: Mutex::new(Vec::with_capacity(depth as usize)),
            completions: ArrayQueue::new(depth as usize),
            sleepers: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            // A request is cancelled at most once, and leaves the list with its completion.
            cancelled: Mutex::new(Vec::with_capacity(depth as usize)),
            cancelled_count: AtomicU32::new(0),
            rung: AtomicBool::new(false),
            alarm,
            closing: AtomicBool::new(false),
            helpers_lock: Mutex::new(()),
            work_came: Condvar::new(),
            engine_lock: Mutex::new(()),
            completions_came: Condvar::new(),
        });
        Self { shared, helpers, enters: 0 }
    }

    /// How many helpers there are when there is work for them.
    pub(crate) fn helpers(&self) -> usize {
        self.helpers.count_max()
    }

    /// Starts the helpers.
    #[cold]
    fn start(&mut self) -> Result<(), Error> {
        let shared = &self.shared;
        self.helpers.start(|| -> Life {
            let shared = Arc::clone(shared);
            Box::new(move || shared.help())
        })
    }

    /// Lets all helpers end.
    fn end(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.helpers_lock));
        self.shared.work_came.notify_all();
        self.helpers.join();
        self.shared.closing.store(false, Ordering::SeqCst);
    }

    /// The engine is about to sleep elsewhere: from now on the first completion rings the alarm.
    /// Answers whether it may sleep: not if a completion is here already.
    pub(super) fn announce_sleep(&mut self) -> bool {
        self.shared.wanted.store(1, Ordering::Relaxed);
        // Pairs with the fence in `Shared::finish`.
        fence(Ordering::SeqCst);
        self.shared.completions.is_empty()
    }

    /// The sleep elsewhere is over.
    pub(super) fn awake(&mut self) {
        self.shared.wanted.store(0, Ordering::Relaxed);
    }

    /// Sleeps until the wait's number of completions is in the queue or its time is over.
    fn sleep(&mut self, wait: Wait) {
        let wanted = wait.at_least();
        let shared = &*self.shared;
        let deadline = match wait {
            Wait::For { timeout, .. } => Instant::now().checked_add(timeout),
            Wait::None | Wait::AtLeast(_) => None,
        };
        let mut lock = lock(&shared.engine_lock);
        shared.wanted.store(wanted, Ordering::Relaxed);
        // Pairs with the fence in `Shared::finish`.
        fence(Ordering::SeqCst);
        // Relaxed: read and written under the lock.
        while shared.completions.len() < wanted as usize && !shared.rung.load(Ordering::Relaxed) {
            self.enters += 1;
            let Some(deadline) = deadline else {
                lock = wait_for(&shared.completions_came, lock);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = shared.completions_came.wait_timeout(lock, left);
            lock = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        shared.wanted.store(0, Ordering::Relaxed);
        // Before the caller looks for the reason, so that what comes later rings again.
        shared.rung.store(false, Ordering::Relaxed);
    }
}

// SAFETY: a helper touches a request's memory only inside its system call, and pushes the
// completion after it. The drop joins the helpers, so nothing touches memory after it.
unsafe impl Backend for Threads {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn enters(&self) -> u64 {
        self.enters
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        let why = "the thread pool has no use for them, at no loss";
        Err(Error::refused(ErrorKind::Unsupported, "register the buffer pool", why))
    }

    fn register_slots(&mut self, _slots: u32) -> Result<(), Error> {
        let why = "the thread pool calls files by descriptor, at no loss";
        Err(Error::refused(ErrorKind::Unsupported, "register files", why))
    }

    fn set_slot(&mut self, _slot: u32, _file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        self.register_slots(0)
    }

    fn links(&self, _first: RequestKind, _next: RequestKind) -> bool {
        true
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let mut index = 0;
        while let Some(request) = batch.get(index) {
            if request.linked {
                index += self.shared.stage_run(&batch[index..]);
                continue;
            }
            if self.shared.requests.push(*request).is_err() {
                return index;
            }
            index += 1;
        }
        batch.len()
    }

    fn cancel(&mut self, id: u64) -> bool {
        let mut cancelled = self.shared.cancelled();
        cancelled.push(id);
        self.shared.count_cancelled(&cancelled);
        true
    }

    fn waker(&mut self) -> Result<Waker, Error> {
        Ok(Waker::from(Arc::clone(&self.shared)))
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        let before = completions.len();
        if self.helpers.is_empty() && !self.shared.requests.is_empty() {
            self.start()?;
        }
        self.shared.wake_helpers(&mut self.enters);
        if self.shared.completions.len() < wait.at_least() as usize {
            self.sleep(wait);
        }
        completions.extend(std::iter::from_fn(|| self.shared.completions.pop()));
        self.shared.forget_cancelled(&completions[before..]);
        Ok(())
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let guard = lock(&self.engine_lock);
        // Relaxed: read and written under the lock.
        self.rung.store(true, Ordering::Relaxed);
        drop(guard);
        self.completions_came.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Wakes as many sleeping helpers as there are requests.
    fn wake_helpers(&self, enters: &mut u64) {
        // Pairs with the fence in `next_request`.
        fence(Ordering::SeqCst);
        let sleepers = self.sleepers.load(Ordering::Relaxed) as usize;
        let wake = self.requests.len().min(sleepers);
        if wake == 0 {
            return;
        }
        drop(lock(&self.helpers_lock));
        *enters += 1;
        for _ in 0..wake {
            self.work_came.notify_one();
        }
    }

    /// A helper's life.
    fn help(&self) {
        while let Some(mut request) = self.next_request() {
            let mut broken = false;
            loop {
                let result = if broken || self.is_cancelled(request.id) {
                    -libc::ECANCELED
                } else {
                    // SAFETY: the contract of `stage`: until the completion, which is pushed below,
                    // the file is open and the memory is the backend's.
                    unsafe { perform(&request) }
                };
                // SAFETY: as above.
                broken = request.linked && !unsafe { is_full_success(&request, result) };
                // Before the completion, after which the id may be another request's.
                let next = request.linked.then(|| self.take_linked(request.id)).flatten();
                self.finish(Completion { id: request.id, result, lane: Lane::Helper });
                match next {
                    Some(next) => request = next,
                    None => break,
                }
            }
        }
    }

    /// Takes the run at the front of `batch`; answers its length. Only its first request goes into
    /// the queue, so that one helper gets them all.
    fn stage_run(&self, batch: &[Request]) -> usize {
        let len = 1 + batch.iter().take_while(|request| request.linked).count();
        let mut linked = self.linked();
        for pair in batch[..len].windows(2) {
            linked.push((pair[0].id, pair[1]));
        }
        drop(linked);
        let pushed = self.requests.push(batch[0]);
        assert!(pushed.is_ok(), "the engine keeps no more in flight than the queue can hold");
        len
    }

    /// The request that is linked behind this one.
    fn take_linked(&self, id: u64) -> Option<Request> {
        let mut linked = self.linked();
        let place = linked.iter().position(|(before, _)| *before == id)?;
        Some(linked.swap_remove(place).1)
    }

    fn linked(&self) -> MutexGuard<'_, Vec<(u64, Request)>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancelled(&self) -> MutexGuard<'_, Vec<u64>> {
        self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_cancelled(&self, cancelled: &[u64]) {
        // Relaxed: a helper that misses the count begins the request, as if asked a moment later.
        let count = u32::try_from(cancelled.len()).unwrap_or(u32::MAX);
        self.cancelled_count.store(count, Ordering::Relaxed);
    }

    fn is_cancelled(&self, id: u64) -> bool {
        self.cancelled_count.load(Ordering::Relaxed) > 0 && self.cancelled().contains(&id)
    }

    /// Takes completed requests off the list.
    fn forget_cancelled(&self, completions: &[Completion]) {
        if self.cancelled_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut cancelled = self.cancelled();
        cancelled.retain(|id| completions.iter().all(|completion| completion.id != *id));
        self.count_cancelled(&cancelled);
    }

    /// The next request, after some sleep if there is none; `None` when the pool closes.
    fn next_request(&self) -> Option<Request> {
        if let Some(request) = self.requests.pop() {
            return Some(request);
        }
        let mut lock = lock(&self.helpers_lock);
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `wake_helpers`.
        fence(Ordering::SeqCst);
        let request = loop {
            match self.requests.pop() {
                Some(request) => break Some(request),
                None if self.closing.load(Ordering::SeqCst) => break None,
                None => lock = wait_for(&self.work_came, lock),
            }
        };
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        request
    }

    /// Hands a completion to the engine, and wakes it if it sleeps for no more than there are.
    fn finish(&self, completion: Completion) {
        let pushed = self.completions.push(completion);
        assert!(pushed.is_ok(), "the engine keeps no more in flight than the queue can hold");
        // Pairs with the fences in `Threads::sleep` and `Threads::announce_sleep`.
        fence(Ordering::SeqCst);
        let wanted = self.wanted.load(Ordering::Relaxed) as usize;
        if wanted == 0 || self.completions.len() < wanted {
            return;
        }
        if let Some(alarm) = &self.alarm {
            return alarm.wake_by_ref();
        }
        drop(lock(&self.engine_lock));
        self.completions_came.notify_one();
    }
}

/// The locks guard no data, so a panic while one was held has spoilt nothing.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_for<'a>(condvar: &Condvar, lock: MutexGuard<'a, ()>) -> MutexGuard<'a, ()> {
    condvar.wait(lock).unwrap_or_else(PoisonError::into_inner)
}
