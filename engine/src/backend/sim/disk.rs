//! The handle of a simulated disk: what a test makes, gives to an engine, looks at and breaks. All
//! state is `model`'s.

use super::backend::SimBackend;
use super::content::Content;
use super::faults::{FaultCounts, Faults};
use super::history::History;
use super::model::Model;
use super::options::SimOptions;
use super::random::Random;
use super::recording::{Point, Recording};
use super::shared::Shared;
use crate::backend::Backend;
use crate::clock::nanoseconds;
use crate::error::Error;
use crate::file::File;
use crate::open_options::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A seeded disk in virtual time, with files of its own. Clones are handles of the same disk.
///
/// The module's text says what it promises.
#[derive(Clone, Debug)]
pub struct SimDisk {
    shared: Shared,
}

impl SimDisk {
    /// An empty disk at time 0.
    pub fn new(options: SimOptions) -> Self {
        Self { shared: Shared::new(Model::new(options)) }
    }

    /// A backend for [`Engine::with_backend`](crate::Engine::with_backend). Several engines may
    /// share a disk and its time.
    pub fn backend(&self) -> Box<dyn Backend> {
        Box::new(SimBackend::new(self.shared.clone()))
    }

    /// Makes a durable file of `len` zeros, and the directories on its way; opens it for reading
    /// and writing. Takes no virtual time and no fault hits it.
    ///
    /// # Errors
    /// When the name is taken or impossible, or the process has no descriptor left.
    pub fn create(&self, name: impl AsRef<Path>, len: u64) -> Result<File, Error> {
        self.place(name.as_ref(), Content::zeros(len))
    }

    /// As [`create`](Self::create), with these bytes in it.
    ///
    /// # Errors
    /// As `create`.
    pub fn create_with(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<File, Error> {
        let mut content = Content::zeros(0);
        let stamp = self.shared.lock().next_stamp();
        content.write(stamp, 0, bytes);
        content.promote(stamp, None);
        self.place(name.as_ref(), content)
    }

    /// Gives a file these bytes, as if somebody else had written and synced them; makes it, and the
    /// directories on its way, if it is not there. Takes no virtual time and no fault hits it.
    ///
    /// # Errors
    /// When the name is impossible or is that of a directory.
    pub fn replace(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        let name = name.as_ref();
        let replaced = self.shared.lock().replace_file(name, bytes);
        replaced.map_err(|errno| describe("replace", name, errno))
    }

    /// Makes a durable directory, and those on its way.
    ///
    /// # Errors
    /// When the name is taken or impossible.
    pub fn create_directory(&self, name: impl AsRef<Path>) -> Result<(), Error> {
        let name = name.as_ref();
        let placed = self.shared.lock().place_directory(name);
        placed.map_err(|errno| describe("make directory", name, errno))
    }

    /// Opens a file of this disk for reading and writing, on the spot; the operation `Open` does it
    /// through the engine.
    ///
    /// # Errors
    /// When there is no such file, or the process has no descriptor left.
    pub fn open_again(&self, name: impl AsRef<Path>) -> Result<File, Error> {
        self.open(name, &File::options().read(true).write(true))
    }

    /// As [`open_again`](Self::open_again), with options. Direct files need Linux 6.6: before it,
    /// the memory files that stand for simulated ones know no direct I/O.
    ///
    /// # Errors
    /// As `open_again`.
    pub fn open(&self, name: impl AsRef<Path>, options: &OpenOptions) -> Result<File, Error> {
        let name = name.as_ref();
        let flags = options.flags(name)?;
        let opened = self.shared.lock().open(name.as_os_str().as_bytes(), flags);
        File::from_fd(opened.map_err(|errno| describe("open", name, errno))?, name)
    }

    /// What a reader sees of a file now, or `None` if there is no such file.
    pub fn contents(&self, name: impl AsRef<Path>) -> Option<Vec<u8>> {
        let model = self.shared.lock();
        let number = model.lookup(name.as_ref()).ok()?;
        let content = &model.files.get(&number)?.content;
        let mut bytes = vec![0; usize::try_from(content.len()).ok()?];
        content.read(0, &mut bytes);
        Some(bytes)
    }

    /// All names, directories included, in order.
    pub fn names(&self) -> Vec<PathBuf> {
        self.shared.lock().names.iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// What a power failure at this moment and a restart would leave: another disk, at time 0, with
    /// the same settings. This one goes on as if nothing had happened, so that many failures can be
    /// tried at one moment, each by its seed.
    ///
    /// Faults that [`set_faults`](Self::set_faults) or [`calm`](Self::calm) have changed are those
    /// of the settings again.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn crash(&self, seed: u64) -> Result<Self, Error> {
        Ok(Self { shared: Shared::new(self.shared.lock().after_power_failure(seed)) })
    }

    /// Every request that has completed, with its times and its result.
    pub fn history(&self) -> History {
        self.shared.lock().history.clone()
    }

    /// How often each fault has happened.
    pub fn fault_counts(&self) -> FaultCounts {
        self.shared.lock().counts
    }

    /// Other faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.lock().faults = faults;
    }

    /// No faults and no stalls from now on: everything in flight and everything to come must
    /// succeed, also what was never to complete.
    pub fn calm(&self) {
        self.shared.calm();
    }

    /// Virtual time since the disk was made.
    pub fn now_ns(&self) -> u64 {
        self.shared.lock().now_ns()
    }

    /// Lets virtual time pass, as if the caller had been busy.
    pub fn advance(&self, time: Duration) {
        let mut model = self.shared.lock();
        model.pass(nanoseconds(time));
    }

    /// A handle of this disk.
    pub(super) fn from_model(model: Model) -> Self {
        Self { shared: Shared::new(model) }
    }

    /// Keeps the state at up to so many moments from now on.
    pub(super) fn record(&self, points_max: usize) {
        let mut model = self.shared.lock();
        let random = Random::new(model.options.seed);
        let (points, seen, marks) = (Vec::new(), 0, 0);
        model.recording = Some(Recording { points, points_max, seen, random, marks });
    }

    /// The program has so many marks now.
    pub(super) fn mark(&self, marks: usize) {
        let mut model = self.shared.lock();
        if let Some(recording) = &mut model.recording {
            recording.marks = marks;
        }
        model.cut(|| format!("mark {marks}"));
    }

    /// What was recorded, and how many moments there were. Recording ends.
    pub(super) fn recorded(&self) -> (Vec<Point>, u64) {
        let recording = self.shared.lock().recording.take();
        recording.map_or((Vec::new(), 0), |recording| (recording.points, recording.seen))
    }

    fn place(&self, name: &Path, content: Content) -> Result<File, Error> {
        let placed = self.shared.lock().place_file(name, content);
        placed.map_err(|errno| describe("create", name, errno))?;
        self.open_again(name)
    }
}

fn describe(operation: &'static str, name: &Path, errno: i32) -> Error {
    Error::from_errno(operation, errno).with_path(name)
}
