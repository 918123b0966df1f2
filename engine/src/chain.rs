//! Chains in flight: which step of each is next, what became of those before, and what a completion
//! of a step means for the rest. Decisions only: `steps` submits, stages and calls back. Each step
//! occupies a slot of `inflight`; the first step's slot holds the operation and its callback.
//!
//! # Why nothing is acknowledged too early
//!
//! A step counts only if all steps before it were done when its completion came. A backend that
//! links cuts the run behind a short transfer, an EINTR or an error; the steps behind are then
//! handed over anew together with the remainder, so that a sync comes after all of its write.
//! Nothing of a chain is handed over while anything of it is with the backend.

use crate::answers::Answers;
use crate::backend::{RUN_LEN_MAX, Request, RequestFile, RequestKind};
use crate::error::{Error, ErrorKind, Ran};
use crate::inflight::{InFlight, OpId};
use crate::metrics::Metrics;
use crate::op::{After, Described};
use crate::platform::flags::RWF_DSYNC;
use crate::settle::{Settled, begun_too_early, give_up, is_repeatable, ran_before, settle};
use crate::whole_run::{FileSlot, RUN_LEN};
use std::ops::Range;

/// The most steps of a chain.
pub const CHAIN_LEN_MAX: usize = RUN_LEN_MAX;

/// Where a slot's request stands in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chain: u32,
    pub(crate) step: u32,
}

/// One chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) ids: [OpId; CHAIN_LEN_MAX],
    pub(crate) after: [After; CHAIN_LEN_MAX],
    answers: [u32; CHAIN_LEN_MAX],
    pub(crate) len: usize,
    /// Steps that have succeeded: the first one that has not is the next.
    pub(crate) done: usize,
    /// Steps that are with the backend.
    out: usize,
    /// Steps that were handed over together the last time.
    pub(crate) run: usize,
    /// Whether its steps are handed over one by one from now on.
    pub(crate) alone: bool,
    /// While it reads a whole file in one run: what the three steps have answered.
    pub(crate) whole: Option<[i32; RUN_LEN]>,
    /// The slot that is kept for its file.
    pub(crate) file_slot: Option<FileSlot>,
    /// Whether its first step has opened that slot, rather than a descriptor.
    pub(crate) in_slot: bool,
    /// Whether a write with `RWF_DSYNC` was refused, and is made without it.
    dsync_refused: bool,
    /// What became of the step `done`, if that ends the chain.
    pub(crate) failure: Option<Error>,
}

/// What comes next for a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Completions of it are still to come.
    Wait,
    /// It has something to hand over.
    Stage,
    /// It has ended.
    Over,
}

/// All chains in flight.
#[derive(Debug)]
pub(crate) struct Chains {
    pub(crate) table: Vec<Chain>,
    free: Vec<u32>,
    /// Whether the backend is ever asked to link.
    may_link: bool,
    /// Slots of the registered files that no chain has its file in.
    pub(crate) file_slots: Vec<u32>,
    /// Steps that are with the backend in runs that read a whole file.
    pub(crate) whole_out: usize,
}

impl Chains {
    /// For an engine of this capacity, whose chains may open files into these slots.
    pub(crate) fn new(capacity: u32, may_link: bool, file_slots: Range<u32>) -> Self {
        // A chain has two steps at least.
        let most = capacity as usize / 2;
        Self {
            table: Vec::with_capacity(most),
            free: Vec::with_capacity(most),
            may_link,
            file_slots: file_slots.collect(),
            whole_out: 0,
        }
    }

    /// Whether the backend is ever asked to link.
    pub(crate) fn may_link(&self) -> bool {
        self.may_link
    }

    /// Takes the steps of a chain into the table of requests, which has room for them; answers the
    /// id of the first.
    pub(crate) fn insert(
        &mut self,
        steps: impl Iterator<Item = (Described, After)>,
        accepted_ns: u64,
        inflight: &mut InFlight,
    ) -> OpId {
        let mut chain = Chain {
            ids: [OpId::NONE; CHAIN_LEN_MAX],
            after: [After::Success; CHAIN_LEN_MAX],
            answers: [0; CHAIN_LEN_MAX],
            len: 0,
            done: 0,
            out: 0,
            run: 0,
            alone: !self.may_link,
            whole: None,
            file_slot: None,
            in_slot: false,
            dsync_refused: false,
            failure: None,
        };
        let free = self.free.pop();
        let number = free.unwrap_or(u32::try_from(self.table.len()).unwrap_or(u32::MAX));
        for (step, (described, after)) in (0..).zip(steps) {
            let Some((id, slot)) = inflight.insert(described) else {
                unreachable!("there is room for all steps");
            };
            slot.place = Some(Place { chain: number, step });
            slot.accepted_ns = accepted_ns;
            (chain.ids[chain.len], chain.after[chain.len]) = (id, after);
            chain.len += 1;
        }
        let leader = chain.ids[0];
        match self.table.get_mut(number as usize) {
            Some(place) => *place = chain,
            None => self.table.push(chain),
        }
        leader
    }

    /// The id of a chain: that of its first step.
    pub(crate) fn leader(&self, chain: u32) -> OpId {
        self.table[chain as usize].ids[0]
    }

    /// The ids of its steps.
    pub(crate) fn ids(&self, chain: u32) -> &[OpId] {
        let chain = &self.table[chain as usize];
        &chain.ids[..chain.len]
    }

    /// Whether steps of it are with the backend.
    pub(crate) fn is_out(&self, chain: u32) -> bool {
        self.table[chain as usize].out > 0
    }

    /// Whether it has ended because it was cancelled.
    pub(crate) fn was_cancelled(&self, chain: u32) -> bool {
        let failure = self.table[chain as usize].failure.as_ref();
        failure.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
    }

    /// Puts the next steps of a chain into the batch: as many as can be linked and as there is
    /// `room` for, which is one at least.
    pub(crate) fn stage(
        &mut self,
        chain: u32,
        room: usize,
        now_ns: u64,
        inflight: &mut InFlight,
        batch: &mut Vec<Request>,
        links: impl Fn(RequestKind, RequestKind) -> bool,
    ) {
        let chain = &mut self.table[chain as usize];
        chain.run = 0;
        chain.whole = None;
        let mut before: Option<Request> = None;
        for (id, after) in chain.ids[..chain.len].iter().zip(chain.after).skip(chain.done) {
            let slot = inflight.slot(*id);
            if let Some(before) = before {
                let linkable = !chain.alone
                    && chain.run < room
                    && after.may_be_linked(&before)
                    && links(before.kind, slot.described.request.kind);
                if !linkable {
                    break;
                }
                if let Some(before) = batch.last_mut() {
                    before.linked = true;
                }
            }
            if slot.staged_ns == 0 {
                slot.staged_ns = now_ns;
            }
            batch.push(slot.described.request);
            before = Some(slot.described.request);
            chain.run += 1;
        }
    }

    /// The backend has taken what was staged last; answers how many steps that were.
    pub(crate) fn entered(&mut self, chain: u32, inflight: &mut InFlight) -> usize {
        let chain = &mut self.table[chain as usize];
        for id in &chain.ids[chain.done..chain.done + chain.run] {
            inflight.slot(*id).with_backend = true;
        }
        chain.out = chain.run;
        self.whole_out += if chain.whole.is_some() { chain.run } else { 0 };
        chain.run
    }

    /// Takes the backend's answer to a step.
    pub(crate) fn settle(
        &mut self,
        place: Place,
        result: i32,
        now_ns: u64,
        inflight: &mut InFlight,
        metrics: &mut Metrics,
    ) -> Next {
        let chain = &mut self.table[place.chain as usize];
        chain.out -= 1;
        let step = place.step as usize;
        if let Some(answers) = &mut chain.whole {
            self.whole_out -= 1;
            answers[step] = result;
            if chain.out == 0 {
                chain.settle_whole(now_ns, inflight, metrics);
            }
            return chain.next(inflight, metrics);
        }
        let slot = inflight.slot(chain.ids[step]);
        if chain.failure.is_some() {
            // Cut, or begun against the contract: either way it does not count.
        } else if step == chain.done {
            chain.settle_next(result, now_ns, inflight, metrics);
        } else if result >= 0 && !is_repeatable(&slot.described.request) {
            chain.failure = Some(begun_too_early(slot));
        }
        chain.next(inflight, metrics)
    }

    /// Ends a chain of which nothing is with the backend: it was given up.
    pub(crate) fn give_up(&mut self, chain: u32, inflight: &mut InFlight, metrics: &mut Metrics) {
        self.table[chain as usize].give_up(inflight, metrics);
    }

    /// Takes a chain that has ended out, with the slots of its steps but the first.
    pub(crate) fn remove(&mut self, number: u32, inflight: &mut InFlight) -> (OpId, Answers) {
        let chain = &mut self.table[number as usize];
        let leader = chain.ids[0];
        let answers = Answers {
            answers: chain.answers,
            done: chain.done,
            len: chain.len,
            failure: chain.failure.take(),
            first_flags: inflight.slot(leader).described.request.flags,
            dsync_refused: chain.dsync_refused,
            in_slot: chain.in_slot,
        };
        // One that could not be emptied is not used again.
        if let Some(FileSlot::Empty(slot)) = chain.file_slot {
            self.file_slots.push(slot);
        }
        for id in &chain.ids[1..chain.len] {
            drop(inflight.remove(*id));
        }
        self.free.push(number);
        (leader, answers)
    }
}

impl Chain {
    /// Takes the answer to the step whose turn it is.
    pub(crate) fn settle_next(
        &mut self,
        result: i32,
        now_ns: u64,
        inflight: &mut InFlight,
        metrics: &mut Metrics,
    ) {
        let slot = inflight.slot(self.ids[self.done]);
        if result == -libc::ECANCELED && slot.given_up.is_none() && self.run > 1 {
            // The kernel refused a later step already when it looked at the entries. One by one,
            // that step fails in its own turn.
            self.alone = true;
            return;
        }
        let follower = self.after[..self.len].get(self.done + 1);
        if result == -libc::EOPNOTSUPP
            && follower == Some(&After::Dsync)
            && is_dsync(&slot.described.request)
        {
            // Written without it, and synced by the next step.
            slot.described.request.flags &= !RWF_DSYNC;
            self.dsync_refused = true;
            return;
        }
        match settle(slot, result, now_ns, metrics) {
            Settled::Again => {}
            Settled::Finished(Ok(answer)) => self.succeed(answer, inflight),
            Settled::Finished(Err(error)) if self.done > 0 => {
                self.failure = Some(error.with_ran(Ran::Begun));
            }
            Settled::Finished(Err(error)) => self.failure = Some(error),
        }
    }

    /// The step whose turn it is has succeeded: prepares the next one, and passes over what is
    /// needless by that.
    fn succeed(&mut self, answer: u32, inflight: &mut InFlight) {
        self.answers[self.done] = answer;
        let before = inflight.slot(self.ids[self.done]).described.request;
        self.done += 1;
        if self.done == self.len {
            return;
        }
        let slot = inflight.slot(self.ids[self.done]);
        match self.after[self.done] {
            After::Success | After::Unlinked => {}
            After::Bytes => {
                slot.described.request.len = answer;
                slot.left_bytes = answer;
                if answer == 0 {
                    self.succeed(0, inflight);
                }
            }
            After::Dsync => {
                if is_dsync(&before) {
                    self.succeed(0, inflight);
                }
            }
            After::Descriptor => {
                let request = &mut slot.described.request;
                match (self.file_slot, request.kind) {
                    (Some(FileSlot::Open(file_slot)), kind) => {
                        request.file = RequestFile::Slot(file_slot);
                        if kind == RequestKind::Close {
                            request.kind = RequestKind::CloseSlot;
                        }
                    }
                    (_, RequestKind::Close) => request.len = self.answers[0],
                    _ => request.file = RequestFile::Fd(self.answers[0].cast_signed()),
                }
            }
        }
    }

    /// What comes next.
    fn next(&mut self, inflight: &mut InFlight, metrics: &mut Metrics) -> Next {
        if self.out > 0 {
            return Next::Wait;
        }
        if self.failure.is_some() || self.done == self.len {
            return Next::Over;
        }
        if inflight.slot(self.ids[self.done]).given_up.is_some() {
            self.give_up(inflight, metrics);
            return Next::Over;
        }
        Next::Stage
    }

    /// Ends it before the step whose turn it is. It has run if a step before has, or a part of
    /// this one.
    fn give_up(&mut self, inflight: &mut InFlight, metrics: &mut Metrics) {
        let slot = inflight.slot(self.ids[self.done]);
        let ran = if self.done > 0 { Ran::Begun } else { ran_before(slot) };
        if let Settled::Finished(Err(error)) = give_up(slot, ran, metrics) {
            self.failure = Some(error);
        }
    }
}

/// Whether what a write has written is durable with it.
fn is_dsync(request: &Request) -> bool {
    request.kind == RequestKind::Write && request.flags & RWF_DSYNC != 0
}

impl After {
    /// Whether the step may be with the backend together with the one before.
    fn may_be_linked(self, before: &Request) -> bool {
        match self {
            Self::Success | Self::Bytes => true,
            Self::Dsync => !is_dsync(before),
            Self::Unlinked | Self::Descriptor => false,
        }
    }
}
