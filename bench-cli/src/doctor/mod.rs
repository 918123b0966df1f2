//! `doctor`: what this machine and this file give to an engine, and what to change to get more.
//!
//! Owns the screen. It changes nothing and measures no speed: it looks and tries. The facts come
//! from `kernel`, `storage` and `trial`; `advice` says what follows from them.

mod advice;
mod kernel;
mod storage;
mod trial;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::error::Error;
use crate::paint::{Paint, Tone};
use crate::report::Output;

pub(crate) const NAME: &str = "doctor";

/// The columns of the names on the left, and of the whole screen.
const NAME_COLUMNS: usize = 15;
const COLUMNS: usize = 100;

/// One line of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    name: &'static str,
    value: String,
    tone: Tone,
}

impl Fact {
    fn good(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: value.into(), tone: Tone::Good }
    }

    fn bad(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: value.into(), tone: Tone::Bad }
    }

    fn plain(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: value.into(), tone: Tone::Strong }
    }
}

/// The syntax.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Show what this machine gives to the engine, and what to change to get more")
        .long_about(
            "Shows on one screen what the kernel, its policies, the file system and the disk below \
             PATH give to the engine: which backend would run there and why, and what to change to \
             get more. It changes nothing; in a directory it makes a small file and removes it.",
        )
        .arg(
            Arg::new("path")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .default_value(".")
                .help("The file, directory or block device to look at"),
        )
}

/// Looks and prints. The exit code is 1 if no engine can run here.
pub(crate) fn run(matches: &ArgMatches) -> Result<ExitCode, Error> {
    let default = PathBuf::from(".");
    let path = matches.get_one::<PathBuf>("path").unwrap_or(&default);
    let kernel = kernel::Kernel::look();
    let storage = storage::Storage::look(path)?;
    let trial = trial::Trial::run();
    let facts = [kernel.facts(), storage.facts(), trial.facts()].concat();
    let advice = advice::all(&kernel, &storage, &trial);
    let text = screen(path, &facts, &advice, Paint::for_stdout());
    Output::Stdout.write(text.as_bytes())?;
    Ok(if trial.runs() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn screen(path: &Path, facts: &[Fact], advice: &[String], paint: Paint) -> String {
    let mut text =
        format!("{}\n", paint.tone(Tone::Strong, &format!("doctor: {}", path.display())));
    for fact in facts {
        let lines = wrapped(&fact.value, COLUMNS - NAME_COLUMNS - 2);
        for (index, line) in lines.iter().enumerate() {
            let name = if index == 0 { fact.name } else { "" };
            let name = paint.tone(Tone::Quiet, &format!("  {name:<NAME_COLUMNS$}"));
            let line = match fact.tone {
                Tone::Bad => paint.tone(Tone::Bad, line),
                _ => line.clone(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}{line}");
        }
    }
    if advice.is_empty() {
        let _ = writeln!(text, "\n{}", paint.tone(Tone::Good, "nothing to change was found"));
        return text;
    }
    let _ = writeln!(text, "\n{}", paint.tone(Tone::Strong, "to get more:"));
    for (number, advice) in (1..).zip(advice) {
        for (index, line) in wrapped(advice, COLUMNS - 5).iter().enumerate() {
            let head = if index == 0 { format!("{number:>3}. ") } else { " ".repeat(5) };
            let _ = writeln!(text, "{head}{line}");
        }
    }
    text
}

/// Breaks at blanks so that each line has at most `columns`.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_names_facts_once_and_numbers_its_advice() {
        let facts = [Fact::good("kernel", "Linux 6.1"), Fact::bad("io_uring", "word ".repeat(40))];
        let text = screen(Path::new("/d"), &facts, &["do this".into()], Paint::plain());
        assert!(text.starts_with("doctor: /d\n  kernel         Linux 6.1\n  io_uring  "), "{text}");
        assert!(text.ends_with("to get more:\n  1. do this\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let none = screen(Path::new("/d"), &facts, &[], Paint::plain());
        assert!(none.ends_with("nothing to change was found\n"), "{none}");
    }

    #[test]
    fn lines_break_at_blanks_and_keep_every_word() {
        let text = "one two three four";
        assert_eq!(wrapped(text, 9), ["one two", "three", "four"]);
        assert_eq!(wrapped(text, 99), [text]);
    }
}
