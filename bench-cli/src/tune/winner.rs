//! What a search found: the winner in three spellings, the tables, the charts.
//!
//! Owns the words about the winner; which one that is says `choice`. It runs nothing. Called by
//! `tune`.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use super::candidate::{Candidate, Mode};
use super::choice;
use super::curve::{Adaptive, CurvePoint};
use super::rounds::Entry;
use super::trial::{Sample, Trials};
use crate::chart::{Axis, Chart, Line, Mark, Spread, Unit, label};
use crate::confidence::Estimate;

/// An interval whose ends are further apart than this says that something else ran meanwhile.
const SWING_MAX: f64 = 1.5;
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
    /// Depths whose rate is as good as the winner's.
    alike: Vec<u32>,
    refusals: Vec<String>,
}

impl Found {
    pub(super) fn new(
        mut entries: Vec<Entry>,
        best: &Entry,
        curve: Vec<CurvePoint>,
        adaptive: Result<Adaptive, String>,
        max_latency: Option<Duration>,
        refusals: &[(Mode, String)],
    ) -> Found {
        let (winner, iops, median) = match choice::knee(&curve, max_latency) {
            Some(knee) => (knee.candidate, Some(knee.iops), knee.median),
            None => (best.candidate, best.iops(), best.samples[0]),
        };
        entries.sort_by_key(|entry| {
            Reverse((entry.samples.len(), entry.iops().map_or(0, |iops| iops.value.to_bits())))
        });
        let refusals =
            refusals.iter().map(|(mode, why)| format!("{}: {why}", mode.name())).collect();
        let alike = choice::alike(&curve, max_latency);
        let alike = alike.iter().map(|point| point.candidate.depth).collect();
        Found { alike, entries, curve, adaptive, winner, iops, median, refusals }
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
        self.write_curve(&mut text);
        self.write_table(&mut text);
        for refusal in &self.refusals {
            let _ = writeln!(text, "not possible here: {refusal}");
        }
        text
    }

    fn write_winner(&self, text: &mut String) {
        let Sample { iops, bw_bytes, p99_ns, cpu_ns: (user, system), .. } = self.median;
        let _ = writeln!(text, "winner: {}, depth {}", self.winner.way.name(), self.winner.depth);
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
        if self.iops.is_none_or(|iops| iops.high > iops.low * SWING_MAX) {
            text.push_str(
                "  these rates swing too much to be relied on: give more --time, on a machine that \
                 does nothing else\n",
            );
        }
        if let [_, _, ..] = self.alike[..] {
            let depths: Vec<String> = self.alike.iter().map(u32::to_string).collect();
            let _ =
                writeln!(text, "  as good, within 5 % or the noise: depths {}", depths.join(", "));
        }
        let _ = match &self.adaptive {
            Ok(Adaptive { depth, iops, p99_ns }) => writeln!(
                text,
                "  the adaptive scheduler {}: {iops:.0} IOPS, p99 {}",
                depth.map_or("had nothing to decide, as no request waited".to_owned(), |depth| {
                    format!("chose depth {depth:.0}")
                }),
                latency(*p99_ns)
            ),
            Err(why) => writeln!(text, "  the adaptive scheduler was not measured: {why}"),
        };
    }

    /// The winner's way at each depth, with the knee and the adaptive scheduler among them.
    fn write_curve(&self, text: &mut String) {
        let row = |text: &mut String, depth: String, what: [String; 4], remark: &str| {
            let [iops, interval, p99, cpu] = what;
            let line = format!("{depth:>8} {iops:>10} {interval:>23} {p99:>9} {cpu:>8}  {remark}");
            let _ = writeln!(text, "{}", line.trim_end());
        };
        let heads = ["IOPS", "95 % interval", "p99", "CPU/I/O"].map(str::to_owned);
        row(text, "depth".into(), heads, "");
        for point in &self.curve {
            let Estimate { value, low, high } = point.iops;
            let (user, system) = point.median.cpu_ns;
            let cells = [
                format!("{value:.0}"),
                format!("{low:.0} to {high:.0}"),
                latency(point.p99_ns),
                format!("{:.0} ns", user + system),
            ];
            let is_knee = point.candidate.depth == self.winner.depth;
            let remark = if is_knee { "<- the knee: the winner" } else { "" };
            row(text, point.candidate.depth.to_string(), cells, remark);
        }
        if let Ok(Adaptive { depth, iops, p99_ns }) = &self.adaptive {
            let cells = [format!("{iops:.0}"), "-".into(), latency(*p99_ns), "-".into()];
            let remark = match depth {
                Some(depth) => format!("<- it chose {depth:.0}"),
                None => "<- nothing to decide".to_owned(),
            };
            row(text, "adaptive".into(), cells, &remark);
        }
        text.push('\n');
    }

    fn write_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "{:<52} {:>5} {:>10} {:>23} {:>9} {:>8} {:>4}",
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
                "{:<52} {:>5} {value:>10.0} {interval:>23} {:>9} {:>5.0} ns {:>4}",
                entry.candidate.way.name(),
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
        let mut rate = Line::new(self.winner.way.name(), over(|point| point.iops.value));
        let bar = |p: &CurvePoint| (f64::from(p.candidate.depth), p.iops.low, p.iops.high);
        rate.bars = self.curve.iter().map(bar).collect();
        let p99 = Line::new(self.winner.way.name(), over(|point| point.p99_ns));
        let knee = |value: f64| Mark {
            name: format!("chosen: {}", self.winner.depth),
            at: (f64::from(self.winner.depth), value),
        };
        let rate_at = self.iops.map_or(self.median.iops, |iops| iops.value);
        let (mut rate_marks, mut p99_marks) = (vec![knee(rate_at)], vec![knee(self.median.p99_ns)]);
        if let Ok(Adaptive { depth: Some(depth), iops, p99_ns }) = &self.adaptive {
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
    use super::super::curve;
    use super::super::rounds::tests::entry;
    use super::*;

    #[test]
    fn the_winner_is_the_knee_and_is_marked_in_both_charts() {
        let entries = vec![entry(64, &[100.0, 101.0], 900.0)];
        let curve =
            curve::points(&[entry(8, &[99.0, 99.5], 90.0), entry(64, &[100.0, 101.0], 900.0)]);
        let adaptive = Ok(Adaptive { depth: Some(12.0), iops: 99.0, p99_ns: 95.0 });
        let refusals = [(Mode::Threads, "no".to_owned())];
        let best = entries[0].clone();
        let found = Found::new(entries, &best, curve, adaptive, None, &refusals);
        assert_eq!(found.winner.depth, 8);
        let mut text = String::new();
        found.write_winner(&mut text);
        found.write_curve(&mut text);
        found.write_table(&mut text);
        for part in [
            "winner: threads, depth 8",
            "adaptive scheduler chose depth 12",
            "p99 90 ns",
            "<- the knee: the winner",
            "<- it chose 12",
            "as good, within 5 % or the noise: depths 8, 64",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for chart in found.charts() {
            assert_eq!(chart.marks.len(), 2);
            assert!(chart.svg().contains("chosen: 8"));
        }
    }

    #[test]
    fn rates_that_swing_are_not_passed_off_as_a_result() {
        for (iops, words) in [(&[99.0, 100.0, 101.0], false), (&[60.0, 100.0, 140.0], true)] {
            let entries = vec![entry(8, iops, 90.0)];
            let (best, curve) = (entries[0].clone(), curve::points(&entries));
            let found = Found::new(entries, &best, curve, Err("no".into()), None, &[]);
            let mut text = String::new();
            found.write_winner(&mut text);
            assert_eq!(text.contains("swing too much to be relied on"), words, "{text}");
        }
    }

    #[test]
    fn without_a_curve_the_best_candidate_wins() {
        let entries = vec![entry(64, &[100.0], 900.0), entry(8, &[50.0], 90.0)];
        let best = entries[0].clone();
        let found = Found::new(entries, &best, Vec::new(), Err("no".into()), None, &[]);
        assert_eq!(found.winner.depth, 64);
    }
}
