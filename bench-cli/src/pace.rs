//! When the next request is due.
//!
//! Owns the schedule of rates and pauses of one job; it reads no clock and waits for nothing. Times
//! are nanoseconds since the job began. Called by `lane`.

use crate::job::{JobSpec, RateProcess};
use crate::workload::{Direction, Random};

/// The schedule of one job.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    /// Nanoseconds per request and per byte; one of both is zero.
    per_request_ns: [f64; 3],
    per_byte_ns: [f64; 3],
    /// When the next request of each direction is due. Fractions count: at 300,000 requests per
    /// second a third of a nanosecond is lost each time otherwise.
    due_ns: [f64; 3],
    poisson: bool,
    think_ns: u64,
    think_blocks: u64,
    blocks_since_pause: u64,
    pause_end_ns: u64,
    mixed: bool,
}

impl Pacer {
    /// The schedule that the settings ask for; `None` if there is none.
    pub(crate) fn new(spec: &JobSpec) -> Option<Pacer> {
        let pace = &spec.pace;
        let per =
            |rates: [u64; 3]| rates.map(|rate| if rate > 0 { 1e9 / rate as f64 } else { 0.0 });
        pace.is_paced().then(|| Pacer {
            per_request_ns: per(pace.rate_iops),
            per_byte_ns: per(pace.rate_bytes),
            due_ns: [0.0; 3],
            poisson: pace.process == RateProcess::Poisson,
            think_ns: u64::try_from(pace.think_time.as_nanos()).unwrap_or(u64::MAX),
            think_blocks: pace.think_blocks,
            blocks_since_pause: 0,
            pause_end_ns: 0,
            mixed: spec.rw.is_mixed(),
        })
    }

    /// Begins at this time: nothing was due before.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        self.due_ns = [now_ns as f64; 3];
    }

    fn is_rated(&self, direction: Direction) -> bool {
        let index = direction as usize;
        self.per_request_ns[index] > 0.0 || self.per_byte_ns[index] > 0.0
    }

    /// The direction whose turn it is, where rates decide on the mix.
    pub(crate) fn direction(&self) -> Option<Direction> {
        let both = self.mixed && self.is_rated(Direction::Read) && self.is_rated(Direction::Write);
        let reads_first =
            self.due_ns[Direction::Read as usize] <= self.due_ns[Direction::Write as usize];
        both.then_some(if reads_first { Direction::Read } else { Direction::Write })
    }

    /// When the next request in this direction may begin.
    pub(crate) fn due_ns(&self, direction: Direction) -> u64 {
        self.intended_ns(direction).unwrap_or(0).max(self.pause_end_ns)
    }

    /// When the next request in this direction should begin; `None` if it has no rate.
    pub(crate) fn intended_ns(&self, direction: Direction) -> Option<u64> {
        self.is_rated(direction).then(|| whole(self.due_ns[direction as usize]))
    }

    /// Takes note of a request that begins now.
    pub(crate) fn issued(
        &mut self,
        direction: Direction,
        len_bytes: u32,
        now_ns: u64,
        random: &mut Random,
    ) {
        let index = direction as usize;
        let mean_ns = self.per_request_ns[index] + self.per_byte_ns[index] * f64::from(len_bytes);
        // The distances of independent arrivals are distributed exponentially.
        let factor = if self.poisson { -random.unit().ln() } else { 1.0 };
        self.due_ns[index] += mean_ns * factor;
        self.blocks_since_pause += 1;
        if self.think_ns > 0 && self.blocks_since_pause >= self.think_blocks {
            self.blocks_since_pause = 0;
            self.pause_end_ns = now_ns.saturating_add(self.think_ns);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted here")]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    fn pacer(options: &[(&str, &str)]) -> Option<Pacer> {
        let mut settings = Settings::default();
        for (name, text) in options {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        Pacer::new(&settings.job)
    }

    /// The times at which `count` requests are due when each begins as soon as it is.
    fn times(options: &[(&str, &str)], count: usize) -> Vec<u64> {
        let mut pacer = pacer(options).expect("paced");
        let mut random = Random::new(1);
        pacer.begin(0);
        let mut now_ns = 0;
        (0..count)
            .map(|_| {
                now_ns = pacer.due_ns(Direction::Read).max(now_ns);
                pacer.issued(Direction::Read, 4096, now_ns, &mut random);
                now_ns
            })
            .collect()
    }

    #[test]
    fn rates_are_kept_to_the_nanosecond() {
        assert!(pacer(&[]).is_none());
        let times_of = |name, value| times(&[(name, value)], 300_001).last().copied();
        assert_eq!(times_of("rate_iops", "300000"), Some(1_000_000_000));
        let bytes = times(&[("rate", "4096")], 3);
        assert_eq!(bytes, [0, 1_000_000_000, 2_000_000_000]);
    }

    #[test]
    fn arrivals_have_the_mean_and_the_deviation_of_a_poisson_process() {
        let times = times(&[("rate_iops", "1000"), ("rate_process", "poisson")], 100_001);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square: f64 = gaps.iter().map(|gap| (gap - mean).powi(2)).sum();
        let deviation = (square / gaps.len() as f64).sqrt();
        assert!((0.98e6..1.02e6).contains(&mean), "{mean}");
        assert!((0.97e6..1.03e6).contains(&deviation), "{deviation}: it equals the mean");
    }

    #[test]
    fn pauses_come_after_their_blocks() {
        let times = times(&[("thinktime", "100"), ("thinktime_blocks", "2")], 5);
        assert_eq!(times, [0, 0, 100_000, 100_000, 200_000]);
    }

    #[test]
    fn a_late_job_catches_up() {
        let mut pacer = pacer(&[("rate_iops", "1000")]).expect("paced");
        let mut random = Random::new(1);
        pacer.begin(0);
        let now_ns = 10_000_000;
        let late = (0..20).take_while(|_| {
            let due = pacer.due_ns(Direction::Read) <= now_ns;
            pacer.issued(Direction::Read, 4096, now_ns, &mut random);
            due
        });
        assert_eq!(late.count(), 11);
    }

    #[test]
    fn two_rates_decide_on_the_mix() {
        let options = [("rw", "randrw"), ("rate_iops", "300,100")];
        let mut pacer = pacer(&options).expect("paced");
        let mut random = Random::new(1);
        let reads = (0..400).filter(|_| {
            let direction = pacer.direction().expect("both have rates");
            pacer.issued(direction, 4096, 0, &mut random);
            direction == Direction::Read
        });
        assert!((299..=301).contains(&reads.count()));
    }
}
