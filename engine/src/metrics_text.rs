//! The metrics of an engine as text in Prometheus' exposition format. Extends `metrics::Metrics`;
//! opens no port: the caller serves the text.

use crate::metrics::{Metrics, OpMetrics};
use std::fmt::Write;

/// The quantiles of each latency.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

impl Metrics {
    /// All counters and latencies, in version 0.0.4 of Prometheus' text format. `labels` are put on
    /// each sample as they are, for example `engine="0",disk="nvme0"`; empty for none.
    ///
    /// Units: seconds and bytes, as Prometheus wants them.
    pub fn to_prometheus(&self, labels: &str) -> String {
        let kinds = [
            ("read", &self.read),
            ("write", &self.write),
            ("sync", &self.sync),
            ("other", &self.other),
        ];
        let mut text = String::new();
        let counters: [(&str, &str, Count); 5] = [
            ("requests_total", "Requests that succeeded.", |kind| kind.completed),
            ("failures_total", "Requests that failed.", |kind| kind.failed),
            ("bytes_total", "Bytes that succeeded requests transferred.", |kind| kind.bytes),
            ("short_transfers_total", "Short transfers continued.", |kind| kind.short_transfers),
            ("retries_total", "Repetitions after EINTR and EAGAIN.", |kind| kind.retries),
        ];
        for (name, help, count) in counters {
            head(&mut text, name, help, "counter");
            for (kind, metrics) in kinds {
                sample(&mut text, name, &[kind_label(kind).as_str(), labels], count(metrics));
            }
        }
        let name = "lane_completions_total";
        head(&mut text, name, "Completions by what carried them.", "counter");
        for (kind, metrics) in kinds {
            let counts = metrics.lanes;
            let lanes =
                [("inline", counts.inline), ("ring", counts.ring), ("helper", counts.helper)];
            for (lane, count) in lanes {
                let lane = format!("lane=\"{lane}\"");
                sample(&mut text, name, &[kind_label(kind).as_str(), lane.as_str(), labels], count);
            }
        }
        let name = "latency_seconds";
        head(&mut text, name, "From the hand-over of the batch to the reap.", "summary");
        for (kind, metrics) in kinds {
            summary(&mut text, name, &kind_label(kind), labels, metrics);
        }
        for (name, help, value) in [
            ("system_calls_total", "System calls that moved batches.", self.enters),
            ("batches_total", "Batches handed to the backend.", self.batches),
            ("staged_total", "Requests in these batches.", self.staged),
            ("callback_panics_total", "Callbacks that panicked.", self.callback_panics),
        ] {
            head(&mut text, name, help, "counter");
            sample(&mut text, name, &[labels], value);
        }
        text
    }
}

/// Picks one counter.
type Count = fn(&OpMetrics) -> u64;

fn kind_label(kind: &str) -> String {
    format!("kind=\"{kind}\"")
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail; the result of `writeln!` is there for other sinks.
    let _ = writeln!(text, "# HELP iomill_{name} {help}\n# TYPE iomill_{name} {kind}");
}

fn sample(text: &mut String, name: &str, labels: &[&str], value: impl std::fmt::Display) {
    let labels: Vec<&str> = labels.iter().copied().filter(|label| !label.is_empty()).collect();
    let labels = labels.join(",");
    let _ = match labels.is_empty() {
        true => writeln!(text, "iomill_{name} {value}"),
        false => writeln!(text, "iomill_{name}{{{labels}}} {value}"),
    };
}

fn summary(text: &mut String, name: &str, kind: &str, labels: &str, metrics: &OpMetrics) {
    let latency = &metrics.latency_ns;
    for quantile in QUANTILES {
        let seconds = latency.value_at_quantile(quantile) as f64 / 1e9;
        let quantile = format!("quantile=\"{quantile}\"");
        sample(text, name, &[kind, &quantile, labels], seconds);
    }
    let count = latency.len();
    let sum_seconds = latency.mean() * count as f64 / 1e9;
    sample(text, &format!("{name}_sum"), &[kind, labels], sum_seconds);
    sample(text, &format!("{name}_count"), &[kind, labels], count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_sample_or_a_comment_and_the_numbers_are_there() {
        let mut metrics = Metrics::new();
        metrics.read.succeeded(4096, 2_000_000);
        metrics.read.succeeded(4096, 2_000_000);
        metrics.settle();
        metrics.enters = 3;
        metrics.read.lanes.inline = 2;
        let text = metrics.to_prometheus("engine=\"0\"");
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("iomill_") && name.contains("engine=\"0\""), "{line}");
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
        }
        let has = |line: &str| assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        has("iomill_bytes_total{kind=\"read\",engine=\"0\"} 8192");
        has("iomill_latency_seconds_count{kind=\"read\",engine=\"0\"} 2");
        has("iomill_lane_completions_total{kind=\"read\",lane=\"inline\",engine=\"0\"} 2");
        has("iomill_system_calls_total{engine=\"0\"} 3");
        let bare = metrics.to_prometheus("");
        assert!(bare.contains("\niomill_system_calls_total 3\n"), "{bare}");
        assert!(bare.contains("iomill_retries_total{kind=\"write\"} 0"), "{bare}");
    }
}
