//! Runs a command with io_uring taken away from it, or with limits, or as another user:
//! `cargo run -p iomill-tests --bin without-io-uring -- [OPTIONS] -- COMMAND ARGS...`
//!
//! Options: `--errno NAME`, `--kill`, `--kill-thread` or `--allow`; `--call setup|enter|register`;
//! `--limit memlock|nofile|nproc=NUMBER`; `--user NUMBER`.
//!
//! It never returns when the command starts: it becomes the command, so the exit status is the
//! command's own. People, the CI and the command-line tests call it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use iomill_tests::invocation::Invocation;

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
        eprintln!("without-io-uring: cannot install filter and limits: {error}");
        return ExitCode::from(EXIT_NOT_STARTED);
    }
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments);
    if let Some(user) = invocation.denial.user {
        command.uid(user).gid(user);
    }
    let error = command.exec();
    eprintln!("without-io-uring: cannot start {:?}: {error}", invocation.program);
    ExitCode::from(EXIT_NOT_STARTED)
}
