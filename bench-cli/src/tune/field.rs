//! Who is tried: the first candidates, those that join them, and who stays after a round.
//!
//! Owns these rules, as pure functions of samples and time. It runs nothing. Used by `rounds`.

use std::cmp::Reverse;
use std::time::Duration;

use super::candidate::{Batch, Candidate, DEPTHS, Mode, Way};
use super::choice;
use super::rounds::{Entry, SLICE_MIN, TRIAL_COST};
use crate::confidence::Estimate;

/// How many ways are tried with batches as well.
const BATCHED_COUNT: usize = 2;

/// All that fit into the first round; depths are thinned out where the time is short.
pub(super) fn candidates(cpu_count: usize, time: Duration) -> Vec<Candidate> {
    let modes = Mode::all(cpu_count);
    let first_round = time / 2;
    let fits = |count: usize| {
        let count = u32::try_from(count * modes.len()).unwrap_or(u32::MAX);
        (SLICE_MIN + TRIAL_COST) * count <= first_round
    };
    let step = [1, 2, 4].into_iter().find(|step| fits(DEPTHS.len().div_ceil(*step))).unwrap_or(8);
    let depths = DEPTHS.iter().step_by(step).copied();
    depths
        .flat_map(|depth| {
            let way = |mode: &Mode| Way { mode: *mode, batch: Batch::One };
            modes.iter().map(move |mode| Candidate { way: way(mode), depth })
        })
        .collect()
}

/// The best ways with batches: at the depth where each was best, and one step deeper, since
/// requests that wait for others are in flight in vain.
pub(super) fn batched(entries: &[Entry]) -> Vec<Entry> {
    let mut best = choice::contenders(entries, None);
    best.retain(|entry| entry.candidate.way.mode != Mode::Threads);
    best.sort_by_key(|entry| Reverse(entry.iops().map_or(0, |iops| iops.value.to_bits())));
    let mut batched = Vec::new();
    for entry in best.into_iter().take(BATCHED_COUNT) {
        let Candidate { way, depth } = entry.candidate;
        let depths = DEPTHS.into_iter().filter(|other| *other >= depth.max(8)).take(2);
        for depth in depths {
            for batch in [Batch::Quarter, Batch::Half] {
                let way = Way { batch, ..way };
                batched.push(Entry::new(Candidate { way, depth }));
            }
        }
    }
    batched
}

/// Who stays: the better half, without those that cannot win any more, and the best of each way
/// unless another is quicker beyond doubt. A way that went by chance would be another one in the
/// next search.
pub(super) fn survivors(entries: &[Entry], max_latency: Option<Duration>) -> Vec<bool> {
    let any_fits = entries.iter().any(|entry| entry.keeps(max_latency));
    let mut order: Vec<(usize, Estimate)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !any_fits || entry.keeps(max_latency))
        .filter_map(|(index, entry)| Some((index, entry.iops()?)))
        .collect();
    order.sort_by_key(|(_, iops)| Reverse(iops.value.to_bits()));
    let best_low = order.first().map_or(0.0, |(_, best)| best.low);
    let room = entries.len().div_ceil(2);
    let mut stay = vec![false; entries.len()];
    let mut seen: Vec<Way> = Vec::new();
    for (rank, (index, iops)) in order.iter().enumerate() {
        let way = entries[*index].candidate.way;
        let is_first = !seen.contains(&way);
        seen.push(way);
        let entry = &entries[*index];
        stay[*index] = match is_first {
            true => !choice::is_quicker(&entries[order[0].0], entry),
            false => rank < room && iops.high >= best_low,
        };
    }
    stay
}

#[cfg(test)]
mod tests {
    use super::super::rounds::tests::{entry, sample};
    use super::*;

    #[test]
    fn the_better_half_stays_without_those_that_cannot_win() {
        let rates = [100.0, 99.0, 98.0, 97.0, 96.0, 95.0, 10.0, 9.0];
        let entries: Vec<Entry> =
            rates.iter().map(|rate| entry(1, &[*rate, rate * 1.01], 1.0)).collect();
        let stay = survivors(&entries, None);
        assert_eq!(stay, [true, true, true, true, false, false, false, false]);
        let apart = [entry(1, &[100.0, 100.1, 100.2], 1.0), entry(2, &[50.0, 50.1, 50.2], 1.0)];
        assert_eq!(survivors(&apart, None), [true, false], "it cannot win any more");
    }

    #[test]
    fn the_best_of_each_way_stays_as_long_as_it_can_win() {
        let of = |batch, depth, iops: &[f64]| {
            let mut entry = entry(depth, iops, 1.0);
            entry.candidate.way.batch = batch;
            entry
        };
        let entries = [
            of(Batch::One, 1, &[100.0]),
            of(Batch::One, 2, &[99.0]),
            of(Batch::One, 4, &[98.0]),
            of(Batch::Half, 8, &[90.0]),
            of(Batch::Half, 16, &[80.0]),
            of(Batch::Quarter, 8, &[10.0]),
        ];
        assert_eq!(survivors(&entries, None), [true, true, true, true, false, false]);
    }

    #[test]
    fn batches_are_tried_where_the_best_ways_were_best_and_deeper() {
        let way = |lanes| {
            let mode = Mode::Ring { fixed_buffers: true, fixed_files: true, poll: None, lanes };
            Way { mode, batch: Batch::One }
        };
        let mut entries = vec![entry(64, &[900.0], 1.0)];
        for (lanes, depth, rate) in [(true, 16, 100.0), (false, 256, 90.0), (false, 1, 80.0)] {
            let samples = vec![sample(rate, 1.0)];
            entries.push(Entry { candidate: Candidate { way: way(lanes), depth }, samples });
        }
        let found: Vec<_> = batched(&entries)
            .iter()
            .map(|entry| (entry.candidate.depth, entry.candidate.batch()))
            .collect();
        assert_eq!(found, [(16, 4), (16, 8), (32, 8), (32, 16), (256, 64), (256, 128)]);
    }

    #[test]
    fn what_is_slower_than_the_limit_goes_unless_all_are() {
        let limit = Some(Duration::from_nanos(500));
        let entries = [entry(8, &[100.0], 900.0), entry(1, &[50.0], 400.0)];
        assert_eq!(survivors(&entries, limit), [false, true]);
        let slow = [entry(8, &[100.0], 900.0), entry(1, &[99.0], 800.0)];
        assert_eq!(survivors(&slow, limit), [true, false], "half of them, all being too slow");
    }

    #[test]
    fn a_short_time_thins_out_depths_and_never_ways() {
        let long = candidates(2, Duration::from_secs(60));
        assert_eq!(long.len(), 9 * 9);
        let short = candidates(2, Duration::from_secs(10));
        assert!(short.len() < long.len() && short.len().is_multiple_of(9), "{}", short.len());
        assert!(short.iter().any(|candidate| candidate.depth == 256));
        assert_eq!(candidates(2, Duration::from_secs(1)).len(), 9 * 2);
    }
}
