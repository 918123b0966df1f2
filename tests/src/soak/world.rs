//! The files that one worker has to itself, and what must be in them: a file of blocks, a log, a
//! file that another thread cuts meanwhile, and a folder of short-lived names.

use super::block::BLOCK_LEN_BYTES;
use super::ledger::Ledger;
use super::tally::Tally;
use iomill_engine::{DurableMethod, Error, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks of the large file: more than are ever in flight together.
pub(super) const BLOCKS: u32 = 4096;
/// Blocks of the file that is cut.
pub(super) const CUT_BLOCKS: u32 = 64;

/// A log of blocks: one appender at a time, so that its order is known.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Of all its records: raised when it is cut to nothing.
    pub(super) generation: u32,
    pub(super) records: u32,
    pub(super) is_busy: bool,
    pub(super) readers: u32,
}

/// One worker's files.
#[derive(Debug)]
pub(super) struct World {
    pub(super) number: u64,
    pub(super) tally: Arc<Tally>,
    pub(super) folder: PathBuf,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) log: Mutex<Log>,
}

/// The same files, open for one engine.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) blocks: File,
    pub(super) log: File,
    pub(super) cut: File,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Makes the files in a new folder.
    pub(super) fn new(folder: &Path, number: u64) -> std::io::Result<Arc<Self>> {
        let folder = folder.join(format!("world-{number}"));
        std::fs::create_dir(&folder)?;
        let len = |blocks: u32| u64::from(blocks) * BLOCK_LEN_BYTES as u64;
        std::fs::File::create(folder.join("blocks"))?.set_len(len(BLOCKS))?;
        std::fs::File::create(folder.join("cut"))?.set_len(len(CUT_BLOCKS))?;
        std::fs::File::create(folder.join("log"))?;
        Ok(Arc::new(Self {
            number,
            tally: Arc::default(),
            folder,
            ledger: Mutex::new(Ledger::new(number, BLOCKS)),
            log: Mutex::new(Log { generation: 1, ..Log::default() }),
        }))
    }

    /// Opens them; `direct` where the file system can.
    pub(super) fn open(&self, direct: bool, method: DurableMethod) -> Result<Files, Error> {
        let options = || File::options().read(true).write(true);
        let path = self.folder.join("blocks");
        let is_direct = |file: &File| {
            file.alignment().is_some_and(|alignment| alignment.offset as usize <= BLOCK_LEN_BYTES)
        };
        let blocks = match options().direct(true).open(&path) {
            Ok(file) if direct && is_direct(&file) => file,
            _ => options().open(&path)?,
        };
        let (log, cut) = (self.folder.join("log"), self.folder.join("cut"));
        let files = Files { blocks, log: options().open(log)?, cut: options().open(cut)? };
        files.blocks.set_durable_method(method);
        files.log.set_durable_method(method);
        Ok(files)
    }
}
