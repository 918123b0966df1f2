//! The options of a job: one table, read by every way of writing a job down.
//!
//! Owns what an option is and how a written value becomes a setting. It knows nothing of clap or
//! of where the text came from. Called by `cli` for the command line, and by `plan` for sections of
//! job files.

mod arithmetic;
mod foreign;
pub(crate) mod reference;
mod table;
mod table_files;
mod table_io;
mod table_jobs;
mod table_logs;
mod table_pace;
mod table_verify;
pub(crate) mod value;

pub(crate) use arithmetic::evaluate;
pub(crate) use foreign::{Foreign, foreign};

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::job::{IoEngine, JobSpec, RunSpec};

/// All options, in the order of the help.
pub(crate) fn all() -> impl Iterator<Item = &'static OptionDef> {
    [
        table::OPTIONS,
        table_io::OPTIONS,
        table_files::OPTIONS,
        table_jobs::OPTIONS,
        table_pace::OPTIONS,
        table_verify::OPTIONS,
        table_logs::OPTIONS,
        table::RUN_OPTIONS,
    ]
    .into_iter()
    .flatten()
}

/// Everything that options can set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// What the job does.
    pub(crate) job: JobSpec,
    /// How this invocation reports.
    pub(crate) run: RunSpec,
}

/// What an option belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One job: allowed wherever a job is described, listed in the report's `job options`.
    Job,
    /// The invocation: command line only.
    Run,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct OptionDef {
    /// fio's name, with fio's underscores or hyphens.
    pub(crate) name: &'static str,
    /// fio's other names for it.
    pub(crate) aliases: &'static [&'static str],
    /// Job or invocation.
    pub(crate) scope: Scope,
    /// The kind of its value, and how the value is applied.
    pub(crate) setting: Setting,
    /// One line of help.
    pub(crate) help: &'static str,
}

/// What a setter answers: nothing, or why this value cannot be.
type Applied = Result<(), String>;

/// The kind of a value, with its range and with what it sets.
#[derive(Debug)]
pub(crate) enum Setting {
    /// A whole number.
    Int(RangeInclusive<u64>, fn(&mut Settings, u64) -> Applied),
    /// A number of bytes, with fio's suffixes.
    Size(RangeInclusive<u64>, fn(&mut Settings, u64) -> Applied),
    /// A span of time, with fio's suffixes; a plain number is seconds.
    Time(fn(&mut Settings, Duration) -> Applied),
    /// A span of time where a plain number is microseconds.
    TimeUs(fn(&mut Settings, Duration) -> Applied),
    /// `0` or `1`; written alone it means `1`.
    Bool(fn(&mut Settings, bool) -> Applied),
    /// One of these words.
    Choice(&'static [&'static str], fn(&mut Settings, &str) -> Applied),
    /// Percentiles separated by colons.
    Percentiles(fn(&mut Settings, Vec<f64>) -> Applied),
    /// Any text but the empty one.
    Text(fn(&mut Settings, &str) -> Applied),
    /// A name, or nothing for the job's own.
    Name(fn(&mut Settings, &str) -> Applied),
    /// A form of its own: what the help calls it, an example, how it is read and applied.
    Form(&'static str, &'static str, fn(&mut Settings, &str) -> Applied),
}

impl OptionDef {
    /// Reads `text` and applies it to `settings`.
    ///
    /// # Errors
    ///
    /// The reason alone; the caller knows whether to name a command line or a line of a file.
    pub(crate) fn apply(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match &self.setting {
            Setting::Int(range, set) => set(settings, within(value::integer(text)?, range)?),
            Setting::Size(range, set) => {
                let size_bytes = value::size_bytes(text, settings.job.kb_base)?;
                set(settings, within(size_bytes, range)?)
            }
            Setting::Time(set) => set(settings, value::time(text)?),
            Setting::TimeUs(set) => set(settings, value::time_us(text)?),
            Setting::Bool(set) => set(settings, value::boolean(text)?),
            Setting::Choice(words, set) if words.contains(&text) => set(settings, text),
            Setting::Choice(words, _) => Err(format!("'{text}' is none of {}", words.join(", "))),
            Setting::Percentiles(set) => set(settings, value::percentiles(text)?),
            Setting::Text(_) | Setting::Form(..) if text.is_empty() => {
                Err("the value is empty".to_owned())
            }
            Setting::Text(set) | Setting::Name(set) | Setting::Form(_, _, set) => {
                set(settings, text)
            }
        }
    }

    /// A remark for the user on a value that was applied but may mean something unexpected.
    pub(crate) fn remark(&self, text: &str) -> Option<String> {
        if self.name == "ioengine" {
            return engine_remark(text);
        }
        let takes_sizes = match self.setting {
            Setting::Size(..) => true,
            Setting::Form(kind, ..) => kind.contains("SIZE"),
            _ => false,
        };
        (takes_sizes && value::is_decimal_unit(text)).then(|| {
            format!("{}={text} counts in powers of 1000, as in fio; k, m, g are 1024", self.name)
        })
    }

    /// What its name alone means, where that is anything.
    pub(crate) fn value_alone(&self) -> Option<&'static str> {
        match self.setting {
            Setting::Bool(_) => Some("1"),
            Setting::Name(_) => Some(""),
            _ => None,
        }
    }

    /// A value that it takes.
    pub(crate) fn example(&self) -> &'static str {
        match &self.setting {
            Setting::Int(..) => "8",
            Setting::Size(..) => "4k",
            Setting::Time(_) | Setting::TimeUs(_) => "10s",
            Setting::Bool(_) => "1",
            Setting::Choice(words, _) => words[0],
            Setting::Percentiles(_) => "50:99",
            Setting::Text(_) | Setting::Name(_) => "x",
            Setting::Form(_, example, _) => example,
        }
    }

    /// The name of the value in the help.
    pub(crate) fn value_name(&self) -> &'static str {
        match self.setting {
            Setting::Int(..) => "N",
            Setting::Size(..) => "SIZE",
            Setting::Time(_) | Setting::TimeUs(_) => "TIME",
            Setting::Bool(_) => "0|1",
            Setting::Choice(..) => "WORD",
            Setting::Percentiles(_) => "P:P:..",
            Setting::Text(_) | Setting::Name(_) => "TEXT",
            Setting::Form(name, ..) => name,
        }
    }

    /// Every spelling that is accepted: the name and its aliases, underscores and hyphens alike.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let mut spellings = vec![self.name.to_owned()];
        for name in std::iter::once(&self.name).chain(self.aliases) {
            for spelling in [(*name).to_owned(), name.replace('_', "-"), name.replace('-', "_")] {
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        spellings
    }
}

/// What an engine of fio's is here.
fn engine_remark(name: &str) -> Option<String> {
    let engine = IoEngine::from_name(name).ok()?;
    let why = match engine {
        IoEngine::Auto => "io_uring where the kernel allows it, threads otherwise",
        _ => "blocking calls on helper threads",
    };
    let ours = engine.name();
    (ours != name).then(|| format!("ioengine={name} runs as {ours}: {why}"))
}

/// The option called `name`, by any of its spellings.
pub(crate) fn find(name: &str) -> Option<&'static OptionDef> {
    let wanted = name.replace('-', "_");
    all().find(|option| {
        std::iter::once(&option.name)
            .chain(option.aliases)
            .any(|known| known.replace('-', "_") == wanted)
    })
}

/// The known name that `unknown` was most likely meant to be, if any is near.
pub(crate) fn nearest(unknown: &str) -> Option<&'static str> {
    let unknown = unknown.replace('-', "_");
    let (distance, name) = all()
        .flat_map(|option| std::iter::once(&option.name).chain(option.aliases))
        .map(|name| (strsim::damerau_levenshtein(&unknown, &name.replace('-', "_")), *name))
        .min()?;
    // Half of the letters wrong is no typing error any more, but another word.
    (distance <= (unknown.chars().count() / 2).max(1)).then_some(name)
}

/// Why `name` is not taken, and what is near it.
pub(crate) fn refusal(name: &str, known: Option<(&str, Foreign)>) -> String {
    if let Some((name, Foreign::Unsupported(why) | Foreign::NoEffect(why))) = known {
        return format!("{name} is not supported: {why}; --ignore_unsupported passes it over");
    }
    match nearest(name) {
        Some(near) => format!("unknown option {name}; did you mean {near}?"),
        None => format!("unknown option {name}; 'bench-cli run --help' lists all"),
    }
}

fn within(value: u64, range: &RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&value) {
        Ok(value)
    } else if *range.end() == u64::MAX {
        Err(format!("{value} is out of range, at least {} is possible", range.start()))
    } else {
        Err(format!("{value} is out of range, {} to {} is possible", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, text: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        find(name).expect("a known option").apply(&mut settings, text)?;
        Ok(settings)
    }

    #[test]
    fn no_spelling_belongs_to_two_options() {
        let mut seen = std::collections::HashMap::new();
        for option in all() {
            for spelling in option.spellings() {
                let other = seen.insert(spelling.clone(), option.name);
                assert_eq!(other, None, "--{spelling} is {} and {other:?}", option.name);
            }
        }
    }

    #[test]
    fn every_option_is_found_by_every_spelling() {
        for option in all() {
            for spelling in option.spellings() {
                let found = find(&spelling).map(|found| found.name);
                assert_eq!(found, Some(option.name), "{spelling}");
            }
        }
    }

    #[test]
    fn every_word_of_every_choice_applies() {
        for option in all() {
            let Setting::Choice(words, _) = &option.setting else { continue };
            for word in *words {
                let mut settings = Settings::default();
                assert_eq!(option.apply(&mut settings, word), Ok(()), "{}={word}", option.name);
            }
        }
    }

    #[test]
    fn each_option_changes_the_settings() {
        // An option that parses and does nothing is a lie: for each, one value must show.
        let fresh = format!("{:?}", Settings::default());
        for option in all().filter(|option| option.name != "thread") {
            let candidates: Vec<String> = match &option.setting {
                Setting::Int(range, _) | Setting::Size(range, _) => {
                    vec![range.start().to_string(), (range.start() + 2).to_string()]
                }
                Setting::Time(_) | Setting::TimeUs(_) => vec!["7s".into()],
                Setting::Bool(_) => vec!["0".into(), "1".into()],
                Setting::Choice(words, _) => words.iter().map(|&word| word.into()).collect(),
                Setting::Percentiles(_) => vec!["42".into()],
                Setting::Text(_) | Setting::Name(_) => vec!["x".into()],
                Setting::Form(_, example, _) => vec![(*example).to_owned()],
            };
            let shows = candidates.iter().any(|text| {
                let mut settings = Settings::default();
                option.apply(&mut settings, text).is_ok() && format!("{settings:?}") != fresh
            });
            assert!(shows, "--{} changes nothing with {candidates:?}", option.name);
        }
    }

    #[test]
    fn ranges_are_named_in_the_refusal() {
        assert_eq!(
            apply("iodepth", "0").map(drop),
            Err("0 is out of range, 1 to 4096 is possible".to_owned())
        );
        assert!(apply("bs", "0").is_err() && apply("bs", "65m").is_err());
        assert!(apply("numjobs", "257").is_err());
        assert!(apply("thread", "0").is_err() && apply("thread", "1").is_ok());
    }

    #[test]
    fn typing_errors_find_the_option_that_was_meant() {
        assert_eq!(nearest("iodept"), Some("iodepth"));
        assert_eq!(nearest("run-time"), Some("runtime"));
        assert_eq!(nearest("block-size"), Some("blocksize"));
        assert_eq!(nearest("output_fromat"), Some("output-format"));
        assert_eq!(nearest("zzzzqqqqxxxx"), None);
    }

    #[test]
    fn iec_units_get_a_remark() {
        let bs = find("bs").expect("bs is an option");
        assert!(bs.remark("4KiB").is_some_and(|remark| remark.contains("1000")));
        assert_eq!(bs.remark("4k"), None);
        let engine = find("ioengine").expect("an option");
        assert!(engine.remark("libaio").is_some_and(|remark| remark.contains("runs as auto")));
        assert_eq!(engine.remark("threads"), None);
        assert_eq!(find("name").expect("name is an option").remark("kib"), None);
    }
}
