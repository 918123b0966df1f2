//! The sum of jobs that ran at the same time on several hosts, key by key.
//!
//! Owns which key is added, averaged by weight, or the larger or smaller one of all. What cannot be
//! added up (percentiles over time) is left out. Called by `merge`.

use serde_json::{Map, Value, json};

use super::Part;
use crate::error::Error;
use crate::results::bins;
use crate::stats::Bins;

/// Whole numbers of a direction that are added.
const ADDED: [&str; 8] =
    ["io_bytes", "io_kbytes", "bw_bytes", "bw", "total_ios", "short_ios", "drop_ios", "bw_samples"];

/// The entry that stands for all parts.
///
/// # Errors
///
/// A usage error if a part has requests but no bins.
pub(super) fn job(name: &str, parts: &[Part<'_>]) -> Result<Value, Error> {
    let jobs: Vec<&Value> = parts.iter().map(|part| part.job).collect();
    let runtime = |job: &Value| number(&job["job_runtime"]);
    let total = |job: &Value| -> f64 {
        ["read", "write", "trim"].iter().map(|name| number(&job[name]["total_ios"])).sum()
    };
    let mut entry = json!({
        "jobname": name,
        "groupid": 0,
        "job_start": jobs.iter().filter_map(|job| job["job_start"].as_u64()).min(),
        "error": jobs.iter().filter_map(|job| job["error"].as_i64()).find(|error| *error != 0)
            .unwrap_or(0),
        "eta": 0,
        "elapsed": largest(&jobs, "elapsed"),
        "job options": shared_options(&jobs),
        "job_runtime": added(&jobs, "job_runtime"),
        "usr_cpu": weighted(&jobs, |job| &job["usr_cpu"], runtime),
        "sys_cpu": weighted(&jobs, |job| &job["sys_cpu"], runtime),
        "ctx": added(&jobs, "ctx"),
        "majf": added(&jobs, "majf"),
        "minf": added(&jobs, "minf"),
        "iomill": { "hosts": parts.iter().map(host).collect::<Vec<_>>() },
    });
    for name in ["read", "write", "trim"] {
        entry[name] = direction(parts, name)?;
    }
    entry["sync"] = json!({
        "total_ios": jobs.iter().map(|job| whole(&job["sync"]["total_ios"])).sum::<u64>(),
        "lat_ns": latency(&parts_of(parts, |job| &job["sync"]["lat_ns"]))?,
    });
    for key in [
        "iodepth_level",
        "iodepth_submit",
        "iodepth_complete",
        "latency_ns",
        "latency_us",
        "latency_ms",
    ] {
        entry[key] = shares(&jobs, key, total);
    }
    Ok(entry)
}

/// What tells the host apart from the others.
fn host(part: &Part<'_>) -> Value {
    let p99 = |name: &str| part.job[name]["clat_ns"]["percentile"]["99.000000"].clone();
    json!({
        "host": part.job["iomill"]["host"],
        "source": part.source,
        "job_start": part.job["job_start"],
        "read": { "iops": part.job["read"]["iops"], "p99_ns": p99("read") },
        "write": { "iops": part.job["write"]["iops"], "p99_ns": p99("write") },
    })
}

fn parts_of<'a>(
    parts: &'a [Part<'a>],
    of: impl Fn(&'a Value) -> &'a Value,
) -> Vec<(&'a str, &'a Value)> {
    parts.iter().map(|part| (part.source, of(part.job))).collect()
}

fn direction(parts: &[Part<'_>], name: &str) -> Result<Value, Error> {
    let sides: Vec<&Value> = parts.iter().map(|part| &part.job[name]).collect();
    let mut sum = Map::new();
    for key in ADDED {
        sum.insert(key.into(), added(&sides, key));
    }
    sum.insert("runtime".into(), largest(&sides, "runtime"));
    for key in ["iops", "bw_mean", "iops_mean", "bw_min", "bw_max", "iops_min", "iops_max"] {
        let total: f64 = sides.iter().map(|side| number(&side[key])).sum();
        sum.insert(key.into(), json!(total));
    }
    for key in ["bw_dev", "iops_stddev"] {
        // Hosts vary independently of each other, so their variances are added.
        let squares: f64 = sides.iter().map(|side| number(&side[key]).powi(2)).sum();
        sum.insert(key.into(), json!(squares.sqrt()));
    }
    sum.insert("iops_samples".into(), added(&sides, "iops_samples"));
    sum.insert("bw_agg".into(), json!(if number(&sum["total_ios"]) > 0.0 { 100.0 } else { 0.0 }));
    for key in ["slat_ns", "clat_ns", "lat_ns"] {
        sum.insert(key.into(), latency(&parts_of(parts, |job| &job[name][key]))?);
    }
    Ok(Value::Object(sum))
}

/// Latencies with their source. Those without requests count for nothing.
fn latency(parts: &[(&str, &Value)]) -> Result<Value, Error> {
    let busy: Vec<_> = parts.iter().filter(|(_, part)| whole(&part["N"]) > 0).collect();
    let count: u64 = busy.iter().map(|(_, part)| whole(&part["N"])).sum();
    if count == 0 {
        return Ok(json!({ "min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0 }));
    }
    let weight = |part: &Value| number(&part["N"]) / count as f64;
    let mean: f64 = busy.iter().map(|(_, part)| number(&part["mean"]) * weight(part)).sum();
    // The variance of the sum: that inside the parts and that of their means.
    let variance: f64 = busy
        .iter()
        .map(|(_, part)| {
            let apart = number(&part["mean"]) - mean;
            (number(&part["stddev"]).powi(2) + apart.powi(2)) * weight(part)
        })
        .sum();
    let least = busy.iter().map(|(_, part)| whole(&part["min"])).min().unwrap_or(0);
    let most = busy.iter().map(|(_, part)| whole(&part["max"])).max().unwrap_or(0);
    let mut sum = json!({
        "min": least, "max": most, "mean": mean, "stddev": variance.sqrt(), "N": count,
    });
    // Percentiles are wanted where any part lists them, and then all must have bins.
    let Some(listed) = busy.iter().find_map(|(_, part)| part["percentile"].as_object()) else {
        return Ok(sum);
    };
    let mut all = Bins::default();
    for (source, part) in &busy {
        if !part["bins"].is_object() {
            return Err(Error::usage(format!(
                "'{source}' has no histogram, so its latencies cannot be added up; run it again \
                 with --output-format=json+"
            )));
        }
        all.add(&bins(&part["bins"]));
    }
    let percentile = |key: &String| Some((key.clone(), json!(all.percentile(key.parse().ok()?))));
    sum["percentile"] = listed.keys().filter_map(percentile).collect::<Map<_, _>>().into();
    let bin = |(value, count): (u64, u64)| (value.to_string(), json!(count));
    sum["bins"] = all.values().map(bin).collect::<Map<_, _>>().into();
    Ok(sum)
}

/// Options that all have in common.
fn shared_options(jobs: &[&Value]) -> Value {
    let Some(first) = jobs.first().and_then(|job| job["job options"].as_object()) else {
        return json!({});
    };
    let shared = first
        .iter()
        .filter(|(key, value)| jobs.iter().all(|job| job["job options"][key] == **value));
    Value::Object(shared.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Shares in percent, weighted by requests.
fn shares(jobs: &[&Value], key: &str, weight: impl Fn(&Value) -> f64 + Copy) -> Value {
    let Some(first) = jobs.first().and_then(|job| job[key].as_object()) else { return json!({}) };
    let share = |class: &String| {
        let value = weighted(jobs, |job| &job[key][class.as_str()], weight);
        (class.clone(), json!(value))
    };
    Value::Object(first.keys().map(share).collect())
}

fn weighted<'a>(
    jobs: &[&'a Value],
    of: impl Fn(&'a Value) -> &'a Value,
    weight: impl Fn(&Value) -> f64,
) -> f64 {
    let total: f64 = jobs.iter().map(|job| weight(job)).sum();
    let sum: f64 = jobs.iter().map(|job| number(of(job)) * weight(job)).sum();
    if total > 0.0 { sum / total } else { 0.0 }
}

fn added(values: &[&Value], key: &str) -> Value {
    json!(values.iter().map(|value| whole(&value[key])).sum::<u64>())
}

fn largest(values: &[&Value], key: &str) -> Value {
    json!(values.iter().map(|value| whole(&value[key])).max())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
