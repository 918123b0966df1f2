//! Tests of both queues against a naive model, over plain memory with a fake kernel: random steps,
//! random sizes of entries, and positions that wrap around.

use crate::abi::{Cqe, CqeFlags, Params, SetupFlags, SqFlags, Sqe};
use crate::cqueue::{CompletionQueue, CqeExtra};
use crate::mapping::Mapping;
use crate::op;
use crate::squeue::{QueueFull, SubmissionQueue};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

const SLOTS: u32 = 8;
const MASK: u32 = SLOTS - 1;
/// Places of the shared words, in bytes; entries begin behind them.
const HEAD: u32 = 0;
const TAIL: u32 = 64;
const RING_MASK: u32 = 128;
const FLAGS: u32 = 192;
const ENTRIES: u32 = 256;

/// The memory of one queue, and the kernel's side of it.
struct Kernel {
    rings: Mapping,
    entries: Mapping,
    /// The kernel's own position: the head of a submission queue, the tail of a completion queue.
    position: u32,
}

impl Kernel {
    fn new(start: u32) -> Self {
        let rings = Mapping::anonymous(4096).expect("a page");
        let entries = Mapping::anonymous(4096).expect("a page");
        let kernel = Self { rings, entries, position: start };
        kernel.word(HEAD).store(start, Ordering::Relaxed);
        kernel.word(TAIL).store(start, Ordering::Relaxed);
        kernel.word(RING_MASK).store(MASK, Ordering::Relaxed);
        kernel
    }

    fn params(flags: SetupFlags) -> Params {
        let flags = flags | SetupFlags::NO_SQARRAY;
        let mut params =
            Params { sq_entries: SLOTS, cq_entries: SLOTS, flags, ..Params::default() };
        let sq = &mut params.sq_off;
        (sq.head, sq.tail, sq.ring_mask, sq.flags) = (HEAD, TAIL, RING_MASK, FLAGS);
        let cq = &mut params.cq_off;
        (cq.head, cq.tail, cq.ring_mask, cq.cqes) = (HEAD, TAIL, RING_MASK, ENTRIES);
        cq.overflow = FLAGS;
        params
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        let place: NonNull<AtomicU32> = self.rings.at(offset, 1);
        // SAFETY: the word lies in the mapping, which lives as long as the borrow of `self`.
        unsafe { place.as_ref() }
    }

    /// Consumes up to `count` published submissions; answers each with its second half.
    fn consume(&mut self, count: usize, slot_len_bytes: u32) -> Vec<(Sqe, Option<[u8; 64]>)> {
        let tail = self.word(TAIL).load(Ordering::Acquire);
        let mut taken = Vec::new();
        while self.position != tail && taken.len() < count {
            let offset = (self.position & MASK) * slot_len_bytes;
            // SAFETY: the slot lies in the mapping and was written before the tail passed it.
            let sqe = unsafe { self.entries.at::<Sqe>(offset, 1).read() };
            let second = (slot_len_bytes == 128).then(|| {
                // SAFETY: as above, for the second half of the slot.
                unsafe { self.entries.at::<[u8; 64]>(offset + 64, 1).read() }
            });
            taken.push((sqe, second));
            self.position = self.position.wrapping_add(1);
        }
        self.word(HEAD).store(self.position, Ordering::Release);
        taken
    }

    fn free_slots(&self) -> u32 {
        SLOTS - self.position.wrapping_sub(self.word(HEAD).load(Ordering::Acquire))
    }

    /// Posts one completion; answers whether there was room.
    fn post(&mut self, cqe: Cqe, extra: Option<CqeExtra>, flags: SetupFlags) -> bool {
        let mixed = flags.contains(SetupFlags::CQE_MIXED);
        let two = mixed && extra.is_some();
        if two && self.position & MASK == MASK {
            // An entry does not wrap around: a filler takes the last slot.
            if self.free_slots() < 3 {
                return false;
            }
            self.write(Cqe { flags: CqeFlags::SKIP, ..Cqe::default() }, None, 16);
        }
        if self.free_slots() < if two { 2 } else { 1 } {
            return false;
        }
        if two {
            self.write(Cqe { flags: cqe.flags | CqeFlags::F_32, ..cqe }, extra, 16);
            self.position = self.position.wrapping_add(1);
        } else {
            self.write(cqe, extra, if flags.contains(SetupFlags::CQE32) { 32 } else { 16 });
        }
        self.word(TAIL).store(self.position, Ordering::Release);
        true
    }

    fn write(&mut self, cqe: Cqe, extra: Option<CqeExtra>, slot_len_bytes: u32) {
        let offset = ENTRIES + (self.position & MASK) * slot_len_bytes;
        // SAFETY: the slot lies in the mapping, and it is free.
        unsafe { self.rings.at::<Cqe>(offset, 1).write(cqe) };
        if let Some(extra) = extra {
            // SAFETY: the second half lies in the same slot, or in the free one behind it.
            unsafe { self.rings.at::<CqeExtra>(offset + 16, 1).write(extra) };
        }
        self.position = self.position.wrapping_add(1);
    }
}

/// Positions near the end of their range wrap around within a few steps.
fn starts() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), u32::MAX - 20..=u32::MAX, any::<u32>()]
}

#[derive(Clone, Debug)]
enum SqStep {
    Push { second: Option<u8> },
    Publish,
    Consume { count: usize },
}

fn sq_steps() -> impl Strategy<Value = Vec<SqStep>> {
    let step = prop_oneof![
        4 => any::<Option<u8>>().prop_map(|second| SqStep::Push { second }),
        1 => Just(SqStep::Publish),
        2 => (0..10_usize).prop_map(|count| SqStep::Consume { count }),
    ];
    proptest::collection::vec(step, 0..200)
}

#[derive(Clone, Debug)]
enum CqStep {
    Post { extra: Option<CqeExtra> },
    Read { count: usize, with_extra: bool },
}

fn cq_steps() -> impl Strategy<Value = Vec<CqStep>> {
    let step = prop_oneof![
        3 => any::<Option<CqeExtra>>().prop_map(|extra| CqStep::Post { extra }),
        2 => (0..12_usize, any::<bool>())
            .prop_map(|(count, with_extra)| CqStep::Read { count, with_extra }),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn submissions_arrive_once_in_order_and_never_beyond_the_capacity(
        start in starts(), long in any::<bool>(), steps in sq_steps(),
    ) {
        let flags = if long { SetupFlags::SQE128 } else { SetupFlags::empty() };
        let mut kernel = Kernel::new(start);
        let mut queue =
            SubmissionQueue::new(&kernel.rings, &kernel.entries, &Kernel::params(flags));
        let (mut staged, mut published) = (VecDeque::new(), VecDeque::new());
        for (number, step) in (0_u64..).zip(steps) {
            match step {
                SqStep::Push { second } => {
                    let sqe = op::nop().with_user_data(number);
                    let second = second.filter(|_| long).map(|byte| [byte; 64]);
                    let pushed = match &second {
                        Some(tail) => queue.push128(&sqe, tail),
                        None => queue.push(&sqe),
                    };
                    if staged.len() + published.len() == SLOTS as usize {
                        prop_assert_eq!(pushed, Err(QueueFull { entries: SLOTS }));
                    } else {
                        prop_assert_eq!(pushed, Ok(()));
                        staged.push_back((sqe, second.or(long.then_some([0; 64]))));
                    }
                }
                SqStep::Publish => {
                    prop_assert_eq!(queue.publish(), SqFlags::empty());
                    published.append(&mut staged);
                }
                SqStep::Consume { count } => {
                    let taken = kernel.consume(count, if long { 128 } else { 64 });
                    let expected = published.len().min(count);
                    prop_assert_eq!(taken, published.drain(..expected).collect::<Vec<_>>());
                }
            }
            prop_assert_eq!(queue.pending() as usize, staged.len() + published.len());
        }
    }

    #[test]
    fn completions_arrive_once_in_order_with_their_second_halves(
        start in starts(), kind in 0..3_usize, steps in cq_steps(),
    ) {
        let flags = [SetupFlags::empty(), SetupFlags::CQE32, SetupFlags::CQE_MIXED][kind];
        let mut kernel = Kernel::new(start);
        let mut queue = CompletionQueue::new(&kernel.rings, &Kernel::params(flags));
        let mut model = VecDeque::new();
        for (number, step) in (0_u64..).zip(steps) {
            match step {
                CqStep::Post { extra } => {
                    // A ring of 32-byte entries has a second half always, one of 16 never.
                    let extra = match kind {
                        0 => None,
                        1 => Some(extra.unwrap_or_default()),
                        _ => extra,
                    };
                    let cqe = Cqe { user_data: number, res: -5, flags: CqeFlags::MORE };
                    if kernel.post(cqe, extra, flags) {
                        model.push_back((number, extra));
                    }
                }
                CqStep::Read { count, with_extra } => {
                    let mut batch = queue.completions();
                    for _ in 0..count {
                        let read = if with_extra {
                            batch.next_with_extra()
                        } else {
                            batch.next().map(|cqe| (cqe, None))
                        };
                        let expected: Option<(u64, Option<CqeExtra>)> = model.pop_front();
                        let plain = expected.map(|(number, extra)| {
                            (number, extra.filter(|_| with_extra))
                        });
                        prop_assert_eq!(read.map(|(cqe, extra)| (cqe.user_data, extra)), plain);
                    }
                }
            }
            prop_assert!(queue.ready() as usize >= model.len());
        }
    }

    /// A kernel that keeps no promise can make us read nonsense, but not panic, hang or leave the
    /// queue: the entries are any bytes and the tail is any number of slots ahead.
    #[test]
    fn no_content_of_the_queue_panics_or_hangs(
        start in starts(), kind in 0..3_usize, ahead in 0..=SLOTS,
        entries in proptest::collection::vec(any::<(u64, i32, u32)>(), 2 * SLOTS as usize),
    ) {
        let flags = [SetupFlags::empty(), SetupFlags::CQE32, SetupFlags::CQE_MIXED][kind];
        let kernel = Kernel::new(start);
        for (index, (user_data, res, bits)) in (0_u32..).zip(entries) {
            let cqe = Cqe { user_data, res, flags: CqeFlags::from_bits_retain(bits) };
            // SAFETY: twice the slots of 16 bytes lie in the page, and nobody reads them yet.
            unsafe { kernel.rings.at::<Cqe>(ENTRIES + index * 16, 1).write(cqe) };
        }
        let mut queue = CompletionQueue::new(&kernel.rings, &Kernel::params(flags));
        kernel.word(TAIL).store(start.wrapping_add(ahead), Ordering::Release);
        let mut batch = queue.completions();
        let mut count = 0;
        while batch.next_with_extra().is_some() {
            count += 1;
        }
        prop_assert!(count <= ahead);
        drop(batch);
        prop_assert_eq!(kernel.word(HEAD).load(Ordering::Acquire), start.wrapping_add(ahead));
    }
}
