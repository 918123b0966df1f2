//! Who shares a window: one controller per device in a process, and a seat in it for each engine
//! that uses the device. Two controllers that cannot see each other take the other's load for the
//! device's own slowness, and both go too deep. Used by `window`; does no I/O and reads no clock.

use crate::depth::{Controller, Decision, Depth, Limits, Member, Sample, Target, part};
use std::ops::RangeInclusive;
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
    target: Target,
}

impl Seat {
    /// A controller of one's own.
    pub(crate) fn alone(depth: Depth) -> Self {
        let controller = Controller::new(depth);
        let state = State { controller, members: Vec::new(), taken: Vec::new() };
        let target = match depth {
            Depth::Fixed(_) => Target::Knee,
            Depth::Adaptive { target, .. } => target,
        };
        Self::at(Arc::new(Shared { state: Mutex::new(state) }), target)
    }

    fn at(shared: Arc<Shared>, target: Target) -> Self {
        let mut state = lock(&shared.state);
        let index = state.taken.iter().position(|taken| !taken).unwrap_or_else(|| {
            state.members.push(Member::default());
            state.taken.push(false);
            state.taken.len() - 1
        });
        state.taken[index] = true;
        state.controller.aim(index, target);
        drop(state);
        Self { shared, index, target }
    }

    /// Goes on at the controller of this device: at another engine's if there is one, where its own
    /// target holds as well, else with its own, which others find from now on. Answers the range of
    /// a controller that was made for another one.
    pub(crate) fn move_to(&mut self, device: u64) -> Option<RangeInclusive<u32>> {
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|(_, shared)| shared.strong_count() > 0);
        let found = devices.iter().find(|(known, _)| *known == device);
        let Some(shared) = found.and_then(|(_, shared)| shared.upgrade()) else {
            devices.push((device, Arc::downgrade(&self.shared)));
            return None;
        };
        drop(devices);
        let wanted = self.range();
        *self = Self::at(shared, self.target);
        let range = self.range();
        (wanted != range).then_some(range)
    }

    fn range(&self) -> RangeInclusive<u32> {
        lock(&self.shared.state).controller.range()
    }

    /// Hands a sample over and answers what this engine may do now; `None` while another engine is
    /// at it, which is not waited for: then the sample is handed over later.
    #[inline]
    pub(crate) fn deliver(&self, sample: &Sample, member: Member) -> Option<Limits> {
        let mut state = self.shared.state.try_lock().ok()?;
        let State { controller, members, .. } = &mut *state;
        members[self.index] = member;
        controller.observe_of(self.index, sample);
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

    /// The depth of all engines together, the chosen one, and whether this engine's target is out
    /// of reach.
    pub(crate) fn status(&self) -> (u32, Option<u32>, bool) {
        let state = lock(&self.shared.state);
        let controller = &state.controller;
        let is_out_of_reach = controller.is_out_of_reach_of(self.index);
        (controller.limits().total, controller.chosen(), is_out_of_reach)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.members[self.index] = Member::default();
        state.taken[self.index] = false;
        state.controller.aim(self.index, Target::Knee);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic in between leaves sums that are whole: plain numbers, each set at once.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Hands over reads that waited so long, until the depth has followed; the last answer.
    fn serve(seat: &Seat, now_ns: &mut u64, latency_ns: u64, limit_ns: u64) -> u32 {
        let mut total = 0;
        for _ in 0..20_000 {
            *now_ns += 100_000;
            let mut sample = Sample { now_ns: *now_ns, backlog: true, ..Sample::EMPTY };
            for _ in 0..8 {
                sample.reads.add(1, latency_ns, limit_ns);
            }
            total = seat.deliver(&sample, HUNGRY).unwrap().total;
        }
        total
    }

    #[test]
    fn an_engine_that_joins_brings_its_own_target_and_takes_it_away_again() {
        let device = u64::MAX - 3;
        let (mut first, mut now_ns) = (seat(64), 1);
        first.move_to(device);
        let target = Target::Percentile { percent: 99.0, limit_ns: 1000 };
        let mut strict = Seat::alone(Depth::Adaptive { min: 8, max: 64, target });
        assert_eq!(strict.move_to(device), None, "the same range");
        // Late for the one, and no matter for the other.
        serve(&strict, &mut now_ns, 5000, 1000);
        assert_eq!(strict.status(), (8, Some(8), true));
        assert_eq!(first.status(), (8, Some(8), false), "held by the other's target");
        // It falls silent, and holds nobody any more.
        serve(&first, &mut now_ns, 5000, u64::MAX);
        let state = |seat: &Seat| lock(&seat.shared.state).controller.clone();
        assert_eq!(state(&first).allowed(), u32::MAX);
        serve(&strict, &mut now_ns, 5000, 1000);
        assert_eq!(state(&first).allowed(), 8, "and again it does");
        drop(strict);
        assert_eq!(state(&first).allowed(), u32::MAX);
    }
}
