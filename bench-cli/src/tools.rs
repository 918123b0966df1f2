//! The commands beside `run`: each brings its own syntax and its own way.
//!
//! Owns the list of them. It does no work. Read by `cli` for the syntax, called by `main`.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::error::Error;
use crate::{compare, doctor, merge, plot, shell, tune};

/// One command.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) command: fn() -> Command,
    pub(crate) run: fn(&ArgMatches) -> Result<ExitCode, Error>,
}

/// All commands beside `run`, in the order of the help.
pub(crate) static TOOLS: &[Tool] = &[
    Tool { name: doctor::NAME, command: doctor::command, run: doctor::run },
    Tool { name: compare::NAME, command: compare::command, run: compare::run },
    Tool { name: plot::NAME, command: plot::command, run: plot::run },
    Tool { name: tune::NAME, command: tune::command, run: tune::run },
    Tool { name: merge::NAME, command: merge::command, run: merge::run },
    Tool {
        name: shell::COMPLETIONS_NAME,
        command: shell::completions_command,
        run: shell::completions,
    },
    Tool { name: shell::MAN_NAME, command: shell::man_command, run: shell::man },
];

/// The command called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}
