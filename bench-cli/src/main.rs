//! `bench-cli`: a fio-like benchmark on top of the Iomill engine.
//!
//! This file is the way of one invocation: command line, settings, files, run, report. It decides
//! nothing but the exit code: 0 fine, 1 I/O error, 2 bad usage or refused, 130 interrupted twice
//! or before the job began.

#![forbid(unsafe_code)]
// It panics when stderr is full or closed; `notice` does not.
#![deny(clippy::print_stderr)]

mod chart;
mod cli;
mod compare;
mod confidence;
mod cpu;
mod demo;
mod disk;
mod doctor;
mod error;
mod interrupt;
mod job;
mod job_thread;
mod lane;
mod logs;
mod merge;
mod notice;
mod options;
mod paint;
mod plot;
mod progress;
mod recorder;
mod report;
mod results;
mod runner;
mod shell;
mod start_at;
mod stats;
mod target;
mod tools;
mod tune;
mod workload;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use cli::{Assignment, Request};
use error::Error;
use interrupt::Interrupt;
use job::JobSpec;
use options::{Scope, Settings};
use report::{Output, Report};
use target::{CreatedFiles, Target};

fn main() -> ExitCode {
    match invoke(std::env::args_os()) {
        Ok(code) => code,
        Err(error) => {
            notice::line(&format!("bench-cli: error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn invoke(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Error> {
    let given = match cli::read(arguments)? {
        Request::Run(given) => given,
        Request::Tool(tool, matches) => return (tool.run)(&matches),
        Request::Print(text) => {
            Output::Stdout.write(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let given = demo::complete(given);
    let settings = settings(&given)?;
    let spec = &settings.job;
    let paths: Vec<PathBuf> = (0..file_count(spec)).map(|index| spec.path(index)).collect();

    // Two lists, because they end at different times: the files of the jobs before the report is
    // written, the file of the report if none was.
    let [created, report_file] = [(); 2].map(|()| Arc::new(CreatedFiles::default()));
    let _removals = [created.removal(), report_file.removal()];
    let interrupt = Interrupt::default();
    interrupt.install([Arc::clone(&created), Arc::clone(&report_file)])?;
    let output = Output::open(settings.run.output.as_deref(), &paths, &report_file)?;
    let result = run(&settings, &created, &interrupt);
    created.remove_all();
    let Outcome { jobs, started, disks } = result?;

    let failures: Vec<String> =
        jobs.iter().filter_map(|job| Some(job.failure.as_ref()?.message.clone())).collect();
    let report = Report::new(spec, job_options(&given), jobs, started).with_disks(disks);
    let mut text = Vec::new();
    report
        .write(settings.run.format, &mut text)
        .map_err(|error| Error::io(format!("cannot put the report together: {error}")))?;
    output.write(&text)?;
    report_file.keep_all();
    for failure in &failures {
        notice::line(&format!("bench-cli: error: {failure}"));
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Applies the options in their order, then checks them together.
fn settings(given: &[Assignment]) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    for Assignment { option, text } in given {
        option
            .apply(&mut settings, text)
            .map_err(|why| Error::usage(format!("--{}: {why}", option.name)))?;
        if let Some(remark) = option.remark(text) {
            notice::line(&format!("bench-cli: note: --{remark}"));
        }
    }
    settings.job.check()?;
    for note in settings.job.notes() {
        notice::line(&format!("bench-cli: note: {note}"));
    }
    Ok(settings)
}

/// Makes the files ready and runs the jobs.
fn run(
    settings: &Settings,
    created: &CreatedFiles,
    interrupt: &Interrupt,
) -> Result<Outcome, Error> {
    let spec = &settings.job;
    let mut targets = (0..file_count(spec))
        .map(|index| Target::prepare(spec, index, created, interrupt))
        .collect::<Result<Vec<_>, _>>()?;
    if let (Some(_), [shared]) = (&spec.filename, &targets[..]) {
        targets = vec![shared.clone(); spec.numjobs as usize];
    }
    if !spec.unlink {
        created.keep_all();
    }
    if let Some(start_at) = settings.run.start_at {
        start_at::wait(start_at, interrupt)?;
    }
    let watch = disk::Watch::begin(targets.iter().map(|target| target.path.as_path()));
    let started = SystemTime::now();
    let jobs = runner::run(spec, &settings.run, &targets, interrupt)?;
    Ok(Outcome { jobs, started, disks: watch.end() })
}

/// What the jobs did.
struct Outcome {
    jobs: Vec<stats::JobStats>,
    started: SystemTime,
    disks: Vec<disk::DiskUse>,
}

/// Jobs share the file of `--filename`; otherwise each has its own.
fn file_count(spec: &JobSpec) -> u32 {
    if spec.filename.is_some() { 1 } else { spec.numjobs }
}

fn job_options(given: &[Assignment]) -> Vec<(String, String)> {
    given
        .iter()
        .filter(|given| given.option.scope == Scope::Job)
        .map(|given| (given.option.name.to_owned(), given.text.clone()))
        .collect()
}
