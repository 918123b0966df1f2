//! Set-up: limits, flags given up, SQPOLL, probe.

use crate::{ring, run};
use iomill_ring::abi::SetupFlags;
use iomill_ring::{Builder, ErrorKind, Opcode, SqPoll, op};
use std::time::Duration;

#[test]
fn sizes_out_of_range_are_refused_by_name_before_the_kernel_is_asked() {
    for (builder, culprit) in [
        (Builder::new(0), "0 entries"),
        (Builder::new(40_000), "40000 entries"),
        (Builder::new(64).cq_entries(32), "32 completion entries"),
        (Builder::new(64).cq_entries(100_000), "100000 completion entries"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::InvalidArgument, None));
        assert!(error.to_string().contains(culprit), "{error}");
    }
}

#[test]
fn each_optional_flag_can_be_left_out_and_the_ring_still_works() {
    for flag in [
        SetupFlags::NO_SQARRAY,
        SetupFlags::DEFER_TASKRUN,
        SetupFlags::DEFER_TASKRUN | SetupFlags::SINGLE_ISSUER,
        SetupFlags::TASKRUN_FLAG,
        SetupFlags::SUBMIT_ALL,
    ] {
        let Some(mut ring) = ring(&Builder::new(8).without(flag)) else { return };
        assert!(!ring.setup_flags().intersects(flag));
        let done = run(&mut ring, &[op::nop().with_user_data(1), op::nop().with_user_data(2)]);
        assert_eq!(done.iter().map(|cqe| cqe.user_data).collect::<Vec<_>>(), [1, 2]);
    }
}

#[test]
fn a_flag_whose_companion_is_left_out_is_given_up_alone_and_without_asking() {
    let Some(ring) = ring(&Builder::new(8).without(SetupFlags::SINGLE_ISSUER)) else { return };
    assert!(!ring.setup_flags().contains(SetupFlags::DEFER_TASKRUN));
    let parts = ring.given_up();
    let given_up = parts.iter().find(|part| part.what.starts_with("DEFER_TASKRUN")).unwrap();
    assert_eq!((given_up.errno, given_up.why), (None, "it needs SINGLE_ISSUER"));
    let kept = !parts.iter().any(|part| part.what.starts_with("NO_SQARRAY"));
    assert_eq!(kept, ring.setup_flags().contains(SetupFlags::NO_SQARRAY));
}

#[test]
fn sqpoll_takes_submissions_also_after_its_thread_has_slept() {
    let sqpoll = SqPoll { idle: Duration::from_millis(1), cpu: None };
    let Some(mut ring) = ring(&Builder::new(8).sqpoll(sqpoll)) else { return };
    assert!(ring.setup_flags().contains(SetupFlags::SQPOLL));
    assert!(ring.given_up().iter().any(|part| part.why.contains("SQPOLL")));
    for round in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        let done = run(&mut ring, &[op::nop().with_user_data(round)]);
        assert_eq!(done[0].user_data, round);
    }
    assert!(ring.counters().wakeups > 0, "an idle thread of 1 ms must have slept");
}

#[test]
fn the_probe_knows_what_the_kernel_has_and_accepts_newer_opcodes() {
    let Some(ring) = ring(&Builder::new(4)) else { return };
    let probe = ring.probe().unwrap();
    for opcode in [Opcode::NOP, Opcode::READ, Opcode::WRITE, Opcode::FSYNC, Opcode::READ_FIXED] {
        assert!(probe.supports(opcode), "{opcode:?}");
    }
    assert!(probe.last() >= Opcode::MADVISE);
    assert!(!probe.supports(Opcode(255)));
}
