//! The metrics of an engine as text in Prometheus' exposition format. Extends `metrics::Metrics`;
//! opens no port: the caller serves the text.

use crate::metrics::{Metrics, OpMetrics};
use hdrhistogram::Histogram;
use std::fmt::Write;

/// The quantiles of each latency.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

impl Metrics {
    /// All counters and times, in version 0.0.4 of Prometheus' text format. `labels` are put on
    /// each sample as they are, for example `engine="0",disk="nvme0"`; empty for none. Their values
    /// must be escaped as that format wants it.
    ///
    /// Units: seconds and bytes, as Prometheus wants them.
    pub fn to_prometheus(&self, labels: &str) -> String {
        let mut text = String::new();
        for (name, help, count) in KIND_COUNTERS {
            head(&mut text, name, help, "counter");
            for (kind, metrics) in self.kinds() {
                sample(&mut text, name, &[kind_label(kind).as_str(), labels], count(metrics));
            }
        }
        let name = "lane_completions_total";
        head(&mut text, name, "Completions by what carried them.", "counter");
        for (kind, metrics) in self.kinds() {
            let counts = metrics.lanes;
            let lanes =
                [("inline", counts.inline), ("ring", counts.ring), ("helper", counts.helper)];
            for (lane, count) in lanes {
                let lane = format!("lane=\"{lane}\"");
                sample(&mut text, name, &[kind_label(kind).as_str(), lane.as_str(), labels], count);
            }
        }
        for (name, help, times) in KIND_TIMES {
            head(&mut text, name, help, "summary");
            for (kind, metrics) in self.kinds() {
                summary(&mut text, name, &kind_label(kind), labels, times(metrics));
            }
        }
        for (name, help, value) in ENGINE_COUNTERS {
            head(&mut text, name, help, "counter");
            sample(&mut text, name, &[labels], value(self));
        }
        let help = "Requests with the backend, once per turn that had any.";
        head(&mut text, "depth", help, "summary");
        sample(&mut text, "depth_sum", &[labels], self.depth_sum);
        sample(&mut text, "depth_count", &[labels], self.depth_samples);
        head(&mut text, "depth_max", "The most requests with the backend at once.", "gauge");
        sample(&mut text, "depth_max", &[labels], self.depth_max);
        text
    }
}

/// A name, what it means, and where to find it in the metrics of one kind of operation.
type OfKind = (&'static str, &'static str, fn(&OpMetrics) -> u64);

const KIND_COUNTERS: [OfKind; 6] = [
    ("requests_total", "Requests that succeeded.", |kind| kind.completed),
    ("failures_total", "Requests that failed, given up or not.", |kind| kind.failed),
    ("given_up_total", "Requests cancelled or overdue.", |kind| kind.given_up),
    ("bytes_total", "Bytes that succeeded requests transferred.", |kind| kind.bytes),
    ("short_transfers_total", "Short transfers continued.", |kind| kind.short_transfers),
    ("retries_total", "Repetitions after EINTR and EAGAIN.", |kind| kind.retries),
];

/// As `OfKind`, for times.
type TimesOfKind = (&'static str, &'static str, fn(&OpMetrics) -> &Histogram<u64>);

const KIND_TIMES: [TimesOfKind; 2] = [
    ("queue_seconds", "From the acceptance to the first hand-over.", |kind| &kind.queue_ns),
    ("latency_seconds", "From the hand-over of the batch to the reap.", |kind| &kind.latency_ns),
];

/// As `OfKind`, of the whole engine.
type OfEngine = (&'static str, &'static str, fn(&Metrics) -> u64);

const ENGINE_COUNTERS: [OfEngine; 6] = [
    ("system_calls_total", "System calls that moved batches.", |metrics| metrics.enters),
    ("overflows_total", "Overflows of the completion queue.", |metrics| metrics.overflows),
    ("batches_total", "Batches handed to the backend.", |metrics| metrics.batches),
    ("staged_total", "Requests in these batches.", |metrics| metrics.staged),
    ("wake_ups_total", "Times that other threads woke the engine.", |metrics| metrics.wake_ups),
    ("callback_panics_total", "Callbacks that panicked.", |metrics| metrics.callback_panics),
];

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

fn summary(text: &mut String, name: &str, kind: &str, labels: &str, times: &Histogram<u64>) {
    for quantile in QUANTILES {
        let seconds = times.value_at_quantile(quantile) as f64 / 1e9;
        let quantile = format!("quantile=\"{quantile}\"");
        sample(text, name, &[kind, &quantile, labels], seconds);
    }
    let count = times.len();
    let sum_seconds = times.mean() * count as f64 / 1e9;
    sample(text, &format!("{name}_sum"), &[kind, labels], sum_seconds);
    sample(text, &format!("{name}_count"), &[kind, labels], count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_sample_or_a_comment_and_the_numbers_are_there() {
        let mut metrics = Metrics::new();
        metrics.read.completed = 2;
        metrics.read.bytes = 8192;
        metrics.read.queue_ns += 1_000_000;
        metrics.read.queue_ns += 1_000_000;
        metrics.read.latency_ns += 2_000_000;
        metrics.read.latency_ns += 2_000_000;
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
        has("iomill_queue_seconds_count{kind=\"read\",engine=\"0\"} 2");
        has("iomill_lane_completions_total{kind=\"read\",lane=\"inline\",engine=\"0\"} 2");
        has("iomill_system_calls_total{engine=\"0\"} 3");
        let bare = metrics.to_prometheus("");
        assert!(bare.contains("\niomill_system_calls_total 3\n"), "{bare}");
        assert!(bare.contains("iomill_retries_total{kind=\"write\"} 0"), "{bare}");
    }
}
