//! The whole of a power-off run: a guest that writes and is killed, then a guest that looks at one
//! image after the other, and what the judge says of what it has seen.

use super::block::Seen;
use super::cells::is_wrong;
use super::dump::Dump;
use super::image::{Failure, Images, failures, lies};
use super::judge::History;
use super::machine::{Boot, Machine, News, insist};
use super::mark::Mark;
use super::medium::Medium;
use super::nbd::{Disk, Errno, Shared};
use super::port::Port;
use super::prepare::{FileSystem, prepare};
use super::recording::{Recorded, Recording, is_in_sectors};
use crate::matrix::{Fault, Kernel, say};
use crate::random::Random;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How many images a disk that lies has: a check of the check.
const LIES: usize = 4;
const EIO: Errno = 5;
/// Violations that are printed.
const SHOWN_MAX: usize = 10;

/// What to do.
#[derive(Debug)]
pub struct Options {
    /// On which kernel.
    pub kernel: Kernel,
    /// The guest is killed after about so many acknowledgements.
    pub acks: u64,
    /// How many images are looked at.
    pub images: usize,
    /// What is by chance follows from it, but for the guest's own timing.
    pub seed: u64,
}

/// What came of one file system.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `uname -r`.
    pub kernel: String,
    /// Its name.
    pub file_system: &'static str,
    writes: usize,
    flushes: u64,
    acked: usize,
    moments: usize,
    images: usize,
    /// Images by which the wrong cells were found out.
    caught: usize,
    /// Images with a sector of two operations.
    torn: usize,
    /// Images of the disk that lies, and those of them that were refused.
    lies: (usize, usize),
    /// Broken promises.
    pub violations: Vec<String>,
}

impl Outcome {
    /// Whether nothing was lost, and what had to be refused was refused.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty() && self.images > 0 && self.caught > 0 && self.lies.1 > 0
    }
}

impl std::fmt::Display for Outcome {
    /// One line, before it one for each of the first violations.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for violation in self.violations.iter().take(SHOWN_MAX) {
            writeln!(f, "violation on {}: {violation}", self.file_system)?;
        }
        let Self { kernel, file_system, writes, flushes, acked, moments, images, .. } = self;
        write!(
            f,
            "{file_system} on {kernel}: {acked} acknowledged operations, {writes} writes and \
             {flushes} flushes of the disk; {images} images out of {moments} moments: {} broken \
             promises, {} with a torn sector; unsynced writes taken for lasting were found out by \
             {}, and a disk that lies by {} of {}",
            self.violations.len(),
            self.torn,
            self.caught,
            self.lies.1,
            self.lies.0
        )
    }
}

/// Runs on a file system, and says on the way what it does.
///
/// # Errors
/// When nothing can be run: no archive, no tool, a program that does not build, a guest that fails.
pub fn run(options: &Options, file_system: &FileSystem, folder: &Path) -> Result<Outcome, Fault> {
    let (boot, medium) = prepare(&options.kernel, file_system, folder)?;
    let begin = Instant::now();
    let recorded = insist(|| record(&boot, medium.clone(), options))?;
    say(&format!("{}: written and killed: {:.1?}", file_system.name, begin.elapsed()));
    let outcome = look(&boot, &recorded, options)?;
    say(&format!("{}: looked at: {:.1?}", file_system.name, begin.elapsed()));
    Ok(Outcome { kernel: boot.version, file_system: file_system.name, ..outcome })
}

/// Lets a guest write, and kills it.
fn record(boot: &Boot, medium: Medium, options: &Options) -> Result<Recorded, Fault> {
    let recorded = Recorded::new(medium);
    let (send, news) = channel();
    let port = writing_port(&recorded, send, options);
    let disks: [Shared; 2] = [Arc::new(Mutex::new(recorded.clone())), Arc::new(Mutex::new(port))];
    let machine = Machine::boot(boot, "write", disks, options.seed)?;
    machine.watch(&news, boot)?;
    Ok(recorded)
}

fn writing_port(recorded: &Recorded, news: Sender<News>, options: &Options) -> Port {
    let recorded = recorded.clone();
    let seed = options.seed;
    let last = options.acks + Random::new(seed).below(options.acks / 4 + 1);
    let mut acks = 0;
    Port::new(move |text| {
        let message = match text.parse::<Mark>() {
            Ok(mark) => {
                acks += u64::from(matches!(mark, Mark::Acked { .. }));
                recorded.lock().said(mark);
                if acks < last { News::Alive } else { News::Over }
            }
            Err(_) if text == "seed" => News::Alive,
            Err(_) => News::Failed(text.to_owned()),
        };
        // Whoever listens may have heard enough.
        let _ = news.send(message);
        seed.to_string()
    })
}

/// The disk of a guest that looks.
#[derive(Debug)]
struct Shown(Medium);

impl Disk for Shown {
    fn len_bytes(&self) -> u64 {
        self.0.len_bytes()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.0.read(offset, into).map_err(|_| EIO)
    }

    fn write(&mut self, offset: u64, bytes: Vec<u8>, _is_lasting: bool) -> Result<u64, Errno> {
        if !is_in_sectors(offset, bytes.len()) {
            return Err(EIO);
        }
        self.0.write(offset, &bytes.into());
        Ok(0)
    }

    fn answered(&mut self, _write: u64) {}

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

/// Shows a guest the images, and judges what it sees.
fn look(boot: &Boot, recorded: &Recorded, options: &Options) -> Result<Outcome, Fault> {
    let mut random = Random::new(options.seed ^ 1);
    let recording = recorded.lock();
    let mut failures = failures(&recording, options.images, &mut random);
    failures.extend(lies(&recording, LIES, &mut random));
    failures.sort_by_key(|failure| failure.point);
    let history = History::of(recording.marks(recording.events.len()))?;
    let mut outcome = Outcome {
        writes: recording.writes.len(),
        flushes: recording.flushes,
        acked: history.acked(),
        moments: recording.events.len(),
        ..Outcome::default()
    };
    let seen = insist(|| show(boot, &recording, &failures, options))?;
    for (failure, seen) in failures.iter().zip(seen) {
        outcome.judge(&recording, failure, &seen)?;
    }
    Ok(outcome)
}

/// What the guest has seen of an image: its files, or why it could not be mounted.
type Sight = Result<Vec<Dump>, String>;

fn show(
    boot: &Boot,
    recording: &Recording,
    failures: &[Failure],
    options: &Options,
) -> Result<Vec<Sight>, Fault> {
    let mut images = Images::new(recording);
    let shown = Arc::new(Mutex::new(Shown(recording.begin.clone())));
    let (send, news) = channel();
    let (ask, asked) = channel::<()>();
    let (give, given) = channel::<bool>();
    let sights = Arc::new(Mutex::new(Vec::<Sight>::new()));
    let collected = Arc::clone(&sights);
    let port = Port::new(move |text| {
        let mut sights = collected.lock().unwrap_or_else(PoisonError::into_inner);
        let message = match text.split_once(' ') {
            Some(("dump", line)) => match (Dump::from_line(line), sights.last_mut()) {
                (Ok(dump), Some(Ok(dumps))) => {
                    dumps.push(dump);
                    News::Alive
                }
                (dump, _) => News::Failed(format!("an unexpected dump: {dump:?}")),
            },
            Some(("unmountable", why)) => {
                sights.pop();
                sights.push(Err(why.to_owned()));
                News::Alive
            }
            None if text == "next" => {
                // The image is made by the one who has the recording; without him it is over.
                let more = ask.send(()).is_ok() && given.recv().unwrap_or(false);
                let _ = send.send(if more { News::Alive } else { News::Over });
                if more {
                    sights.push(Ok(Vec::new()));
                }
                return if more { "look" } else { "end" }.to_owned();
            }
            _ => News::Failed(text.to_owned()),
        };
        // Whoever listens may have heard enough.
        let _ = send.send(message);
        String::new()
    });
    let disks: [Shared; 2] = [shown.clone(), Arc::new(Mutex::new(port))];
    let machine = Machine::boot(boot, "look", disks, options.seed ^ 1)?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut left = failures.iter();
            while asked.recv().is_ok() {
                let next = left.next().map(|failure| images.image(failure));
                let more = next.is_some();
                if let Some(image) = next {
                    shown.lock().unwrap_or_else(PoisonError::into_inner).0 = image;
                }
                if give.send(more).is_err() {
                    return;
                }
            }
        });
        machine.watch(&news, boot)
    })?;
    Ok(std::mem::take(&mut sights.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl Outcome {
    fn judge(
        &mut self,
        recording: &Recording,
        failure: &Failure,
        sight: &Sight,
    ) -> Result<(), Fault> {
        let history = History::of(recording.marks(failure.judged_at))?;
        let is_lie = failure.judged_at > failure.point;
        let violations = match sight {
            Ok(dumps) => history.violations(dumps),
            Err(why) => {
                self.violations.push(format!("{failure:?}: the image cannot be mounted: {why}"));
                return Ok(());
            }
        };
        let (wrong, right): (Vec<_>, Vec<_>) =
            violations.into_iter().partition(|violation| is_wrong(&violation.cell));
        if is_lie {
            self.lies.0 += 1;
            self.lies.1 += usize::from(!right.is_empty());
            return Ok(());
        }
        self.images += 1;
        let is_torn = |seen: &Seen| matches!(seen, Seen::Torn { .. });
        let mut dumps = sight.iter().flatten();
        self.torn += usize::from(dumps.any(|dump| dump.sectors.iter().any(is_torn)));
        self.caught += usize::from(!wrong.is_empty());
        for violation in right {
            self.violations.push(format!("{failure:?}: {}: {}", violation.cell, violation.why));
        }
        Ok(())
    }
}
