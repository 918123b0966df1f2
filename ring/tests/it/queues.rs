//! What the two queues promise: order, bounds, batches, overflow, timeouts.

use crate::ring;
use iomill_ring::{Builder, ErrorKind, op};
use std::time::{Duration, Instant};

#[test]
fn completions_carry_the_user_data_through_many_wraps_of_both_queues() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let (mut sent, mut seen) = (0_u64, 0_u64);
    while seen < 10_000 {
        for _ in 0..=(sent % 4) {
            // SAFETY: a NOP names no memory and no file.
            unsafe { ring.push(&op::nop().with_user_data(sent)) }.unwrap();
            sent += 1;
        }
        ring.submit_and_wait(1).unwrap();
        for cqe in ring.completions() {
            assert_eq!((cqe.user_data, cqe.res), (seen, 0), "NOPs complete in order");
            seen += 1;
        }
    }
    assert_eq!(ring.lost(), 0);
}

#[test]
fn a_full_submission_queue_refuses_and_loses_nothing() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    for index in 0..4 {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(index)) }.unwrap();
    }
    // SAFETY: a NOP names no memory and no file.
    let full = unsafe { ring.push(&op::nop()) }.unwrap_err();
    assert_eq!(full.entries, 4);
    assert_eq!(ring.pending(), 4);
    assert_eq!(ring.submit_and_wait(4).unwrap(), 4);
    let seen: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
    assert_eq!(ring.pending(), 0);
}

#[test]
fn a_batch_costs_one_enter_and_an_idle_submit_none() {
    let Some(mut ring) = ring(&Builder::new(64)) else { return };
    for round in 1..=100 {
        for _ in 0..64 {
            // SAFETY: a NOP names no memory and no file.
            unsafe { ring.push(&op::nop()) }.unwrap();
        }
        ring.submit_and_wait(64).unwrap();
        assert_eq!(ring.completions().count(), 64);
        assert_eq!(ring.counters().enters, round);
        assert_eq!(ring.submit().unwrap(), 0);
        assert_eq!(ring.counters().enters, round);
    }
}

#[test]
fn completions_beyond_the_queue_are_kept_by_the_kernel_and_counted() {
    let Some(mut ring) = ring(&Builder::new(4).cq_entries(4)) else { return };
    for index in 0..12 {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(index)) }.unwrap();
        ring.submit().unwrap();
    }
    let mut seen: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
    assert!(seen.len() < 12, "the queue has only 4 entries");
    while seen.len() < 12 {
        assert!(ring.completions_wait_in_kernel());
        ring.submit().unwrap();
        seen.extend(ring.completions().map(|cqe| cqe.user_data));
    }
    assert_eq!(seen, (0..12).collect::<Vec<_>>());
    assert!(ring.counters().overflow_flushes > 0);
    assert_eq!(ring.lost(), 0);
}

#[test]
fn a_wait_ends_at_its_timeout() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let begin = Instant::now();
    let error = ring.submit_and_wait_for(1, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(begin.elapsed() >= Duration::from_millis(20));
}

#[test]
fn an_unread_part_of_a_batch_stays_for_the_next() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    for index in 0..3 {
        // SAFETY: a NOP names no memory and no file.
        unsafe { ring.push(&op::nop().with_user_data(index)) }.unwrap();
    }
    ring.submit_and_wait(3).unwrap();
    assert_eq!(ring.completions().next().unwrap().user_data, 0);
    let rest: Vec<_> = ring.completions().map(|cqe| cqe.user_data).collect();
    assert_eq!(rest, [1, 2]);
}
