//! Which charts a set of results gives.
//!
//! Owns what is drawn of which key. It reads and writes no file. Called by `plot`.

use crate::chart::{Axis, Chart, Line, Spread, Unit, label};
use crate::results::{DirectionResult, RunResult, Step};

/// A line about each result.
pub(super) fn introduction(results: &[RunResult]) -> Vec<String> {
    results
        .iter()
        .map(|result| {
            let p99 = result.percentile_ns(99.0);
            let p99 = p99.map_or_else(|| "not known".to_owned(), |ns| label(Unit::Nanoseconds, ns));
            format!(
                "{} ({}): {} IOPS, {}, p99 {p99}",
                result.source,
                result.version,
                label(Unit::Plain, result.iops().round()),
                label(Unit::BytesPerSecond, result.bw_bytes().round()),
            )
        })
        .collect()
}

/// Every chart that has something in it.
pub(super) fn charts(results: &[RunResult]) -> Vec<Chart> {
    let named = directions(results);
    let mut charts = vec![distribution(&named)];
    charts.push(over_time(
        &named,
        "IOPS over time",
        Axis { name: "requests per second", spread: Spread::Linear, unit: Unit::Plain },
        &[("", |step| step.iops)],
    ));
    charts.push(over_time(
        &named,
        "Latency over time",
        Axis { name: "latency", spread: Spread::Log, unit: Unit::Nanoseconds },
        &[
            (" p50", |step| step.p50_ns),
            (" p99", |step| step.p99_ns),
            (" p99.9", |step| step.p999_ns),
        ],
    ));
    charts.push(depths(results));
    for chart in &mut charts {
        chart.lines.retain(|line| line.points.len() > 1);
    }
    charts.retain(|chart| !chart.lines.is_empty());
    charts
}

/// Directions that did something, named as briefly as they can be told apart.
fn directions(results: &[RunResult]) -> Vec<(String, &DirectionResult)> {
    let mut named = Vec::new();
    for result in results {
        for (index, job) in result.jobs.iter().enumerate() {
            for (word, direction) in
                [("read", &job.read), ("write", &job.write), ("trim", &job.trim)]
            {
                if direction.io_count > 0.0 {
                    let mut name = word.to_owned();
                    if result.jobs.len() > 1 {
                        name = format!("{}.{} {name}", job.name, index + 1);
                    }
                    if results.len() > 1 {
                        name = format!("{} {name}", stem(&result.source));
                    }
                    named.push((name, direction));
                }
            }
        }
    }
    named
}

fn stem(source: &str) -> &str {
    let file = source.rsplit('/').next().unwrap_or(source);
    file.strip_suffix(".json").unwrap_or(file)
}

fn distribution(named: &[(String, &DirectionResult)]) -> Chart {
    let line = |(name, direction): &(String, &DirectionResult)| {
        let points = match &direction.bins {
            Some(bins) if bins.total() > 0 => {
                let total = bins.total() as f64;
                let mut seen = 0.0;
                bins.values()
                    .map(|(ns, count)| {
                        seen += count as f64;
                        (100.0 * seen / total, ns as f64)
                    })
                    // The last one is at 100 %, which such an axis puts at infinity.
                    .filter(|(percent, _)| *percent < 100.0)
                    .collect()
            }
            _ => direction.percentiles.clone(),
        };
        Line::new(name.clone(), points)
    };
    Chart {
        title: "Latency distribution".into(),
        x: Axis { name: "percentile", spread: Spread::Percentile, unit: Unit::Percent },
        y: Axis { name: "latency", spread: Spread::Log, unit: Unit::Nanoseconds },
        lines: named.iter().map(line).collect(),
        marks: Vec::new(),
    }
}

/// How to read one value off a step.
type Reading = fn(&Step) -> f64;

fn over_time(
    named: &[(String, &DirectionResult)],
    title: &str,
    y: Axis,
    readings: &[(&str, Reading)],
) -> Chart {
    let mut lines = Vec::new();
    for (name, direction) in named {
        for (suffix, reading) in readings {
            let points = direction.steps.iter().map(|step| (step.t_ms / 1000.0, reading(step)));
            lines.push(Line::new(format!("{name}{suffix}"), points.collect()));
        }
    }
    Chart {
        title: title.to_owned(),
        x: Axis { name: "seconds", spread: Spread::Linear, unit: Unit::Plain },
        y,
        lines,
        marks: Vec::new(),
    }
}

/// Decisions of the adaptive scheduler.
fn depths(results: &[RunResult]) -> Chart {
    let mut lines = Vec::new();
    for result in results {
        for job in &result.jobs {
            let points = job.depths.iter().map(|(t_ns, depth)| (t_ns / 1e9, *depth)).collect();
            let name = match results.len() {
                1 => job.name.clone(),
                _ => format!("{} {}", stem(&result.source), job.name),
            };
            lines.push(Line { stepped: true, ..Line::new(name, points) });
        }
    }
    Chart {
        title: "Depth chosen by the adaptive scheduler".into(),
        x: Axis { name: "seconds", spread: Spread::Linear, unit: Unit::Plain },
        y: Axis { name: "requests in flight", spread: Spread::Linear, unit: Unit::Plain },
        lines,
        marks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::report;
    use serde_json::{Value, json};

    fn result(source: &str, change: impl Fn(&mut Value)) -> RunResult {
        let mut document: Value = serde_json::from_str(&report(1000.0, 500)).expect("JSON");
        change(&mut document["jobs"][0]);
        RunResult::parse(source, &document.to_string()).expect("a result")
    }

    fn titles(results: &[RunResult]) -> Vec<String> {
        charts(results).into_iter().map(|chart| chart.title).collect()
    }

    #[test]
    fn a_file_of_fio_gives_the_distribution_alone() {
        assert_eq!(titles(&[result("a.json", |_| {})]), ["Latency distribution"]);
    }

    #[test]
    fn our_files_give_time_and_depth_too() {
        let ours = result("a.json", |job| {
            let step = |t: u32| {
                json!({ "t_ms": t, "span_ms": 500, "iops": 10, "p50_ns": 9, "p99_ns": 9,
                    "p999_ns": 9 })
            };
            job["iomill"] = json!({
                "intervals": { "read": [step(500), step(1000)] },
                "depth_trace": [{ "t_ns": 0, "window": 4 }, { "t_ns": 9, "window": 8 }],
            });
        });
        assert_eq!(titles(&[ours]).len(), 4);
    }

    #[test]
    fn bins_are_drawn_and_several_files_are_told_apart() {
        let with_bins =
            |job: &mut Value| job["read"]["clat_ns"]["bins"] = json!({ "10": 1, "20": 2, "30": 1 });
        let results = [result("x/a.json", with_bins), result("x/b.json", with_bins)];
        let distribution = charts(&results).remove(0);
        assert_eq!(distribution.lines[0].points, [(25.0, 10.0), (75.0, 20.0)]);
        let names: Vec<_> = distribution.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a read", "b read"]);
    }
}
