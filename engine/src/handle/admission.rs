//! How a request from another thread gets into the engine. Extends `intake::Intake`; called by
//! `keeper`.

use crate::callback::{Order, Outcome};
use crate::error::{Error, ErrorKind, Ran};
use crate::inflight::OpId;
use crate::intake::{Intake, Panic};
use crate::settle::given_up;
use crate::slot::GivenUp;
use crate::steps::describe_all;

/// What became of a request that the queue held.
pub(super) enum Admitted {
    /// It is in the table.
    In(OpId),
    /// It was called back at once.
    Over,
    /// There is no room for its steps and their bytes yet.
    Back(Order),
}

impl Intake {
    /// Takes a request in, or hands it back while there is no room for its steps and their bytes.
    /// One that cannot be done is called back at once: its caller is not there to get it back. A
    /// panic of that callback comes back as its payload.
    #[inline]
    pub(super) fn admit(&mut self, mut order: Order) -> Result<Admitted, Panic> {
        let tag = order.tag;
        if tag.is_timed() && tag.deadline_ns <= self.clock.now_ns() {
            let given_up = self.give_up_order(order, GivenUp::DeadlineExceeded);
            return given_up.map(|()| Admitted::Over);
        }
        if tag.accepted_ns == 0 {
            order.tag.accepted_ns = self.recent_ns();
        }
        let admitted = self.admit_now(order)?;
        if let Admitted::In(id) = admitted
            && tag.is_timed()
        {
            self.deadlines.set(id.index(), tag.deadline_ns);
        }
        Ok(admitted)
    }

    #[inline]
    fn admit_now(&mut self, mut order: Order) -> Result<Admitted, Panic> {
        let accepted_ns = order.tag.accepted_ns;
        match self.check_room(order.steps()) {
            Err(error) if error.kind() == ErrorKind::Full => return Ok(Admitted::Back(order)),
            Err(error) => return self.turn_away(order, error),
            Ok(()) => {}
        }
        let surroundings = self.surroundings();
        if order.steps() > 1 {
            return match describe_all(order.steps(), |step, into| {
                order.describe(step, surroundings, into)
            }) {
                Ok(steps) => match self.check_bytes(&steps) {
                    Ok(()) => {
                        let id = self.accept_steps(steps, accepted_ns);
                        self.inflight.slot(id).parcel = order.into_parcel();
                        Ok(Admitted::In(id))
                    }
                    Err(error) if error.kind() == ErrorKind::Full => Ok(Admitted::Back(order)),
                    Err(error) => self.turn_away(order, error),
                },
                Err(error) => self.turn_away(order, error),
            };
        }
        let described =
            self.describe(|surroundings, into| order.describe(0, surroundings, into).map(drop));
        let vacancy = match described {
            Err(error) if error.kind() == ErrorKind::Full => return Ok(Admitted::Back(order)),
            Err(error) => return self.turn_away(order, error),
            Ok(vacancy) => vacancy,
        };
        let (id, slot) = vacancy.occupy();
        slot.accepted_ns = accepted_ns;
        slot.parcel = order.into_parcel();
        self.queue.push_back(id);
        Ok(Admitted::In(id))
    }

    /// Calls a request back that never got into the table.
    #[cold]
    pub(super) fn give_up_order(&mut self, order: Order, why: GivenUp) -> Result<(), Panic> {
        self.turn_away(order, given_up(why, "run", Ran::No)).map(drop)
    }

    /// Calls a request back that was still in the queue when the engine ended.
    #[cold]
    pub(super) fn cancel_order(&mut self, order: Order) -> Result<(), Panic> {
        let why = "the engine shut down before it was started";
        self.turn_away(order, Error::refused(ErrorKind::Cancelled, "shutdown", why)).map(drop)
    }

    #[cold]
    fn turn_away(&mut self, order: Order, error: Error) -> Result<Admitted, Panic> {
        let called = self.deliver(order.into_parcel(), OpId::NONE, Outcome::Failed(error));
        called.map(|()| Admitted::Over)
    }
}
