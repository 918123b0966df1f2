//! What the simulation asks of a rule for the depth, ours and the rivals' alike.

use iomill_engine::depth::{Controller, Depth, Limits, Sample, Target};

/// The largest depth that a rule may choose.
pub const DEPTH_MAX: u32 = 256;

/// One request that came back.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Units: nanoseconds.
    pub latency_ns: u64,
    /// Whether it is told apart as a write.
    pub is_write: bool,
}

/// What one reap brought.
#[derive(Clone, Copy, Debug)]
pub struct Reap<'a> {
    /// Units: nanoseconds.
    pub now_ns: u64,
    /// What came back.
    pub done: &'a [Done],
    /// Requests in flight before it.
    pub in_flight: u32,
    /// Whether requests wait for the window.
    pub backlog: bool,
    /// Slots that were left free since all that waited were writes that give way.
    pub unused: u32,
    /// Which of the engines that share the rule it is.
    pub engine: usize,
}

/// A rule for the depth.
pub trait Rule {
    /// The limits in force.
    fn limits(&self) -> Limits;
    /// Takes a reap in.
    fn observe(&mut self, reap: &Reap<'_>);
    /// Whether it says that its target cannot be met.
    fn is_out_of_reach(&self) -> bool {
        false
    }
    /// A line on its state, to look into a seed.
    fn note(&self) -> String {
        String::new()
    }
}

/// No rule: a constant.
#[derive(Debug)]
pub struct Constant(pub Limits);

impl Constant {
    /// This depth for all classes.
    pub fn depth(depth: u32) -> Self {
        Self(Limits { total: depth, writes: depth })
    }
}

impl Rule for Constant {
    fn limits(&self) -> Limits {
        self.0
    }
    fn observe(&mut self, _reap: &Reap<'_>) {}
}

/// The engine's own controller.
#[derive(Debug)]
pub struct Ours {
    controller: Controller,
    /// What each engine calls late. Units: nanoseconds.
    limits_ns: Vec<u64>,
}

impl Ours {
    /// From 1 to [`DEPTH_MAX`], with the targets of all engines that share it.
    pub fn new(targets: &[Target]) -> Self {
        let depth = Depth::Adaptive { min: 1, max: DEPTH_MAX, target: targets[0] };
        let mut controller = Controller::new(depth);
        for (who, target) in targets.iter().enumerate() {
            controller.aim(who, *target);
        }
        let limits_ns = targets.iter().map(|t| t.limit_ns().unwrap_or(u64::MAX)).collect();
        Self { controller, limits_ns }
    }
}

impl Rule for Ours {
    fn limits(&self) -> Limits {
        self.controller.limits()
    }

    fn observe(&mut self, reap: &Reap<'_>) {
        let Reap { now_ns, backlog, unused, .. } = *reap;
        let mut sample = Sample { now_ns, backlog, unused, ..Sample::EMPTY };
        let limit_ns = self.limits_ns.get(reap.engine).copied().unwrap_or(u64::MAX);
        for done in reap.done {
            let counts = if done.is_write { &mut sample.writes } else { &mut sample.reads };
            counts.add(1, done.latency_ns, limit_ns);
        }
        self.controller.observe_of(reap.engine, &sample);
    }

    fn is_out_of_reach(&self) -> bool {
        self.controller.is_out_of_reach()
    }

    fn note(&self) -> String {
        let why = |decision: &iomill_engine::depth::Decision| {
            format!("{} {}@{:.0}", decision.why.name(), decision.depth, decision.slots_per_s)
        };
        let last: Vec<String> = self.controller.decisions().map(why).collect();
        let last = &last[last.len().saturating_sub(40)..];
        format!("chosen {:?}: {}", self.controller.chosen(), last.join(", "))
    }
}
