//! Who shares a window: one controller per device in a process, and a seat in it for each engine
//! that uses the device. Two controllers that cannot see each other take the other's load for the
//! device's own slowness, and both go too deep. Used by `window`; does no I/O and reads no clock.

use crate::depth::{Controller, Decision, Depth, Limits, Member, Sample, part};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A controller and the engines that it serves.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    controller: Controller,
    /// By seat; one that is free is like an engine that does nothing.
    members: Vec<Member>,
    taken: Vec<bool>,
}

/// The controllers of the process, by the device's number. As short as the list of devices.
static DEVICES: Mutex<Vec<(u64, Weak<Shared>)>> = Mutex::new(Vec::new());

/// One engine's place at a controller. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    index: usize,
}

impl Seat {
    /// A controller of one's own.
    pub(crate) fn alone(depth: Depth) -> Self {
        let controller = Controller::new(depth);
        let state = State { controller, members: Vec::new(), taken: Vec::new() };
        Self::at(Arc::new(Shared { state: Mutex::new(state) }))
    }

    fn at(shared: Arc<Shared>) -> Self {
        let mut state = lock(&shared.state);
        let index = state.taken.iter().position(|taken| !taken).unwrap_or_else(|| {
            state.members.push(Member::default());
            state.taken.push(false);
            state.taken.len() - 1
        });
        state.taken[index] = true;
        drop(state);
        Self { shared, index }
    }

    /// Goes on at the controller of this device: at another engine's if there is one, else with its
    /// own, which others find from now on. Answers the range of a controller that was made for
    /// another one.
    pub(crate) fn move_to(&mut self, device: u64) -> Option<std::ops::RangeInclusive<u32>> {
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|(_, shared)| shared.strong_count() > 0);
        let found = devices.iter().find(|(known, _)| *known == device);
        let Some(shared) = found.and_then(|(_, shared)| shared.upgrade()) else {
            devices.push((device, Arc::downgrade(&self.shared)));
            return None;
        };
        drop(devices);
        let wanted = self.settings();
        *self = Self::at(shared);
        let (range, limit_ns) = self.settings();
        (wanted != (range.clone(), limit_ns)).then_some(range)
    }

    fn settings(&self) -> (std::ops::RangeInclusive<u32>, u64) {
        let state = lock(&self.shared.state);
        (state.controller.range(), state.controller.latency_limit_ns())
    }

    /// Hands a sample over and answers what this engine may do now; `None` while another engine is
    /// at it, which is not waited for: then the sample is handed over later.
    #[inline]
    pub(crate) fn deliver(&self, sample: &Sample, member: Member) -> Option<Limits> {
        let mut state = self.shared.state.try_lock().ok()?;
        let State { controller, members, .. } = &mut *state;
        members[self.index] = member;
        controller.observe(sample);
        let all = controller.limits();
        if members.len() == 1 {
            return Some(all);
        }
        let total = part(all.total, members, self.index);
        let writes = part(all.writes, members, self.index).min(total);
        Some(Limits { total, writes })
    }

    /// What the controller decided.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        lock(&self.shared.state).controller.decisions().copied().collect()
    }

    /// The depth of all engines together, the chosen one, and whether the target is out of reach.
    pub(crate) fn status(&self) -> (u32, Option<u32>, bool) {
        let state = lock(&self.shared.state);
        let controller = &state.controller;
        (controller.limits().total, controller.chosen(), controller.is_out_of_reach())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.members[self.index] = Member::default();
        state.taken[self.index] = false;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic in between leaves sums that are whole: plain numbers, each set at once.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depth::Target;

    const HUNGRY: Member = Member { in_flight: 0, is_hungry: true };

    fn seat(max: u32) -> Seat {
        Seat::alone(Depth::Adaptive { min: 8, max, target: Target::Knee })
    }

    fn total(seat: &Seat) -> u32 {
        seat.deliver(&Sample::EMPTY, HUNGRY).unwrap().total
    }

    #[test]
    fn engines_on_one_device_split_its_window_and_give_their_part_back() {
        let (mut first, mut second, mut other) = (seat(64), seat(64), seat(64));
        assert_eq!(first.move_to(u64::MAX - 1), None);
        assert_eq!(total(&first), 8);
        assert_eq!(second.move_to(u64::MAX - 1), None);
        assert_eq!(other.move_to(u64::MAX - 2), None);
        assert_eq!((total(&second), total(&first), total(&second)), (4, 4, 4));
        assert_eq!(total(&other), 8, "another device");
        drop(second);
        assert_eq!(total(&first), 8);
        let mut late = seat(32);
        assert_eq!(late.move_to(u64::MAX - 1), Some(8..=64), "made for another range");
        assert_eq!((total(&late), total(&first)), (4, 4));
    }
}
