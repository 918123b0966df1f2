//! How a request from another thread gets into the engine. Extends `intake::Intake`; called by
//! `owner`.

use crate::callback::Order;
use crate::error::{Error, ErrorKind};
use crate::inflight::OpId;
use crate::intake::{Intake, Panic};
use crate::op::Surroundings;

impl Intake {
    /// Takes a request in, or hands it back while there is no room for its bytes. One that cannot
    /// be done is called back at once: its caller is not there to get it back. A panic of that
    /// callback comes back as its payload.
    ///
    /// # Panics
    /// If the table is full.
    #[inline]
    pub(super) fn admit(&mut self, mut order: Order) -> Result<Option<Order>, Panic> {
        let arena = self.fixed_arena.as_deref();
        let described = match order.describe(Surroundings { engine: self.number, arena }) {
            Ok(described) => described,
            Err(error) => return self.turn_away(order, error).map(|()| None),
        };
        // What has bytes gives nothing up to describe itself, and can do so again.
        if !self.inflight.has_room_for(described.total_bytes) {
            let error = self.inflight.refusal(described.total_bytes);
            if error.kind() == ErrorKind::Full {
                return Ok(Some(order));
            }
            return self.turn_away(order, error).map(|()| None);
        }
        let Some((id, slot)) = self.inflight.insert(described) else {
            panic!("the owner takes a request only when the table has room for it");
        };
        slot.parcel = order.into_parcel();
        self.queue.push_back(id);
        Ok(None)
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
