//! The table of a comparison.
//!
//! Owns the rows, which way is better, and when there is a verdict: only where the 95 % interval
//! of the ratio leaves out 1. It reads no file. Called by `compare`.

use std::fmt::Write as _;

use super::Side;
use crate::confidence::{self, Estimate};
use crate::paint::{Paint, Tone};
use crate::results::{RunResult, Step};

/// How the runs of two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Design {
    /// Run by run in turn.
    Pairs,
    /// Independently.
    Runs,
}

/// One row: what, its unit, how to read it off a run and off an interval of a run.
struct Row {
    name: &'static str,
    divisor: f64,
    more_is_better: bool,
    of_run: fn(&RunResult) -> Option<f64>,
    of_step: Option<fn(&Step) -> f64>,
}

const ROWS: [Row; 8] = [
    Row {
        name: "IOPS",
        divisor: 1.0,
        more_is_better: true,
        of_run: |run| Some(run.iops()),
        of_step: Some(|step| step.iops),
    },
    Row {
        name: "bandwidth, MiB/s",
        divisor: 1_048_576.0,
        more_is_better: true,
        of_run: |run| Some(run.bw_bytes()),
        of_step: Some(|step| step.bw_bytes),
    },
    Row {
        name: "mean latency, us",
        divisor: 1e3,
        more_is_better: false,
        of_run: RunResult::mean_ns,
        of_step: None,
    },
    Row {
        name: "p50 latency, us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(50.0),
        of_step: Some(|step| step.p50_ns),
    },
    Row {
        name: "p99 latency, us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(99.0),
        of_step: Some(|step| step.p99_ns),
    },
    Row {
        name: "p99.9 latency, us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(99.9),
        of_step: Some(|step| step.p999_ns),
    },
    Row {
        name: "user CPU, ns per I/O",
        divisor: 1.0,
        more_is_better: false,
        of_run: |run| run.cpu_ns_per_io().map(|cpu| cpu.0),
        of_step: None,
    },
    Row {
        name: "system CPU, ns per I/O",
        divisor: 1.0,
        more_is_better: false,
        of_run: |run| run.cpu_ns_per_io().map(|cpu| cpu.1),
        of_step: None,
    },
];

/// The whole text.
pub(super) fn text(base: &Side, others: &[Side], design: Design, paint: Paint) -> String {
    let mut text = String::new();
    for side in others {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "base: {} ({})", base.name, runs(base));
        let _ = writeln!(text, " new: {} ({})\n", side.name, runs(side));
        let head = format!(
            "{:<24} {:>12} {:>12} {:>7}  {:<15} verdict",
            "median of", "base", "new", "ratio", "95 % interval"
        );
        let _ = writeln!(text, "{}", paint.tone(Tone::Strong, &head));
        for row in &ROWS {
            let _ = writeln!(text, "{}", line(row, base, side, design, paint));
        }
        let _ = writeln!(text, "\n{}", footnote(base, side, design));
    }
    text
}

fn runs(side: &Side) -> String {
    let count = side.runs.len();
    let version = side.runs.first().map_or("", |run| run.version.as_str());
    format!("{version}, {count} run{}", if count == 1 { "" } else { "s" })
}

fn footnote(base: &Side, new: &Side, design: Design) -> &'static str {
    let single = base.runs.len() < 2 || new.runs.len() < 2;
    match design {
        Design::Pairs if single => "one pair gives no interval: add --runs=5",
        Design::Pairs => "ratio new/base, the geometric mean of the pairs",
        Design::Runs if single => {
            "one run a side: the intervals are of the time inside the runs and miss what differs \
             from\nrun to run; give several runs a side, separated by commas"
        }
        Design::Runs => "ratio new/base of the geometric means",
    }
}

fn line(row: &Row, base: &Side, new: &Side, design: Design, paint: Paint) -> String {
    let values = |side: &Side| -> Vec<f64> { side.runs.iter().filter_map(row.of_run).collect() };
    let (left, right) = (values(base), values(new));
    let shown = |values: &[f64]| {
        confidence::median(values)
            .map_or_else(|| "-".to_owned(), |value| number(value / row.divisor))
    };
    let ratio = match (confidence::median(&left), confidence::median(&right)) {
        (Some(left), Some(right)) if left > 0.0 => format!("{:.2}", right / left),
        _ => "-".to_owned(),
    };
    let estimate = estimate(row, base, new, design);
    let (interval, ratio) = match estimate {
        Some(Estimate { value, low, high }) => {
            (format!("{low:.2} to {high:.2}"), format!("{value:.2}"))
        }
        None => ("-".to_owned(), ratio),
    };
    let (tone, verdict) = verdict(row, estimate);
    format!(
        "{:<24} {:>12} {:>12} {ratio:>7}  {interval:<15} {}",
        row.name,
        shown(&left),
        shown(&right),
        paint.tone(tone, &verdict)
    )
}

/// From the runs where there are enough of them, else from the time inside the runs.
fn estimate(row: &Row, base: &Side, new: &Side, design: Design) -> Option<Estimate> {
    let values = |side: &Side| -> Option<Vec<f64>> { side.runs.iter().map(row.of_run).collect() };
    if base.runs.len() > 1 && new.runs.len() > 1 {
        let (base, new) = (values(base)?, values(new)?);
        return match design {
            Design::Pairs => confidence::ratio_of_pairs(&base, &new),
            Design::Runs => confidence::ratio_of_runs(&base, &new),
        };
    }
    let of_step = row.of_step?;
    let steps = |side: &Side| -> Option<Vec<f64>> {
        let [run] = &side.runs[..] else { return None };
        // One direction alone: two would have to be added interval by interval.
        let mut busy = run.directions().filter(|direction| direction.io_count > 0.0);
        let (only, None) = (busy.next()?, busy.next()) else { return None };
        Some(only.steps.iter().filter(|step| step.span_ms > 250.0).map(of_step).collect())
    };
    confidence::ratio_of_runs(&steps(base)?, &steps(new)?)
}

fn verdict(row: &Row, estimate: Option<Estimate>) -> (Tone, String) {
    let Some(estimate) = estimate else { return (Tone::Quiet, "-".to_owned()) };
    if !estimate.excludes(1.0) {
        return (Tone::Quiet, "no difference shown".to_owned());
    }
    let percent = (estimate.value - 1.0) * 100.0;
    let better = (percent > 0.0) == row.more_is_better;
    let (tone, word) = if better { (Tone::Good, "better") } else { (Tone::Bad, "worse") };
    (tone, format!("{word} ({percent:+.1} %)"))
}

/// Four digits, or all of a large number.
fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::report;

    fn side(name: &str, figures: &[(f64, u64)]) -> Side {
        let runs = figures
            .iter()
            .map(|(iops, p99)| RunResult::parse(name, &report(*iops, *p99)).expect("a result"))
            .collect();
        Side { name: name.to_owned(), runs }
    }

    fn row<'a>(text: &'a str, name: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_verdict_stands_only_where_the_interval_leaves_out_one() {
        let base = side("a", &[(1000.0, 500), (1010.0, 400), (990.0, 600)]);
        let new = side("b", &[(1200.0, 480), (1210.0, 610), (1190.0, 420)]);
        let text = text(&base, &[new], Design::Runs, Paint::plain());
        assert!(row(&text, "IOPS").ends_with("better (+20.0 %)"), "{text}");
        assert!(row(&text, "IOPS").contains(" 1.20  1.1"), "{text}");
        assert!(row(&text, "p99 latency").ends_with("no difference shown"), "{text}");
        assert!(row(&text, "p99.9").ends_with('-'), "not in the files: {text}");
    }

    #[test]
    fn less_is_better_for_latencies() {
        let base = side("a", &[(1000.0, 5000), (1000.0, 5050)]);
        let new = side("b", &[(1000.0, 2500), (1000.0, 2525)]);
        for (base, new, words) in [(&base, &new, "better (-50.0 %)"), (&new, &base, "worse (+")] {
            let text = text(base, std::slice::from_ref(new), Design::Pairs, Paint::plain());
            assert!(row(&text, "p99 latency").contains(words), "{text}");
            assert!(row(&text, "IOPS").ends_with("no difference shown"), "{text}");
        }
    }

    #[test]
    fn one_run_a_side_gives_a_ratio_and_no_verdict() {
        let text = text(
            &side("a", &[(1000.0, 5)]),
            &[side("b", &[(2000.0, 5)])],
            Design::Runs,
            Paint::plain(),
        );
        assert!(row(&text, "IOPS").contains(" 2.00  -"), "{text}");
        assert!(text.contains("give several runs a side"), "{text}");
    }
}
