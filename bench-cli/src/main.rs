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
mod contents;
mod cpu;
mod demo;
mod disk;
mod doctor;
mod error;
mod flow;
mod interrupt;
mod job;
mod job_engine;
mod job_file;
mod job_thread;
mod lane;
mod logs;
mod merge;
mod notice;
mod options;
mod pace;
mod paint;
mod plan;
mod plot;
mod progress;
mod recorder;
mod report;
mod results;
mod runner;
mod shell;
mod start_at;
mod startup;
mod stats;
mod steady;
mod target;
mod tools;
mod tune;
mod verify;
mod window;
mod workload;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use cli::{Invocation, Request};
use error::Error;
use interrupt::Interrupt;
use plan::Plan;
use report::{Output, Report};
use runner::Outcome;
use target::CreatedFiles;

fn main() -> ExitCode {
    startup::begin();
    match invoke(std::env::args_os()) {
        Ok(code) => code,
        Err(error) => {
            notice::line(&format!("bench-cli: error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn invoke(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Error> {
    let invocation = match cli::read(arguments)? {
        Request::Run(invocation) => invocation,
        Request::Tool(tool, matches) => return (tool.run)(&matches),
        Request::Print(text) => {
            Output::Stdout.write(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let plan = plan(invocation)?;
    if plan.run.parse_only {
        return Ok(ExitCode::SUCCESS);
    }
    let paths: Vec<PathBuf> = plan.jobs.iter().flat_map(|job| job.spec.paths(job.copy)).collect();

    // Two lists, because they end at different times: the files of the jobs before the report is
    // written, the file of the report if none was.
    let [created, report_file] = [(); 2].map(|()| Arc::new(CreatedFiles::default()));
    let _removals = [created.removal(), report_file.removal()];
    let interrupt = Interrupt::default();
    interrupt.install([Arc::clone(&created), Arc::clone(&report_file)])?;
    let output = Output::open(plan.run.output.as_deref(), &paths, &report_file)?;
    let result = runner::run(&plan, &created, &interrupt);
    created.remove_all();
    let Outcome { results, disks } = result?;
    if results.is_empty() {
        return Err(Error::Interrupted);
    }

    let failures: Vec<String> = results
        .iter()
        .filter_map(|result| Some(result.stats.failure.as_ref()?.message.clone()))
        .collect();
    let report = Report::new(&plan, results).with_disks(disks);
    let mut text = Vec::new();
    report
        .write(plan.run.format, &mut text)
        .map_err(|error| Error::io(format!("cannot put the report together: {error}")))?;
    output.write(&text)?;
    report_file.keep_all();
    for failure in &failures {
        notice::line(&format!("bench-cli: error: {failure}"));
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The jobs that the invocation describes, in files or by its options.
fn plan(invocation: Invocation) -> Result<Plan, Error> {
    let Invocation { given, files } = invocation;
    if files.is_empty() {
        return Plan::of_command_line(&demo::complete(given));
    }
    let files = files.iter().map(|path| job_file::read(path)).collect::<Result<Vec<_>, _>>()?;
    Plan::of_files(files, &given)
}
