//! What a controller decided, and why: the last decisions, in bounded memory. Written by
//! `controller`; read by whoever wants to know.

/// How many decisions are kept.
pub const TRACE_LEN: usize = 512;

/// Why the depth is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The first sweep goes on: the last doubling gained throughput.
    Swept,
    /// The sweep is over: this is the smallest measured depth that gives enough.
    Settled,
    /// The chosen depth was measured again, and stays.
    Stayed,
    /// Another depth is measured, which could be a better choice.
    Probed,
    /// The probe changed nothing.
    Returned,
    /// The probe showed a better choice.
    Moved,
    /// The device is not what it was: a new sweep begins.
    Restarted,
    /// The latency target is now the lower limit, or was and is not any more, or what it allows
    /// has moved by half.
    Latency,
    /// The target is missed at the least depth: it cannot be met.
    OutOfReach,
    /// The target can be met after all.
    WithinReach,
}

impl Why {
    /// A word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Swept => "swept",
            Self::Settled => "settled",
            Self::Stayed => "stayed",
            Self::Probed => "probed",
            Self::Returned => "returned",
            Self::Moved => "moved",
            Self::Restarted => "restarted",
            Self::Latency => "latency",
            Self::OutOfReach => "out of reach",
            Self::WithinReach => "within reach",
        }
    }
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// When, by the clock of the samples. Units: nanoseconds.
    pub at_ns: u64,
    /// The depth from now on. Units: slots.
    pub depth: u32,
    /// The throughput that was measured before; 0 if none was. Units: slots per second.
    pub slots_per_s: f64,
    /// The mean latency in that time. Units: nanoseconds.
    pub latency_ns: u64,
    /// Why.
    pub why: Why,
}

/// The last decisions, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    decisions: Vec<Decision>,
    /// Where the next one goes once all places are taken.
    oldest: usize,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { decisions: Vec::with_capacity(TRACE_LEN), oldest: 0 }
    }

    /// Notes a decision, in the place of the oldest one if need be. Never allocates.
    pub(super) fn note(&mut self, decision: Decision) {
        if self.decisions.len() < TRACE_LEN {
            self.decisions.push(decision);
        } else {
            self.decisions[self.oldest] = decision;
            self.oldest = (self.oldest + 1) % TRACE_LEN;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Decision> {
        let (newer, older) = self.decisions.split_at(self.oldest);
        older.iter().chain(newer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_keeps_the_last_decisions_in_order() {
        let mut trace = Trace::new();
        for at_ns in 0..(2 * TRACE_LEN + 7) as u64 {
            let decision =
                Decision { at_ns, depth: 1, slots_per_s: 0.0, latency_ns: 0, why: Why::Stayed };
            trace.note(decision);
            let kept: Vec<u64> = trace.iter().map(|decision| decision.at_ns).collect();
            let first = (at_ns + 1).saturating_sub(TRACE_LEN as u64);
            assert_eq!(kept, (first..=at_ns).collect::<Vec<_>>());
        }
    }
}
