//! Prints what the workspace is built from, and fails when it should not be:
//! `cargo run -p iomill-tests --bin supply-chain`
//!
//! It needs no network. The CI and people call it; the test `supply` does the same.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the lines are the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::supply;
use std::process::ExitCode;

fn main() -> ExitCode {
    let findings = match supply::check() {
        Ok(findings) => findings,
        Err(fault) => {
            eprintln!("supply-chain: error: {fault}");
            return ExitCode::from(2);
        }
    };
    for (name, others) in &findings.run_time {
        let list: Vec<&str> = others.iter().map(String::as_str).collect();
        println!("{name}: {} run-time dependencies: {}", others.len(), list.join(" "));
    }
    findings.faults.iter().for_each(|fault| println!("FAULT: {fault}"));
    let (packages, faults) = (findings.packages, findings.faults.len());
    println!("supply chain: {packages} packages with tests and benches, {faults} faults");
    if findings.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
