//! Options of fio on the command line that the table does not have.
//!
//! Owns what becomes of them before clap sees the arguments: those that do nothing here are taken
//! out with a note, the others are left for clap to stumble over, unless `--ignore_unsupported`
//! says otherwise. Called by `cli`.

use std::ffi::OsString;

use crate::notice;
use crate::options::{self, Foreign};

/// The arguments without what is passed over.
///
pub(super) fn passed_over(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_none_or(|command| command != "run") {
        return arguments;
    }
    let ignore = arguments
        .iter()
        .any(|word| word == "--ignore_unsupported" || word == "--ignore-unsupported");
    let mut kept = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy().into_owned();
        let name = text.split('=').next().unwrap_or_default();
        let known = name == "--help" || name == "--version";
        let unknown = name
            .strip_prefix("--")
            .filter(|name| !known && !name.is_empty() && options::find(name).is_none());
        match unknown.map(|name| (name, options::foreign(name))) {
            Some((_, Some((name, Foreign::NoEffect(why))))) => {
                notice::line(&format!("bench-cli: note: --{name} does nothing here: {why}"));
            }
            Some((_, Some((name, Foreign::Unsupported(why))))) if ignore => {
                notice::line(&format!("bench-cli: warning: --{name} is passed over: {why}"));
            }
            Some((name, None)) if ignore => {
                notice::line(&format!("bench-cli: warning: --{name} is unknown, passed over"));
            }
            _ => kept.push(argument),
        }
    }
    kept
}

/// Why an argument is not taken.
pub(super) fn unknown_option(argument: &str) -> String {
    let name = argument.trim_start_matches('-');
    match options::foreign(name) {
        Some((name, Foreign::Unsupported(why) | Foreign::NoEffect(why))) => {
            format!("--{name} is not supported: {why}; --ignore_unsupported passes it over")
        }
        None => match options::nearest(name) {
            Some(near) => format!("unknown option {argument}; did you mean --{near}?"),
            None => format!("unknown option {argument}; 'bench-cli run --help' lists all"),
        },
    }
}
