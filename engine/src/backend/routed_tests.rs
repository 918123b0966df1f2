//! Which way requests go through `routed`: by lanes, and by whether their caller waits.

use super::routed::Routed;
use super::{Backend, Request, RequestFile, RequestKind, Threads, Wait};
use crate::lanes::{Base, Lane, LaneOp, LaneTable, Route};

/// On which lane a request goes that waits, if its caller does.
fn lane(wait: Wait, woken_by_others: bool) -> Lane {
    let mut table = LaneTable::backend_only();
    table.set_everywhere(LaneOp::Truncate, Route::IfAwaited);
    let pool = Threads::new(1, 1).unwrap();
    let mut routed = Routed::new(pool, Base::Pool, table, false, 1, 1);
    if woken_by_others {
        routed.waker().unwrap();
    }
    let mut completions = Vec::with_capacity(1);
    // Cutting a directory fails; only who fails to do it matters here.
    // SAFETY: no memory is named.
    let taken = unsafe { routed.stage(&[Request::without_file(RequestKind::Truncate)]) };
    assert_eq!(taken, 1);
    routed.enter(wait, &mut completions).unwrap();
    while completions.is_empty() {
        routed.enter(Wait::AtLeast(1), &mut completions).unwrap();
    }
    assert_eq!(completions[0].result, -libc::EBADF);
    completions[0].lane
}

#[test]
fn each_request_of_a_mixed_batch_goes_its_own_way() {
    let mut table = LaneTable::backend_only();
    table.set_everywhere(LaneOp::LongRead, Route::Inline);
    table.set_everywhere(LaneOp::Sync, Route::Inline);
    let pool = Threads::new(1, 8).unwrap();
    let mut routed = Routed::new(pool, Base::Pool, table, false, 8, 1);
    // All of them fail: only who fails matters here.
    let file = RequestFile::Fd(-1);
    let read = Request { file, len: 16, ..Request::without_file(RequestKind::Read) };
    let long = Request { len: 1 << 20, ..read };
    let flagged = Request { flags: 1 << 30, ..read };
    let direct = Request { direct: true, ..read };
    let sync = Request { file, ..Request::without_file(RequestKind::Sync) };
    let batch = [read, read, long, read, flagged, direct, sync, read];
    let number = |(id, request)| Request { id, ..request };
    let batch: Vec<Request> = (0..).zip(batch).map(number).collect();
    let mut completions = Vec::with_capacity(8);
    // SAFETY: there is no such file, so that no memory is touched.
    assert_eq!(unsafe { routed.stage(&batch) }, batch.len());
    while completions.len() < batch.len() {
        routed.enter(Wait::AtLeast(1), &mut completions).unwrap();
    }
    completions.sort_by_key(|done| done.id);
    let inline: Vec<_> = completions.iter().map(|done| done.lane == Lane::Inline).collect();
    assert_eq!(inline, [false, false, true, false, true, false, true, false]);
}

#[test]
fn only_a_caller_that_waits_for_nothing_else_waits_inside_a_call() {
    assert_eq!(lane(Wait::AtLeast(1), false), Lane::Inline);
    assert_eq!(lane(Wait::AtLeast(1), true), Lane::Helper, "a handle may come any time");
    assert_eq!(lane(Wait::None, false), Lane::Helper);
    let timeout = std::time::Duration::from_secs(60);
    assert_eq!(lane(Wait::For { at_least: 1, timeout }, false), Lane::Helper);
}
