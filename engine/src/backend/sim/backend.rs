//! The backend of a simulated disk: keeps what is staged and in flight, and moves virtual time from
//! completion to completion. It starts no thread and reads no clock, and sleeps only when it can be
//! woken and nothing would complete. Made by `SimDisk`, driven by `engine`.

use super::identity::identify;
use super::memory::{borrow, give_back, take_in};
use super::order::{Answer, Flight, Target};
use super::shared::{Bell, Shared};
use crate::backend::{Backend, Clock, Completion, Memory, Request, RequestFile, RequestKind, Wait};
use crate::clock::nanoseconds;
use crate::error::{Error, ErrorKind};
use crate::lanes::Lane;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::Waker;

/// Carries requests to a simulated disk.
#[derive(Debug)]
pub(super) struct SimBackend {
    disk: Shared,
    staged: Vec<Request>,
    /// By the end and the number.
    flights: BTreeMap<(u64, u64), (Request, Flight)>,
    /// Those that never complete.
    stuck: Vec<(Request, Flight)>,
    /// What is linked behind a request on its way, by that one's id.
    linked: HashMap<u64, Request>,
    /// Ids to be given up at the next `enter`.
    cancelled: Vec<u64>,
    slots: Vec<Option<Target>>,
    enters: u64,
    /// Ends a wait from other threads, once somebody has asked for that.
    bell: Option<Arc<Bell>>,
}

impl SimBackend {
    pub(super) fn new(disk: Shared) -> Self {
        Self {
            disk,
            staged: Vec::new(),
            flights: BTreeMap::new(),
            stuck: Vec::new(),
            linked: HashMap::new(),
            cancelled: Vec::new(),
            slots: Vec::new(),
            enters: 0,
            bell: None,
        }
    }

    /// Begins what is staged, but of a run of linked requests only the first, and nothing of one
    /// that is cut there.
    fn begin_staged(&mut self, completions: &mut Vec<Completion>) {
        let mut before: Option<Request> = None;
        let mut is_cut = false;
        for request in std::mem::take(&mut self.staged) {
            let before = before.replace(request).filter(|before| before.linked);
            is_cut = match before {
                Some(_) => is_cut,
                None => request.linked && self.disk.lock().cuts_run(),
            };
            match before {
                _ if is_cut => completions.push(canceled_before_it_began(&request)),
                Some(before) => _ = self.linked.insert(before.id, request),
                None => self.begin(request),
            }
        }
        let mut model = self.disk.lock();
        // A calmed disk lets nothing hang.
        if model.faults.never <= 0.0 {
            for (request, flight) in self.stuck.drain(..) {
                let end_ns = model.unstick(request.kind);
                self.flights.insert((end_ns, flight.number), (request, flight));
            }
        }
    }

    fn begin(&mut self, request: Request) {
        let mut model = self.disk.lock();
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

    /// Gives up what was cancelled: what is stuck or, by chance, what is on its way.
    fn give_up(&mut self, completions: &mut Vec<Completion>) {
        for id in std::mem::take(&mut self.cancelled) {
            if let Some(index) = self.staged.iter().position(|request| request.id == id) {
                // It had not begun, nor what is linked behind it: nobody has heard of them.
                let linked = self.staged[index..].iter().take_while(|request| request.linked);
                let end = index + 1 + linked.count();
                if let Some(before) = index.checked_sub(1) {
                    self.staged[before].linked = false;
                }
                let canceled = self.staged.drain(index..end);
                completions.extend(canceled.map(|request| canceled_before_it_began(&request)));
                continue;
            }
            if let Some(before) = self.before(id) {
                self.cut_behind(before, completions);
                continue;
            }
            let mut model = self.disk.lock();
            if let Some(index) = self.stuck.iter().position(|(request, _)| request.id == id) {
                let (request, flight) = self.stuck.remove(index);
                let answer = model.stop(&flight, true);
                completions.push(complete(&request, answer));
                drop(model);
                self.cut_behind(request.id, completions);
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
                drop(model);
                self.cut_behind(request.id, completions);
            }
        }
    }

    /// The request that this one is linked behind and waits for.
    fn before(&self, id: u64) -> Option<u64> {
        let found = self.linked.iter().find(|(_, request)| request.id == id);
        found.map(|(before, _)| *before)
    }

    /// Ends what is linked behind a request.
    fn cut_behind(&mut self, mut id: u64, completions: &mut Vec<Completion>) {
        while let Some(request) = self.linked.remove(&id) {
            completions.push(canceled_before_it_began(&request));
            id = request.id;
        }
    }

    /// Completes everything up to the present.
    fn reap(&mut self, completions: &mut Vec<Completion>) {
        loop {
            let mut model = self.disk.lock();
            let Some(first) = self.flights.first_entry() else { return };
            if first.key().0 > model.now_ns() {
                return;
            }
            let (request, flight) = first.remove();
            let answer = model.complete(&flight);
            drop(model);
            let done = complete(&request, answer);
            completions.push(done);
            let asked = if request.kind.is_transfer() { flight.order.len } else { 0 };
            let is_full = u64::try_from(done.result).is_ok_and(|answer| answer >= asked);
            let has_next = self.linked.contains_key(&request.id);
            let is_cut = is_full && has_next && self.disk.lock().cuts_run();
            if !is_full || is_cut {
                self.cut_behind(request.id, completions);
            } else if let Some(next) = self.linked.remove(&request.id) {
                self.begin(next);
            }
        }
    }

    /// Moves the time on to the next completion, or to the deadline if that comes first; answers
    /// whether there is anything to wait for.
    fn advance(&mut self, deadline_ns: u64) -> bool {
        let mut model = self.disk.lock();
        let next_ns = self.flights.first_key_value().map(|((end_ns, _), _)| *end_ns);
        let until_ns = next_ns.unwrap_or(u64::MAX).min(deadline_ns);
        if until_ns == u64::MAX {
            return false;
        }
        model.pass_to(until_ns);
        next_ns.is_some_and(|next_ns| next_ns <= deadline_ns)
    }
}

fn canceled_before_it_began(request: &Request) -> Completion {
    Completion { id: request.id, result: -libc::ECANCELED, lane: Lane::Ring }
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
                let target = identity.and_then(|identity| self.disk.lock().target(identity));
                Some(target.ok_or_else(|| Error::from_errno("register", libc::EBADF))?)
            }
            None => None,
        };
        let place = self.slots.get_mut(slot as usize);
        *place.ok_or_else(|| Error::from_errno("register", libc::EINVAL))? = target;
        Ok(())
    }

    fn links(&self, _first: RequestKind, _next: RequestKind) -> bool {
        true
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let mut taken = self.disk.lock().admit(batch.len());
        while taken > 0 && batch[taken - 1].linked {
            taken -= 1;
        }
        self.staged.extend_from_slice(&batch[..taken]);
        taken
    }

    fn cancel(&mut self, id: u64) -> bool {
        self.cancelled.push(id);
        true
    }

    fn waker(&mut self) -> Result<Waker, Error> {
        let bell = self.bell.get_or_insert_with(|| Bell::new(self.disk.clone()));
        Ok(Waker::from(Arc::clone(bell)))
    }

    fn has_real_files(&self) -> bool {
        false
    }

    fn clock(&self) -> Clock {
        self.disk.lock().clock()
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        self.enters += 1;
        // A ring from now on is for the next time.
        let rung = self.bell.as_ref().is_some_and(|bell| bell.silence());
        let wanted = completions.len() + wait.at_least() as usize;
        self.give_up(completions);
        self.begin_staged(completions);
        let deadline_ns = {
            let mut model = self.disk.lock();
            // Not for an idle engine: how often it looks around is not up to the disk's seed.
            if !self.flights.is_empty() || !self.stuck.is_empty() {
                let turn_ns = nanoseconds(model.options.turn);
                model.pass(turn_ns);
            }
            match wait {
                Wait::For { timeout, .. } => model.now_ns().saturating_add(nanoseconds(timeout)),
                Wait::None | Wait::AtLeast(_) => u64::MAX,
            }
        };
        self.reap(completions);
        while completions.len() < wanted {
            if self.advance(deadline_ns) {
                self.reap(completions);
                continue;
            }
            if let (Wait::AtLeast(_), Some(bell)) = (wait, &self.bell) {
                if !rung {
                    self.disk.doze(bell);
                }
            } else if matches!(wait, Wait::AtLeast(_)) {
                let why = "nothing in flight will ever complete, by the fault `never`: wait with a \
                           timeout, cancel, or calm the disk";
                return Err(Error::refused(ErrorKind::Backend, "wait", why));
            }
            break;
        }
        Ok(())
    }
}
