//! Sudden power-off on real file systems in virtual machines; see `iomill_tests::power`:
//! `cargo run -p iomill-tests --bin power-off [-- --images 60 --acks 300 --kernel newest --seed N]`
//!
//! Prints one line per file system and one in all; fails when something acknowledged was lost, or
//! when what has to be found out was not. In the guest it is called with `guest` and what to do.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the summary is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use iomill_tests::matrix::{Fault, kernel, suites};
use iomill_tests::power::guest;
use iomill_tests::power::prepare::{FileSystem, file_systems};
use iomill_tests::power::run::{Options, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["guest", what, device, file_system, port] => {
            guest::run(what, device, file_system, port).map(|()| true)
        }
        _ => plan().and_then(|(options, file_systems)| carry_out(&options, &file_systems)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("power-off: error: {fault}");
            ExitCode::from(2)
        }
    }
}

fn plan() -> Result<(Options, Vec<FileSystem>), Fault> {
    let names = ["--images", "--acks", "--kernel", "--seed", "--file-system"];
    let mut arguments = Arguments::of_process(&names);
    let name = arguments.text("--kernel", "newest");
    let file_system = arguments.text("--file-system", "");
    let images = usize::try_from(arguments.number("--images", 60)).unwrap_or(usize::MAX);
    let acks = arguments.number("--acks", 300);
    let seed = arguments.number("--seed", u64::from(std::process::id()));
    if let Some(wrong) = arguments.wrong() {
        return Err(wrong.to_owned());
    }
    let kernel = kernel(&name)?;
    let file_systems = file_systems(&file_system)?;
    Ok((Options { kernel, acks, images, seed }, file_systems))
}

/// Answers whether nothing was lost.
fn carry_out(options: &Options, file_systems: &[FileSystem]) -> Result<bool, Fault> {
    let build = suites::target_folder()?;
    let folder = build.parent().ok_or("the build folder lies in no folder")?;
    let mut is_good = true;
    for file_system in file_systems {
        let outcome = run(options, file_system, folder)?;
        println!("{outcome}");
        is_good &= outcome.is_good();
    }
    let verdict = if is_good { "ok" } else { "FAILED" };
    println!("power-off: {verdict}, {} file systems, seed {}", file_systems.len(), options.seed);
    Ok(is_good)
}
