//! How long a simulated request takes: models of latency, and the clockwork that turns them into
//! moments of virtual time. Decides nothing but moments; asked by `model` when a request begins.

use super::random::Random;
use crate::clock::nanoseconds;
use std::time::Duration;

/// How long requests of one kind take. Times are virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always as long.
    Fixed(Duration),
    /// At least `min`, and beyond that exponentially distributed: many short, a few long.
    Exponential {
        /// The shortest.
        min: Duration,
        /// The mean of what is added to it.
        mean: Duration,
    },
    /// As `Exponential`, but only `count` requests are served at once, and the others queue: the
    /// throughput of a device ends at `count` divided by the mean.
    Servers {
        /// How many are served at once; 0 counts as 1.
        count: u32,
        /// The shortest.
        min: Duration,
        /// The mean of what is added to it.
        mean: Duration,
    },
}

/// Times in which the whole device stands still, such as a flash device that cleans up. Units:
/// virtual time; both are exponentially distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalls {
    /// The mean time from the end of one to the beginning of the next.
    pub every: Duration,
    /// How long one is in the mean.
    pub length: Duration,
}

/// Which latency model a request follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Read,
    Write,
    Sync,
    Other,
}

/// The device's state in time.
#[derive(Clone, Debug)]
pub(super) struct Device {
    models: [Latency; 4],
    /// For each class with servers: when each is free.
    free_at_ns: [Vec<u64>; 4],
    stalls: Option<Stalls>,
    /// The next time, or the current one, in which it stands still: from and to.
    stall_ns: (u64, u64),
    /// The latest end so far.
    last_end_ns: u64,
}

impl Device {
    /// An idle device at time 0, by the models of reads, writes, syncs and everything else.
    pub(super) fn new(models: [Latency; 4], stalls: Option<Stalls>, random: &mut Random) -> Self {
        let free_at_ns = models.map(|model| match model {
            Latency::Servers { count, .. } => vec![0; count.max(1) as usize],
            Latency::Fixed(_) | Latency::Exponential { .. } => Vec::new(),
        });
        let mut device =
            Self { models, free_at_ns, stalls, stall_ns: (u64::MAX, u64::MAX), last_end_ns: 0 };
        device.plan_stall(0, random);
        device
    }

    /// No stalls any more.
    pub(super) fn calm(&mut self) {
        self.stalls = None;
        self.stall_ns = (u64::MAX, u64::MAX);
    }

    /// When a request that begins now ends. `extra_ns` is added to its own time; `in_order` keeps
    /// it from overtaking. Answers whether it overtakes, too.
    pub(super) fn end_ns(
        &mut self,
        class: Class,
        now_ns: u64,
        extra_ns: u64,
        in_order: bool,
        random: &mut Random,
    ) -> (u64, bool) {
        let model = self.models[class as usize];
        let (min, mean) = match model {
            Latency::Fixed(time) => (time, Duration::ZERO),
            Latency::Exponential { min, mean } | Latency::Servers { min, mean, .. } => (min, mean),
        };
        let service_ns = nanoseconds(min)
            .saturating_add(random.exponential_ns(nanoseconds(mean)))
            .saturating_add(extra_ns);
        let server = self.free_at_ns[class as usize].iter_mut().min();
        let begin_ns = server.as_deref().map_or(now_ns, |free_at_ns| now_ns.max(*free_at_ns));
        let mut end_ns = begin_ns.saturating_add(service_ns);
        if let Some(free_at_ns) = server {
            *free_at_ns = end_ns;
        }
        while self.stall_ns.1 <= now_ns {
            self.plan_stall(self.stall_ns.1, random);
        }
        let (stall_begin_ns, stall_end_ns) = self.stall_ns;
        if end_ns > stall_begin_ns {
            // It stands still with the device, from the moment at which both have begun.
            let held_ns = stall_end_ns.saturating_sub(stall_begin_ns.max(begin_ns));
            end_ns = end_ns.saturating_add(held_ns);
        }
        if in_order {
            end_ns = end_ns.max(self.last_end_ns);
        }
        let overtakes = end_ns < self.last_end_ns;
        self.last_end_ns = self.last_end_ns.max(end_ns);
        (end_ns, overtakes)
    }

    fn plan_stall(&mut self, after_ns: u64, random: &mut Random) {
        let Some(Stalls { every, length }) = self.stalls else { return };
        let begin_ns = after_ns.saturating_add(random.exponential_ns(nanoseconds(every)).max(1));
        let length_ns = random.exponential_ns(nanoseconds(length));
        self.stall_ns = (begin_ns, begin_ns.saturating_add(length_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: Duration = Duration::from_nanos(1000);

    fn device(model: Latency, stalls: Option<Stalls>, random: &mut Random) -> Device {
        Device::new([model; 4], stalls, random)
    }

    #[test]
    fn servers_limit_the_throughput_and_exponential_latencies_do_not() {
        let random = &mut Random::new(1);
        let servers = Latency::Servers { count: 4, min: Duration::ZERO, mean: MEAN };
        let mut queued = device(servers, None, random);
        let last = (0..4000).map(|_| queued.end_ns(Class::Read, 0, 0, false, random).0).max();
        assert!((900_000..1_100_000).contains(&last.unwrap()), "4000 of 1000 ns by four: {last:?}");

        let exponential = Latency::Exponential { min: MEAN, mean: MEAN };
        let mut free = device(exponential, None, random);
        let ends: Vec<_> =
            (0..4000).map(|_| free.end_ns(Class::Read, 0, 0, false, random)).collect();
        assert!(ends.iter().all(|(end_ns, _)| (1000..30_000).contains(end_ns)));
        assert!(ends.iter().any(|(_, overtakes)| *overtakes));
    }

    #[test]
    fn requests_kept_in_order_never_overtake() {
        let random = &mut Random::new(1);
        let exponential = Latency::Exponential { min: Duration::ZERO, mean: MEAN };
        let mut device = device(exponential, None, random);
        let ends: Vec<_> =
            (0..100).map(|_| device.end_ns(Class::Write, 0, 0, true, random)).collect();
        assert!(ends.is_sorted() && ends.iter().all(|(_, overtakes)| !overtakes));
    }

    #[test]
    fn a_stall_holds_what_runs_into_it_and_ends() {
        let random = &mut Random::new(1);
        let stalls = Stalls { every: MEAN * 1000, length: MEAN * 100 };
        let mut device = device(Latency::Fixed(MEAN), Some(stalls), random);
        let (mut now_ns, mut held) = (0, 0);
        for _ in 0..100_000 {
            let (end_ns, _) = device.end_ns(Class::Sync, now_ns, 0, false, random);
            held += u32::from(end_ns > now_ns + 1000);
            now_ns = end_ns;
        }
        // One stall per 1.1 ms, and 100,000 requests of 1 us take 110 ms: about a hundred.
        assert!((70..130).contains(&held), "{held} were held");
        device.calm();
        for _ in 0..100_000 {
            let (end_ns, _) = device.end_ns(Class::Sync, now_ns, 0, false, random);
            assert_eq!(end_ns, now_ns + 1000, "a calm device never stands still");
            now_ns = end_ns;
        }
    }
}
