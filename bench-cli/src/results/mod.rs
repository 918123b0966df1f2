//! Result files: our own JSON and fio's, read back.
//!
//! Owns what is taken out of such a file and what is said when something is missing in it. It
//! never writes. Read by `compare`, `plot` and `merge`.

mod direction;

pub(crate) use direction::{DirectionResult, Step, bins};

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::stats::Bins;

/// One result file.
#[derive(Clone, Debug)]
pub(crate) struct RunResult {
    /// Where it came from: a path.
    pub(crate) source: String,
    /// The program and version that wrote it.
    pub(crate) version: String,
    pub(crate) jobs: Vec<JobResult>,
    /// The whole document, for what only some readers need.
    pub(crate) document: Value,
}

/// One entry of `jobs`: a job, or a group of them.
#[derive(Clone, Debug)]
pub(crate) struct JobResult {
    pub(crate) name: String,
    pub(crate) read: DirectionResult,
    pub(crate) write: DirectionResult,
    pub(crate) trim: DirectionResult,
    runtime_ms: f64,
    user_percent: f64,
    system_percent: f64,
    /// Decisions of the scheduler, if it was adaptive: time in ns, depth.
    pub(crate) depths: Vec<(f64, f64)>,
}

impl RunResult {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A usage error that names the file and what is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<RunResult, Error> {
        let source = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Error::usage(format!("cannot read '{source}': {error}; give a result file"))
        })?;
        RunResult::parse(&source, &text)
    }

    /// Takes a report apart. fio writes its notes before the JSON; they are passed over.
    ///
    /// # Errors
    ///
    /// A usage error that names the source and what is wrong with it.
    pub(crate) fn parse(source: &str, text: &str) -> Result<RunResult, Error> {
        let wrong = |why: String| {
            Error::usage(format!(
                "'{source}' is not a result file: {why}; make one with --output-format=json+ \
                 --output=FILE"
            ))
        };
        let start = text.find('{').ok_or_else(|| wrong("there is no JSON in it".into()))?;
        let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let document = match stream.next() {
            Some(Ok(document)) => document,
            Some(Err(error)) => return Err(wrong(error.to_string())),
            None => return Err(wrong("there is no JSON in it".into())),
        };
        let Some(jobs) = document["jobs"].as_array() else {
            return Err(wrong("the key 'jobs' is missing".into()));
        };
        if jobs.is_empty() {
            return Err(wrong("it has no job".into()));
        }
        Ok(RunResult {
            source: source.to_owned(),
            version: document["fio version"].as_str().unwrap_or("unknown").to_owned(),
            jobs: jobs.iter().map(JobResult::of).collect(),
            document,
        })
    }

    /// Requests per second of all jobs.
    pub(crate) fn iops(&self) -> f64 {
        self.directions().map(|direction| direction.iops).sum()
    }

    /// Bytes per second of all jobs.
    pub(crate) fn bw_bytes(&self) -> f64 {
        self.directions().map(|direction| direction.bw_bytes).sum()
    }

    /// Mean latency of all requests; `None` where there was none.
    pub(crate) fn mean_ns(&self) -> Option<f64> {
        let count: f64 = self.directions().map(|direction| direction.io_count).sum();
        let sum: f64 = self.directions().map(|d| d.mean_ns * d.io_count).sum();
        (count > 0.0 && sum > 0.0).then(|| sum / count)
    }

    /// A percentile over all requests: exact from bins, else of the only job that has any.
    pub(crate) fn percentile_ns(&self, percent: f64) -> Option<f64> {
        let busy: Vec<_> = self.directions().filter(|d| d.io_count > 0.0).collect();
        if let [only] = busy[..]
            && let Some(value) = only.percentile_ns(percent)
        {
            return Some(value);
        }
        let mut sum = Bins::default();
        for direction in &busy {
            sum.add(direction.bins.as_ref()?);
        }
        (sum.total() > 0).then(|| sum.percentile(percent) as f64)
    }

    /// User and system CPU time per request in nanoseconds.
    pub(crate) fn cpu_ns_per_io(&self) -> Option<(f64, f64)> {
        let count: f64 = self.directions().map(|direction| direction.io_count).sum();
        let time_ns = |of: fn(&JobResult) -> f64| -> f64 {
            self.jobs.iter().map(|job| of(job) / 100.0 * job.runtime_ms * 1e6).sum()
        };
        (count > 0.0).then(|| {
            (time_ns(|job| job.user_percent) / count, time_ns(|job| job.system_percent) / count)
        })
    }

    /// Reads, writes and trims of every job.
    pub(crate) fn directions(&self) -> impl Iterator<Item = &DirectionResult> {
        self.jobs.iter().flat_map(|job| [&job.read, &job.write, &job.trim])
    }
}

impl JobResult {
    fn of(job: &Value) -> JobResult {
        let intervals = &job["iomill"]["intervals"];
        let direction = |name: &str| DirectionResult::of(&job[name], &intervals[name]);
        let number = |key: &str| job[key].as_f64().unwrap_or(0.0);
        let trace = job["iomill"]["depth_trace"].as_array();
        JobResult {
            name: job["jobname"].as_str().unwrap_or("job").to_owned(),
            read: direction("read"),
            write: direction("write"),
            trim: direction("trim"),
            runtime_ms: number("job_runtime"),
            user_percent: number("usr_cpu"),
            system_percent: number("sys_cpu"),
            depths: trace
                .into_iter()
                .flatten()
                .filter_map(|step| Some((step["t_ns"].as_f64()?, step["window"].as_f64()?)))
                .collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A result with one job of reads.
    pub(crate) fn report(iops: f64, p99_ns: u64) -> String {
        let mut report = json!({ "fio version": "fio-3.33", "jobs": [{
            "jobname": "x", "usr_cpu": 10.0, "sys_cpu": 20.0, "job_runtime": 1000,
            "write": { "total_ios": 0 },
        }] });
        report["jobs"][0]["read"] = json!({
            "total_ios": iops, "io_bytes": iops * 4096.0, "iops": iops, "bw_bytes": iops * 4096.0,
            "clat_ns": { "mean": 100.0, "percentile": { "50.000000": 90, "99.000000": p99_ns } },
        });
        report.to_string()
    }

    #[test]
    fn figures_are_those_of_the_file() {
        let text = format!("fio: a note before it\n{}\n", report(1000.0, 500));
        let result = RunResult::parse("x", &text).expect("a result");
        assert_eq!((result.iops(), result.bw_bytes()), (1000.0, 4_096_000.0));
        assert_eq!(result.percentile_ns(99.0), Some(500.0));
        assert_eq!(result.percentile_ns(99.9), None);
        assert_eq!(result.cpu_ns_per_io(), Some((1e5, 2e5)));
        assert_eq!(result.mean_ns(), Some(100.0));
    }

    #[test]
    fn percentiles_of_several_jobs_need_bins() {
        let with_bins = |bins: Value| {
            let mut report: Value = serde_json::from_str(&report(100.0, 500)).expect("JSON");
            let other = report["jobs"][0].clone();
            report["jobs"].as_array_mut().expect("a list").push(other);
            for job in 0..2 {
                report["jobs"][job]["read"]["clat_ns"]["bins"] = bins.clone();
            }
            RunResult::parse("x", &report.to_string()).expect("a result")
        };
        assert_eq!(with_bins(Value::Null).percentile_ns(99.0), None);
        let exact = with_bins(json!({ "10": 98, "100": 2 }));
        assert_eq!(exact.percentile_ns(99.0), Some(100.0));
    }

    #[test]
    fn what_is_no_result_is_refused_by_its_name() {
        for (text, why) in [
            ("", "there is no JSON in it"),
            ("{ \"jobs\": ", "EOF"),
            ("{}", "the key 'jobs' is missing"),
            ("{ \"jobs\": [] }", "it has no job"),
        ] {
            let error = RunResult::parse("some.json", text).expect_err("refused").to_string();
            assert!(error.contains("'some.json'") && error.contains(why), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let error = RunResult::read(Path::new("no/such")).expect_err("refused").to_string();
        assert!(error.contains("cannot read 'no/such'"), "{error}");
    }
}
