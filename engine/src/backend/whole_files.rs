//! Whole files in one run: the entries that the ring gets for an open, a read and a close of one
//! slot, and what their completions say of the three. Kept by `uring`; never touches the ring.
//!
//! ```text
//! open ─ link ► guard ─ link ► read ─ hard link ► look ─ hard link ► close
//! ```
//!
//! A soft link breaks behind a failure and a short transfer, a hard one never does; so what follows
//! a read that ends with its file has to hang on hard links, and is done whatever was read. That is
//! wrong for what must not be closed after a part was read, because its bytes are gone: a pipe, a
//! terminal. The *guard* ends the run in front of those: it reads no bytes with `RWF_NOWAIT`, which
//! the kernel refuses (`EOPNOTSUPP`) for all files that might have to be waited for; on Linux 6.18
//! also for those of procfs, sysfs and tmpfs. What it lets through can be read again.
//!
//! A short read does not say whether the file ended: one that met a bad page behind good ones, or a
//! signal, is short as well. So a *look* reads one more byte at the file's position, which is where
//! the read has ended; if there is none, that was all of the file. Where there is one, the read is
//! told as `EAGAIN`, and the engine reads the file in another way.
//!
//! Kernel: Linux 5.15 opens into slots, 5.17 looks files up when their request begins instead of
//! when it is submitted (`IORING_FEAT_LINKED_FILE`). Linux 6.18 begins nothing of a run of which it
//! refuses an entry.

use super::entry::entry;
use super::{Completion, RUN_LEN_MAX, Request, RequestFile, RequestKind, Wait};
use crate::lanes::Lane;
use iomill_ring::abi::{Features, RwFlags, Slot, SqeFlags};
use iomill_ring::{Ring, Sqe, Target, op};

/// Beside more other requests a run brings nothing: files that are read one by one then share their
/// system calls, and have no guard and no look. Files of 4 KiB that the page cache has took a run
/// 0.87 of the time alone, 0.92 to 0.97 two at once, 0.98 four at once, 1.03 eight at once and 1.16
/// from 32 on; from a disk it was 1.07 four at once. So it is for three files.
pub(super) const OTHERS_MAX: usize = 6;
/// Entries of one run.
pub(super) const ENTRIES: u32 = 5;
/// Of these, what completes without being told to the engine.
const UNTOLD: u32 = 2;
/// Marks the completions of these entries, with the slot and the part in the bits below. No request
/// has such an id: its lower half is no slot of the engine's table.
pub(super) const MARK: u64 = u64::MAX - 0x000f_ffff;
/// At the file's position, which goes on with each read.
const AT_POSITION: u64 = u64::MAX;

const OPEN: u64 = 0;
const GUARD: u64 = 1;
const READ: u64 = 2;
const LOOK: u64 = 3;
const CLOSE: u64 = 4;
const PARTS: u64 = 8;

/// One run that is with the ring.
#[derive(Debug)]
struct WholeFile {
    slot: u32,
    ids: [u64; 3],
    len: u32,
    /// What the read has come to.
    read: i32,
}

/// All of them.
#[derive(Debug)]
pub(super) struct WholeFiles {
    runs: Vec<WholeFile>,
    /// Completions to come that the engine is told, and those that it is not.
    told: u32,
    untold: u32,
    /// Where the looks put their byte, which nobody reads.
    byte: Box<u8>,
}

impl WholeFiles {
    /// For at most `depth` requests in flight.
    pub(super) fn new(depth: u32) -> Self {
        Self { runs: Vec::with_capacity(depth as usize / 3), told: 0, untold: 0, byte: Box::new(0) }
    }

    /// Takes a run; answers its entries.
    pub(super) fn begin(&mut self, run: &[Request]) -> [Sqe; ENTRIES as usize] {
        let &[open, read, close] = run else { unreachable!("such a run has three requests") };
        let RequestFile::Slot(slot) = open.file else { unreachable!("it is about a slot") };
        self.runs.push(WholeFile {
            slot,
            ids: [open.id, read.id, close.id],
            len: read.len,
            read: -libc::ECANCELED,
        });
        self.told += ENTRIES - UNTOLD;
        self.untold += UNTOLD;
        let file = Target::Fixed(slot);
        let plain = Request { kind: RequestKind::Open, file: RequestFile::None, ..open };
        let transfer =
            Request { kind: RequestKind::Read, offset: AT_POSITION, linked: false, ..read };
        let guard = op::read(file, std::ptr::null_mut(), 0, 0).with_rw_flags(RwFlags::NOWAIT);
        let look = op::read(file, &raw mut *self.byte, 1, AT_POSITION);
        let part = |part, sqe: Sqe, link| sqe.with_user_data(mark(slot, part)).with_flags(link);
        let (soft, hard) = (SqeFlags::IO_LINK, SqeFlags::IO_HARDLINK);
        [
            part(OPEN, entry(&plain).with_slot(Slot::Index(slot)), soft),
            part(GUARD, guard, soft),
            part(READ, entry(&transfer), hard),
            part(LOOK, look, hard),
            part(CLOSE, op::close_slot(slot), SqeFlags::empty()),
        ]
    }

    /// Takes a completion with the mark; answers what it is to the engine.
    pub(super) fn completed(&mut self, user_data: u64, result: i32) -> Option<Completion> {
        let (slot, part) = ((user_data - MARK) / PARTS, (user_data - MARK) % PARTS);
        let index = self.runs.iter().position(|run| u64::from(run.slot) == slot);
        let Some(index) = index else { unreachable!("what has the mark belongs to a run") };
        let run = &mut self.runs[index];
        let (id, result) = match part {
            OPEN => (run.ids[0], result),
            GUARD => {
                self.untold -= 1;
                return None;
            }
            READ => {
                // It is told with the look, which completes behind it, whatever it has come to.
                run.read = result;
                self.untold -= 1;
                return None;
            }
            LOOK => (run.ids[1], told(run.read, run.len, result)),
            _ => (self.runs.swap_remove(index).ids[2], result),
        };
        self.told -= 1;
        Some(Completion { id, result, lane: Lane::Ring })
    }

    /// What a cancel of this request has to name: the read's look as well, which may be where it
    /// waits.
    pub(super) fn names(&self, id: u64) -> [Option<u64>; 2] {
        let known = self.runs.iter().find_map(|run| match run.ids {
            [open, ..] if open == id => Some([Some(mark(run.slot, OPEN)), None]),
            [_, read, _] if read == id => Some([READ, LOOK].map(|part| Some(mark(run.slot, part)))),
            _ => None,
        });
        known.unwrap_or([Some(id), None])
    }

    /// The wait for so many requests as one for completions of the ring. Where as many are wanted
    /// as the runs have left, the runs are what is waited for, with all that is not told of them.
    #[inline]
    pub(super) fn lengthened(&self, wait: Wait) -> Wait {
        let requests = self.told;
        match wait {
            Wait::AtLeast(at_least) if at_least >= requests => {
                Wait::AtLeast(at_least + self.untold)
            }
            Wait::For { at_least, timeout } if at_least >= requests => {
                Wait::For { at_least: at_least + self.untold, timeout }
            }
            _ => wait,
        }
    }
}

/// Why no file can be read so on this ring, if that is the case.
pub(super) fn why_not(ring: &Ring, sqpoll: bool, polls: bool) -> Option<&'static str> {
    if sqpoll {
        return Some("SQPOLL: a run that the kernel has cut could not be noticed");
    }
    if polls {
        return Some("IOPOLL: what opens and closes is a plain system call");
    }
    if ring.sq_entries() as usize <= RUN_LEN_MAX {
        return Some("the ring is too small: give it more entries");
    }
    // Older ones look for the file when they take the read, before the open has begun. All that
    // have this feature open into slots.
    let finds_late = ring.features().contains(Features::LINKED_FILE);
    (!finds_late).then_some("the kernel lacks IORING_FEAT_LINKED_FILE (Linux 5.17)")
}

fn mark(slot: u32, part: u64) -> u64 {
    MARK + u64::from(slot) * PARTS + part
}

/// What the engine is told of a read of `len` bytes.
fn told(read: i32, len: u32, look: i32) -> i32 {
    let is_whole = u32::try_from(read).is_ok_and(|bytes| bytes == len);
    if read < 0 || is_whole || look == 0 { read } else { -libc::EAGAIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_is_all_of_the_file_only_if_there_is_no_byte_behind_it() {
        let again = -libc::EAGAIN;
        for (read, look, wanted) in [
            // Full: whether there is more does not matter.
            (100, 0, 100),
            (100, 1, 100),
            (100, -libc::EIO, 100),
            (99, 0, 99),
            (0, 0, 0),
            // A signal, or a bad page behind good ones.
            (99, 1, again),
            (99, -libc::EIO, again),
            (99, -libc::ECANCELED, again),
            (0, 1, again),
            (-libc::EIO, 0, -libc::EIO),
            (-libc::ECANCELED, -libc::ECANCELED, -libc::ECANCELED),
        ] {
            assert_eq!(told(read, 100, look), wanted, "{read} {look}");
        }
    }

    #[test]
    fn all_of_a_run_is_waited_for_if_nothing_less_is_asked_and_its_parts_are_told_in_order() {
        let mut whole = WholeFiles::new(9);
        assert_eq!(whole.lengthened(Wait::AtLeast(3)), Wait::AtLeast(3), "other requests");
        let request = |id, kind| Request {
            id,
            file: RequestFile::Slot(40),
            len: 100,
            ..Request::without_file(kind)
        };
        let run = [RequestKind::OpenSlot, RequestKind::ReadSlot, RequestKind::CloseSlot];
        let entries = whole.begin(&[request(7, run[0]), request(8, run[1]), request(9, run[2])]);
        let timeout = std::time::Duration::from_secs(1);
        let wait = |at_least| Wait::For { at_least, timeout };
        assert_eq!(whole.lengthened(Wait::AtLeast(3)), Wait::AtLeast(5));
        assert_eq!(whole.lengthened(wait(3)), wait(5));
        assert_eq!(whole.lengthened(wait(2)), wait(2));
        let reads = [Some(entries[2].user_data), Some(entries[3].user_data)];
        assert_eq!(whole.names(8), reads, "its look too");
        assert_eq!(whole.names(7), [Some(entries[0].user_data), None]);
        assert_eq!(whole.names(5), [Some(5), None], "another request");
        assert!(entries.iter().all(|sqe| sqe.user_data >= MARK));
        let told =
            [(0, Some((7, 0))), (0, None), (50, None), (0, Some((8, 50))), (0, Some((9, 0)))];
        for (sqe, (result, wanted)) in entries.iter().zip(told) {
            let done = whole.completed(sqe.user_data, result);
            assert_eq!(done.map(|done| (done.id, done.result)), wanted);
        }
        assert_eq!(whole.lengthened(wait(3)), wait(3), "it is over");
    }
}
