//! Reads or writes of one job in a result file.
//!
//! Owns the keys of one direction. What is missing is zero or absent, because fio leaves out what
//! it did not measure. Used by `results`.

use serde_json::Value;

use crate::stats::Bins;

/// What a result file says of reads or of writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectionResult {
    pub(crate) io_count: f64,
    pub(crate) iops: f64,
    pub(crate) bw_bytes: f64,
    pub(crate) mean_ns: f64,
    /// Percent and nanoseconds, rising.
    pub(crate) percentiles: Vec<(f64, f64)>,
    /// The whole histogram, in `json+` only.
    pub(crate) bins: Option<Bins>,
    /// The series over time, in our own files only.
    pub(crate) steps: Vec<Step>,
}

/// One interval of the series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Step {
    /// The end of the interval.
    pub(crate) t_ms: f64,
    pub(crate) span_ms: f64,
    pub(crate) iops: f64,
    pub(crate) bw_bytes: f64,
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
    pub(crate) p999_ns: f64,
}

impl DirectionResult {
    pub(super) fn of(direction: &Value, steps: &Value) -> DirectionResult {
        let number = |key: &str| direction[key].as_f64().unwrap_or(0.0);
        // fio lists percentiles of `lat` instead where it was told so.
        let latency = ["clat_ns", "lat_ns"]
            .map(|key| &direction[key])
            .into_iter()
            .find(|latency| latency["percentile"].is_object())
            .unwrap_or(&direction["clat_ns"]);
        let mut percentiles: Vec<(f64, f64)> = pairs(&latency["percentile"]).collect();
        percentiles.sort_by(|a, b| a.0.total_cmp(&b.0));
        let bins = latency["bins"].is_object().then(|| bins(&latency["bins"]));
        DirectionResult {
            io_count: number("total_ios"),
            iops: number("iops"),
            bw_bytes: number("bw_bytes"),
            mean_ns: latency["mean"].as_f64().unwrap_or(0.0),
            percentiles,
            bins,
            steps: steps.as_array().into_iter().flatten().map(Step::of).collect(),
        }
    }

    /// A percentile as the file has it, or from its histogram.
    pub(crate) fn percentile_ns(&self, percent: f64) -> Option<f64> {
        let listed = self.percentiles.iter().find(|(known, _)| (known - percent).abs() < 1e-6);
        listed.map(|(_, value)| *value).or_else(|| {
            let bins = self.bins.as_ref().filter(|bins| bins.total() > 0)?;
            Some(bins.percentile(percent) as f64)
        })
    }
}

impl Step {
    fn of(step: &Value) -> Step {
        let number = |key: &str| step[key].as_f64().unwrap_or(0.0);
        Step {
            t_ms: number("t_ms"),
            span_ms: number("span_ms"),
            iops: number("iops"),
            bw_bytes: number("bw_bytes"),
            p50_ns: number("p50_ns"),
            p99_ns: number("p99_ns"),
            p999_ns: number("p999_ns"),
        }
    }
}

/// The bins of a `json+` report.
pub(crate) fn bins(object: &Value) -> Bins {
    let counts = object.as_object().into_iter().flatten();
    counts.filter_map(|(key, count)| Some((key.parse().ok()?, count.as_u64()?))).collect()
}

/// Keys and values of an object, where both are numbers.
fn pairs(object: &Value) -> impl Iterator<Item = (f64, f64)> + '_ {
    let entries = object.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.parse().ok()?, value.as_f64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentiles_come_from_the_list_or_from_the_bins() {
        let direction = DirectionResult::of(
            &json!({ "clat_ns": {
                "percentile": { "99.000000": 5, "50.000000": 3 },
                "bins": { "3": 60, "100": 40 },
            } }),
            &Value::Null,
        );
        assert_eq!(direction.percentiles, [(50.0, 3.0), (99.0, 5.0)]);
        assert_eq!(direction.percentile_ns(99.0), Some(5.0));
        assert_eq!(direction.percentile_ns(61.0), Some(100.0));
        assert_eq!(DirectionResult::default().percentile_ns(50.0), None);
    }
}
