//! How a request from another thread gets into the engine. Extends `intake::Intake`; called by
//! `keeper`.

use crate::callback::Order;
use crate::error::{Error, ErrorKind, Ran};
use crate::inflight::{GivenUp, OpId};
use crate::intake::{Intake, Panic};
use crate::op::Surroundings;
use crate::settle::given_up;

impl Intake {
    /// Takes a request in, with the time it has left if that is bounded; answers its name. One that
    /// cannot be done is called back at once: its caller is not there to get it back. A panic of
    /// that callback comes back as its payload.
    ///
    /// # Panics
    /// If the table is full.
    #[inline]
    pub(super) fn admit(
        &mut self,
        mut order: Order,
        left_ns: Option<u64>,
    ) -> Result<Option<OpId>, Panic> {
        if left_ns == Some(0) {
            return self.give_up_order(order, GivenUp::DeadlineExceeded).map(|()| None);
        }
        let arena = self.fixed_arena.as_deref();
        let described = match order.describe(Surroundings { engine: self.number, arena }) {
            Ok(described) => described,
            Err(error) => return self.turn_away(order, error).map(|()| None),
        };
        let accepted_ns = match order.tag.accepted_ns {
            0 => self.recent_ns(),
            accepted_ns => accepted_ns,
        };
        let Some((id, slot)) = self.inflight.insert(described) else {
            panic!("the keeper takes a request only when the table has room for it");
        };
        slot.accepted_ns = accepted_ns;
        slot.parcel = order.into_parcel();
        self.queue.push_back(id);
        if let Some(left_ns) = left_ns {
            self.deadlines.set(id.index(), self.clock.now_ns().saturating_add(left_ns));
        }
        Ok(Some(id))
    }

    /// Calls a request back that never got into the table.
    #[cold]
    pub(super) fn give_up_order(&mut self, order: Order, why: GivenUp) -> Result<(), Panic> {
        self.turn_away(order, given_up(why, "run", Ran::No))
    }

    /// Calls a request back that was still in the queue when the engine ended.
    #[cold]
    pub(super) fn cancel_order(&mut self, order: Order) -> Result<(), Panic> {
        let why = "the engine shut down before it was started";
        self.turn_away(order, Error::refused(ErrorKind::Cancelled, "shutdown", why))
    }

    #[cold]
    fn turn_away(&mut self, order: Order, error: Error) -> Result<(), Panic> {
        self.deliver(order.into_parcel(), OpId::NONE, Err(error))
    }
}
