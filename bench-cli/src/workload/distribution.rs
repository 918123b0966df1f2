//! Uneven choices: zipf, pareto, normal, and zones.
//!
//! Owns the mathematics of which of `n` things is chosen how often. It knows no files and no
//! offsets, and keeps no table. Called by `place` for blocks and by `file_choice` for files.

use super::permutation::Permutation;
use super::random::Random;
use crate::job::Skew;
use crate::options::value;

/// The most zones of one distribution.
const ZONES_LEN_MAX: usize = 256;

/// How random offsets are spread.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Distribution {
    /// Evenly.
    #[default]
    Uniform,
    /// Some blocks more often than others.
    Skewed(Skew),
    /// Shares of requests to shares of the file: both in percent.
    Zones(Vec<(u32, u64)>),
    /// Shares of requests in percent to pieces of the file in bytes.
    ZonesAbsolute(Vec<(u32, u64)>),
}

impl Distribution {
    /// Reads `random`, `zipf:1.2`, `zoned:50/5:30/15:20/80`, ..
    pub(crate) fn read(text: &str, kb_base: u64) -> Result<Distribution, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "random" => Ok(Distribution::Uniform),
            "zoned" => zones(rest, 100, value::integer).map(Distribution::Zones),
            "zoned_abs" => zones(rest, u64::MAX, |text| value::size_bytes(text, kb_base))
                .map(Distribution::ZonesAbsolute),
            _ => match Skew::read(name, rest) {
                Some(skew) => skew.map(Distribution::Skewed),
                None => Err(format!(
                    "'{name}' is none of random, zipf, pareto, normal, zoned, zoned_abs"
                )),
            },
        }
    }
}

/// Reads `50/5:30/15:20/`: shares of requests and sizes; what is left out gets what is left.
fn zones(
    text: &str,
    size_max: u64,
    size: impl Fn(&str) -> Result<u64, String>,
) -> Result<Vec<(u32, u64)>, String> {
    let wrong =
        || format!("'{text}' are no zones; write e.g. 60/10:30/20:10/70, each adding to 100");
    let mut zones = Vec::new();
    let mut open = 0;
    for zone in text.split(':') {
        let (share, rest) = zone.split_once('/').ok_or_else(wrong)?;
        let share = u32::try_from(value::integer(share)?).map_err(|_| wrong())?;
        let given = if rest.is_empty() { None } else { Some(size(rest)?) };
        open += u64::from(given.is_none());
        zones.push((share, given));
    }
    let shares: u64 = zones.iter().map(|zone| u64::from(zone.0)).sum();
    let sizes = zones.iter().filter_map(|zone| zone.1).try_fold(0_u64, u64::checked_add);
    let sizes = sizes.filter(|sizes| *sizes <= size_max).ok_or_else(wrong)?;
    let percent = size_max == 100;
    if shares != 100 || zones.len() > ZONES_LEN_MAX || (open > 0 && !percent) {
        return Err(wrong());
    }
    if percent && open == 0 && sizes != 100 {
        return Err(wrong());
    }
    let left = 100_u64.saturating_sub(sizes).checked_div(open).unwrap_or(0);
    Ok(zones.into_iter().map(|(share, size)| (share, size.unwrap_or(left))).collect())
}

/// Chooses one of `0..n`, some more often than others.
#[derive(Clone, Debug)]
pub(crate) enum Chooser {
    Zipf(Zipf),
    /// The exponent.
    Pareto(f64),
    /// Mean and standard deviation.
    Normal(f64, f64),
}

impl Chooser {
    /// A chooser of `0..count`.
    pub(crate) fn new(skew: Skew, count: u64) -> Chooser {
        match skew {
            Skew::Zipf(theta) => Chooser::Zipf(Zipf::new(count, theta)),
            // A share of h of the things gets 1 - h of the choices.
            Skew::Pareto(h) => Chooser::Pareto(h.ln() / (1.0 - h).ln()),
            Skew::Normal(percent) => {
                Chooser::Normal(count as f64 / 2.0, count as f64 * percent / 100.0)
            }
        }
    }

    /// The next one; for zipf and pareto 0 is the most frequent one.
    pub(crate) fn choose(&self, random: &mut Random, count: u64) -> u64 {
        let value = match self {
            Chooser::Zipf(zipf) => return zipf.rank(random) - 1,
            Chooser::Pareto(power) => count as f64 * random.unit().powf(*power),
            Chooser::Normal(mean, deviation) => loop {
                let value = mean + deviation * normal(random);
                // What falls outside is drawn again, so that the ends are no favourites.
                if (0.0..count as f64).contains(&value) {
                    break value;
                }
            },
        };
        whole(value).min(count - 1)
    }

    /// Whether neighbours are alike, so that they should not be scattered.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Chooser::Normal(..))
    }
}

/// A choice that is scattered over all places, so that the favourites are no neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Scattered {
    chooser: Chooser,
    places: Permutation,
    count: u64,
}

impl Scattered {
    /// A scattered choice of `0..count`.
    pub(crate) fn new(skew: Skew, count: u64, key: u64) -> Scattered {
        Scattered {
            chooser: Chooser::new(skew, count),
            places: Permutation::new(count, key),
            count,
        }
    }

    /// The next one.
    pub(crate) fn choose(&self, random: &mut Random) -> u64 {
        let rank = self.chooser.choose(random, self.count);
        if self.chooser.is_local() { rank } else { self.places.at(rank) }
    }
}

/// The fractional part is cut off; negative values become 0.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is wanted here")]
fn whole(value: f64) -> u64 {
    value as u64
}

/// One standard normal value (the polar method of Marsaglia).
fn normal(random: &mut Random) -> f64 {
    loop {
        let (x, y) = (2.0 * random.unit() - 1.0, 2.0 * random.unit() - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * square.ln() / square).sqrt();
        }
    }
}

/// Zipf's law by rejection-inversion (Hörmann and Derflinger 1996): exact, and nothing to set up
/// however many ranks there are.
///
/// How it works: `integral` is the integral of `x^-theta`. A point drawn evenly between its values
/// at 1/2 and at n + 1/2 is turned back into an x; the rank next to x is taken if the point lies
/// under its bar of the histogram, which it nearly always does.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    theta: f64,
    low: f64,
    high: f64,
    count: u64,
}

impl Zipf {
    fn new(count: u64, theta: f64) -> Zipf {
        let mut zipf = Zipf { theta, low: 0.0, high: 0.0, count };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(count as f64 + 0.5);
        zipf
    }

    fn integral(&self, x: f64) -> f64 {
        let one = 1.0 - self.theta;
        x.powf(one) / one
    }

    fn inverse(&self, value: f64) -> f64 {
        let one = 1.0 - self.theta;
        (value * one).powf(1.0 / one)
    }

    /// The next rank, from 1 on.
    fn rank(&self, random: &mut Random) -> u64 {
        loop {
            let point = self.low + random.unit() * (self.high - self.low);
            let rank = whole(self.inverse(point) + 0.5).clamp(1, self.count);
            let bar = (rank as f64).powf(-self.theta);
            if point >= self.integral(rank as f64 + 0.5) - bar {
                return rank;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(skew: Skew, count: u64, draws: u32) -> Vec<u32> {
        let chooser = Chooser::new(skew, count);
        let mut random = Random::new(5);
        let mut counts = vec![0; usize::try_from(count).expect("small")];
        for _ in 0..draws {
            counts[usize::try_from(chooser.choose(&mut random, count)).expect("small")] += 1;
        }
        counts
    }

    #[test]
    fn zipf_follows_its_law() {
        for theta in [0.5, 0.99, 1.2, 2.0] {
            let seen = counts(Skew::Zipf(theta), 100, 200_000);
            let weights: Vec<f64> = (1..=100).map(|rank| f64::from(rank).powf(-theta)).collect();
            let sum: f64 = weights.iter().sum();
            for rank in [0, 1, 5, 50] {
                let expected = 200_000.0 * weights[rank] / sum;
                // Five standard deviations of a binomial count.
                let slack = 5.0 * expected.sqrt();
                let off = (f64::from(seen[rank]) - expected).abs();
                assert!(off <= slack, "theta {theta}, rank {rank}: {} for {expected}", seen[rank]);
            }
        }
    }

    #[test]
    fn pareto_gives_most_to_few() {
        let seen = counts(Skew::Pareto(0.2), 1000, 100_000);
        let first: u32 = seen[..200].iter().sum();
        assert!((78_000..82_000).contains(&first), "{first} of 100000 to the first fifth");
    }

    #[test]
    fn normal_lies_around_the_middle() {
        let seen = counts(Skew::Normal(10.0), 1000, 100_000);
        let within: u32 = seen[400..600].iter().sum();
        assert!((67_000..69_500).contains(&within), "{within} within one deviation");
    }

    #[test]
    fn scattered_favourites_keep_their_share_and_lose_their_place() {
        let scattered = Scattered::new(Skew::Zipf(1.5), 1000, 77);
        let mut random = Random::new(5);
        let mut seen = vec![0_u32; 1000];
        for _ in 0..10_000 {
            seen[usize::try_from(scattered.choose(&mut random)).expect("small")] += 1;
        }
        let most = seen.iter().max().copied().unwrap_or(0);
        assert!((3_600..4_200).contains(&most), "the favourite was chosen {most} times");
        assert!(seen[0] != most || seen[1] < most / 4, "it is no neighbour of the second");
    }

    #[test]
    fn distributions_are_read_as_fio_writes_them() {
        let read = |text| Distribution::read(text, 1024);
        assert_eq!(read("random"), Ok(Distribution::Uniform));
        assert_eq!(read("zipf:1.2"), Ok(Distribution::Skewed(Skew::Zipf(1.2))));
        let zoned = Distribution::Zones(vec![(50, 5), (30, 15), (20, 80)]);
        assert_eq!(read("zoned:50/5:30/15:20/80"), Ok(zoned.clone()));
        assert_eq!(read("zoned:50/5:30/15:20/"), Ok(zoned));
        let absolute = Distribution::ZonesAbsolute(vec![(60, 1 << 20), (40, 4096)]);
        assert_eq!(read("zoned_abs:60/1m:40/4k"), Ok(absolute));
        for text in
            ["zoned:50/50", "zoned:50/5:50/5", "zipf:x", "evenly", "zoned", "zoned_abs:100/"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
