//! What a search found: the winner in three spellings, the table, the charts.
//!
//! Owns the choice of the winner and the words about it. It runs nothing. Called by `tune`.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use super::candidate::{Candidate, Mode};
use super::curve::{self, Adaptive, CurvePoint};
use super::rounds::Entry;
use super::trial::{Sample, Trials};
use crate::chart::{Axis, Chart, Line, Mark, Spread, Unit, label};
use crate::confidence::Estimate;

/// Rows of the table.
const ROW_COUNT_MAX: usize = 8;

/// The end of a search.
#[derive(Debug)]
pub(super) struct Found {
    /// Everything that was tried, best first.
    entries: Vec<Entry>,
    curve: Vec<CurvePoint>,
    adaptive: Result<Adaptive, String>,
    winner: Candidate,
    iops: Option<Estimate>,
    median: Sample,
    refusals: Vec<String>,
}

/// The best of those that were measured most often, by rate and then by CPU time.
pub(super) fn best(entries: &[Entry], max_latency: Option<Duration>) -> &Entry {
    let limit_ns = max_latency.map_or(f64::INFINITY, |limit| limit.as_nanos() as f64);
    let fits = |entry: &Entry| entry.median(|sample| sample.p99_ns) <= limit_ns;
    let rank = |entry: &&Entry| {
        let rate = entry.iops().map_or(0.0, |iops| iops.value);
        (fits(entry), entry.samples.len(), rate.to_bits())
    };
    let first = entries.iter().max_by_key(rank).expect("a search ends with an entry or an error");
    let Some(iops) = first.iops() else { return first };
    // Those that cannot be told from the best by their rate are told apart by what they cost.
    let alike = entries.iter().filter(|entry| {
        let rate = entry.iops().map_or(0.0, |iops| iops.value);
        entry.samples.len() == first.samples.len() && rate >= iops.low && fits(entry) == fits(first)
    });
    let cost = |entry: &&Entry| entry.median(|sample| sample.cpu_ns.0 + sample.cpu_ns.1).to_bits();
    alike.min_by_key(cost).unwrap_or(first)
}

impl Found {
    pub(super) fn new(
        mut entries: Vec<Entry>,
        curve: Vec<CurvePoint>,
        adaptive: Result<Adaptive, String>,
        max_latency: Option<Duration>,
        refusals: &[(Mode, String)],
    ) -> Found {
        let best = best(&entries, max_latency);
        let (winner, iops, median) = match curve::knee(&curve, max_latency) {
            Some(knee) => (knee.candidate, Some(knee.iops), knee.median),
            None => (best.candidate, best.iops(), best.samples[0]),
        };
        entries.sort_by_key(|entry| {
            Reverse((entry.samples.len(), entry.iops().map_or(0, |iops| iops.value.to_bits())))
        });
        let refusals =
            refusals.iter().map(|(mode, why)| format!("{}: {why}", mode.name())).collect();
        Found { entries, curve, adaptive, winner, iops, median, refusals }
    }

    /// The result for people.
    pub(super) fn text(&self, trials: &Trials<'_>) -> String {
        let mut text = format!("job: {}\n\n", trials.job_line());
        self.write_winner(&mut text);
        // Writing to a string cannot fail.
        let rust = self.winner.rust(trials.block_len_bytes);
        let _ = writeln!(text, "\nas Rust:\n{}", indented(&rust));
        let environment = self.winner.environment(trials.block_len_bytes);
        let _ = writeln!(text, "as environment variables:\n{}", indented(&environment));
        let file = trials.job_file(self.winner);
        let _ = writeln!(text, "as a job file:\n{}", indented(&file));
        self.write_table(&mut text);
        for refusal in &self.refusals {
            let _ = writeln!(text, "not possible here: {refusal}");
        }
        text
    }

    fn write_winner(&self, text: &mut String) {
        let Sample { iops, bw_bytes, p99_ns, cpu_ns: (user, system) } = self.median;
        let _ = writeln!(text, "winner: {}, depth {}", self.winner.mode.name(), self.winner.depth);
        let interval = self.iops.map_or_else(String::new, |estimate| {
            format!(" (95 %: {:.0} to {:.0})", estimate.low, estimate.high)
        });
        let _ = writeln!(
            text,
            "  {iops:.0} IOPS{interval}, {}, p99 {}",
            label(Unit::BytesPerSecond, bw_bytes.round()),
            latency(p99_ns)
        );
        let _ = writeln!(
            text,
            "  CPU: {user:.0} ns user + {system:.0} ns system per request, {:.0} % of one CPU",
            (user + system) * iops / 1e7
        );
        let _ = match &self.adaptive {
            Ok(Adaptive { depth, iops, p99_ns }) => writeln!(
                text,
                "  the adaptive scheduler chose depth {depth:.0}: {iops:.0} IOPS, p99 {}",
                latency(*p99_ns)
            ),
            Err(why) => writeln!(text, "  the adaptive scheduler was not measured: {why}"),
        };
    }

    fn write_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:<46} {:>5} {:>10} {:>23} {:>9} {:>8} {:>4}",
            "the best candidates", "depth", "IOPS", "95 % interval", "p99", "CPU/I/O", "runs"
        );
        for entry in self.entries.iter().take(ROW_COUNT_MAX) {
            let Some(Estimate { value, low, high }) = entry.iops() else { continue };
            let interval = match entry.samples.len() {
                1 => "-".to_owned(),
                _ => format!("{low:.0} to {high:.0}"),
            };
            let _ = writeln!(
                text,
                "{:<46} {:>5} {value:>10.0} {interval:>23} {:>9} {:>5.0} ns {:>4}",
                entry.candidate.mode.name(),
                entry.candidate.depth,
                latency(entry.median(|sample| sample.p99_ns)),
                entry.median(|sample| sample.cpu_ns.0 + sample.cpu_ns.1),
                entry.samples.len()
            );
        }
    }

    /// Rate and p99 against depth.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let depth = || Axis { name: "depth", spread: Spread::Log2, unit: Unit::Plain };
        let over = |figure: fn(&CurvePoint) -> f64| -> Vec<(f64, f64)> {
            let at = |point: &CurvePoint| (f64::from(point.candidate.depth), figure(point));
            self.curve.iter().map(at).collect()
        };
        let mut rate = Line::new(self.winner.mode.name(), over(|point| point.iops.value));
        let bar = |p: &CurvePoint| (f64::from(p.candidate.depth), p.iops.low, p.iops.high);
        rate.bars = self.curve.iter().map(bar).collect();
        let p99 = Line::new(self.winner.mode.name(), over(|point| point.p99_ns));
        let knee = |value: f64| Mark {
            name: format!("chosen: {}", self.winner.depth),
            at: (f64::from(self.winner.depth), value),
        };
        let rate_at = self.iops.map_or(self.median.iops, |iops| iops.value);
        let (mut rate_marks, mut p99_marks) = (vec![knee(rate_at)], vec![knee(self.median.p99_ns)]);
        if let Ok(Adaptive { depth, iops, p99_ns }) = &self.adaptive {
            let mark = |value| Mark { name: format!("adaptive: {depth:.0}"), at: (*depth, value) };
            rate_marks.push(mark(*iops));
            p99_marks.push(mark(*p99_ns));
        }
        vec![
            Chart {
                title: "Rate against depth, with 95 % intervals".into(),
                x: depth(),
                y: Axis { name: "requests per second", spread: Spread::Linear, unit: Unit::Plain },
                lines: vec![rate],
                marks: rate_marks,
            },
            Chart {
                title: "p99 latency against depth".into(),
                x: depth(),
                y: Axis { name: "p99", spread: Spread::Log, unit: Unit::Nanoseconds },
                lines: vec![p99],
                marks: p99_marks,
            },
        ]
    }
}

fn latency(ns: f64) -> String {
    let rounded = match ns {
        ns if ns >= 1e6 => (ns / 1e4).round() * 1e4,
        ns if ns >= 1e3 => (ns / 10.0).round() * 10.0,
        ns => ns.round(),
    };
    label(Unit::Nanoseconds, rounded)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rounds::tests::entry;
    use super::*;

    #[test]
    fn those_that_are_alike_are_told_apart_by_their_cost() {
        let mut dear = entry(8, &[100.0, 101.0, 102.0], 1.0);
        dear.samples.iter_mut().for_each(|sample| sample.cpu_ns = (500.0, 900.0));
        let cheap = entry(16, &[100.0, 101.0, 101.5], 1.0);
        let seen_once = entry(32, &[500.0], 1.0);
        let entries = [dear, cheap, seen_once];
        assert_eq!(best(&entries, None).candidate.depth, 16);
    }

    #[test]
    fn the_winner_is_the_knee_and_is_marked_in_both_charts() {
        let entries = vec![entry(64, &[100.0, 101.0], 900.0)];
        let curve =
            curve::points(&[entry(8, &[99.0, 99.5], 90.0), entry(64, &[100.0, 101.0], 900.0)]);
        let adaptive = Ok(Adaptive { depth: 12.0, iops: 99.0, p99_ns: 95.0 });
        let refusals = [(Mode::Threads, "no".to_owned())];
        let found = Found::new(entries, curve, adaptive, None, &refusals);
        assert_eq!(found.winner.depth, 8);
        let mut text = String::new();
        found.write_winner(&mut text);
        found.write_table(&mut text);
        for part in ["winner: threads, depth 8", "adaptive scheduler chose depth 12", "p99 90 ns"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for chart in found.charts() {
            assert_eq!(chart.marks.len(), 2);
            assert!(chart.svg().contains("chosen: 8"));
        }
    }

    #[test]
    fn without_a_curve_the_best_candidate_wins() {
        let entries = vec![entry(64, &[100.0], 900.0), entry(8, &[50.0], 90.0)];
        let found = Found::new(entries, Vec::new(), Err("no".into()), None, &[]);
        assert_eq!(found.winner.depth, 64);
    }
}
