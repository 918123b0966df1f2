//! One turn of the loop: give up what is to be given up, hand a batch over, wait, and let
//! `dispatch` settle what has come. Extends `engine::Engine`; called by its `tick`, by `shutdown`
//! and by `handle`.
//!
//! ```text
//! queue ──► window ──► Backend::stage ──► Backend::enter
//!   ▲                                           │
//!   └── rest of a short transfer, ◄── settle ◄──┤
//!       EINTR, EAGAIN                           └──► callback
//! ```

use crate::backend::{RequestFile, Wait};
use crate::buffer::Seal;
use crate::depth::slots_of;
use crate::engine::{Engine, Tick};
use crate::error::{Error, ErrorKind};
use crate::intake::{Intake, Panic};
use crate::settle::{give_up, ran_before};
use crate::slot::{GivenUp, Slot};
use crate::steps::stage_steps;
use std::os::fd::BorrowedFd;

impl Engine {
    /// One turn; a callback's panic is handed to the caller.
    pub(crate) fn turn(&mut self, wait: Wait) -> Result<Turn, Error> {
        if self.is_broken {
            return Err(broken());
        }
        // Stays so if anything in the turn panics.
        self.is_broken = true;
        let mut turned = self.turn_once(wait);
        self.is_broken = false;
        if let Ok(turn) = &mut turned {
            turn.looked_ns = self.intake.looked_ns;
        }
        // What is accepted between two turns may come much later.
        self.intake.looked_ns = 0;
        turned
    }

    fn turn_once(&mut self, wait: Wait) -> Result<Turn, Error> {
        let mut turn = Turn::default();
        // What came while the engine's own thread slept.
        self.dispatch(&mut turn);
        self.give_up(&mut turn);
        turn.tick.submitted = self.stage();
        if turn.tick.submitted == 0 && self.window.occupied() == 0 {
            return Ok(turn);
        }
        self.intake.metrics.sample_depth(self.window.occupied());
        let wait = self.bounded(wait, &turn);
        let all = self.all_whole_files(wait, &turn);
        let entered = self.backend.enter(all.unwrap_or(wait), &mut self.completions);
        self.dispatch(&mut turn);
        self.patience.observe(wait, turn.tick.completed);
        if all.is_some() {
            self.patience.observe_all(self.window.occupied() == 0);
        }
        self.batch_rule.observe(turn.tick.submitted, self.window.occupied());
        self.batch_rule.follow(self.window.limit());
        self.intake.metrics.enters = self.backend.enters() - self.enters_before;
        self.intake.metrics.overflows = self.backend.overflows() - self.overflows_before;
        match entered {
            // A callback's panic goes first: the backend's failure comes again at the next turn.
            Err(error) if turn.panic.is_none() => Err(error),
            _ => Ok(turn),
        }
    }

    /// Whether the next turn has something to hand over.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        !self.intake.queue.is_empty() && self.window.room() > 0
    }

    /// How long to wait where it is left to the engine: for one completion, or at high load for
    /// several together.
    #[inline]
    pub(crate) fn patient_wait(&self) -> Wait {
        let window = self.window.limit();
        self.patience.wait(window, self.intake.inflight.len() >= window)
    }

    /// The wait that makes sense now: not before what is ready was handed over or given to the
    /// caller, for no more than is in flight, and no longer than until the next deadline.
    #[inline]
    fn bounded(&self, wait: Wait, turn: &Turn) -> Wait {
        if self.has_more() || turn.tick.completed > 0 {
            return Wait::None;
        }
        self.until_deadline(wait.capped(self.window.occupied()))
    }

    /// The wait for all that is in flight, if that is whole files and some were just handed over:
    /// fewer completions would call nobody back, or only for some of what the page cache has.
    #[inline]
    fn all_whole_files(&mut self, wait: Wait, turn: &Turn) -> Option<Wait> {
        let occupied = self.window.occupied();
        let are_all =
            turn.tick.submitted > 0 && self.intake.chains.whole_out() == occupied as usize;
        are_all.then(|| self.patience.wait_for_all(wait, occupied)).flatten()
    }

    /// The wait, no longer than until the next deadline.
    #[inline]
    pub(crate) fn until_deadline(&self, wait: Wait) -> Wait {
        match self.intake.deadlines.next_visit_ns() {
            Some(visit_ns) if wait != Wait::None => {
                wait.no_longer_than(self.intake.clock.until(visit_ns))
            }
            _ => wait,
        }
    }

    /// Gives up what was asked to be given up and what is overdue: the backend is asked to stop it,
    /// and what the backend does not have yet is over at once. What callbacks ask for meanwhile is
    /// for the next turn.
    #[inline]
    fn give_up(&mut self, turn: &mut Turn) {
        if !self.intake.deadlines.is_empty() {
            let now_ns = self.intake.clock.now_ns();
            while let Some(index) = self.intake.deadlines.take_due(now_ns) {
                let id = self.intake.inflight.id_of(index);
                self.intake.cancel(id, GivenUp::DeadlineExceeded);
            }
        }
        let mut leave_queue = false;
        for _ in 0..self.intake.cancels.len() {
            let Some(id) = self.intake.cancels.pop_front() else { break };
            match self.intake.inflight.find(id) {
                Some(&mut Slot { place: Some(place), .. }) => {
                    let is_out = self.intake.chains.is_out(place.chain);
                    leave_queue |= !is_out;
                    if is_out && !self.stop_chain(place.chain) {
                        self.intake.cancels.push_back(id);
                    }
                }
                Some(slot) if !slot.with_backend => leave_queue = true,
                Some(_) if !self.backend.cancel(id.to_bits()) => self.intake.cancels.push_back(id),
                _ => {}
            }
        }
        if leave_queue {
            self.give_up_queued(turn);
        }
    }

    /// Takes what is given up out of the queue, in one pass whatever its length.
    #[cold]
    fn give_up_queued(&mut self, turn: &mut Turn) {
        self.window.release(&mut self.intake.queue);
        for _ in 0..self.intake.queue.len() {
            let Some(id) = self.intake.queue.pop_front() else { break };
            let slot = self.intake.inflight.slot(id);
            if slot.given_up.is_none() {
                self.intake.queue.push_back(id);
                continue;
            }
            if let Some(place) = slot.place {
                self.give_up_chain(place.chain, turn);
                continue;
            }
            let settled = give_up(slot, ran_before(slot), &mut self.intake.metrics);
            self.finish(id, settled, turn);
        }
    }

    /// Hands waiting requests to the backend, as far as the window allows.
    fn stage(&mut self) -> u32 {
        self.part_writes();
        let room = self.window.room() as usize;
        let limit = room.min(self.batch_rule.limit() as usize);
        if self.intake.queue.is_empty() || limit == 0 {
            self.window.staged(!self.intake.queue.is_empty());
            return 0;
        }
        let now_ns = self.intake.look_at_clock();
        self.window.begin(now_ns);
        let has_chains = self.fill_batch(limit, room, now_ns);
        if Seal::IS_ON {
            self.seal_batch();
        }
        if self.window.wants_device() {
            self.attach();
        }
        // SAFETY: each request's slot owns the operation with its file and buffer until `dispatch`
        // removes it after the completion; at the end the engine drains or forgets them.
        let taken = unsafe { self.backend.stage(&self.batch) };
        assert!(taken <= self.batch.len(), "a backend took more requests than it was given");
        if !has_chains && self.window.is_fixed() && taken == self.batch.len() {
            self.window.enter_plain(taken);
            self.intake.queue.drain(..taken);
        } else {
            self.leave_queue(taken);
        }
        self.batch.clear();
        self.window.staged(!self.intake.queue.is_empty());
        // Not more than the window's room, which is a `u32`.
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        self.intake.metrics.batches += u64::from(taken > 0);
        self.intake.metrics.staged += u64::from(taken);
        taken
    }

    /// Puts requests from the front of the queue into the batch; answers whether steps of chains
    /// are among them. What is no step counts from here on as being with the backend.
    fn fill_batch(&mut self, limit: usize, room: usize, now_ns: u64) -> bool {
        let Self { intake, window, batch, backend, .. } = self;
        let Intake { queue, inflight, chains, .. } = intake;
        let (mut slots, mut has_chains) = (0, false);
        for id in queue.iter() {
            if batch.len() >= limit || slots >= room {
                break;
            }
            let slot = inflight.known(*id);
            if let Some(place) = slot.place {
                has_chains = true;
                // A chain is not cut for the sake of the batch's size.
                let before = batch.len();
                stage_steps(
                    chains,
                    inflight,
                    &***backend,
                    batch,
                    place.chain,
                    room - slots,
                    now_ns,
                );
                slots += batch.len() - before;
                continue;
            }
            slots += window.slots(slot) as usize;
            if slot.staged_ns == 0 {
                slot.staged_ns = now_ns;
            }
            slot.with_backend = true;
            // Straight from the slot, where `push` would copy it twice.
            batch.extend_from_slice(std::slice::from_ref(&slot.described.request));
        }
        has_chains
    }

    /// The backend has taken so many of the batch: takes them out of the queue.
    fn leave_queue(&mut self, taken: usize) {
        for request in &self.batch[taken..] {
            let id = self.intake.inflight.id_from_bits(request.id);
            self.intake.inflight.slot(id).with_backend = false;
        }
        let mut left = taken;
        while left > 0
            && let Some(id) = self.intake.queue.pop_front()
        {
            let slot = self.intake.inflight.slot(id);
            let count = match slot.place {
                Some(place) => {
                    let inflight = &mut self.intake.inflight;
                    let count = self.intake.chains.entered(place.chain, inflight);
                    self.window.enter_plain(count);
                    count
                }
                None => {
                    self.window.enter(slot);
                    1
                }
            };
            assert!(count <= left, "a backend took linked requests in part");
            left -= count;
        }
    }

    /// Notes what the backend must not change of the memory that it is about to get.
    fn seal_batch(&mut self) {
        let mut behind_another = false;
        for request in &self.batch {
            let arena = self.intake.arena.as_deref();
            let id = self.intake.inflight.id_from_bits(request.id);
            self.intake.inflight.slot(id).seal = Seal::of(arena, request, behind_another);
            behind_another = request.linked;
        }
    }

    /// Puts writes aside that have to give way to reads.
    #[inline]
    fn part_writes(&mut self) {
        let inflight = &mut self.intake.inflight;
        let batch_len = self.batch_rule.limit();
        self.window.part_writes(&mut self.intake.queue, batch_len, |id| {
            let slot = inflight.slot(id);
            let kind = slot.described.request.kind;
            let is_single = kind.is_transfer() && slot.place.is_none();
            let slots = if is_single { slots_of(slot.left_bytes) } else { 1 };
            (slots, is_single && !kind.is_read())
        });
    }

    /// Tells the window the device of the first file of the batch. Once per engine.
    #[cold]
    fn attach(&mut self) {
        let transfer = self.batch.iter().find(|request| request.kind.is_transfer());
        let device = match transfer.map(|request| request.file) {
            Some(RequestFile::Fd(fd)) => {
                // SAFETY: the operation in the request's slot keeps its file open.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                rustix::fs::fstat(fd)
            }
            Some(RequestFile::Slot(index)) => {
                let Some(file) = self.files.get(index as usize) else { return };
                rustix::fs::fstat(file)
            }
            Some(RequestFile::None) | None => return,
        };
        // A file that cannot be asked has a controller of its own.
        let range = self.window.attach(device.ok().map(|stat| stat.st_dev));
        if let Some(range) = range {
            let (min, max) = range.into_inner();
            let why = format!(
                "another engine of this process uses the device already, with a depth of {min} to \
                 {max}: both keep to that range, and each to its own target"
            );
            self.report.note("the range of depths that was asked for", why);
        }
    }
}

/// What an engine answers whose backend has broken the contract: what is in flight is not known any
/// more.
#[cold]
fn broken() -> Error {
    let why = "an earlier turn of this engine panicked, because its backend broke the contract: \
               what is in flight will not complete and is leaked at the end";
    Error::refused(ErrorKind::Backend, "turn", why)
}

/// What one turn did, and the first panic of its callbacks.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) tick: Tick,
    /// Of the completed ones, those that were given up.
    pub(crate) cancelled: u32,
    /// Callbacks that panicked.
    pub(crate) panicked: u32,
    /// Its last look at the clock; 0 for none.
    pub(crate) looked_ns: u64,
    pub(crate) panic: Option<Panic>,
}
