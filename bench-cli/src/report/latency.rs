//! fio's view of a latency histogram: percentiles, ranges, scale.
//!
//! Owns the classes of fio's `lat (usec)` lines and the choice between ns, µs and ms. It formats
//! nothing. Called by `human` and `json`.

use hdrhistogram::Histogram;

/// Upper bounds of the classes, in the unit of the line.
const BOUNDS: [u64; 10] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];

/// How a line of classes is labelled in JSON and in words.
pub(super) const LABELS: [&str; 12] =
    ["2", "4", "10", "20", "50", "100", "250", "500", "750", "1000", "2000", ">=2000"];

/// The share of requests, in percent, per class of latency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ranges {
    pub(super) ns: [f64; 10],
    pub(super) us: [f64; 10],
    pub(super) ms: [f64; 12],
}

impl Ranges {
    /// The classes of several histograms together.
    pub(super) fn of(histograms: &[&Histogram<u64>]) -> Ranges {
        let mut ranges = Ranges::default();
        let total: u64 = histograms.iter().map(|histogram| histogram.len()).sum();
        for histogram in histograms {
            for step in histogram.iter_recorded() {
                let share = 100.0 * step.count_since_last_iteration() as f64 / total as f64;
                *ranges.class_of(step.value_iterated_to()) += share;
            }
        }
        for share in ranges.ns.iter_mut().chain(&mut ranges.us).chain(&mut ranges.ms) {
            // Like fio: what occurred at all does not show as nothing.
            if *share > 0.0 {
                *share = share.max(0.01);
            }
        }
        ranges
    }

    fn class_of(&mut self, latency_ns: u64) -> &mut f64 {
        // A bound belongs to the next class: 1000 ns is the first of the microseconds.
        let index = |value: u64| BOUNDS.iter().position(|bound| value < *bound);
        if let Some(class) = index(latency_ns) {
            return &mut self.ns[class];
        }
        if let Some(class) = index(latency_ns / 1_000) {
            return &mut self.us[class];
        }
        let millis = latency_ns / 1_000_000;
        match index(millis) {
            Some(class) => &mut self.ms[class],
            None if millis < 2000 => &mut self.ms[10],
            None => &mut self.ms[11],
        }
    }
}

/// The unit in which a latency is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) name: &'static str,
    pub(super) divisor: u64,
}

impl Scale {
    /// fio's choice: a coarser unit once the smallest value keeps digits in it and the largest
    /// has too many in the finer one.
    pub(super) fn of(min_ns: u64, max_ns: u64) -> Scale {
        if min_ns > 2_000_000 && max_ns > 99_999_999 {
            Scale { name: "msec", divisor: 1_000_000 }
        } else if min_ns > 2_000 && max_ns > 99_999 {
            Scale { name: "usec", divisor: 1_000 }
        } else {
            Scale { name: "nsec", divisor: 1 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
        values.iter().for_each(|value| histogram.record(*value).expect("in bounds"));
        histogram
    }

    #[test]
    fn each_latency_falls_into_one_class() {
        let histogram = histogram(&[1, 3, 999, 1_500, 99_000, 101_000, 5_000_000, 3_000_000_000]);
        let ranges = Ranges::of(&[&histogram]);
        let share = 100.0 / 8.0;
        assert_eq!((ranges.ns[0], ranges.ns[1], ranges.ns[9]), (share, share, share));
        assert_eq!((ranges.us[0], ranges.us[5], ranges.us[6]), (share, share, share));
        assert_eq!((ranges.ms[2], ranges.ms[11]), (share, share));
    }

    #[test]
    fn rare_classes_show_as_a_hundredth_of_a_percent() {
        let mut histogram = histogram(&[1_000_000]);
        histogram.record_n(50, 1_000_000).expect("in bounds");
        let ranges = Ranges::of(&[&histogram]);
        assert_eq!(ranges.us.iter().chain(&ranges.ms).filter(|share| **share == 0.01).count(), 1);
    }

    #[test]
    fn scales_follow_fio() {
        assert_eq!(Scale::of(56, 2_627_700).name, "nsec");
        assert_eq!(Scale::of(3_100, 2_573_000).name, "usec");
        assert_eq!(Scale::of(3_000_000, 200_000_000).name, "msec");
    }
}
