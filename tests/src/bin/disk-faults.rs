//! What the engine does when a disk fails under a real file system, in virtual machines; see
//! `iomill_tests::power::faults`:
//! `cargo run -p iomill-tests --bin disk-faults [-- --kernel newest --file-system xfs]`
//!
//! Prints a line for each trial in which something was wrong, and one in all. The guest's program
//! is that of `power-off`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the summary is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use iomill_tests::matrix::{Fault, kernel, suites};
use iomill_tests::power::faulty::run;
use iomill_tests::power::prepare::file_systems;
use std::process::ExitCode;

fn main() -> ExitCode {
    match carry_out() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("disk-faults: error: {fault}");
            ExitCode::from(2)
        }
    }
}

/// Answers whether all was as it should be.
fn carry_out() -> Result<bool, Fault> {
    let arguments = Arguments::of_process(&["--kernel", "--file-system"]);
    let kernel = kernel(&arguments.text("--kernel", "newest"))?;
    let file_systems = file_systems(&arguments.text("--file-system", ""))?;
    if let Some(wrong) = arguments.wrong() {
        return Err(wrong.to_owned());
    }
    let build = suites::target_folder()?;
    let folder = build.parent().ok_or("the build folder lies in no folder")?;
    let (mut trials, mut findings) = (0, 0);
    for file_system in &file_systems {
        let outcome = run(&kernel, file_system, folder)?;
        let found = outcome.findings();
        found.iter().for_each(|line| println!("finding: {line}"));
        println!("{} on {}: {} trials", file_system.name, outcome.kernel, outcome.trials.len());
        trials += outcome.trials.len();
        findings += found.len();
    }
    println!("disk faults: {trials} trials, {findings} findings");
    Ok(findings == 0)
}
