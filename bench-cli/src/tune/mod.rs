//! `tune`: finds the settings that get the most out of this machine for a job.
//!
//! Owns the syntax and the order of the parts: candidates, rounds that halve them, the curve of the
//! winner, the report. Each trial is a run of this program as a process of its own, so that CPU
//! time and failures are the trial's alone.

mod candidate;
mod choice;
mod curve;
mod field;
mod rounds;
mod trial;
mod winner;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::chart;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::options;
use crate::report::Output;
use crate::target::CreatedFiles;
use rounds::Search;
use trial::Trials;

pub(crate) const NAME: &str = "tune";

/// The least time in which anything can be told apart.
const TIME_MIN: Duration = Duration::from_secs(2);

/// The syntax.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Find the best settings for a job on this machine, with what they cost")
        .long_about(
            "Tries depths, batches, registered buffers and files, a polling kernel thread, polled \
             completions, and both backends, in rounds that keep the better half and the best of \
             each way; prints the winner as Rust, as environment variables and as a job file. Of \
             ways whose difference is not real, or not worth it, the cheaper and then the simpler \
             one wins; the depth is the smallest that reaches 95 % of the best rate.\n\n\
             The job's options come after --; it must not set what is being tried:\n  \
             bench-cli tune --time=60s -- --rw=randread --bs=4k --direct --filename=FILE",
        )
        .arg(
            Arg::new("time")
                .long("time")
                .value_name("TIME")
                .default_value("60s")
                .help("How long to try in all"),
        )
        .arg(
            Arg::new("max_latency")
                .long("max_latency")
                .value_name("TIME")
                .help("Pass over settings whose p99 is longer than this"),
        )
        .arg(
            Arg::new("report")
                .long("report")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write FILE.html: rate and p99 against depth, and the tables"),
        )
        .arg(
            Arg::new("svg")
                .long("svg")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write the same charts as FILE.svg"),
        )
        .arg(
            Arg::new("job")
                .value_name("JOB OPTIONS")
                .num_args(1..)
                .required(true)
                .last(true)
                .allow_hyphen_values(true)
                .help("The job's options"),
        )
}

/// Tries, prints and draws.
pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let time = time_of(matches, "time")?.unwrap_or(Duration::from_secs(60));
    if time < TIME_MIN {
        return Err(Error::usage(format!(
            "--time={} ms is too short to tell settings apart; give at least {} s",
            time.as_millis(),
            TIME_MIN.as_secs()
        )));
    }
    let max_latency = time_of(matches, "max_latency")?;
    let job: Vec<String> =
        matches.get_many::<String>("job").into_iter().flatten().cloned().collect();
    let created = Arc::new(CreatedFiles::default());
    let report_files = Arc::new(CreatedFiles::default());
    let _removals = [created.removal(), report_files.removal()];
    let interrupt = Interrupt::default();
    interrupt.install([Arc::clone(&created), Arc::clone(&report_files)])?;
    let outputs = Outputs::open(matches, &report_files)?;
    let trials = Trials::new(job, &created, &interrupt)?;
    let search = Search::new(&trials, time, max_latency, &interrupt);
    let found = search.run()?;
    Output::Stdout.write(found.text(&trials).as_bytes())?;
    outputs.write(&found, &trials)?;
    report_files.keep_all();
    Ok(ExitCode::SUCCESS)
}

fn time_of(matches: &ArgMatches, name: &str) -> Result<Option<Duration>, Error> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    options::value::time(text).map(Some).map_err(|why| Error::usage(format!("--{name}: {why}")))
}

/// The files of `--report` and `--svg`, opened before anything is tried.
struct Outputs {
    page: Option<Output>,
    svg: Option<Output>,
}

impl Outputs {
    fn open(matches: &ArgMatches, created: &CreatedFiles) -> Result<Outputs, Error> {
        let open = |name: &str| -> Result<Option<Output>, Error> {
            let Some(path) = matches.get_one::<PathBuf>(name) else { return Ok(None) };
            if fs::metadata(path).is_ok_and(|found| found.len() > 0) && !is_picture(path) {
                return Err(Error::usage(format!(
                    "--{name}={} exists and is neither .html nor .svg; choose another name",
                    path.display()
                )));
            }
            Output::open(Some(path), &[], created).map(Some)
        };
        Ok(Outputs { page: open("report")?, svg: open("svg")? })
    }

    fn write(self, found: &winner::Found, trials: &Trials<'_>) -> Result<(), Error> {
        let charts = found.charts();
        if let Some(svg) = self.svg {
            svg.write(chart::stacked(&charts).as_bytes())?;
        }
        if let Some(page) = self.page {
            let tables = [("Result".to_owned(), found.text(trials))];
            let title = format!("bench-cli tune: {}", trials.job_line());
            page.write(chart::page(&title, &[], &charts, &tables).as_bytes())?;
        }
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "html" || ending == "htm" || ending == "svg")
}
