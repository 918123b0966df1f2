//! Keeps several engines busy for a while and verifies everything:
//! `cargo run --release -p iomill-tests --bin soak [-- --seconds 60 --seed N --folder target]`
//!
//! Prints one line with counts and the seed, and each violation before it; exit code 1 if there was
//! any. People, the CI and a test of a few seconds run it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the summary is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use iomill_tests::soak::{Options, run};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut arguments = Arguments::of_process(&["--seconds", "--seed", "--folder"]);
    let seconds = arguments.number("--seconds", 60);
    let seed = arguments.number("--seed", u64::from(std::process::id()));
    let folder = PathBuf::from(arguments.text("--folder", "target"));
    if let Some(wrong) = arguments.wrong() {
        eprintln!("soak: {wrong}");
        return ExitCode::from(2);
    }
    match run(&Options { duration: Duration::from_secs(seconds), seed, folder }) {
        Ok(summary) => {
            let (count, kept) = summary.tally.violations();
            for violation in kept {
                println!("violation: {violation}");
            }
            println!("{:?}", summary.tally.kinds());
            println!("{summary}");
            ExitCode::from(u8::from(count > 0))
        }
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}
