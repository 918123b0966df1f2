//! `merge`: results of many hosts as one, with exact histograms.
//!
//! Owns the syntax, which jobs belong together (those of one name), and the check that the hosts
//! ran at the same time. The sums are `sum`'s.

mod sum;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use crate::error::Error;
use crate::notice;
use crate::report::Output;
use crate::results::RunResult;
use crate::target::CreatedFiles;

pub(crate) const NAME: &str = "merge";

/// Starts that are further apart are worth a warning. Units: milliseconds.
const START_SPREAD_MAX_MS: u64 = 500;

/// The syntax.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Add up the results of many hosts; histograms exactly, percentiles from the sum")
        .long_about(
            "Adds up results of hosts that ran at the same time (run --start_at). Jobs of one \
             name become one entry: rates are added, histograms are added bin by bin, and \
             percentiles are taken from the sum. It needs json+, which has the bins.",
        )
        .arg(
            Arg::new("results")
                .value_name("RESULT")
                .num_args(1..)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Result files of the hosts, made with --output-format=json+"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write the sum to this file, replacing it [stdout]"),
        )
}

/// Adds and writes.
pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let files: Vec<PathBuf> =
        matches.get_many::<PathBuf>("results").into_iter().flatten().cloned().collect();
    let results = files.iter().map(|path| RunResult::read(path)).collect::<Result<Vec<_>, _>>()?;
    let merged = merged(&results)?;
    if let Some(warning) = spread(&results) {
        notice::line(&format!("bench-cli: warning: {warning}"));
    }
    let mut text = serde_json::to_string_pretty(&merged)
        .map_err(|error| Error::io(format!("cannot put the report together: {error}")))?;
    text.push('\n');
    let created = CreatedFiles::default();
    let output = matches.get_one::<PathBuf>("output").map(PathBuf::as_path);
    write(output, &files, &created, &text)
}

fn write(
    output: Option<&Path>,
    files: &[PathBuf],
    created: &CreatedFiles,
    text: &str,
) -> Result<ExitCode, Error> {
    let out = Output::open(output, files, created)?;
    out.write(text.as_bytes())?;
    created.keep_all();
    Ok(ExitCode::SUCCESS)
}

/// A job of one host.
struct Part<'a> {
    source: &'a str,
    job: &'a Value,
}

fn merged(results: &[RunResult]) -> Result<Value, Error> {
    let mut groups: Vec<(&str, Vec<Part<'_>>)> = Vec::new();
    for result in results {
        for job in result.document["jobs"].as_array().into_iter().flatten() {
            let name = job["jobname"].as_str().unwrap_or("job");
            let part = Part { source: &result.source, job };
            match groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, parts)) => parts.push(part),
                None => groups.push((name, vec![part])),
            }
        }
    }
    let jobs =
        groups.iter().map(|(name, parts)| sum::job(name, parts)).collect::<Result<Vec<_>, _>>()?;
    let first = &results[0].document;
    Ok(json!({
        "fio version": first["fio version"],
        "timestamp": first["timestamp"],
        "timestamp_ms": first["timestamp_ms"],
        "time": first["time"],
        "global options": first["global options"],
        "jobs": jobs,
    }))
}

/// A warning where hosts began apart.
fn spread(results: &[RunResult]) -> Option<String> {
    let start = |result: &RunResult| {
        let jobs = result.document["jobs"].as_array()?;
        let start = jobs.iter().filter_map(|job| job["job_start"].as_u64()).min()?;
        Some((start, result.source.clone()))
    };
    let starts: Vec<(u64, String)> = results.iter().filter_map(start).collect();
    let (first, last) = (starts.iter().min()?, starts.iter().max()?);
    let apart_ms = last.0 - first.0;
    (apart_ms > START_SPREAD_MAX_MS).then(|| {
        format!(
            "'{}' began {apart_ms} ms after '{}', so the sum of their rates was never reached at \
             once; start them with --start_at",
            last.1, first.1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of a host whose reads took these latencies.
    pub(super) fn host(source: &str, start_ms: u64, bins: &Value) -> RunResult {
        let count: u64 =
            bins.as_object().map_or(0, |bins| bins.values().filter_map(Value::as_u64).sum());
        let document = json!({ "fio version": "x", "jobs": [{
            "jobname": "j", "job_start": start_ms, "job_runtime": 1000, "usr_cpu": 10.0,
            "error": 0, "job options": { "bs": "4k", "filename": source },
            "read": {
                "total_ios": count, "io_bytes": count * 4096,
                "iops": count, "bw_bytes": count * 4096,
                "runtime": 1000,
                "clat_ns": { "min": 10, "max": 100, "mean": 50.0, "stddev": 5.0, "N": count,
                    "percentile": { "50.000000": 1, "99.000000": 1 }, "bins": bins },
            },
        }] });
        RunResult::parse(source, &document.to_string()).expect("a result")
    }

    #[test]
    fn percentiles_come_from_the_sum_and_not_from_their_mean() {
        let fast = host("a", 0, &json!({ "10": 990 }));
        let slow = host("b", 0, &json!({ "10": 5, "100": 5 }));
        let sum = merged(&[fast, slow]).expect("merged");
        let read = &sum["jobs"][0]["read"];
        assert_eq!((&read["total_ios"], &read["iops"]), (&json!(1000), &json!(1000.0)));
        assert_eq!(read["clat_ns"]["bins"], json!({ "10": 995, "100": 5 }));
        // The mean of both p99 would be 55.
        assert_eq!(read["clat_ns"]["percentile"]["99.000000"], 10);
        assert_eq!(sum["jobs"].as_array().map(Vec::len), Some(1));
        assert_eq!(sum["jobs"][0]["job options"], json!({ "bs": "4k" }), "what all share");
    }

    #[test]
    fn the_sum_can_be_read_and_merged_again() {
        let hosts = ["a", "b", "c"].map(|name| host(name, 0, &json!({ "10": 7, "300": 1 })));
        let pair = merged(&hosts[..2]).expect("merged");
        let pair = RunResult::parse("pair", &pair.to_string()).expect("a result");
        let twice = merged(&[pair, hosts[2].clone()]).expect("merged");
        let once = merged(&hosts).expect("merged");
        assert_eq!(twice["jobs"][0]["read"], once["jobs"][0]["read"]);
    }

    #[test]
    fn a_file_without_bins_is_refused_by_name() {
        let (with, without) = (host("a", 0, &json!({ "10": 1 })), host("b", 0, &Value::Null));
        let mut without = without;
        without.document["jobs"][0]["read"]["clat_ns"]["N"] = json!(5);
        let error = merged(&[with, without]).expect_err("refused").to_string();
        assert!(error.contains("'b'") && error.contains("--output-format=json+"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn hosts_that_began_apart_are_warned_of() {
        let bins = json!({ "10": 1 });
        let near = [host("a", 1000, &bins), host("b", 1400, &bins)];
        assert_eq!(spread(&near), None);
        let far = [host("a", 9000, &bins), host("b", 1000, &bins)];
        let warning = spread(&far).expect("a warning");
        assert!(warning.contains("'a' began 8000 ms after 'b'"), "{warning}");
    }
}
