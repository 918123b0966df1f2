//! What is reported of a job beside its totals: percentiles and logs.
//!
//! Owns fio's defaults. Filled in by `options::table_logs`, read by the reports.

use crate::logs::LogSpec;

/// The percentiles that fio reports by default.
const PERCENTILES_DEFAULT: [f64; 17] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95,
    99.99,
];

/// What is reported of a job beside its totals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reporting {
    pub(crate) percentiles: PercentileSpec,
    pub(crate) logs: LogSpec,
}

/// What is reported of the latencies of a job.
#[derive(Clone, Debug)]
pub(crate) struct PercentileSpec {
    /// In percent, rising.
    pub(crate) list: Vec<f64>,
    /// Of the completion latency.
    pub(crate) clat: bool,
    /// Of the total latency, also where it is the same.
    pub(crate) lat: bool,
}

impl Default for PercentileSpec {
    fn default() -> PercentileSpec {
        PercentileSpec { list: PERCENTILES_DEFAULT.to_vec(), clat: true, lat: false }
    }
}
