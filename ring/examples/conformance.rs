// cargo run -p iomill-ring --example conformance
//! Asks the running kernel for the rules of io_uring and prints the table for this host: what the
//! kernel says, and what the manual pages of liburing say. Fails where the kernel does otherwise
//! than kernels were seen to do. The rules are those of the suite in `tests/conformance`.
#![allow(clippy::print_stdout)]

#[path = "../tests/conformance/rules/mod.rs"]
mod rules;

use rules::{PARTS, Rule, Stop, running};
use std::process::ExitCode;

/// Columns of the rule and of the kernel's answer; pages and verdicts come behind them.
const RULE_COLUMNS: usize = 76;
const ANSWER_COLUMNS: usize = 26;

/// Rules by what came of them.
#[derive(Default)]
struct Counts {
    agree: u32,
    differ: u32,
    silent: u32,
    skipped: u32,
    unexpected: u32,
}

fn main() -> ExitCode {
    let (major, minor) = running();
    let mut counts = Counts::default();
    println!("Linux {major}.{minor}");
    row("rule", "kernel says", "man page says");
    for (part, rules) in PARTS {
        println!("\n{part}");
        for rule in rules {
            print(rule, &mut counts);
        }
    }
    let Counts { agree, differ, silent, skipped, unexpected } = counts;
    println!(
        "\n{} rules: {agree} agree with every page, {differ} differ from one, {silent} are in no \
         page, {skipped} skipped, {unexpected} not as seen on other kernels",
        agree + differ + silent + skipped
    );
    if unexpected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(rule: &str, kernel: &str, page: &str) {
    println!("{rule:RULE_COLUMNS$} {kernel:ANSWER_COLUMNS$} {page}");
}

/// Asks and prints one rule, and counts it once; what is not as expected is counted beside that.
fn print(rule: &Rule, counts: &mut Counts) {
    let answer = rule.answer();
    if let Some(fault) = rule.fault(&answer, running()) {
        counts.unexpected += 1;
        println!("UNEXPECTED: {fault}");
    }
    let seen = match answer {
        Ok(seen) => seen,
        Err(Stop::Skipped(why) | Stop::Broke(why)) => {
            counts.skipped += 1;
            return row(rule.name, "skipped", &why);
        }
    };
    let verdict = |says: &str| if says == seen { "agree" } else { "DIFFER" };
    let mut name = rule.name;
    let mut kernel = seen.as_str();
    for (page, says) in rule.pages {
        row(name, kernel, &format!("{page}: {says} - {}", verdict(says)));
        (name, kernel) = ("", "");
    }
    if rule.pages.is_empty() {
        counts.silent += 1;
        row(name, kernel, "nothing");
    } else if rule.pages.iter().all(|(_, says)| *says == seen) {
        counts.agree += 1;
    } else {
        counts.differ += 1;
    }
}
