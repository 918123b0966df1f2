//! Entries of 128 bytes in a queue of 64-byte slots, as `SQE_MIXED` has them: such an entry takes
//! two neighbouring slots and never wraps around. Called by `ring`.

use super::{QueueFull, SqeTail, SubmissionQueue};
use crate::abi::{Opcode, Sqe, SqeFlags};

/// Two slots for the entry, and one for a filler where it would wrap around.
const SLOTS_MAX: u32 = 3;

impl SubmissionQueue {
    /// Stages one entry of 128 bytes, of which `tail` is the second half. All of it or nothing:
    /// when fewer than three slots are free it is refused, also where two would do.
    ///
    /// The kernel tells the entry's size by its opcode, which must be one of those with 128 bytes.
    pub(crate) fn push_pair(&mut self, sqe: &Sqe, tail: &SqeTail) -> Result<(), QueueFull> {
        if self.capacity() - self.pending() < SLOTS_MAX {
            return Err(QueueFull { entries: self.capacity() });
        }
        let mut first = self.reserve()?;
        let last_slot = self.entries.as_ptr().wrapping_add(self.capacity() as usize - 1);
        if first.as_ptr() == last_slot {
            let filler = Sqe::new(Opcode::NOP).with_flags(SqeFlags::CQE_SKIP_SUCCESS);
            // SAFETY: the place is valid and aligned, and `reserve` found it not to be the
            // kernel's.
            unsafe { first.write(filler) };
            first = self.reserve()?;
        }
        // SAFETY: as above.
        unsafe { first.write(*sqe) };
        let second = self.reserve()?.cast::<SqeTail>();
        // SAFETY: as above; bytes need no alignment.
        unsafe { second.write(*tail) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Params, SetupFlags, SqOffsets};
    use crate::mapping::Mapping;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_long_entry_lies_in_two_neighbouring_slots_and_never_wraps() {
        let rings = Mapping::anonymous(4096).unwrap();
        let entries = Mapping::anonymous(4096).unwrap();
        let sq_off = SqOffsets { tail: 64, ring_mask: 128, flags: 192, ..SqOffsets::default() };
        let flags = SetupFlags::NO_SQARRAY | SetupFlags::SQE_MIXED;
        // SAFETY: the place lies in the mapping, and nobody else knows it.
        unsafe { rings.at::<u32>(sq_off.ring_mask, 1).write(7) };
        let params = Params { sq_entries: 8, flags, sq_off, ..Params::default() };
        let mut queue = SubmissionQueue::new(&rings, &entries, &params);
        let slot = |index: u32| {
            // SAFETY: the slot lies in the mapping, whose bytes are all a valid entry.
            unsafe { entries.at::<Sqe>(index * 64, 1).read() }
        };
        let long = Sqe::new(Opcode::NOP128).with_user_data(9);
        for _ in 0..5 {
            queue.push(&Sqe::new(Opcode::NOP)).unwrap();
        }
        queue.push_pair(&long, &[1; 64]).unwrap();
        assert_eq!((slot(5).user_data, slot(6).user_data), (9, 0x0101_0101_0101_0101));
        assert_eq!(queue.push_pair(&long, &[2; 64]), Err(QueueFull { entries: 8 }));
        assert_eq!(queue.pending(), 7, "nothing of it was taken");
        // The kernel has taken all: slot 7 is next, and gets a filler.
        // SAFETY: the place lies in the mapping and is aligned.
        unsafe { rings.at::<AtomicU32>(0, 1).as_ref() }.store(7, Ordering::Release);
        queue.push_pair(&long, &[3; 64]).unwrap();
        assert_eq!((slot(7).opcode, slot(7).flags), (Opcode::NOP, SqeFlags::CQE_SKIP_SUCCESS));
        assert_eq!((slot(0).user_data, slot(1).user_data), (9, 0x0303_0303_0303_0303));
        assert_eq!(queue.pending(), 3);
    }
}
