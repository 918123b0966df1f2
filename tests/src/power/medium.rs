//! The contents of a disk: a file that is never changed, and what has been written over it since.

use super::{SECTOR_LEN, SECTOR_LEN_BYTES};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A sector out of a longer write, which its neighbours share.
#[derive(Clone, Debug)]
pub struct Sector {
    write: Arc<[u8]>,
    begin: usize,
}

impl Sector {
    /// The sectors of a write of whole ones.
    pub fn all(write: &Arc<[u8]>) -> impl Iterator<Item = Self> + '_ {
        let begins = (0..write.len()).step_by(SECTOR_LEN);
        begins.map(|begin| Self { write: Arc::clone(write), begin })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.write[self.begin..self.begin + SECTOR_LEN]
    }
}

/// A disk's contents. A clone shares all bytes and can be written for itself.
#[derive(Clone, Debug)]
pub struct Medium {
    base: Arc<File>,
    len_bytes: u64,
    written: HashMap<u64, Sector>,
}

impl Medium {
    /// What the file holds.
    ///
    /// # Errors
    /// What the system says of it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let base = File::open(path)?;
        let len_bytes = base.metadata()?.len();
        Ok(Self { base: Arc::new(base), len_bytes, written: HashMap::new() })
    }

    /// Its length in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Reads whole sectors.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.base.read_exact_at(into, offset)?;
        let numbers = offset / SECTOR_LEN_BYTES..;
        for (number, part) in numbers.zip(into.chunks_exact_mut(SECTOR_LEN)) {
            if let Some(sector) = self.written.get(&number) {
                part.copy_from_slice(sector.bytes());
            }
        }
        Ok(())
    }

    /// Puts one sector over what was there.
    pub fn put(&mut self, number: u64, sector: Sector) {
        self.written.insert(number, sector);
    }

    /// Writes whole sectors.
    pub fn write(&mut self, offset: u64, bytes: &Arc<[u8]>) {
        for (number, sector) in (offset / SECTOR_LEN_BYTES..).zip(Sector::all(bytes)) {
            self.put(number, sector);
        }
    }
}
