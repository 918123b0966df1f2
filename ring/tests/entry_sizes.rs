//! Both sizes of entries and completions on the running kernel, around the ends of both queues.
//! `IORING_NOP_CQE32` (Linux 6.18) makes a NOP complete with 32 bytes, of which the second half is
//! what its `off` and `addr` held.
#![allow(clippy::unwrap_used)]

use iomill_ring::{Builder, CqeExtra, Ring, Sqe, op};

/// A NOP with this flag completes with 32 bytes.
const NOP_CQE32: u32 = 1 << 5;
/// More than either queue holds several times over, and no multiple of them.
const ROUNDS: u64 = 50;

fn ring(what: &str, builder: Builder) -> Option<Ring> {
    match builder.build() {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: {what}: {error}");
            None
        }
    }
}

fn long_nop(number: u64) -> Sqe {
    let mut sqe = op::nop().with_user_data(number);
    (sqe.op_flags, sqe.off, sqe.addr) = (NOP_CQE32, number + 1000, number + 2000);
    sqe
}

fn extra_of(number: u64) -> CqeExtra {
    [number + 1000, number + 2000]
}

/// Sends entries one batch of three after the other, of which the `long` ones complete with 32
/// bytes; answers what came back.
fn send(ring: &mut Ring, long: impl Fn(u64) -> bool) -> Vec<(u64, i32, Option<CqeExtra>)> {
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        for number in 3 * round..3 * (round + 1) {
            let sqe =
                if long(number) { long_nop(number) } else { op::nop().with_user_data(number) };
            // SAFETY: a NOP names no memory and no file.
            unsafe { ring.push(&sqe) }.unwrap();
        }
        ring.submit_and_wait(3).unwrap();
        let mut batch = ring.completions();
        while let Some((cqe, extra)) = batch.next_with_extra() {
            seen.push((cqe.user_data, cqe.res, extra));
        }
    }
    seen
}

/// Whether the kernel knows `NOP_CQE32`: an older one completes it with EINVAL. Takes one entry and
/// leaves the positions of the queues odd.
fn has_long_nops(ring: &mut Ring) -> bool {
    // SAFETY: a NOP names no memory and no file.
    unsafe { ring.push(&long_nop(0)) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    let known = ring.completions().next().unwrap().result() != Err(22);
    if !known {
        eprintln!("skipped: this kernel has no NOP that completes with 32 bytes (Linux 6.18)");
    }
    known
}

#[test]
fn short_completions_have_no_second_half() {
    let Some(mut ring) = ring("16-byte completions", Builder::new(4)) else { return };
    let seen = send(&mut ring, |_| false);
    assert_eq!(seen, (0..3 * ROUNDS).map(|number| (number, 0, None)).collect::<Vec<_>>());
}

#[test]
fn long_completions_carry_their_second_half() {
    let Some(mut ring) = ring("CQE32", Builder::new(4).cqe32()) else { return };
    if has_long_nops(&mut ring) {
        let seen = send(&mut ring, |_| true);
        let expected = (0..3 * ROUNDS).map(|number| (number, 0, Some(extra_of(number))));
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}

#[test]
fn mixed_completions_are_told_apart_and_fillers_are_passed_over() {
    let Some(mut ring) = ring("CQE_MIXED", Builder::new(4).cqe_mixed()) else { return };
    let long = |number: u64| number % 3 == 1 || number.is_multiple_of(7);
    if has_long_nops(&mut ring) {
        let seen = send(&mut ring, long);
        let extra = |number| long(number).then(|| extra_of(number));
        let expected = (0..3 * ROUNDS).map(|number| (number, 0, extra(number)));
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}

#[test]
fn plain_iteration_over_a_mixed_queue_yields_each_completion_once() {
    let Some(mut ring) = ring("CQE_MIXED", Builder::new(4).cqe_mixed()) else { return };
    for number in 0..ROUNDS {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&long_nop(number)) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        let seen: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, [number]);
    }
}

#[test]
fn long_entries_are_taken_from_their_own_places() {
    let Some(mut ring) = ring("SQE128", Builder::new(4).sqe128()) else { return };
    for round in 0..ROUNDS {
        for number in 3 * round..3 * (round + 1) {
            let sqe = op::nop().with_user_data(number);
            let pushed = if number.is_multiple_of(2) {
                // SAFETY: a NOP names no memory and no file.
                unsafe { ring.push(&sqe) }
            } else {
                // SAFETY: as above, and it ignores its second half.
                unsafe { ring.push128(&sqe, &[0xff; 64]) }
            };
            pushed.unwrap();
        }
        ring.submit_and_wait(3).unwrap();
        let seen: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
        assert_eq!(seen, (3 * round..3 * (round + 1)).collect::<Vec<_>>());
    }
}

#[test]
#[should_panic(expected = "needs a ring set up with SQE128")]
fn a_long_entry_on_a_ring_of_short_ones_is_a_bug() {
    let Some(mut ring) = ring("64-byte entries", Builder::new(4)) else {
        panic!("skipped, no ring: an entry of 128 bytes needs a ring set up with SQE128");
    };
    // SAFETY: a NOP names no memory and no file.
    let pushed = unsafe { ring.push128(&op::nop(), &[0; 64]) };
    unreachable!("{pushed:?}");
}
