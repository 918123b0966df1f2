//! A chain's way through the engine: accepted as a whole, handed over step by step or linked, given
//! up, called back once. Extends `intake::Intake` and `engine::Engine`; what a completion means for
//! a chain is decided by `chain`.

use crate::backend::{Backend, Request};
use crate::callback::{Completion, Outcome};
use crate::chain::{CHAIN_LEN_MAX, Chains, Next, Place};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::inflight::{InFlight, OpId};
use crate::intake::{Context, Intake, Panic, Refused, refuse};
use crate::op::{After, Described, Operation};
use crate::slot::GivenUp;
use crate::turn::Turn;
use crate::whole_run::RUN_LEN;

/// The steps of one chain, in order.
pub(crate) type Steps = [Option<(Described, After)>; CHAIN_LEN_MAX];

/// Describes all steps, or none.
pub(crate) fn describe_all(
    count: u32,
    mut describe: impl FnMut(u32, &mut Described) -> Result<After, Error>,
) -> Result<Steps, Error> {
    let mut steps: Steps = [const { None }; CHAIN_LEN_MAX];
    for (index, place) in (0..count).zip(&mut steps) {
        let (described, after) = place.insert((Described::empty(), After::Success));
        *after = describe(index, described)
            .map_err(|error| error.with_step(index as usize, count as usize))?;
    }
    Ok(steps)
}

impl Intake {
    /// As `submit`, for an operation of several steps: all of them are accepted, or none.
    pub(crate) fn submit_steps<O, F>(
        &mut self,
        mut op: O,
        on_complete: F,
    ) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        if let Err(error) = self.check_room(O::STEPS) {
            return Err(refuse(op, on_complete, error));
        }
        let surroundings = self.surroundings();
        let described =
            describe_all(O::STEPS, |step, into| op.describe_step(step, surroundings, into));
        let steps = match described {
            Ok(steps) => steps,
            Err(error) => return Err(refuse(op, on_complete, error)),
        };
        if let Err(error) = self.check_bytes(&steps) {
            return Err(refuse(op, on_complete, error));
        }
        let now_ns = self.recent_ns();
        let id = self.accept_steps(steps, now_ns);
        self.inflight.slot(id).parcel.pack(op, on_complete);
        Ok(id)
    }

    /// Whether so many more requests can be accepted together.
    pub(crate) fn check_room(&self, steps: u32) -> Result<(), Error> {
        if steps <= self.inflight.free() {
            return Ok(());
        }
        let capacity = self.inflight.capacity();
        if steps <= capacity {
            return Err(Error::answer(ErrorKind::Full));
        }
        let why = format!(
            "a chain of {steps} steps in an engine for {capacity} requests: raise \
                           its capacity"
        );
        Err(Error::refused(ErrorKind::InvalidConfig, "submit", why))
    }

    /// Whether the bytes of all steps together can be accepted.
    pub(crate) fn check_bytes(&self, steps: &Steps) -> Result<(), Error> {
        let steps = steps.iter().flatten();
        let total_bytes = steps.map(|(described, _)| u64::from(described.total_bytes)).sum();
        self.inflight.check_bytes(total_bytes)
    }

    /// Takes in the steps of one chain, for which there is room; answers its id. The caller fills
    /// the parcel of that slot.
    pub(crate) fn accept_steps(&mut self, steps: Steps, accepted_ns: u64) -> OpId {
        let steps = steps.into_iter().flatten();
        let id = self.chains.insert(steps, accepted_ns, &mut self.inflight);
        self.queue.push_back(id);
        id
    }

    /// Marks all steps of a chain as given up.
    pub(crate) fn mark_given_up(&mut self, place: Place, why: GivenUp) {
        for id in self.chains.ids(place.chain) {
            self.inflight.slot(*id).given_up = Some(why);
        }
    }

    /// Frees the chain's slots and runs its callback; a panic comes back as its payload.
    fn call_back_chain(&mut self, chain: u32) -> Result<(), Panic> {
        let (id, mut answers) = self.chains.remove(chain, &mut self.inflight);
        self.deadlines.clear(id.index());
        let parcel = self.inflight.remove(id);
        self.deliver(parcel, id, Outcome::Steps(&mut answers))
    }
}

/// Puts the next steps of a chain into the batch, for which the window has this room.
pub(crate) fn stage_steps(
    chains: &mut Chains,
    inflight: &mut InFlight,
    backend: &dyn Backend,
    batch: &mut Vec<Request>,
    chain: u32,
    room: usize,
    now_ns: u64,
) {
    if room >= RUN_LEN && chains.has_whole_run(chain) {
        // Also those that wait, so that one that is handed over a little earlier than the next does
        // not go another way.
        let others = (inflight.len() as usize).saturating_sub(RUN_LEN);
        if backend.reads_whole(others) {
            return chains.stage_whole(chain, now_ns, inflight, batch);
        }
    }
    let links = |first, next| backend.links(first, next);
    chains.stage(chain, room, now_ns, inflight, batch, links);
}

impl Engine {
    /// Settles a completion of a step.
    #[cold]
    pub(crate) fn step_completed(
        &mut self,
        place: Place,
        result: i32,
        now_ns: u64,
        turn: &mut Turn,
    ) {
        let Intake { chains, inflight, metrics, .. } = &mut self.intake;
        let next = chains.settle(place, result, now_ns, inflight, metrics);
        let leader = self.intake.chains.leader(place.chain);
        match next {
            Next::Over => self.finish_chain(place.chain, turn),
            // Before the others: it has waited longest.
            Next::Stage => self.intake.queue.push_front(leader),
            Next::Wait => {
                // What was asked to be given up may have ended one step and not the next.
                if self.intake.inflight.slot(leader).given_up.is_some() {
                    self.intake.cancels.push_back(leader);
                }
            }
        }
    }

    /// Asks the backend to stop what it has of a chain; answers whether all of that was taken.
    pub(crate) fn stop_chain(&mut self, chain: u32) -> bool {
        let mut taken = true;
        let stoppable = self.intake.chains.stoppable(chain);
        for id in &self.intake.chains.ids(chain)[..stoppable] {
            let with_backend = self.intake.inflight.slot(*id).with_backend;
            taken &= !with_backend || self.backend.cancel(id.to_bits());
        }
        taken
    }

    /// Ends a chain that is in the queue.
    pub(crate) fn give_up_chain(&mut self, chain: u32, turn: &mut Turn) {
        let Intake { chains, inflight, metrics, .. } = &mut self.intake;
        chains.give_up(chain, inflight, metrics);
        self.finish_chain(chain, turn);
    }

    fn finish_chain(&mut self, chain: u32, turn: &mut Turn) {
        turn.cancelled += u32::from(self.intake.chains.was_cancelled(chain));
        if let Some(slot) = self.intake.chains.left_open(chain)
            && self.backend.set_slot(slot, None).is_ok()
        {
            self.intake.chains.emptied(chain);
        }
        let called = self.intake.call_back_chain(chain);
        self.called_back(called, turn);
    }
}
