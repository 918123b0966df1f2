//! For how many completions the engine waits when it is left to it: while it drains, makes room, or
//! sleeps on a thread of its own. Asked before each wait, told what came; reads no clock.

use crate::backend::Wait;
use std::time::Duration;

/// Half a batch, which is an eighth of the window.
const PART: u32 = 16;
/// The gain of more is gone here.
const SHARE_MAX: u32 = 8;
/// No completion waits longer for others to come with it.
const WAIT_MAX: Duration = Duration::from_micros(100);
/// After others have not come in time, so many waits are for no more than half as many.
const PAUSE: u32 = 64;

/// The number of completions to wait for.
///
/// Each wake-up costs some microseconds, so at high load several completions share one: as many as
/// come soon anyway, doubled as long as they do and halved when they do not. In the mean that adds
/// no more to the latency than their share of the window, a sixteenth: at depth 64 four come in the
/// time of 64 divided by 16. At low load, while the window is not full, the wait is for one, and so
/// it is on a device that is slower than the bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    share: u32,
    /// Waits that are left until it may grow again.
    pause: u32,
    /// The same for waits for all that is in flight.
    pause_for_all: u32,
}

impl Patience {
    pub(crate) const START: Self = Self { share: 1, pause: 0, pause_for_all: 0 };

    /// The next wait, with so large a window, which will be full or not.
    #[inline]
    pub(crate) fn wait(self, window: u32, is_full: bool) -> Wait {
        let at_least = self.share.min(window / PART).min(SHARE_MAX);
        if is_full && at_least > 1 {
            Wait::For { at_least, timeout: WAIT_MAX }
        } else {
            Wait::AtLeast(1)
        }
    }

    /// After a wait: how many completions it brought.
    #[inline]
    pub(crate) fn observe(&mut self, wait: Wait, came: u32) {
        let at_least = wait.at_least();
        if came < at_least {
            (self.share, self.pause) = ((at_least / 2).max(1), PAUSE);
        } else if at_least > 0 && self.pause > 0 {
            self.pause -= 1;
        } else if at_least >= self.share {
            self.share = at_least.saturating_mul(2);
        }
    }

    /// Instead of a wait for some requests one for all that are in flight, where they come together
    /// if nothing has to be waited for; `None` for a while after they did not.
    pub(crate) fn wait_for_all(&mut self, wait: Wait, in_flight: u32) -> Option<Wait> {
        if wait != Wait::None && self.pause_for_all > 0 {
            self.pause_for_all -= 1;
            return None;
        }
        let timeout = match wait {
            Wait::None => return None,
            Wait::AtLeast(_) => WAIT_MAX,
            Wait::For { timeout, .. } => timeout.min(WAIT_MAX),
        };
        Some(Wait::For { at_least: in_flight, timeout })
    }

    /// After a wait for all: whether they came.
    pub(crate) fn observe_all(&mut self, came: bool) {
        self.pause_for_all = if came { 0 } else { PAUSE };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_waits_for_a_share_of_the_batch_that_grows_while_it_comes_in_time() {
        let mut patience = Patience::START;
        let mut asked = Vec::new();
        for _ in 0..6 {
            let wait = patience.wait(256, true);
            asked.push(wait.at_least());
            patience.observe(wait, wait.at_least());
        }
        assert_eq!(asked, [1, 2, 4, 8, 8, 8]);
        assert_eq!(patience.wait(32, true).at_least(), 2, "a smaller window");
        assert_eq!(patience.wait(31, true), Wait::AtLeast(1), "a small window");
        assert_eq!(patience.wait(256, false), Wait::AtLeast(1), "a window with room");
    }

    #[test]
    fn what_does_not_come_in_time_is_not_waited_for_again_soon() {
        let mut patience = Patience { share: 8, ..Patience::START };
        let wait = patience.wait(256, true);
        assert_eq!(wait, Wait::For { at_least: 8, timeout: WAIT_MAX });
        patience.observe(wait, 7);
        for _ in 0..PAUSE {
            let wait = patience.wait(256, true);
            assert_eq!(wait.at_least(), 4);
            patience.observe(wait, 4);
        }
        patience.observe(Wait::None, 0);
        patience.observe(Wait::AtLeast(1), 9);
        assert_eq!(patience.wait(256, true).at_least(), 4, "no more were asked for");
        patience.observe(patience.wait(256, true), 5);
        assert_eq!(patience.wait(256, true).at_least(), 8);
        for _ in 0..9 {
            patience.observe(patience.wait(256, true), 0);
        }
        assert_eq!(patience.wait(256, true), Wait::AtLeast(1));
    }

    #[test]
    fn after_all_did_not_come_in_time_they_are_not_waited_for_for_a_while() {
        let mut patience = Patience::START;
        let all = Some(Wait::For { at_least: 6, timeout: WAIT_MAX });
        assert_eq!(patience.wait_for_all(Wait::AtLeast(1), 6), all);
        patience.observe_all(true);
        assert_eq!(patience.wait_for_all(Wait::None, 6), None, "nobody waits");
        assert_eq!(patience.wait_for_all(Wait::AtLeast(2), 6), all);
        let timeout = WAIT_MAX / 2;
        let (one, shorter) =
            (Wait::For { at_least: 1, timeout }, Wait::For { at_least: 6, timeout });
        assert_eq!(patience.wait_for_all(one, 6), Some(shorter));
        patience.observe_all(false);
        for _ in 0..PAUSE {
            assert_eq!(patience.wait_for_all(Wait::AtLeast(1), 6), None);
        }
        assert_eq!(patience.wait_for_all(Wait::AtLeast(1), 6), all);
    }
}
