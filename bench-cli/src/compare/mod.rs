//! `compare`: ratios between results, with confidence intervals and verdicts only where they hold.
//!
//! Owns the syntax and what is compared with what. The statistics are `confidence`'s, the table is
//! `table`'s, running against fio is `against`'s.

mod against;
mod json;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::error::Error;
use crate::paint::Paint;
use crate::report::Output;
use crate::results::RunResult;
use table::Design;

pub(crate) const NAME: &str = "compare";

/// All runs of one side.
#[derive(Clone, Debug)]
struct Side {
    name: String,
    runs: Vec<RunResult>,
}

/// For whom the result is.
#[derive(Clone, Copy, Debug)]
enum Form {
    Normal,
    Json,
}

/// The syntax.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Compare result files, or run a job against fio; verdicts only where they are real")
        .long_about(
            "Compares result files, ours or fio's: the first RUNS is the base. Several runs of one \
             side are given with commas and make the verdict honest: a,b,c d,e,f. With one run a \
             side the intervals inside the runs are compared, which misses what differs from run \
             to run.\n\n\
             With --against=fio it runs a job on both programs in turn, and compares pair by \
             pair:\n  bench-cli compare --against=fio -- --rw=randread --size=1g --filename=FILE",
        )
        .arg(
            Arg::new("results")
                .value_name("RUNS")
                .num_args(0..)
                .help("Result files of one side, separated by commas; the first side is the base"),
        )
        .arg(
            Arg::new("against")
                .long("against")
                .value_name("PROGRAM")
                .value_parser(["fio"])
                .help("Run the job after -- on this program and on bench-cli in turn"),
        )
        .arg(
            Arg::new("runs")
                .long("runs")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=1000))
                .default_value("5")
                .help("Pairs of runs, with --against"),
        )
        .arg(extra("ours", "An option for bench-cli only, e.g. --ours=--allow_overwrite"))
        .arg(extra("theirs", "An option for the other program only, e.g. --theirs=--thread"))
        .arg(
            Arg::new("keep")
                .long("keep")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .help("Keep the result of each run as a file in this directory, with --against"),
        )
        .arg(
            Arg::new("output-format")
                .long("output-format")
                .value_name("WORD")
                .value_parser(["normal", "json"])
                .default_value("normal")
                .help("A table for people (normal), or the same figures for programs (json)"),
        )
        .arg(
            Arg::new("job")
                .value_name("JOB OPTIONS")
                .num_args(0..)
                .last(true)
                .allow_hyphen_values(true)
                .help("The job's options, for both programs"),
        )
}

fn extra(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("OPTION")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .help(help)
}

/// Compares and prints.
pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let words = |name: &str| -> Vec<String> {
        matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    };
    let (files, job) = (words("results"), words("job"));
    let form = match matches.get_one::<String>("output-format").map(String::as_str) {
        Some("json") => Form::Json,
        _ => Form::Normal,
    };
    if matches.get_one::<String>("against").is_none() {
        if !job.is_empty() {
            return Err(Error::usage("a job after -- needs --against=fio"));
        }
        return compare_files(&files, form);
    }
    if job.is_empty() || !files.is_empty() {
        return Err(Error::usage(
            "--against=fio needs the job's options after --, e.g. -- --rw=randread --size=1g, and \
             no result files",
        ));
    }
    let plan = against::Plan {
        pair_count: matches.get_one("runs").copied().unwrap_or(5),
        job,
        ours: words("ours"),
        theirs: words("theirs"),
        keep: matches.get_one::<PathBuf>("keep").cloned(),
    };
    let (base, new) = plan.run()?;
    print(&base, &[new], Design::Pairs, form)
}

fn compare_files(files: &[String], form: Form) -> Result<ExitCode, Error> {
    let [base, others @ ..] = files else {
        return Err(Error::usage("give at least two results, e.g. compare before.json after.json"));
    };
    if others.is_empty() {
        return Err(Error::usage(format!(
            "'{base}' is alone; give at least two results, e.g. compare before.json after.json"
        )));
    }
    let base = side(base)?;
    let others = others.iter().map(|files| side(files)).collect::<Result<Vec<_>, _>>()?;
    print(&base, &others, Design::Runs, form)
}

/// The runs of one side: `a.json,b.json`.
fn side(files: &str) -> Result<Side, Error> {
    let runs = files
        .split(',')
        .map(|file| RunResult::read(&PathBuf::from(file)))
        .collect::<Result<Vec<_>, _>>()?;
    let name = match runs.as_slice() {
        [only] => only.source.clone(),
        _ => format!("{} and {} more", runs[0].source, runs.len() - 1),
    };
    Ok(Side { name, runs })
}

fn print(base: &Side, others: &[Side], design: Design, form: Form) -> Result<ExitCode, Error> {
    let text = match form {
        Form::Normal => table::text(base, others, design, Paint::for_stdout()),
        Form::Json => json::text(base, others, design),
    };
    Output::Stdout.write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
