//! A guest's disk that fails on demand: the guest itself says which requests are to fail, so that a
//! fault comes exactly where a trial wants it. The host's half of `faults`; the binary
//! `disk-faults` calls it.

use super::faults::CONTROL;
use super::machine::{Boot, Device, Machine, News, insist};
use super::medium::Medium;
use super::nbd::{Disk, Errno, Shared};
use super::port::Port;
use super::prepare::{FileSystem, prepare};
use super::recording::is_in_sectors;
use crate::matrix::{Fault, Kernel};
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const EIO: Errno = 5;

/// How many of the next requests of each kind fail.
#[derive(Clone, Copy, Debug, Default)]
struct Armed {
    reads: u32,
    writes: u32,
    flushes: u32,
}

#[derive(Debug)]
struct State {
    base: Medium,
    now: Medium,
    armed: Armed,
    /// How many requests have failed since the faults were ordered.
    failed: u32,
}

/// The disk. Clones are the same one.
#[derive(Clone, Debug)]
struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    fn new(base: Medium) -> Self {
        let now = base.clone();
        Self(Arc::new(Mutex::new(State { base, now, armed: Armed::default(), failed: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the guest orders; the answer tells how many requests have failed.
    fn order(&self, text: &str) -> Option<String> {
        let mut state = self.lock();
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["fresh"] => state.now = state.base.clone(),
            ["arm", kind, count] => {
                let count = count.parse().ok()?;
                state.failed = 0;
                match *kind {
                    "reads" => state.armed.reads = count,
                    "writes" => state.armed.writes = count,
                    "flushes" => state.armed.flushes = count,
                    _ => return None,
                }
                return Some(String::new());
            }
            ["disarm"] => {}
            _ => return None,
        }
        state.armed = Armed::default();
        Some(state.failed.to_string())
    }
}

impl State {
    fn fails(&mut self, of: fn(&mut Armed) -> &mut u32) -> Result<(), Errno> {
        let left = of(&mut self.armed);
        if *left == 0 {
            return Ok(());
        }
        *left -= 1;
        self.failed += 1;
        Err(EIO)
    }
}

impl Disk for Faulty {
    fn len_bytes(&self) -> u64 {
        self.lock().base.len_bytes()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let mut state = self.lock();
        state.fails(|armed| &mut armed.reads)?;
        state.now.read(offset, into).map_err(|_| EIO)
    }

    fn write(&mut self, offset: u64, bytes: Vec<u8>, _is_lasting: bool) -> Result<u64, Errno> {
        let mut state = self.lock();
        state.fails(|armed| &mut armed.writes)?;
        if !is_in_sectors(offset, bytes.len()) {
            return Err(EIO);
        }
        state.now.write(offset, &bytes.into());
        Ok(0)
    }

    fn answered(&mut self, _write: u64) {}

    fn flush(&mut self) -> Result<(), Errno> {
        self.lock().fails(|armed| &mut armed.flushes)
    }
}

/// What came of one file system.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `uname -r`.
    pub kernel: String,
    /// Its name.
    pub file_system: &'static str,
    /// Each trial, and what was wrong in it, if anything.
    pub trials: Vec<(String, Option<String>)>,
}

impl Outcome {
    /// Trials in which something was wrong, one line each. The control, in which nothing fails and
    /// which has to notice that, is wrong if nothing was.
    pub fn findings(&self) -> Vec<String> {
        let controls = || self.trials.iter().filter(|(name, _)| name.contains(CONTROL));
        let unnoticed = controls().all(|(_, wrong)| wrong.is_none());
        let trials = self.trials.iter().filter(|(name, _)| !name.contains(CONTROL));
        let wrong = trials.filter_map(|(name, wrong)| Some((name, wrong.as_ref()?)));
        let mut findings: Vec<String> =
            wrong.map(|(name, wrong)| format!("{} {name}: {wrong}", self.file_system)).collect();
        if unnoticed {
            findings
                .push(format!("{}: a fault that did not come was not missed", self.file_system));
        }
        findings
    }
}

/// Runs all trials in a guest with this file system.
///
/// # Errors
/// When it cannot be booted, or breaks off.
pub fn run(kernel: &Kernel, file_system: &FileSystem, folder: &Path) -> Result<Outcome, Fault> {
    // The kernel tries again by itself when a SCSI disk fails.
    let mut file_system = *file_system;
    file_system.device = Device::Virtio;
    let (boot, medium) = prepare(kernel, &file_system, folder)?;
    let trials = insist(|| trials(&boot, medium.clone()))?;
    Ok(Outcome { kernel: boot.version, file_system: file_system.name, trials })
}

/// What a guest says of its trials.
fn trials(boot: &Boot, medium: Medium) -> Result<Vec<(String, Option<String>)>, Fault> {
    let disk = Faulty::new(medium);
    let orders = disk.clone();
    let trials = Arc::new(Mutex::new(Vec::new()));
    let results = Arc::clone(&trials);
    let (send, news) = channel();
    let port = Port::new(move |text| {
        let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (message, answer) = match (what, orders.order(text)) {
            (_, Some(answer)) => (News::Alive, answer),
            ("result", None) => {
                let (name, wrong) = rest.split_once(' ').unwrap_or((rest, ""));
                let wrong = (!wrong.is_empty()).then(|| wrong.to_owned());
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push((name.to_owned(), wrong));
                (News::Alive, String::new())
            }
            ("over", None) => (News::Over, String::new()),
            (_, None) => (News::Failed(text.to_owned()), String::new()),
        };
        // Whoever listens may have heard enough.
        let _ = send.send(message);
        answer
    });
    let disks: [Shared; 2] = [Arc::new(Mutex::new(disk)), Arc::new(Mutex::new(port))];
    Machine::boot(boot, "fail", disks, 0)?.watch(&news, boot)?;
    Ok(std::mem::take(&mut *trials.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::disk;
    use super::*;

    #[test]
    fn so_many_requests_of_a_kind_fail_as_were_ordered_and_a_fresh_disk_has_forgotten() {
        let mut faulty = Faulty::new(disk().lock().begin.clone());
        let sector = || vec![7; 512];
        let first = |faulty: &mut Faulty| {
            let mut bytes = [9; 512];
            faulty.read(0, &mut bytes).map(|()| bytes[0])
        };
        assert_eq!(faulty.order("arm writes 1"), Some(String::new()));
        assert_eq!(faulty.write(0, sector(), false), Err(EIO));
        assert_eq!(first(&mut faulty), Ok(0), "nothing of it was written");
        assert_eq!(faulty.write(0, sector(), false), Ok(0));
        assert_eq!((first(&mut faulty), faulty.flush()), (Ok(7), Ok(())));
        assert_eq!(faulty.order("disarm"), Some("1".into()));
        faulty.order("arm reads 2");
        faulty.order("arm flushes 1");
        assert_eq!((first(&mut faulty), faulty.flush()), (Err(EIO), Err(EIO)));
        assert_eq!(faulty.order("fresh"), Some("2".into()));
        assert_eq!(first(&mut faulty), Ok(0));
        assert_eq!((faulty.order("arm doors 1"), faulty.order("result a")), (None, None));
    }

    #[test]
    fn a_wrong_trial_is_a_finding_and_so_is_a_control_that_notices_nothing() {
        let outcome = |trials: &[(&str, Option<&str>)]| Outcome {
            kernel: String::new(),
            file_system: "ext4",
            trials: trials.iter().map(|(a, b)| ((*a).into(), b.map(String::from))).collect(),
        };
        let control = format!("threads-{CONTROL}");
        assert!(outcome(&[("a", None), (&control, Some("no fault"))]).findings().is_empty());
        let findings = outcome(&[("a", Some("why")), (&control, None)]).findings();
        assert_eq!(findings[0], "ext4 a: why");
        assert!(findings[1].contains("was not missed"));
    }
}
