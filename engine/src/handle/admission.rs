//! How a request from another thread gets into the engine. Extends `intake::Intake`; called by
//! `owner`.

use crate::callback::{Order, Outcome};
use crate::error::{Error, ErrorKind};
use crate::inflight::OpId;
use crate::intake::{Intake, Panic};
use crate::steps::describe_all;

impl Intake {
    /// Takes a request in, or hands it back while there is no room for its steps
    /// and their bytes. One that cannot
    /// be done is called back at once: its caller is not there to get it back. A panic of that
    /// callback comes back as its payload.
    #[inline]
    pub(super) fn admit(&mut self, mut order: Order) -> Result<Option<Order>, Panic> {
        match self.check_room(order.steps()) {
            Err(error) if error.kind() == ErrorKind::Full => return Ok(Some(order)),
            Err(error) => return self.turn_away(order, error).map(|()| None),
            Ok(()) => {}
        }
        let surroundings = self.surroundings();
        if order.steps() > 1 {
            return match describe_all(order.steps(), |step| order.describe(step, surroundings)) {
                Ok(steps) => match self.check_bytes(&steps) {
                    Ok(()) => {
                        let id = self.accept_steps(steps);
                        self.inflight.slot(id).parcel = order.into_parcel();
                        Ok(None)
                    }
                    Err(error) if error.kind() == ErrorKind::Full => Ok(Some(order)),
                    Err(error) => self.turn_away(order, error).map(|()| None),
                },
                Err(error) => self.turn_away(order, error).map(|()| None),
            };
        }
        let described = match order.describe(0, surroundings) {
            Ok(step) => step.described,
            Err(error) => return self.turn_away(order, error).map(|()| None),
        };
        // What has bytes gives nothing up to describe itself, and can do so again.
        if !self.inflight.has_room_for(u64::from(described.total_bytes)) {
            let error = self.inflight.refusal(u64::from(described.total_bytes));
            if error.kind() == ErrorKind::Full {
                return Ok(Some(order));
            }
            return self.turn_away(order, error).map(|()| None);
        }
        let Some((id, slot)) = self.inflight.insert(described) else {
            unreachable!("there is room for a step");
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
    pub(super) fn turn_away(&mut self, order: Order, error: Error) -> Result<(), Panic> {
        self.deliver(order.into_parcel(), OpId::NONE, Outcome::Single(Err(error)))
    }
}
