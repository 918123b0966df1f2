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
    unit: &'static str,
    divisor: f64,
    more_is_better: bool,
    of_run: fn(&RunResult) -> Option<f64>,
    of_step: Option<fn(&Step) -> f64>,
}

const ROWS: [Row; 8] = [
    Row {
        name: "IOPS",
        unit: "per second",
        divisor: 1.0,
        more_is_better: true,
        of_run: |run| Some(run.iops()),
        of_step: Some(|step| step.iops),
    },
    Row {
        name: "bandwidth",
        unit: "MiB/s",
        divisor: 1_048_576.0,
        more_is_better: true,
        of_run: |run| Some(run.bw_bytes()),
        of_step: Some(|step| step.bw_bytes),
    },
    Row {
        name: "mean latency",
        unit: "us",
        divisor: 1e3,
        more_is_better: false,
        of_run: RunResult::mean_ns,
        of_step: None,
    },
    Row {
        name: "p50 latency",
        unit: "us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(50.0),
        of_step: Some(|step| step.p50_ns),
    },
    Row {
        name: "p99 latency",
        unit: "us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(99.0),
        of_step: Some(|step| step.p99_ns),
    },
    Row {
        name: "p99.9 latency",
        unit: "us",
        divisor: 1e3,
        more_is_better: false,
        of_run: |run| run.percentile_ns(99.9),
        of_step: Some(|step| step.p999_ns),
    },
    Row {
        name: "user CPU",
        unit: "ns per I/O",
        divisor: 1.0,
        more_is_better: false,
        of_run: |run| run.cpu_ns_per_io().map(|cpu| cpu.0),
        of_step: None,
    },
    Row {
        name: "system CPU",
        unit: "ns per I/O",
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
        for row in compared(base, side, design) {
            let _ = writeln!(text, "{}", line(&row, paint));
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

/// One row of a comparison, in the row's unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    more_is_better: bool,
    /// Medians of the runs.
    pub(super) base: Option<f64>,
    pub(super) new: Option<f64>,
    pub(super) ratio: Option<f64>,
    /// The ratio with its interval, where there is enough for one.
    pub(super) interval: Option<Estimate>,
}

impl Comparison {
    /// Only where the interval leaves out 1 there is a difference.
    pub(super) fn verdict(&self) -> Option<&'static str> {
        let interval = self.interval?;
        Some(match (interval.excludes(1.0), (interval.value > 1.0) == self.more_is_better) {
            (false, _) => "no difference shown",
            (true, true) => "better",
            (true, false) => "worse",
        })
    }
}

/// All rows.
pub(super) fn compared(base: &Side, new: &Side, design: Design) -> Vec<Comparison> {
    let of = |row: &Row| {
        let values =
            |side: &Side| -> Vec<f64> { side.runs.iter().filter_map(row.of_run).collect() };
        let [left, right] = [base, new].map(|side| confidence::median(&values(side)));
        let interval = estimate(row, base, new, design);
        let of_medians = match (left, right) {
            (Some(left), Some(right)) if left > 0.0 => Some(right / left),
            _ => None,
        };
        Comparison {
            name: row.name,
            unit: row.unit,
            more_is_better: row.more_is_better,
            base: left.map(|value| value / row.divisor),
            new: right.map(|value| value / row.divisor),
            ratio: interval.map(|estimate| estimate.value).or(of_medians),
            interval,
        }
    };
    ROWS.iter().map(of).collect()
}

fn line(row: &Comparison, paint: Paint) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let interval = row.interval.map_or_else(
        || "-".to_owned(),
        |Estimate { low, high, .. }| format!("{low:.2} to {high:.2}"),
    );
    let percent = row.interval.map_or(0.0, |estimate| (estimate.value - 1.0) * 100.0);
    let (tone, verdict) = match row.verdict() {
        None => (Tone::Quiet, "-".to_owned()),
        Some("better") => (Tone::Good, format!("better ({percent:+.1} %)")),
        Some("worse") => (Tone::Bad, format!("worse ({percent:+.1} %)")),
        Some(words) => (Tone::Quiet, words.to_owned()),
    };
    let name = if row.name == "IOPS" {
        row.name.to_owned()
    } else {
        format!("{}, {}", row.name, row.unit)
    };
    format!(
        "{name:<24} {:>12} {:>12} {ratio:>7}  {interval:<15} {}",
        shown(row.base),
        shown(row.new),
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

/// Four digits, or all of a large number.
fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::tests::report;

    pub(crate) fn side(name: &str, figures: &[(f64, u64)]) -> Side {
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
