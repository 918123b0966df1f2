//! The rule: the depth is the lower one of the knee and of what the latency targets allow. Fed one
//! sample per reap, by the engines of a device or by a simulation; asks for no time and does no
//! I/O.

use super::epoch::Measured;
use super::goal::Goal;
use super::knee::Knee;
use super::limits::Limits;
use super::sample::Sample;
use super::target::{Depth, Target};
use super::trace::{Decision, Trace, Why};

/// A depth that follows the device.
///
/// ```
/// use iomill_engine::depth::{Controller, Depth, Sample, Target};
///
/// let depth = Depth::Adaptive { min: 1, max: 256, target: Target::Knee };
/// let mut controller = Controller::new(depth);
/// // A device that completes 8 requests in 100 µs at any depth from 8 on, and one by one below.
/// let (mut now_ns, mut sample) = (0, Sample::EMPTY);
/// for _ in 0..100_000 {
///     let depth = controller.limits().total;
///     now_ns += 100_000;
///     sample = Sample { now_ns, backlog: true, ..Sample::EMPTY };
///     for _ in 0..depth.min(8) {
///         sample.reads.add(1, 100_000, controller.latency_limit_ns());
///     }
///     controller.observe(&sample);
/// }
/// assert_eq!(controller.chosen(), Some(8));
/// ```
#[derive(Clone, Debug)]
pub struct Controller {
    min: u32,
    max: u32,
    limit_ns: u64,
    knee: Knee,
    /// The target of each engine that has one, by the engine's number.
    goals: Vec<Option<Goal>>,
    limits: Limits,
    /// What the targets allow; the largest number without one.
    allowed: u32,
    /// What the targets allowed and the knee's depth, when it was last seen whether that is news.
    explained: (u32, u32),
    /// When the last sample was taken.
    now_ns: u64,
    /// What the targets allowed when it was last noted; the largest number if they did not limit.
    noted: u32,
    trace: Trace,
}

impl Controller {
    /// A controller at its least depth, of one engine with the number 0. A fixed depth is a range
    /// of one.
    pub fn new(depth: Depth) -> Self {
        let (min, max, target) = match depth {
            Depth::Fixed(depth) => (depth, depth, Target::Knee),
            Depth::Adaptive { min, max, target } => (min, max, target),
        };
        let mut controller = Self {
            min,
            max,
            limit_ns: target.limit_ns().unwrap_or(u64::MAX),
            knee: Knee::new(min, max),
            goals: Vec::new(),
            limits: Limits { total: min, writes: min },
            allowed: u32::MAX,
            explained: (u32::MAX, min),
            now_ns: 0,
            noted: u32::MAX,
            trace: Trace::new(),
        };
        controller.aim(0, target);
        controller
    }

    /// The engine with the number `who` asks for `target` from now on. The targets of all engines
    /// hold, each for the samples of its own engine: the depth is what the strictest allows. One
    /// whose engine has told nothing for a second holds nobody down. An engine that leaves asks for
    /// [`Target::Knee`].
    pub fn aim(&mut self, who: usize, target: Target) {
        if self.goals.len() <= who {
            self.goals.resize(who + 1, None);
        }
        self.goals[who] = Goal::new(target, self.min, self.max, self.now_ns);
        self.set_limits();
    }

    /// The limits in force.
    #[inline]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The latency above which a request of the engine with the number 0 is late; the largest
    /// number without a target. Units: nanoseconds.
    #[inline]
    pub fn latency_limit_ns(&self) -> u64 {
        self.limit_ns
    }

    /// The range of the depth.
    pub fn range(&self) -> std::ops::RangeInclusive<u32> {
        self.min..=self.max
    }

    /// The depth that was chosen, whether or not another one is being measured at this moment;
    /// `None` until the first sweep is over. Units: slots.
    pub fn chosen(&self) -> Option<u32> {
        Some(self.knee.home()?.min(self.allowed))
    }

    /// Whether a target is missed even at the least depth.
    pub fn is_out_of_reach(&self) -> bool {
        (0..self.goals.len()).any(|who| self.is_out_of_reach_of(who))
    }

    /// Whether the target of the engine with the number `who` is missed even at the least depth.
    pub fn is_out_of_reach_of(&self, who: usize) -> bool {
        self.goals.get(who).copied().flatten().is_some_and(|goal| goal.is_out_of_reach)
    }

    /// The last decisions, the oldest first; at most [`TRACE_LEN`](super::TRACE_LEN).
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.trace.iter()
    }

    /// Takes a reap in, of the only engine.
    #[inline]
    pub fn observe(&mut self, sample: &Sample) {
        self.observe_of(0, sample);
    }

    /// Takes a reap of the engine with the number `who` in.
    #[inline]
    pub fn observe_of(&mut self, who: usize, sample: &Sample) {
        self.now_ns = sample.now_ns;
        let in_force = self.limits.total.saturating_sub(sample.unused).max(1);
        let measured = self.knee.observe(sample, in_force);
        let goal = self.goals.get_mut(who).and_then(Option::as_mut);
        let mut is_news = measured.is_some();
        if let Some(goal) = goal {
            goal.observe(sample, self.knee.roof());
            is_news |= goal.is_hopeless() != goal.is_out_of_reach;
        }
        self.set_limits();
        if is_news || self.explained != (self.allowed, self.knee.depth()) {
            self.explain(who, measured);
        }
    }

    /// What the targets allow; the largest number without one. Units: slots.
    #[cfg(test)]
    pub(crate) fn allowed(&self) -> u32 {
        self.allowed
    }

    #[inline]
    fn set_limits(&mut self) {
        let knee = self.knee.depth();
        let (mut allowed, mut writes) = (u32::MAX, knee);
        for goal in self.goals.iter().flatten() {
            if !goal.has_lapsed(self.now_ns) {
                allowed = allowed.min(goal.width());
                writes = writes.min(goal.left_to_writes(knee));
            }
        }
        let total = knee.min(allowed);
        self.allowed = allowed;
        self.limits = Limits { total, writes: writes.clamp(1, total) };
    }

    /// Notes what has changed.
    fn explain(&mut self, who: usize, measured: Option<(Measured, Why)>) {
        if let Some((measured, why)) = measured {
            let slots_per_s = measured.rate_ln.exp() * 1e9;
            self.note(why, slots_per_s, measured.latency_ns);
        }
        let goal = self.goals.get_mut(who).and_then(Option::as_mut);
        if let Some(goal) = goal.filter(|goal| goal.is_hopeless() != goal.is_out_of_reach) {
            goal.is_out_of_reach = goal.is_hopeless();
            let why = if goal.is_out_of_reach { Why::OutOfReach } else { Why::WithinReach };
            self.note(why, 0.0, 0);
        }
        // Above all depths, it is not what limits.
        let (allowed, knee) = (self.allowed, self.knee.depth());
        self.explained = (allowed, knee);
        let limiting = if allowed < knee { allowed } else { u32::MAX };
        let is_news = if limiting == u32::MAX || self.noted == u32::MAX {
            limiting != self.noted
        } else {
            limiting.abs_diff(self.noted) > (self.noted / 2).max(2)
        };
        if is_news {
            self.noted = limiting;
            self.note(Why::Latency, 0.0, 0);
        }
    }

    #[cold]
    fn note(&mut self, why: Why, slots_per_s: f64, latency_ns: u64) {
        let (at_ns, depth) = (self.now_ns, self.limits.total);
        self.trace.note(Decision { at_ns, depth, slots_per_s, latency_ns, why });
    }
}
