//! The command line: generated from the option table, read with clap.
//!
//! Owns the syntax of the command line and the wording of its errors. It applies nothing; it
//! hands back what was given, in order. Called by `main`.

mod foreign;
mod implied;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::Error;
use crate::options::{self, OptionDef, Scope, Settings};
use crate::tools::{self, TOOLS, Tool};

/// The name of the job files among clap's arguments.
const JOB_FILE: &str = "job_file";

/// An option as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) option: &'static OptionDef,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Where an option was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    CommandLine,
    /// A line of a job file: `job.fio:12`.
    File(String),
}

impl Assignment {
    /// Applies it, and says on stderr what it means if that may surprise.
    ///
    /// # Errors
    ///
    /// A usage error that names the option, and the line of the file.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), Error> {
        let (start, name) = match &self.origin {
            Origin::CommandLine => ("--".to_owned(), self.option.name),
            Origin::File(place) => (format!("{place}: "), self.option.name),
        };
        self.option
            .apply(settings, &self.text)
            .map_err(|why| Error::usage(format!("{start}{name}: {why}")))
    }
}

/// A run: its options and its job files.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    pub(crate) given: Vec<Assignment>,
    pub(crate) files: Vec<PathBuf>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Run jobs.
    Run(Invocation),
    /// Do what another command does.
    Tool(&'static Tool, ArgMatches),
    /// Print this text (help or version) and do nothing else.
    Print(String),
}

/// Reads the command line; `arguments` begins with the program's name.
///
/// # Errors
///
/// A usage error of one line.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Error> {
    let is_command = |word: &str| command().find_subcommand(word).is_some();
    let arguments = foreign::passed_over(implied::with_run(arguments, is_command));
    let is_run = arguments.get(1).is_some_and(|first| first == "run");
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    Ok(Request::Print(error.render().to_string()))
                }
                _ => Err(Error::Usage(one_line(&error, is_run))),
            };
        }
    };
    match matches.subcommand() {
        Some(("run", run)) => {
            let files = run.get_many::<PathBuf>(JOB_FILE).into_iter().flatten().cloned();
            Ok(Request::Run(Invocation { given: assignments(run)?, files: files.collect() }))
        }
        Some(("options", _)) => Ok(Request::Print(options::reference::markdown())),
        Some((name, matches)) => Ok(match tools::find(name) {
            Some(tool) => Request::Tool(tool, matches.clone()),
            None => Request::Print(command().render_help().to_string()),
        }),
        None => Ok(Request::Print(command().render_help().to_string())),
    }
}

/// The command line that has the same effect as `assignments`.
pub(crate) fn equivalent(assignments: &[Assignment]) -> String {
    let mut line = "bench-cli run".to_owned();
    for Assignment { option, text, .. } in assignments {
        let flag = option.value_alone() == Some(text.as_str());
        line.push_str(&format!(" --{}", option.name));
        if !flag {
            line.push_str(&format!("={}", shell_word(text)));
        }
    }
    line
}

/// The whole syntax, for the completions and the manual page too.
pub(crate) fn command() -> Command {
    let run = Command::new("run")
        .about("Run jobs; without options a short demonstration")
        .long_about(
            "Runs jobs, described by fio's job files or by fio's options; each --name begins a \
             job; the word 'run' may be left out. Without any job a short demonstration runs on a \
             temporary file, which is removed again. With a job file, options of the command line \
             go before those of the file, in every job.\n\n\
             Options take fio's underscores or hyphens, and their value as --bs=4k or --bs 4k. \
             Switches may be written alone (= 1) or as --direct=0. The default is in brackets.",
        )
        .arg(
            Arg::new(JOB_FILE)
                .value_name("JOB_FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Job files in fio's format; several run one after the other; - is stdin"),
        )
        .args(options::all().map(argument));
    let options = Command::new("options")
        .about("Print the reference of all options")
        .arg(Arg::new("markdown").long("markdown").action(ArgAction::SetTrue).help("As Markdown"));
    Command::new("bench-cli")
        .about("A fio-like benchmark on top of the Iomill engine")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand(run)
        .subcommands(TOOLS.iter().map(|tool| (tool.command)()))
        .subcommand(options)
        .disable_help_subcommand(true)
}

fn argument(option: &'static OptionDef) -> Arg {
    let heading = match option.scope {
        Scope::Job => "Job options",
        Scope::Run => "Report options",
    };
    let aliases = option.spellings().into_iter().skip(1);
    let argument = Arg::new(option.name)
        .long(option.name)
        .aliases(aliases)
        .value_name(option.value_name())
        // clap refuses other bytes without a word about the option; `assignments` names it.
        .value_parser(OsStringValueParser::new())
        .help(option.help)
        .help_heading(heading)
        // Several jobs have several values; `plan` refuses two for one job.
        .action(ArgAction::Append);
    match option.value_alone() {
        Some(value) => argument.num_args(0..=1).require_equals(true).default_missing_value(value),
        None => argument.num_args(1).allow_hyphen_values(false),
    }
}

fn assignments(matches: &ArgMatches) -> Result<Vec<Assignment>, Error> {
    let mut given: Vec<(usize, Assignment)> = Vec::new();
    for option in options::all() {
        if matches.value_source(option.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values = matches.get_many::<OsString>(option.name).into_iter().flatten();
        for (index, value) in matches.indices_of(option.name).into_iter().flatten().zip(values) {
            given.push((index, assignment(option, value)?));
        }
    }
    given.sort_by_key(|(index, _)| *index);
    Ok(given.into_iter().map(|(_, assignment)| assignment).collect())
}

fn assignment(option: &'static OptionDef, value: &OsStr) -> Result<Assignment, Error> {
    let Some(text) = value.to_str() else {
        return Err(Error::usage(format!(
            "--{}='{}' is not UTF-8; write it in UTF-8, or reach a file of that name by a \
             symbolic link with a plain one",
            option.name,
            value.to_string_lossy()
        )));
    };
    Ok(Assignment { option, text: text.to_owned(), origin: Origin::CommandLine })
}

/// clap explains over several lines; a script's log wants one.
fn one_line(error: &clap::Error, is_run: bool) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // clap shows an option as `--bs <SIZE>`; the name is enough here.
    let argument = context(ContextKind::InvalidArg);
    let name = argument.split([' ', '=', '[']).next().unwrap_or(argument);
    match error.kind() {
        ErrorKind::UnknownArgument
            if !is_run && options::find(name.trim_start_matches('-')).is_some() =>
        {
            format!("{name} is an option of a job; give those after --, or to 'bench-cli run'")
        }
        ErrorKind::UnknownArgument if name.starts_with("--") => {
            match context(ContextKind::SuggestedArg) {
                "" => foreign::unknown_option(name),
                _ if options::foreign(name.trim_start_matches('-')).is_some() => {
                    foreign::unknown_option(name)
                }
                meant => format!("unknown option {name}; did you mean {meant}?"),
            }
        }
        ErrorKind::UnknownArgument => {
            format!("unexpected argument '{argument}'; options look like --bs=4k")
        }
        ErrorKind::InvalidValue if context(ContextKind::InvalidValue).is_empty() => {
            format!("{name} needs a value, e.g. {}", example(name))
        }
        ErrorKind::InvalidValue => {
            let value = context(ContextKind::InvalidValue);
            match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(words)) => {
                    let name = name.trim_matches(['<', '>']);
                    format!("{name}={value} is none of {}", words.join(", "))
                }
                _ => first_line(error),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::Strings(words)) => words.join(" and "),
                _ => "something".to_owned(),
            };
            format!("{missing} is missing; --help after the command shows how")
        }
        ErrorKind::InvalidSubcommand => format!(
            "unknown command '{}'; the commands are run, {}, options",
            context(ContextKind::InvalidSubcommand),
            TOOLS.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
        ),
        _ => first_line(error),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or("bad usage");
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

fn example(argument: &str) -> String {
    let name = argument.trim_start_matches('-');
    let value = options::find(name).map(OptionDef::example);
    format!("--{name}={}", value.unwrap_or("x"))
}

/// Quotes a word for a POSIX shell where that is needed.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let all = ["bench-cli", "run"].iter().chain(arguments).map(OsString::from);
        match read(all).map_err(|error| error.to_string())? {
            Request::Run(run) => {
                Ok(run.given.into_iter().map(|given| (given.option.name, given.text)).collect())
            }
            other => panic!("not a job: {other:?}"),
        }
    }

    fn one(name: &'static str, text: &str) -> Result<Vec<(&'static str, String)>, String> {
        Ok(vec![(name, text.to_owned())])
    }

    #[test]
    fn clap_accepts_the_table() {
        command().debug_assert();
    }

    #[test]
    fn values_come_with_or_without_an_equals_sign() {
        assert_eq!(given(&["--bs=4k"]), one("bs", "4k"));
        assert_eq!(given(&["--bs", "4k"]), one("bs", "4k"));
        assert_eq!(given(&["--blocksize=4k"]), one("bs", "4k"));
    }

    #[test]
    fn hyphens_and_underscores_are_the_same() {
        assert_eq!(given(&["--io-size=1m"]), one("io_size", "1m"));
        assert_eq!(given(&["--output_format=json"]), one("output-format", "json"));
        assert_eq!(given(&["--sqthread-poll-cpu=1"]), one("sqthread_poll_cpu", "1"));
    }

    #[test]
    fn switches_stand_alone_or_take_a_value() {
        assert_eq!(given(&["--direct"]), one("direct", "1"));
        assert_eq!(given(&["--direct=0"]), one("direct", "0"));
        assert_eq!(given(&["--time-based", "--bs=1k"]).map(|list| list.len()), Ok(2));
        // A word after a switch is not its value: as in fio it is a job file.
        let all = ["bench-cli", "run", "--direct", "0"].map(OsString::from);
        let Ok(Request::Run(run)) = read(all) else { panic!("the words are valid") };
        assert_eq!((run.given[0].text.as_str(), run.files), ("1", vec![PathBuf::from("0")]));
    }

    #[test]
    fn run_may_be_left_out() {
        let all = ["bench-cli", "--rw=read", "--direct"].map(OsString::from);
        let Ok(Request::Run(run)) = read(all) else { panic!("a job") };
        assert_eq!(run.given.len(), 2);
    }

    #[test]
    fn order_is_kept() {
        let list = given(&["--rw=read", "--direct", "--bs=4k", "--name=x"]).expect("valid");
        let names: Vec<_> = list.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["rw", "direct", "bs", "name"]);
    }

    #[test]
    fn every_error_is_one_clear_line() {
        for (arguments, words) in [
            (vec!["--iodept=4"], "unknown option --iodept; did you mean --iodepth?"),
            (vec!["--zzzzqqqqxxxx"], "unknown option --zzzzqqqqxxxx; 'bench-cli run --help'"),
            (vec!["--numa_cpu_nodes=0"], "--numa_cpu_nodes is not supported: memory is not"),
            (vec!["--bs"], "--bs needs a value, e.g. --bs=8k"),
            (vec!["--bs", "--iodepth=3"], "--bs needs a value"),
        ] {
            let error = given(&arguments).expect_err("refused");
            assert!(error.starts_with(words), "{arguments:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let error = read(["bench-cli", "rum"].map(OsString::from)).expect_err("refused");
        let words = "unknown command 'rum'; the commands are run, doctor";
        assert!(error.to_string().starts_with(words), "{error}");
        let error = read(["bench-cli", "tune", "--rw=read"].map(OsString::from));
        let error = error.expect_err("refused").to_string();
        assert!(error.starts_with("--rw is an option of a job; give those after --"), "{error}");
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused_by_its_option() {
        use std::os::unix::ffi::OsStringExt;
        for (bytes, words) in [
            (&b"--filename=caf\xe9"[..], "--filename='caf\u{fffd}' is not UTF-8"),
            (b"--bs=\xff", "--bs='\u{fffd}' is not UTF-8"),
            (b"--direct=\xff", "--direct='\u{fffd}' is not UTF-8"),
            (b"--b\xff=4k", "unknown option --b\u{fffd}"),
        ] {
            let bad = OsString::from_vec(bytes.to_vec());
            let all = ["bench-cli", "run", "--rw=read"].map(OsString::from).into_iter();
            let error = read(all.chain([bad])).expect_err("refused").to_string();
            assert!(error.starts_with(words), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn equivalent_lines_read_back_to_the_same() {
        let words = ["--name=a b", "--bs=4k", "--time_based", "--direct=0"];
        let all = ["bench-cli", "run"].into_iter().chain(words).map(OsString::from);
        let Ok(Request::Run(run)) = read(all) else { panic!("the words are valid") };
        assert_eq!(
            equivalent(&run.given),
            "bench-cli run --name='a b' --bs=4k --time_based --direct=0"
        );
    }
}
