//! Fuzzing without a fuzzer: each target gets the inputs of its corpus and then mutations of them,
//! for a while. Deterministic by the seed, but for the time at which it ends. Run by the binary
//! `fuzz`; what it finds is written to a folder.
//!
//! | target | what it is given | what must hold |
//! |---|---|---|
//! | `chains` | a program on a faulty simulated disk | outcomes and files as of plain arrays |
//! | `completions` | completions of a backend that lies | goes on, or panics as documented |
//! | `command-line`, `job-file` | `bench-cli run --parse-only` | ends by itself with 0, 1 or 2 |
//! | `results` | `bench-cli compare`, `merge`, `plot` | the same |

mod chains;
mod command;
#[expect(unsafe_code, reason = "a backend that lies implements the unsafe trait")]
mod completions;
mod input;
mod mutate;

use crate::random::{Random, mix};
use command::Place;
use mutate::mutate;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The targets' names.
pub const TARGETS: [&str; 5] = ["chains", "completions", "command-line", "job-file", "results"];

/// Each engine that panics leaks what was in flight, so there are not too many of them.
const COMPLETIONS_MAX: u64 = 20_000;

/// What to do with each target.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long.
    pub duration: Duration,
    /// At most so many inputs beside the corpus.
    pub cases_max: u64,
    /// From which all mutations follow.
    pub seed: u64,
    /// The corpora: a folder for each target.
    pub corpus: PathBuf,
    /// Where finds go.
    pub finds: PathBuf,
}

/// What a target has come to.
#[derive(Debug)]
pub struct Summary {
    /// Inputs tried.
    pub cases: u64,
    /// The inputs that failed, and why.
    pub finds: Vec<(PathBuf, String)>,
}

/// One of the targets, ready to be given inputs.
enum Target {
    Chains,
    Completions,
    CommandLine(Place),
    JobFile(Place),
    Results(Place),
}

impl Target {
    fn new(name: &str, folder: &Path) -> Result<Self, String> {
        Ok(match name {
            "chains" => Self::Chains,
            "completions" => Self::Completions,
            "command-line" => Self::CommandLine(Place::new(folder)?),
            "job-file" => Self::JobFile(Place::new(folder)?),
            "results" => Self::Results(Place::new(folder)?),
            _ => return Err(format!("unknown target {name}: known are {}", TARGETS.join(", "))),
        })
    }

    fn run(&self, input: &[u8]) -> Result<(), String> {
        match self {
            Self::Chains => chains::run(input),
            Self::Completions => completions::run(input),
            Self::CommandLine(place) => place.command_line(input),
            Self::JobFile(place) => place.job_file(input),
            Self::Results(place) => place.results(input),
        }
    }

    /// As `run`; a panic is a find as well.
    fn try_input(&self, input: &[u8]) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| self.run(input))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| String::from(*text)));
            Err(format!("a panic: {}", text.unwrap_or_default()))
        })
    }
}

/// The inputs of a corpus by their names, so that each run has the same order.
fn read_corpus(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

fn said(what: &Path, error: &io::Error) -> String {
    format!("{}: {error}", what.display())
}

/// Gives inputs to a target.
///
/// # Errors
/// When there is no such target, no corpus, or no place for finds. What fails is in the summary.
pub fn run(name: &str, options: &Options) -> Result<Summary, String> {
    let finds = options.finds.join(name);
    fs::create_dir_all(&finds).map_err(|error| said(&finds, &error))?;
    let target = Target::new(name, &finds)?;
    let folder = options.corpus.join(name);
    let corpus = read_corpus(&folder).map_err(|error| said(&folder, &error))?;
    if corpus.is_empty() {
        return Err(format!("the corpus {} is empty", folder.display()));
    }
    let is_short = matches!(target, Target::Completions);
    let cases_max = options.cases_max.min(if is_short { COMPLETIONS_MAX } else { u64::MAX });
    // An input that ends the process is found here.
    let current = finds.join("last-input");
    let mut random = Random::new(mix(options.seed ^ name.len() as u64));
    let mut summary = Summary { cases: 0, finds: Vec::new() };
    let begin = Instant::now();
    let mutated = (0..cases_max)
        .map_while(|_| (begin.elapsed() < options.duration).then(|| mutate(&corpus, &mut random)));
    for input in corpus.iter().cloned().chain(mutated) {
        fs::write(&current, &input).map_err(|error| said(&current, &error))?;
        summary.cases += 1;
        if let Err(why) = target.try_input(&input) {
            let hash = input.iter().fold(0, |hash, byte| mix(hash ^ u64::from(*byte)));
            let path = finds.join(format!("find-{hash:016x}"));
            fs::write(&path, &input).map_err(|error| said(&path, &error))?;
            summary.finds.push((path, why));
            if summary.finds.len() >= 10 {
                break;
            }
        }
    }
    fs::remove_file(&current).map_err(|error| said(&current, &error))?;
    Ok(summary)
}

/// Runs one input, for example a find.
///
/// # Errors
/// Why it fails, or why it cannot be run.
pub fn run_one(name: &str, input: &Path, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| said(folder, &error))?;
    let bytes = fs::read(input).map_err(|error| said(input, &error))?;
    Target::new(name, folder)?.run(&bytes)
}
