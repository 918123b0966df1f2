//! Runs the suites on other kernels and prints a table kernel by kernel:
//! `cargo run -p iomill-tests --bin kernel-matrix [-- --kernels 5.10,newest] [--markdown FILE]`
//!
//! Needs a Debian host with qemu-system-x86, busybox-static, kmod, e2fsprogs and xfsprogs; fetches
//! kernels from the distribution's archive. Fails when a test does, or is skipped where that was
//! not expected.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the table is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::matrix::suites::{SUITES, Suite};
use iomill_tests::matrix::{Fault, KERNELS, Kernel, kernel, run, suites, table};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line asks for.
struct Plan {
    kernels: Vec<Kernel>,
    suites: Vec<Suite>,
    markdown: Option<PathBuf>,
    lists_skips: bool,
    /// Reads the consoles of the last run again.
    from_consoles: bool,
}

fn main() -> ExitCode {
    match plan(std::env::args().skip(1)).and_then(|plan| carry_out(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("kernel-matrix: error: {fault}");
            ExitCode::from(2)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, Fault> {
    let mut plan = Plan {
        kernels: KERNELS.to_vec(),
        suites: SUITES.to_vec(),
        markdown: None,
        lists_skips: false,
        from_consoles: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--kernels" => {
                plan.kernels = value()?.split(',').map(kernel).collect::<Result<_, _>>()?
            }
            "--suites" => plan.suites = value()?.split(',').map(suite).collect::<Result<_, _>>()?,
            "--markdown" => plan.markdown = Some(PathBuf::from(value()?)),
            "--list-skips" => plan.lists_skips = true,
            "--from-consoles" => plan.from_consoles = true,
            other => {
                let use_these = "[--kernels NAMES] [--suites NAMES] [--markdown FILE] \
                                 [--list-skips] [--from-consoles]";
                return Err(format!("{other} is not known: use {use_these}"));
            }
        }
    }
    Ok(plan)
}

fn suite(name: &str) -> Result<Suite, Fault> {
    let known = || SUITES.map(|suite| suite.name).join(", ");
    let found = SUITES.into_iter().find(|suite| suite.name == name);
    found.ok_or_else(|| format!("no suite {name}: choose of {}", known()))
}

/// Answers whether all was as expected.
fn carry_out(plan: &Plan) -> Result<bool, Fault> {
    let build = suites::target_folder()?;
    let folder = build.parent().ok_or("the build folder lies in no folder")?;
    let lines = if plan.from_consoles {
        run::consoles(&plan.kernels, folder)
    } else {
        run::matrix(&plan.kernels, &plan.suites, folder)?
    };
    let text = table::markdown(&lines);
    println!("\n{text}");
    if let Some(path) = &plan.markdown {
        let page = format!("{}{text}", table::HEAD);
        fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if plan.lists_skips {
        table::skip_list(&lines).iter().for_each(|line| println!("{line}"));
    }
    let unexpected = table::unexpected(&lines);
    unexpected.iter().for_each(|line| println!("UNEXPECTED: {line}"));
    println!("{}", table::summary(&lines));
    Ok(unexpected.is_empty())
}
