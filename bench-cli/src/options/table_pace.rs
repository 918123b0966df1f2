//! Options of pace: rates, think time, limits of latency, steady state.
//!
//! A part of the table; see `table`. The family of `latency_target` is not here.

use super::table::{job, set};
use super::{OptionDef, Setting, Settings, value};
use crate::job::{RateProcess, Steady};

/// The options of this subject, in the order of the help.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "rate",
        &[],
        Setting::Form("SIZE,..", "1m", |s, v| sizes(v, s.job.kb_base, &mut s.job.pace.rate_bytes)),
        "Bytes per second of reads, writes, trims; requests are due at certain times [no limit]",
    ),
    job(
        "rate_iops",
        &[],
        Setting::Form("N,..", "1000", |s, v| {
            value::per_direction(v, &mut s.job.pace.rate_iops, value::integer)
        }),
        "Requests per second of reads, writes, trims: an open loop [no limit]",
    ),
    job(
        "rate_min",
        &["ratemin"],
        Setting::Form("SIZE,..", "1m", |s, v| {
            sizes(v, s.job.kb_base, &mut s.job.pace.rate_min_bytes)
        }),
        "Fail when it gets slower than this, in bytes per second",
    ),
    job(
        "rate_iops_min",
        &[],
        Setting::Form("N,..", "100", |s, v| {
            value::per_direction(v, &mut s.job.pace.rate_iops_min, value::integer)
        }),
        "Fail when it gets slower than this, in requests per second",
    ),
    job(
        "rate_cycle",
        &["ratecycle"],
        Setting::Int(1..=3_600_000, |s, v| {
            s.job.pace.rate_cycle = std::time::Duration::from_millis(v);
            Ok(())
        }),
        "Milliseconds over which --rate_min looks [1000]",
    ),
    job(
        "rate_process",
        &[],
        Setting::Choice(RateProcess::NAMES, |s, v| {
            s.job.pace.process = RateProcess::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Rated requests come at equal distances (linear) or as arrivals do (poisson) [linear]",
    ),
    job(
        "thinktime",
        &[],
        Setting::TimeUs(set!(job.pace.think_time)),
        "Pause between requests; a plain number is microseconds [0]",
    ),
    job(
        "thinktime_blocks",
        &[],
        Setting::Int(1..=u64::MAX, set!(job.pace.think_blocks)),
        "Pause after this many requests instead of each [1]",
    ),
    job(
        "flow",
        &[],
        Setting::Int(0..=1_000_000, set!(job.pace.flow)),
        "Weight of the job among those with the same --flow_id: they keep pace with each other [0]",
    ),
    job(
        "flow_id",
        &[],
        Setting::Int(0..=u32::MAX as u64, set!(job.pace.flow_id)),
        "Which jobs keep pace with each other [0]",
    ),
    job(
        "flow_sleep",
        &[],
        Setting::TimeUs(set!(job.pace.flow_sleep)),
        "Pause of a job that is ahead of its flow; a plain number is microseconds [100us]",
    ),
    job(
        "startdelay",
        &[],
        Setting::Form("TIME-TIME", "2s", |s, v| {
            s.job.pace.start_delay = value::range(v, value::time)?;
            Ok(())
        }),
        "Begin this long after the others, or a random time between two [0]",
    ),
    job(
        "max_latency",
        &[],
        Setting::TimeUs(set!(job.max_latency = Some)),
        "Fail when a request takes longer; a plain number is microseconds",
    ),
    job(
        "steadystate",
        &["ss"],
        Setting::Form("WORD:LIMIT", "iops:2%", |s: &mut Settings, v| {
            s.job.steady = Some(Steady::read(v)?);
            Ok(())
        }),
        "End when iops, bw or lat is steady: largest deviation, or _slope of the trend",
    ),
    job(
        "steadystate_duration",
        &["ss_dur"],
        Setting::Time(set!(job.steady_times.duration)),
        "How long it has to be steady",
    ),
    job(
        "steadystate_ramp_time",
        &["ss_ramp"],
        Setting::Time(set!(job.steady_times.ramp)),
        "Wait this long before looking for a steady state [0]",
    ),
    job(
        "steadystate_check_interval",
        &["ss_interval"],
        Setting::Time(|s, v| {
            if v.is_zero() {
                return Err("0 is out of range, at least 1us is possible".to_owned());
            }
            s.job.steady_times.check_interval = v;
            Ok(())
        }),
        "The time between two looks [1s]",
    ),
];

fn sizes(text: &str, kb_base: u64, into: &mut [u64; 3]) -> Result<(), String> {
    value::per_direction(text, into, |text| value::size_bytes(text, kb_base))
}
