//! Tries the corpora and mutations of them:
//! `cargo run --release -p iomill-tests --bin fuzz -- [--seconds 60] [--seed N] [--cases N] TARGET`
//!
//! Without a target all of them run, and share the time. With `--input FILE` it runs that one
//! input.
//! Prints a line per target; exit code 1 if anything failed: the inputs are in `--finds`
//! (`target/fuzz`) then, and belong into the corpus when they are fixed.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the summary is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use iomill_tests::fuzz::{Options, TARGETS, run, run_one};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const NAMES: [&str; 6] = ["--seconds", "--seed", "--cases", "--corpus", "--finds", "--input"];

fn main() -> ExitCode {
    let mut arguments = Arguments::of_process(&NAMES);
    let seconds = arguments.number("--seconds", 60);
    let seed = arguments.number("--seed", u64::from(std::process::id()));
    let cases_max = arguments.number("--cases", u64::MAX);
    let corpus =
        PathBuf::from(arguments.text("--corpus", concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")));
    let finds = PathBuf::from(arguments.text("--finds", "target/fuzz"));
    let input = arguments.text("--input", "");
    if let Some(wrong) = arguments.wrong() {
        eprintln!("fuzz: {wrong}");
        return ExitCode::from(2);
    }
    let words: Vec<&str> = arguments.words().iter().map(String::as_str).collect();
    let targets = if words.is_empty() { TARGETS.to_vec() } else { words };
    if !input.is_empty() {
        return one(&targets, Path::new(&input), &finds);
    }
    // Panics are expected by the thousand; those that are not are told in the summary.
    std::panic::set_hook(Box::new(|_| {}));
    let share = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let duration = Duration::from_secs(seconds) / share;
    let options = Options { duration, cases_max, seed, corpus, finds };
    let mut is_fine = true;
    for target in targets {
        match run(target, &options) {
            Ok(summary) => {
                for (path, why) in &summary.finds {
                    println!("find: {}: {why}", path.display());
                }
                let (cases, finds) = (summary.cases, summary.finds.len());
                println!("fuzz: {target}: seed {seed}, {cases} inputs, {finds} finds");
                is_fine &= finds == 0;
            }
            Err(error) => {
                eprintln!("fuzz: {target}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::from(u8::from(!is_fine))
}

/// Runs one input with one target.
fn one(targets: &[&str], input: &Path, folder: &Path) -> ExitCode {
    let [target] = targets else {
        eprintln!("fuzz: --input needs one target: {}", TARGETS.join(", "));
        return ExitCode::from(2);
    };
    match run_one(target, input, folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("find: {}: {why}", input.display());
            ExitCode::from(1)
        }
    }
}
