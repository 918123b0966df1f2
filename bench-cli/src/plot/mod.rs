//! `plot`: result files as pictures.
//!
//! Owns the syntax and where the picture goes; what is drawn is `drawing`'s. It changes no result.

mod drawing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::chart;
use crate::error::Error;
use crate::report::Output;
use crate::results::RunResult;
use crate::target::CreatedFiles;

pub(crate) const NAME: &str = "plot";

/// The syntax.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Draw result files: latency distribution, rates and latencies over time, depth")
        .long_about(
            "Draws result files, ours or fio's, as one HTML page without scripts or other files, \
             or as SVG. The distribution is exact from json+, else through the listed \
             percentiles; the series over time are in our own files only.",
        )
        .arg(
            Arg::new("results")
                .value_name("RESULT")
                .num_args(1..)
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Result files, made with --output-format=json+"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("The picture: FILE.html or FILE.svg, replaced if it exists"),
        )
        .arg(Arg::new("title").long("title").value_name("TEXT").help("Title of the page"))
}

/// Draws and writes.
pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let files: Vec<PathBuf> =
        matches.get_many::<PathBuf>("results").into_iter().flatten().cloned().collect();
    let output = matches.get_one::<PathBuf>("output").cloned().unwrap_or_default();
    let is_page = match output.extension().and_then(|ending| ending.to_str()) {
        Some("html" | "htm") => true,
        Some("svg") => false,
        _ => {
            return Err(Error::usage(format!(
                "--output={} is neither .html nor .svg; choose one of them",
                output.display()
            )));
        }
    };
    let results = files.iter().map(|path| RunResult::read(path)).collect::<Result<Vec<_>, _>>()?;
    let charts = drawing::charts(&results);
    if charts.is_empty() {
        return Err(Error::usage(
            "there is nothing to draw: no job in these files has done any I/O",
        ));
    }
    let text = if is_page {
        let title = matches.get_one::<String>("title").map_or("bench-cli", String::as_str);
        chart::page(title, &drawing::introduction(&results), &charts, &[])
    } else {
        chart::stacked(&charts)
    };
    write(&output, &files, &text)
}

fn write(output: &Path, files: &[PathBuf], text: &str) -> Result<ExitCode, Error> {
    let created = CreatedFiles::default();
    let out = Output::open(Some(output), files, &created)?;
    out.write(text.as_bytes())?;
    created.keep_all();
    Ok(ExitCode::SUCCESS)
}
