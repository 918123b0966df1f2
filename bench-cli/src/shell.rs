//! `completions` and `man`: what shells and readers of manuals want, made from the same syntax.
//!
//! Owns no words of its own. Both write to stdout.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::cli;
use crate::error::Error;
use crate::report::Output;

pub(crate) const COMPLETIONS_NAME: &str = "completions";
pub(crate) const MAN_NAME: &str = "man";

/// The syntax of `completions`.
pub(crate) fn completions_command() -> Command {
    Command::new(COMPLETIONS_NAME)
        .about("Print a script that completes commands and options in a shell")
        .long_about(
            "Prints the script for a shell, e.g.\n  \
             bench-cli completions bash >~/.local/share/bash-completion/completions/bench-cli",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("bash, elvish, fish, powershell or zsh"),
        )
}

/// Prints the script.
pub(crate) fn completions(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let shell = matches.get_one::<Shell>("shell").copied().unwrap_or(Shell::Bash);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "bench-cli", &mut script);
    Output::Stdout.write(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The syntax of `man`.
pub(crate) fn man_command() -> Command {
    Command::new(MAN_NAME)
        .about("Print the manual page, of the program or of one command")
        .long_about("Prints the page in roff, e.g.\n  bench-cli man run | man -l -")
        .arg(Arg::new("command").value_name("COMMAND").help("run, tune, compare, ..."))
}

/// Prints the page.
pub(crate) fn man(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let mut all = cli::command();
    // Puts the program's name in front of each command's.
    all.build();
    let command = match matches.get_one::<String>("command") {
        None => all,
        Some(name) => all.find_subcommand(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
            Error::usage(format!("unknown command '{name}'; the commands are {}", names.join(", ")))
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Error::io(format!("cannot put the page together: {error}")))?;
    Output::Stdout.write(&page)?;
    Ok(ExitCode::SUCCESS)
}
