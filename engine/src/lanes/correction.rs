//! Corrects the table by what is observed: an inline call that blocks, or that is slower than the
//! backend, loses its lane, and is tried again now and then. Asked by `backend/routed`, which has
//! the clock; everything here is counted in batches, so that it can be tested without one.
//!
//! Only cells that began inline are observed. A rule that keeps a call off the engine's thread is
//! never overruled, because what it guards against (a call that hangs) happens only once.

use super::{CellIndex, Lane, LaneOp, LaneTable, QueueLength, Reason, Route};

/// One batch in so many is looked at. A time costs two clock reads.
const SAMPLE_EVERY: u32 = 16;
/// So many slow calls one after the other end a lane. One may be the scheduler's.
const SLOW_MAX: u8 = 3;
/// So many requests try the other way before it is judged.
const TRIAL: u8 = 4;
/// The first trial comes after so many samples of a cell, each later one after twice as many.
const INTERVAL_MIN: u16 = 64;
const INTERVAL_MAX: u16 = 4096;
/// An average moves by this part of its distance to a new value.
const WEIGHT: u32 = 8;
/// A call on names, or on a file's length and space, may take so long. Units: nanoseconds.
const ALLOWED_NS: u32 = 300_000;
/// A transfer may take so long, and a quarter of a nanosecond more for each byte.
const ALLOWED_TRANSFER_NS: u32 = 100_000;

/// How a request that is looked at is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Which way: `Inline` or `Backend`.
    pub(crate) route: Route,
    pub(crate) cell: CellIndex,
    /// How long an inline call may take before it counts as slow. Units: nanoseconds.
    pub(crate) allowed_ns: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) plan: Plan,
    pub(crate) lane: Lane,
    /// How long it took. Units: nanoseconds.
    pub(crate) took_ns: u32,
}

/// A moving average; 0 before the first value.
#[derive(Clone, Copy, Debug, Default)]
struct Average(u32);

impl Average {
    fn add(&mut self, value: u32) {
        // Never 0 again: that would read as "no value".
        self.0 = match self.0 {
            0 => value,
            old if value >= old => old.saturating_add((value - old) / WEIGHT),
            old => old - (old - value) / WEIGHT,
        }
        .max(1);
    }

    /// Whether this one is lower by more than noise.
    fn beats(self, other: Self) -> bool {
        self.0 > 0 && u64::from(self.0) * 5 < u64::from(other.0) * 4
    }
}

#[derive(Clone, Copy, Debug)]
struct State {
    inline: Average,
    backend: Average,
    /// Slow inline calls in a row.
    slow: u8,
    /// Requests of the running trial that are still to come.
    trial_left: u8,
    /// Samples until the next trial, and between the last two.
    until_trial: u16,
    interval: u16,
    /// Whether the cell began inline.
    watched: bool,
}

/// What was observed of each cell.
#[derive(Debug)]
pub(crate) struct Correction {
    states: Box<[State]>,
    until_sample: u32,
}

impl Correction {
    /// Watches the cells that are inline now.
    pub(crate) fn new(table: &LaneTable) -> Self {
        let state = |index| State {
            inline: Average::default(),
            backend: Average::default(),
            slow: 0,
            trial_left: 0,
            until_trial: INTERVAL_MIN,
            interval: INTERVAL_MIN,
            watched: table.route_at(index) == Route::Inline,
        };
        Self { states: CellIndex::all().map(state).collect(), until_sample: SAMPLE_EVERY }
    }

    /// A batch has come; answers whether a request of it is to be looked at.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.until_sample -= 1;
        if self.until_sample > 0 {
            return false;
        }
        self.until_sample = SAMPLE_EVERY;
        true
    }

    /// How the first request of such a batch is to go, if it is of a kind that is looked at.
    #[cold]
    pub(crate) fn plan(
        &mut self,
        table: &LaneTable,
        cell: CellIndex,
        op: LaneOp,
        len_bytes: u32,
    ) -> Option<Plan> {
        let state = &mut self.states[cell.get()];
        if !state.watched {
            return None;
        }
        let current = table.route_at(cell);
        // Only of a request alone says its time what the backend costs.
        let alone = cell.queue() == QueueLength::One;
        let can_try = (alone && state.slow == 0) || current == Route::Backend;
        if can_try && state.trial_left == 0 {
            state.until_trial = state.until_trial.saturating_sub(1);
            if state.until_trial == 0 {
                state.trial_left = TRIAL;
                match current {
                    Route::Inline => state.backend = Average::default(),
                    _ => state.inline = Average::default(),
                }
            }
        }
        let route = match (current, state.trial_left > 0) {
            (Route::Inline, false) | (Route::Backend, true) => Route::Inline,
            (Route::Inline, true) if alone => Route::Backend,
            (Route::Backend, false) if alone => Route::Backend,
            (Route::Inline, true) => Route::Inline,
            _ => return None,
        };
        let allowed_ns = if op.is_transfer() {
            ALLOWED_TRANSFER_NS.saturating_add(len_bytes / 4)
        } else {
            ALLOWED_NS
        };
        Some(Plan { route, cell, allowed_ns })
    }

    /// How a request that was looked at went; changes the table if that says so.
    #[cold]
    pub(crate) fn record(&mut self, table: &mut LaneTable, seen: Observation) {
        let Observation { plan, lane, took_ns } = seen;
        let took_ns = took_ns.max(1);
        let state = &mut self.states[plan.cell.get()];
        let inline = lane == Lane::Inline;
        let slow = inline && took_ns > plan.allowed_ns;
        if inline {
            state.inline.add(took_ns);
            state.slow = if slow { state.slow.saturating_add(1) } else { 0 };
        } else {
            state.backend.add(took_ns);
        }
        if slow || state.trial_left > 0 {
            // Look closer: perhaps it goes on like this; and a trial is soon over.
            self.until_sample = 1;
        }
        let is_inline = table.route_at(plan.cell) == Route::Inline;
        let route = match (is_inline, inline) {
            (true, true) if state.slow >= SLOW_MAX => Some(Route::Backend),
            (false, true) if slow => state.end_trial(),
            (true, false) | (false, true) => state.judge(is_inline),
            _ => None,
        };
        if let Some(route) = route {
            state.restart();
            let (inline_ns, backend_ns) = (state.inline.0, state.backend.0);
            table.put(plan.cell, route, Reason::Observed { inline_ns, backend_ns });
        }
    }
}

impl State {
    /// One more request of a trial is back; at the last one, answers where requests go from now on
    /// if that is elsewhere.
    fn judge(&mut self, is_inline: bool) -> Option<Route> {
        self.trial_left = self.trial_left.saturating_sub(1);
        if self.trial_left > 0 {
            return None;
        }
        let (challenger, holder, route) = if is_inline {
            (self.backend, self.inline, Route::Backend)
        } else {
            (self.inline, self.backend, Route::Inline)
        };
        // A holder that was never timed, because it is never alone, gave way to calls that were
        // slow: these were not.
        if challenger.beats(holder) || (!is_inline && holder.0 == 0) {
            return Some(route);
        }
        self.end_trial()
    }

    /// All stays as it is, for longer than before.
    fn end_trial(&mut self) -> Option<Route> {
        self.trial_left = 0;
        self.interval = self.interval.saturating_mul(2).min(INTERVAL_MAX);
        self.until_trial = self.interval;
        None
    }

    /// After a change of lane.
    fn restart(&mut self) {
        self.slow = 0;
        self.trial_left = 0;
        self.interval = INTERVAL_MIN;
        self.until_trial = INTERVAL_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::FileSystem;

    /// A world in which calls take what the test says.
    struct World {
        table: LaneTable,
        correction: Correction,
        queue: QueueLength,
        /// Requests that went each way.
        inline: u32,
        backend: u32,
    }

    impl World {
        fn new(queue: QueueLength) -> Self {
            let table = LaneTable::for_io_uring();
            let correction = Correction::new(&table);
            Self { table, correction, queue, inline: 0, backend: 0 }
        }

        fn cell(&self) -> CellIndex {
            CellIndex::new(LaneOp::Write, FileSystem::Ext4, false, self.queue)
        }

        /// One batch of one write, whose ways take so long.
        fn batch(&mut self, inline_ns: u32, backend_ns: u32) {
            let cell = self.cell();
            let planned = match self.correction.is_due() {
                true => self.correction.plan(&self.table, cell, LaneOp::Write, 4096),
                false => None,
            };
            let route = planned.map_or(self.table.route_at(cell), |plan| plan.route);
            let (lane, took_ns) = match route {
                Route::Inline => (Lane::Inline, inline_ns),
                _ => (Lane::Ring, backend_ns),
            };
            match lane {
                Lane::Inline => self.inline += 1,
                _ => self.backend += 1,
            }
            if let Some(plan) = planned {
                self.correction.record(&mut self.table, Observation { plan, lane, took_ns });
            }
        }

        fn run(&mut self, batches: u32, inline_ns: u32, backend_ns: u32) {
            (self.inline, self.backend) = (0, 0);
            for _ in 0..batches {
                self.batch(inline_ns, backend_ns);
            }
        }

        fn route(&self) -> Route {
            self.table.route_at(self.cell())
        }
    }

    #[test]
    fn a_lane_that_is_right_keeps_nearly_all_requests() {
        let mut world = World::new(QueueLength::One);
        world.run(100_000, 1_500, 50_000);
        assert_eq!(world.route(), Route::Inline);
        assert!(world.backend > 0, "the other way is tried");
        assert!(world.backend < 50, "{} tries of 100,000", world.backend);
    }

    #[test]
    fn inline_calls_that_block_lose_the_lane_soon_and_get_it_back_when_they_stop() {
        for queue in QueueLength::ALL {
            let mut world = World::new(queue);
            world.run(1_000, 1_500, 50_000);
            world.run(SAMPLE_EVERY * 2, 8_000_000, 50_000);
            assert_eq!(world.route(), Route::Backend, "{queue:?}");
            world.run(20_000, 8_000_000, 50_000);
            assert!(world.inline < 40, "{queue:?}: {} slow calls of 20,000", world.inline);
            world.run(200_000, 1_500, 50_000);
            assert_eq!(world.route(), Route::Inline, "{queue:?}");
        }
    }

    #[test]
    fn two_slow_calls_in_a_row_change_nothing() {
        let mut world = World::new(QueueLength::Many);
        for _ in 0..100 {
            world.run(SAMPLE_EVERY, 1_500, 0);
            // The sample, and the closer look at the next batch.
            while !world.correction.is_due() {}
            world.correction.until_sample = 1;
            world.batch(9_000_000, 0);
            world.batch(9_000_000, 0);
            world.batch(1_500, 0);
        }
        assert_eq!(world.route(), Route::Inline);
    }

    #[test]
    fn a_backend_that_is_quicker_for_one_wins_and_one_as_quick_does_not() {
        let mut world = World::new(QueueLength::One);
        world.run(50_000, 10_000, 9_000);
        assert_eq!(world.route(), Route::Inline, "a tenth is noise");
        world.run(200_000, 10_000, 5_000);
        assert_eq!(world.route(), Route::Backend);
        assert!(matches!(
            world.table.reason(LaneOp::Write, FileSystem::Ext4, false, QueueLength::One),
            Reason::Observed { inline_ns: 9_000..=11_000, backend_ns: 4_000..=6_000 }
        ));
        world.run(200_000, 10_000, 9_000);
        assert_eq!(world.route(), Route::Backend, "nor does it come back for that");
        world.run(200_000, 1_000, 9_000);
        assert_eq!(world.route(), Route::Inline);
    }

    #[test]
    fn what_began_on_the_backend_is_never_made_inline() {
        let table = LaneTable::for_io_uring();
        let mut correction = Correction::new(&table);
        for op in LaneOp::ALL {
            for queue in QueueLength::ALL {
                let cell = CellIndex::new(op, FileSystem::Ext4, true, queue);
                if table.route_at(cell) != Route::Inline {
                    assert_eq!(correction.plan(&table, cell, op, 0), None, "{op:?}");
                }
            }
        }
    }
}
