//! One trial: a candidate runs the job for a short time, as a process of its own.
//!
//! Owns the job's command line and its file. Called by `rounds`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::candidate::Candidate;
use crate::cli::{self, Assignment, Request};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::job::JobSpec;
use crate::options::Scope;
use crate::plan::Plan;
use crate::results::RunResult;
use crate::target::{self, CreatedFiles};

/// The options that `tune` itself sets.
const TRIED: [&str; 12] = [
    "lanes",
    "iodepth",
    "iodepth_batch_complete_min",
    "hipri",
    "ioengine",
    "fixedbufs",
    "registerfiles",
    "sqthread_poll",
    "sqthread_poll_idle",
    "sqthread_poll_cpu",
    "runtime",
    "time_based",
];

/// Before each measurement, so that start and first touches do not count.
const RAMP: Duration = Duration::from_millis(50);

/// What one trial measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Those of one round were measured about the same time.
    pub(super) round: usize,
    pub(super) iops: f64,
    pub(super) bw_bytes: f64,
    pub(super) p99_ns: f64,
    /// User and system, per request.
    pub(super) cpu_ns: (f64, f64),
}

/// The job that is tried.
#[derive(Debug)]
pub(super) struct Trials<'a> {
    program: PathBuf,
    options: Vec<(String, String)>,
    pub(super) block_len_bytes: u64,
    interrupt: &'a Interrupt,
}

impl<'a> Trials<'a> {
    /// Reads the job's options, and makes the file if the job names none.
    ///
    /// # Errors
    ///
    /// A usage error; Ctrl-C while the file is made.
    pub(super) fn new(
        job: Vec<String>,
        created: &CreatedFiles,
        interrupt: &'a Interrupt,
    ) -> Result<Trials<'a>, Error> {
        let (mut options, spec) = read(job)?;
        if let Some((name, _)) = options.iter().find(|(name, _)| TRIED.contains(&name.as_str())) {
            return Err(Error::usage(format!("--{name} is what tune tries; leave it out")));
        }
        // A file that is laid out for each trial would cost more than the trial.
        if spec.filename.is_none() {
            let path = make_file(&spec, created, interrupt)?;
            options.retain(|(name, _)| name != "directory" && name != "size");
            options.push(("filename".into(), path.display().to_string()));
            options.push(("allow_overwrite".into(), "1".into()));
        }
        if !options.iter().any(|(name, _)| name == "invalidate") {
            // Each trial finds the page cache as the one before left it.
            options.push(("invalidate".into(), "0".into()));
        }
        let program = std::env::current_exe()
            .map_err(|error| Error::io(format!("cannot find this program: {error}")))?;
        Ok(Trials { program, options, block_len_bytes: spec.block_bounds().1, interrupt })
    }

    /// The job as a line.
    pub(super) fn job_line(&self) -> String {
        let words = self.options.iter().map(|(name, value)| format!("--{name}={value}"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The job with the candidate's options, as a job file.
    pub(super) fn job_file(&self, candidate: Candidate) -> String {
        let mut lines = vec!["[tuned]".to_owned()];
        let own = self.options.iter().filter(|(name, _)| name != "name" && name != "invalidate");
        lines.extend(own.map(|(name, value)| format!("{name}={value}")));
        lines.extend(candidate.options().iter().map(|(name, value)| format!("{name}={value}")));
        lines.join("\n")
    }

    /// Runs the candidate for `slice`.
    ///
    /// # Errors
    ///
    /// `Interrupted` after Ctrl-C; else what the run said, as the reason why it cannot be used.
    pub(super) fn run(
        &self,
        candidate: Candidate,
        round: usize,
        slice: Duration,
    ) -> Result<Sample, Error> {
        self.run_with(&candidate.options(), slice).map(|result| sample(&result, round))
    }

    /// Runs the job with these options for `slice`.
    ///
    /// # Errors
    ///
    /// As [`run`](Trials::run).
    pub(super) fn run_with(
        &self,
        options: &[(&'static str, String)],
        slice: Duration,
    ) -> Result<RunResult, Error> {
        let owned = self.options.iter().map(|(name, value)| format!("--{name}={value}"));
        let output = Command::new(&self.program)
            .arg("run")
            .args(owned)
            .args(options.iter().map(|(name, value)| format!("--{name}={value}")))
            .arg(format!("--runtime={}ms", slice.as_millis()))
            .arg(format!("--ramp_time={}ms", RAMP.as_millis()))
            .args(["--time_based", "--output-format=json", "--eta=never"])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::io(format!("cannot start a trial: {error}")))?;
        if self.interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let why = said.lines().rfind(|line| line.contains("error: ")).unwrap_or("no reason");
            let why = why.trim_start_matches("bench-cli: error: ").to_owned();
            return Err(Error::Io(why));
        }
        RunResult::parse("a trial", &String::from_utf8_lossy(&output.stdout))
    }
}

fn sample(result: &RunResult, round: usize) -> Sample {
    let p99_ns = result.directions().filter_map(|direction| direction.percentile_ns(99.0));
    Sample {
        round,
        iops: result.iops(),
        bw_bytes: result.bw_bytes(),
        // The slower direction counts where there are two.
        p99_ns: p99_ns.fold(0.0, f64::max),
        cpu_ns: result.cpu_ns_per_io().unwrap_or_default(),
    }
}

/// The job's options, and the job that they describe.
fn read(job: Vec<String>) -> Result<(Vec<(String, String)>, JobSpec), Error> {
    let words = ["bench-cli", "run"].map(OsString::from).into_iter();
    let Request::Run(run) = cli::read(words.chain(job.into_iter().map(OsString::from)))? else {
        return Err(Error::usage("after -- come the options of a job, nothing else"));
    };
    if !run.files.is_empty() {
        return Err(Error::usage(
            "tune takes one job by its options; write those of the job file after --",
        ));
    }
    if let Some(given) = run.given.iter().find(|given| given.option.scope == Scope::Run) {
        return Err(Error::usage(format!(
            "--{} is not an option of the job; tune reports by itself",
            given.option.name
        )));
    }
    let plan = Plan::of_command_line(&run.given)?;
    let [job, copies @ ..] = &plan.jobs[..] else {
        return Err(Error::usage("there is no job after --"));
    };
    if copies.iter().any(|copy| copy.copy == 0) {
        return Err(Error::usage("tune takes one job at a time; leave the second --name out"));
    }
    let pair = |given: Assignment| (given.option.name.to_owned(), given.text);
    Ok((run.given.into_iter().map(pair).collect(), job.spec.clone()))
}

fn make_file(
    spec: &JobSpec,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<PathBuf, Error> {
    let refusal = || Error::usage("tune works on one file; leave --nrfiles out");
    // Before anything is laid out.
    if spec.files.count > 1 {
        return Err(refusal());
    }
    let mut spec = spec.clone();
    spec.name = format!("tune-{}", std::process::id());
    let targets = target::prepare(&spec, 0, created, interrupt)?;
    targets.first().map(|target| target.path.clone()).ok_or_else(refusal)
}
