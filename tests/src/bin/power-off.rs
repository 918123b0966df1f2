//! Sudden power-off on real file systems in virtual machines; see `iomill_tests::power`:
//! `cargo run -p iomill-tests --bin power-off [-- --images 60 --acks 300 --kernel newest --seed N]`
//!
//! Prints one line per file system and one in all; fails when something acknowledged was lost, or
//! when what has to be found out was not. In the guest it is called with `guest` and what to do.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the summary is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use iomill_tests::matrix::{Fault, KERNELS, suites};
use iomill_tests::power::guest;
use iomill_tests::power::run::{FILE_SYSTEMS, Options, Outcome, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["guest", what, device, file_system, port] => {
            guest::run(what, device, file_system, port).map(|()| true)
        }
        _ => options().and_then(|options| carry_out(&options)),
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

fn options() -> Result<Options, Fault> {
    let names = ["--images", "--acks", "--kernel", "--seed", "--file-system"];
    let mut arguments = Arguments::of_process(&names);
    let kernel = arguments.text("--kernel", "newest");
    let file_system = arguments.text("--file-system", "");
    let images = usize::try_from(arguments.number("--images", 60)).unwrap_or(usize::MAX);
    let acks = arguments.number("--acks", 300);
    let seed = arguments.number("--seed", u64::from(std::process::id()));
    if let Some(wrong) = arguments.wrong() {
        return Err(wrong.to_owned());
    }
    let found = KERNELS.into_iter().find(|known| known.name == kernel);
    let kernel = found.ok_or_else(|| {
        format!("no kernel {kernel}: choose of {}", KERNELS.map(|kernel| kernel.name).join(", "))
    })?;
    let file_systems: Vec<_> = FILE_SYSTEMS
        .into_iter()
        .filter(|known| file_system.is_empty() || known.name == file_system)
        .collect();
    if file_systems.is_empty() {
        return Err(format!("no file system {file_system}: choose of ext4, xfs"));
    }
    Ok(Options { kernel, file_systems, acks, images, seed })
}

/// Answers whether nothing was lost.
fn carry_out(options: &Options) -> Result<bool, Fault> {
    println!("power-off: seed {}", options.seed);
    let build = suites::target_folder()?;
    let folder = build.parent().ok_or("the build folder lies in no folder")?;
    let outcomes = run(options, folder)?;
    outcomes.iter().for_each(|outcome| println!("{outcome}"));
    let is_good = outcomes.iter().all(Outcome::is_good);
    let verdict = if is_good { "ok" } else { "FAILED" };
    println!("power-off: {verdict}, {} file systems, seed {}", outcomes.len(), options.seed);
    Ok(is_good)
}
