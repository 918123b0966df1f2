//! The rule: the depth is the lower one of the knee and of what the latency target allows. Fed one
//! sample per reap, by the engine or by a simulation; asks for no time and does no I/O.

use super::epoch::Measured;
use super::knee::Knee;
use super::latency::Latency;
use super::sample::Sample;
use super::target::{Depth, Target};
use super::trace::{Decision, Trace, Why};

/// Reads protect themselves only while there are some: after so many writes in a row these count
/// instead.
const WRITES_ALONE: u32 = 4096;

/// The limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Slots that may be with the device, of all classes together.
    pub total: u32,
    /// Of these, those of writes: less than all when reads would be late otherwise.
    pub writes: u32,
}

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
    /// What the target allows: up to the knee it is the total; what lies above the knee is what
    /// writes may take, so that they give way before reads do.
    latency: Option<Latency>,
    limits: Limits,
    /// Slots of writes since the last read.
    writes_in_a_row: u32,
    /// The latency target's width when it was last noted; the largest number if it did not limit.
    noted: u32,
    out_of_reach: bool,
    trace: Trace,
}

impl Controller {
    /// A controller at its least depth. A fixed depth is a range of one.
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
            latency: Latency::new(target, min, max),
            limits: Limits { total: min, writes: min },
            writes_in_a_row: 0,
            noted: u32::MAX,
            out_of_reach: false,
            trace: Trace::new(),
        };
        controller.set_limits();
        controller
    }

    /// The limits in force.
    #[inline]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The latency above which a request is late; the largest number without a target. Units:
    /// nanoseconds.
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
        let allowed = self.latency.map_or(u32::MAX, |latency| latency.width());
        Some(self.knee.home()?.min(allowed))
    }

    /// Whether the target is missed even at the least depth.
    pub fn is_out_of_reach(&self) -> bool {
        self.out_of_reach
    }

    /// The last decisions, the oldest first; at most [`TRACE_LEN`](super::TRACE_LEN).
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.trace.iter()
    }

    /// Takes a reap in.
    #[inline]
    pub fn observe(&mut self, sample: &Sample) {
        let measured = self.knee.observe(sample, self.limits.total);
        if let Some(latency) = &mut self.latency {
            let counts = if sample.reads.requests > 0 {
                self.writes_in_a_row = 0;
                sample.reads
            } else {
                self.writes_in_a_row = self.writes_in_a_row.saturating_add(sample.writes.slots);
                sample.writes
            };
            let is_alone = self.writes_in_a_row > WRITES_ALONE;
            if sample.reads.requests > 0 || is_alone {
                latency.observe(counts, self.knee.roof());
            }
        }
        self.set_limits();
        if measured.is_some() || self.latency.is_some() {
            self.explain(sample.now_ns, measured);
        }
    }

    #[inline]
    fn set_limits(&mut self) {
        let knee = self.knee.depth();
        self.limits = match &self.latency {
            None => Limits { total: knee, writes: knee },
            Some(latency) => {
                let allowed = latency.width();
                let total = knee.min(allowed);
                let is_alone = self.writes_in_a_row > WRITES_ALONE;
                let writes = if is_alone { total } else { allowed.saturating_sub(knee) };
                Limits { total, writes: writes.clamp(1, total) }
            }
        };
    }

    /// Notes what has changed. Cheap when nothing has.
    #[inline]
    fn explain(&mut self, now_ns: u64, measured: Option<(Measured, Why)>) {
        if let Some((measured, why)) = measured {
            let slots_per_s = measured.rate_ln.exp() * 1e9;
            self.note(now_ns, why, slots_per_s, measured.latency_ns);
        }
        let Some(latency) = self.latency else { return };
        let hopeless = latency.is_hopeless();
        if hopeless != self.out_of_reach {
            self.out_of_reach = hopeless;
            let why = if hopeless { Why::OutOfReach } else { Why::WithinReach };
            self.note(now_ns, why, 0.0, 0);
        }
        // Above all depths, it is not what limits.
        let width = latency.width();
        let limiting = if width < self.knee.depth() { width } else { u32::MAX };
        let is_news = if limiting == u32::MAX || self.noted == u32::MAX {
            limiting != self.noted
        } else {
            limiting.abs_diff(self.noted) > (self.noted / 2).max(2)
        };
        if is_news {
            self.noted = limiting;
            self.note(now_ns, Why::Latency, 0.0, 0);
        }
    }

    #[cold]
    fn note(&mut self, at_ns: u64, why: Why, slots_per_s: f64, latency_ns: u64) {
        let depth = self.limits.total;
        self.trace.note(Decision { at_ns, depth, slots_per_s, latency_ns, why });
    }
}
