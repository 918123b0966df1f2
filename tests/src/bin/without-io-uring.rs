//! Runs a command with io_uring taken away from it:
//! `cargo run -p iomill-tests --bin without-io-uring -- [--errno NAME | --kill] -- COMMAND ARGS...`
//!
//! It never returns when the command starts: it becomes the command, so the exit status is the
//! command's own. People, the CI and the command-line tests call it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use iomill_tests::denial::Invocation;

/// What shells answer for a command that could not be started.
const EXIT_NOT_STARTED: u8 = 126;

fn main() -> ExitCode {
    let invocation = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(invocation) => invocation,
        Err(error) => {
            eprintln!("without-io-uring: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = invocation.denial.install() {
        eprintln!("without-io-uring: cannot install the seccomp filter: {error}");
        return ExitCode::from(EXIT_NOT_STARTED);
    }
    let error = Command::new(&invocation.program).args(&invocation.arguments).exec();
    eprintln!("without-io-uring: cannot start {:?}: {error}", invocation.program);
    ExitCode::from(EXIT_NOT_STARTED)
}
