//! Who limits the requests that come back: the depth in force, a lower one that a latency target
//! keeps to, or the caller, who has nothing more to do. Counted by `knee`; decides no depth.

use super::pace::{BATCH_SLOTS, EPOCH_SLOTS};

/// Slots that came back, by what limited them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    /// Of the batch in progress.
    count: u32,
    /// Of `count`: while our depth was the lowest limit, and while another was.
    limited: u32,
    held: u32,
    /// Since the last measurement: while the caller was the limit, and other ones among unfinished
    /// batches.
    slack: u32,
    pressed: u32,
}

/// Who limited nine tenths of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    /// Units: slots.
    pub(super) count: u32,
    /// Our depth did.
    pub(super) is_limited: bool,
    /// A lower one did.
    pub(super) is_held: bool,
}

impl Tally {
    pub(super) const EMPTY: Self = Self { count: 0, limited: 0, held: 0, slack: 0, pressed: 0 };

    /// A batch begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        (self.count, self.limited, self.held) = (0, 0, 0);
    }

    /// A whole measurement was made.
    pub(super) fn measured(&mut self) {
        (self.slack, self.pressed) = (0, 0);
    }

    /// Slots came back while the caller had more to do; answers how many the batch has.
    #[inline]
    pub(super) fn add(&mut self, slots: u32, is_limited: bool) -> u32 {
        self.count = self.count.saturating_add(slots);
        let by = if is_limited { &mut self.limited } else { &mut self.held };
        *by = by.saturating_add(slots);
        self.count
    }

    /// The batch is over, and the next one begins.
    pub(super) fn end(&mut self) -> Batch {
        let nine_tenths = self.count - self.count / 10;
        let (is_limited, is_held) = (self.limited >= nine_tenths, self.held >= nine_tenths);
        let batch = Batch { count: self.count, is_limited, is_held };
        self.begin();
        batch
    }

    /// Slots came back while the caller had nothing more, which spoils the batch. When a whole
    /// measurement could have been made meanwhile, answers whether at times there was more to do.
    pub(super) fn idle(&mut self, slots: u32) -> Option<bool> {
        self.slack = self.slack.saturating_add(slots);
        self.pressed = self.pressed.saturating_add(self.count);
        self.begin();
        if self.slack.saturating_add(self.pressed) < EPOCH_SLOTS {
            return None;
        }
        let is_pressed = self.pressed > BATCH_SLOTS;
        self.measured();
        Some(is_pressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_of_a_batch_tell_who_was_the_limit() {
        for (limited, held, answer) in [
            (100, 0, (true, false)),
            (90, 10, (true, false)),
            (89, 11, (false, false)),
            (10, 90, (false, true)),
        ] {
            let mut tally = Tally::EMPTY;
            tally.add(limited, true);
            assert_eq!(tally.add(held, false), 100);
            let batch = tally.end();
            assert_eq!((batch.is_limited, batch.is_held), answer, "{limited} and {held}");
            assert_eq!(tally.add(1, true), 1, "the next one begins");
        }
    }

    #[test]
    fn a_measurement_s_worth_of_idling_tells_whether_there_was_ever_more_to_do() {
        let mut tally = Tally::EMPTY;
        assert_eq!(tally.idle(EPOCH_SLOTS - 1), None);
        assert_eq!(tally.idle(1), Some(false));
        tally.add(BATCH_SLOTS + 1, true);
        assert_eq!(tally.idle(EPOCH_SLOTS), Some(true));
        assert_eq!(tally.idle(EPOCH_SLOTS), Some(false), "that was told");
    }
}
