//! The backend of a simulated disk: keeps what is staged and in flight, and moves virtual time from
//! completion to completion. It never sleeps, starts no thread and reads no clock. Made by
//! `SimDisk`, driven by `engine`.

use super::identity::identify;
use super::latency::nanoseconds;
use super::memory::{borrow, give_back, take_in};
use super::model::Model;
use super::order::{Answer, Flight, Target};
use crate::backend::{Backend, Completion, Memory, Request, RequestFile, RequestKind, Wait};
use crate::error::{Error, ErrorKind};
use crate::lanes::Lane;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the disk's handles and backends share.
pub(super) type Shared = Arc<Mutex<Model>>;

/// The model, also after a panic of another holder: a test that failed may still look at it.
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, Model> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries requests to a simulated disk.
#[derive(Debug)]
pub(super) struct SimBackend {
    disk: Shared,
    staged: Vec<Request>,
    /// By the end and the number.
    flights: BTreeMap<(u64, u64), (Request, Flight)>,
    /// Those that never complete.
    stuck: Vec<(Request, Flight)>,
    /// Ids to be given up at the next `enter`.
    cancelled: Vec<u64>,
    slots: Vec<Option<Target>>,
    enters: u64,
}

impl SimBackend {
    pub(super) fn new(disk: Shared) -> Self {
        Self {
            disk,
            staged: Vec::new(),
            flights: BTreeMap::new(),
            stuck: Vec::new(),
            cancelled: Vec::new(),
            slots: Vec::new(),
            enters: 0,
        }
    }

    /// Begins what is staged.
    fn begin(&mut self) {
        let mut model = lock(&self.disk);
        for request in self.staged.drain(..) {
            let target = match request.file {
                RequestFile::None => None,
                RequestFile::Slot(slot) => self.slots.get(slot as usize).copied().flatten(),
                RequestFile::Fd(fd) => {
                    // SAFETY: the contract of `stage`: the file is open until the completion.
                    let fd = unsafe { borrow(fd) };
                    identify(fd).and_then(|identity| model.target(identity))
                }
            };
            // SAFETY: the contract of `stage`: the memory is the backend's until the completion.
            let order = unsafe { take_in(&request, target) };
            let (flight, end_ns) = model.begin(order);
            match end_ns {
                Some(end_ns) => {
                    self.flights.insert((end_ns, flight.number), (request, flight));
                }
                None => self.stuck.push((request, flight)),
            }
        }
        // A calmed disk lets nothing hang.
        if model.faults.never <= 0.0 {
            for (request, flight) in self.stuck.drain(..) {
                let end_ns = model.unstick(request.kind);
                self.flights.insert((end_ns, flight.number), (request, flight));
            }
        }
    }

    /// Gives up what was cancelled: what is stuck or, by chance, what is on its way.
    fn give_up(&mut self, completions: &mut Vec<Completion>) {
        for id in std::mem::take(&mut self.cancelled) {
            if let Some(index) = self.staged.iter().position(|request| request.id == id) {
                // It had not begun: nobody has heard of it.
                let request = self.staged.remove(index);
                let result = -libc::ECANCELED;
                completions.push(Completion { id: request.id, result, lane: Lane::Ring });
                continue;
            }
            let mut model = lock(&self.disk);
            if let Some(index) = self.stuck.iter().position(|(request, _)| request.id == id) {
                let (request, flight) = self.stuck.remove(index);
                let answer = model.stop(&flight, true);
                completions.push(complete(&request, answer));
                continue;
            }
            let found = self.flights.iter().find(|(_, (request, _))| request.id == id);
            // Half of the requests cannot be stopped any more, and a close never.
            let stoppable = found.filter(|(_, (request, flight))| {
                !flight.choice.is_multiple_of(2) && request.kind != RequestKind::Close
            });
            let key = stoppable.map(|(key, _)| *key);
            if let Some((request, flight)) = key.and_then(|key| self.flights.remove(&key)) {
                let answer = model.stop(&flight, false);
                completions.push(complete(&request, answer));
            }
        }
    }

    /// Completes everything up to the present.
    fn reap(&mut self, completions: &mut Vec<Completion>) {
        let mut model = lock(&self.disk);
        while let Some(first) = self.flights.first_entry()
            && first.key().0 <= model.now_ns
        {
            let (request, flight) = first.remove();
            let answer = model.complete(&flight);
            completions.push(complete(&request, answer));
        }
    }

    /// Moves the time on to the next completion, or to the deadline if that comes first; answers
    /// whether there is anything to wait for.
    fn advance(&mut self, deadline_ns: u64) -> bool {
        let mut model = lock(&self.disk);
        let next_ns = self.flights.first_key_value().map(|((end_ns, _), _)| *end_ns);
        let until_ns = next_ns.unwrap_or(u64::MAX).min(deadline_ns);
        if until_ns == u64::MAX {
            return false;
        }
        model.now_ns = model.now_ns.max(until_ns);
        next_ns.is_some_and(|next_ns| next_ns <= deadline_ns)
    }
}

fn complete(request: &Request, answer: Answer) -> Completion {
    // SAFETY: the contract of `stage`: the memory and the descriptor are the backend's until the
    // completion, which the engine sees only after this.
    let result = unsafe { give_back(request, answer) };
    Completion { id: request.id, result, lane: Lane::Ring }
}

// SAFETY: a request's memory is touched in `enter` only, when it begins and before its completion
// is yielded, by this thread. What is in flight at the drop is never touched again.
unsafe impl Backend for SimBackend {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn enters(&self) -> u64 {
        self.enters
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        // Requests carry their addresses all the same.
        Ok(())
    }

    fn register_slots(&mut self, slots: u32) -> Result<(), Error> {
        self.slots = vec![None; slots as usize];
        Ok(())
    }

    fn set_slot(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let target = match file {
            Some(fd) => {
                let identity = identify(fd);
                let target = identity.and_then(|identity| lock(&self.disk).target(identity));
                Some(target.ok_or_else(|| Error::from_errno("register", libc::EBADF))?)
            }
            None => None,
        };
        let place = self.slots.get_mut(slot as usize);
        *place.ok_or_else(|| Error::from_errno("register", libc::EINVAL))? = target;
        Ok(())
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let taken = lock(&self.disk).admit(batch.len());
        self.staged.extend_from_slice(&batch[..taken]);
        taken
    }

    fn cancel(&mut self, id: u64) -> bool {
        self.cancelled.push(id);
        true
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        self.enters += 1;
        let wanted = completions.len() + wait.at_least() as usize;
        self.give_up(completions);
        self.begin();
        let deadline_ns = {
            let mut model = lock(&self.disk);
            model.now_ns = model.now_ns.saturating_add(nanoseconds(model.options.turn));
            match wait {
                Wait::For { timeout, .. } => model.now_ns.saturating_add(nanoseconds(timeout)),
                Wait::None | Wait::AtLeast(_) => u64::MAX,
            }
        };
        self.reap(completions);
        while completions.len() < wanted {
            if self.advance(deadline_ns) {
                self.reap(completions);
                continue;
            }
            if matches!(wait, Wait::AtLeast(_)) {
                let why = "nothing in flight will ever complete, by the fault `never`: wait with a \
                           timeout, cancel, or calm the disk";
                return Err(Error::refused(ErrorKind::Backend, "wait", why));
            }
            break;
        }
        Ok(())
    }
}
