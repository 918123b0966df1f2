//! Everything that reached a guest's disk, in order: writes, what made them lasting, and between
//! them what the guest had been promised. Filled by the disk while the guest runs; decides nothing
//! about what a power failure leaves.

use super::mark::Mark;
use super::medium::Medium;
use super::nbd::{Disk, Errno};
use super::{SECTOR_LEN, SECTOR_LEN_BYTES};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const EIO: Errno = 5;
const EINVAL: Errno = 22;

/// Something that changes what a power failure may leave, or what it must leave.
#[derive(Clone, Debug)]
pub enum Event {
    /// The write of this number has come: from now on all or a part of it may be there.
    Came(usize),
    /// These writes are lasting: a flush that came after their answers is answered, or they were
    /// asked for as lasting and are answered.
    Lasting(Vec<usize>),
    /// The guest has said something.
    Said(Mark),
}

/// A write.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its first sector.
    pub first: u64,
    /// Whole sectors.
    pub bytes: Arc<[u8]>,
    is_lasting: bool,
}

/// A guest's disk from its beginning on.
#[derive(Debug)]
pub struct Recording {
    /// What it held at the beginning.
    pub begin: Medium,
    /// In the order of their coming.
    pub writes: Vec<Written>,
    /// In the order of time.
    pub events: Vec<Event>,
    /// How many flushes there were.
    pub flushes: u64,
    now: Medium,
    /// Answered since the last flush, and not lasting by themselves.
    answered: Vec<usize>,
}

impl Recording {
    /// Of a disk that begins with this.
    pub fn new(begin: Medium) -> Self {
        let (writes, events, answered) = (Vec::new(), Vec::new(), Vec::new());
        Self { now: begin.clone(), begin, writes, events, flushes: 0, answered }
    }

    /// Adds what the guest has said.
    pub fn said(&mut self, mark: Mark) {
        self.events.push(Event::Said(mark));
    }

    /// What the guest had said after so many events.
    pub fn marks(&self, point: usize) -> impl Iterator<Item = &Mark> {
        self.events[..point].iter().filter_map(|event| match event {
            Event::Said(mark) => Some(mark),
            Event::Came(_) | Event::Lasting(_) => None,
        })
    }

    fn came(&mut self, offset: u64, bytes: Vec<u8>, is_lasting: bool) -> usize {
        let number = self.writes.len();
        let bytes: Arc<[u8]> = bytes.into();
        self.now.write(offset, &bytes);
        self.writes.push(Written { first: offset / SECTOR_LEN_BYTES, bytes, is_lasting });
        self.events.push(Event::Came(number));
        number
    }

    fn answered(&mut self, number: usize) {
        if self.writes[number].is_lasting {
            self.events.push(Event::Lasting(vec![number]));
        } else {
            self.answered.push(number);
        }
    }

    fn flushed(&mut self) {
        self.flushes += 1;
        let covered = std::mem::take(&mut self.answered);
        if !covered.is_empty() {
            self.events.push(Event::Lasting(covered));
        }
    }
}

/// The disk of a guest that is recorded.
#[derive(Clone, Debug)]
pub struct Recorded(Arc<Mutex<Recording>>);

impl Recorded {
    /// A disk that begins with this.
    pub fn new(begin: Medium) -> Self {
        Self(Arc::new(Mutex::new(Recording::new(begin))))
    }

    /// The recording so far.
    pub fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for Recorded {
    fn len_bytes(&self) -> u64 {
        self.lock().begin.len_bytes()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        if !is_in_sectors(offset, into.len()) {
            return Err(EINVAL);
        }
        self.lock().now.read(offset, into).map_err(|_| EIO)
    }

    fn write(&mut self, offset: u64, bytes: Vec<u8>, is_lasting: bool) -> Result<u64, Errno> {
        if !is_in_sectors(offset, bytes.len()) {
            return Err(EINVAL);
        }
        Ok(self.lock().came(offset, bytes, is_lasting) as u64)
    }

    fn answered(&mut self, write: u64) {
        self.lock().answered(usize::try_from(write).expect("a number that came from a usize"));
    }

    fn flush(&mut self) -> Result<(), Errno> {
        self.lock().flushed();
        Ok(())
    }
}

/// Whether a transfer is of whole sectors, as all guests' are.
pub(super) fn is_in_sectors(offset: u64, len: usize) -> bool {
    offset.is_multiple_of(SECTOR_LEN_BYTES) && len.is_multiple_of(SECTOR_LEN)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A disk of 64 sectors of zeros.
    pub(in super::super) fn disk() -> Recorded {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(64 * SECTOR_LEN_BYTES).expect("its length");
        Recorded::new(Medium::open(file.path()).expect("the file"))
    }

    pub(in super::super) fn write(
        disk: &mut Recorded,
        first: u64,
        fill: u8,
        sectors: usize,
    ) -> u64 {
        let bytes = vec![fill; sectors * SECTOR_LEN];
        disk.write(first * SECTOR_LEN_BYTES, bytes, false).expect("whole sectors")
    }

    #[test]
    fn a_flush_covers_what_was_answered_before_it_came_and_nothing_else() {
        let mut disk = disk();
        let one = write(&mut disk, 0, 1, 1);
        let two = write(&mut disk, 1, 2, 1);
        disk.answered(one);
        disk.flush().expect("it never fails");
        disk.answered(two);
        let three = disk.write(0, vec![3; SECTOR_LEN], true).expect("whole sectors");
        disk.answered(three);
        disk.flush().expect("it never fails");
        disk.flush().expect("it never fails");
        let recording = disk.lock();
        let lasting: Vec<Vec<usize>> = recording
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Lasting(writes) => Some(writes.clone()),
                Event::Came(_) | Event::Said(_) => None,
            })
            .collect();
        assert_eq!(lasting, [vec![0], vec![2], vec![1]]);
        assert_eq!(recording.flushes, 3);
    }

    #[test]
    fn a_read_brings_what_was_written_last_whether_lasting_or_not() {
        let mut disk = disk();
        write(&mut disk, 1, 7, 2);
        let mut bytes = [9; 4 * SECTOR_LEN];
        disk.read(0, &mut bytes).expect("within the disk");
        let sectors: Vec<u8> = bytes.chunks(SECTOR_LEN).map(|sector| sector[0]).collect();
        assert_eq!(sectors, [0, 7, 7, 0]);
        assert_eq!(disk.read(1, &mut bytes), Err(EINVAL));
    }
}
