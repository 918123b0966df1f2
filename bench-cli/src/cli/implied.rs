//! `bench-cli job.fio` and `bench-cli --rw=read`, as fio's users write it: `run` may be left out.
//!
//! Owns when a first word is meant for `run`. Called by `cli` before clap sees the arguments.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The arguments with `run` in front where it is meant.
pub(super) fn with_run(
    arguments: impl IntoIterator<Item = OsString>,
    is_command: impl Fn(&str) -> bool,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|first| is_for_run(first, is_command)) {
        arguments.insert(1, "run".into());
    }
    arguments
}

fn is_for_run(first: &OsStr, is_command: impl Fn(&str) -> bool) -> bool {
    let text = first.to_string_lossy();
    if let Some(name) = text.strip_prefix("--") {
        return !matches!(name, "help" | "version" | "");
    }
    let is_job_file = text == "-" || text.ends_with(".fio") || Path::new(first).is_file();
    is_job_file && !is_command(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_is_put_in_where_it_is_meant() {
        let command = |word: &str| word == "run" || word == "tune";
        for (first, implied) in [
            ("--rw=read", true),
            ("--nonsense", true),
            ("-", true),
            ("no-such-file.fio", true),
            ("/proc/self/status", true),
            ("run", false),
            ("tune", false),
            ("rum", false),
            ("-h", false),
            ("--help", false),
            ("--version", false),
        ] {
            let given = ["bench-cli", first, "--x"].map(OsString::from);
            let found = with_run(given, command);
            assert_eq!(found.len(), if implied { 4 } else { 3 }, "{first}: {found:?}");
            assert_eq!(found[1] == "run", implied || first == "run", "{first}");
        }
        assert_eq!(with_run(["bench-cli".into()], command).len(), 1, "it prints the help");
    }
}
