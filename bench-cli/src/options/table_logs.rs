//! The table of options, continued: percentiles and fio's logs.
//!
//! Owns the same as `table`, of which it is a part. Read by `options`.

use super::table::{job, set};
use super::{OptionDef, Setting};

/// The longest window of a log: one hour.
const MSEC_MAX: u64 = 3_600_000;

/// What is reported of latencies, and written over time.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "percentile_list",
        &[],
        Setting::Percentiles(set!(job.reporting.percentiles.list)),
        "Latency percentiles to report, e.g. 50:99:99.9",
    ),
    job(
        "clat_percentiles",
        &[],
        Setting::Bool(set!(job.reporting.percentiles.clat)),
        "Report percentiles of the completion latency [1]",
    ),
    job(
        "lat_percentiles",
        &[],
        Setting::Bool(set!(job.reporting.percentiles.lat)),
        "Report percentiles of the total latency as well [0]",
    ),
    job(
        "write_bw_log",
        &[],
        Setting::Name(|s, v| {
            s.job.reporting.logs.bw = Some(v.to_owned());
            Ok(())
        }),
        "Write bandwidth over time to TEXT_bw.N.log [no log; TEXT: --name]",
    ),
    job(
        "write_iops_log",
        &[],
        Setting::Name(|s, v| {
            s.job.reporting.logs.iops = Some(v.to_owned());
            Ok(())
        }),
        "Write IOPS over time to TEXT_iops.N.log [no log; TEXT: --name]",
    ),
    job(
        "write_lat_log",
        &[],
        Setting::Name(|s, v| {
            s.job.reporting.logs.lat = Some(v.to_owned());
            Ok(())
        }),
        "Write mean latencies to TEXT_clat.N.log and TEXT_lat.N.log [no log]",
    ),
    job(
        "write_hist_log",
        &[],
        Setting::Name(|s, v| {
            s.job.reporting.logs.hist = Some(v.to_owned());
            Ok(())
        }),
        "Write latency histograms to TEXT_clat_hist.N.log [no log]",
    ),
    job(
        "log_avg_msec",
        &[],
        Setting::Int(0..=MSEC_MAX, set!(job.reporting.logs.avg_msec)),
        "Milliseconds that one line of a log stands for [500]",
    ),
    job(
        "log_hist_msec",
        &[],
        Setting::Int(0..=MSEC_MAX, set!(job.reporting.logs.hist_msec)),
        "Milliseconds that one line of a histogram log stands for [500]",
    ),
    job(
        "log_unix_epoch",
        &[],
        Setting::Bool(set!(job.reporting.logs.unix_epoch)),
        "Count the times in logs from 1970, not from the start [0]",
    ),
    job(
        "per_job_logs",
        &[],
        Setting::Bool(set!(job.reporting.logs.per_job)),
        "Logs of each job apart; otherwise all add to TEXT_bw.log and so on [1]",
    ),
];
