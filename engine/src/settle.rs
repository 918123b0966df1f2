//! What a completion means: finished, or to be continued. The one place where short transfers,
//! EINTR and EAGAIN are handled, the same for every backend. Called by `dispatch` and `chain`
//! for each completion but those that `dispatch` sees at once to be whole successes; never calls
//! back and never touches a backend.

use crate::backend::{Request, RequestKind};
use crate::error::{Error, ErrorKind, Ran};
use crate::metrics::{Metrics, Success};
use crate::platform::flags::RWF_APPEND;
use crate::slot::{GivenUp, Slot};

/// How often in a row EINTR and EAGAIN are answered by trying again. A regular file gives either
/// only in passing; a non-blocking pipe would give EAGAIN for ever.
const RETRIES_MAX: u32 = 128;

/// What becomes of the request.
#[derive(Debug)]
pub(crate) enum Settled {
    /// It goes to the backend again, for the rest that its slot now describes.
    Again,
    /// It is done: bytes moved in all, or what went wrong.
    Finished(Result<u32, Error>),
}

/// Takes the kernel's answer to a request into its slot and into the metrics.
pub(crate) fn settle(slot: &mut Slot, result: i32, now_ns: u64, metrics: &mut Metrics) -> Settled {
    let is_transfer = slot.described.request.kind.is_transfer();
    match u32::try_from(result) {
        Ok(bytes) if is_transfer && bytes == slot.left_bytes => {
            succeed(slot, slot.done_bytes + bytes, now_ns, metrics)
        }
        Ok(answer) if !is_transfer => succeed(slot, answer, now_ns, metrics),
        Ok(bytes) => settle_short(slot, bytes, now_ns, metrics),
        Err(_) => settle_errno(slot, result.saturating_neg(), metrics),
    }
}

fn succeed(slot: &Slot, answer: u32, now_ns: u64, metrics: &mut Metrics) -> Settled {
    metrics.succeeded(Success::of(slot, None, now_ns), answer);
    Settled::Finished(Ok(answer))
}

/// Fewer bytes than asked: the end of the file, or only the kernel's mood.
#[cold]
fn settle_short(slot: &mut Slot, bytes: u32, now_ns: u64, metrics: &mut Metrics) -> Settled {
    assert!(bytes < slot.left_bytes, "the kernel moved more bytes than it was asked for");
    slot.done_bytes += bytes;
    slot.retries = 0;
    match (slot.described.request.kind.is_read(), bytes) {
        (true, 0) => return succeed(slot, slot.done_bytes, now_ns, metrics),
        (false, 0) => {
            let why = "the kernel took no bytes and gave no reason: look at the kernel's log";
            let error = Error::refused(ErrorKind::Io, "write", why).with_ran(Ran::Begun);
            return fail(slot, error, metrics);
        }
        (true, _) if !bytes.is_multiple_of(slot.described.block_len_bytes) => {
            // A direct transfer ends between two blocks only at the end of the file, and could not
            // be continued from there anyway.
            return succeed(slot, slot.done_bytes, now_ns, metrics);
        }
        _ => {}
    }
    if slot.given_up.is_some() {
        return give_up(slot, Ran::Begun, metrics);
    }
    if let Some(counted) = metrics.of(slot.described.request.kind) {
        counted.short_transfers += 1;
    }
    // For example 4096 bytes wanted at offset 8192, of which 1000 came: next 3096 at 9192.
    slot.described.request.offset += u64::from(bytes);
    slot.left_bytes -= bytes;
    match slot.described.request.kind {
        RequestKind::Read | RequestKind::Write => {
            slot.described.request.len -= bytes;
            slot.described.request.address =
                slot.described.request.address.wrapping_add(bytes as usize);
        }
        _ => slot.advance_vector(bytes),
    }
    Settled::Again
}

#[cold]
fn settle_errno(slot: &mut Slot, errno: i32, metrics: &mut Metrics) -> Settled {
    // Linux has closed the descriptor even when it says EINTR: to try again would close a
    // stranger's.
    let kind = slot.described.request.kind;
    let repeatable = !matches!(kind, RequestKind::Close | RequestKind::CloseSlot);
    let passing = repeatable && matches!(errno, libc::EINTR | libc::EAGAIN);
    // A worker that is stopped in the middle says EINTR.
    if slot.given_up.is_some() && (passing || errno == libc::ECANCELED) {
        // What the backend had not begun says ECANCELED: that is in its contract.
        let begun = slot.done_bytes > 0 || errno != libc::ECANCELED;
        return give_up(slot, if begun { Ran::Begun } else { Ran::No }, metrics);
    }
    if passing && slot.retries < RETRIES_MAX {
        slot.retries += 1;
        if let Some(counted) = metrics.of(slot.described.request.kind) {
            counted.retries += 1;
        }
        return Settled::Again;
    }
    fail(slot, Error::from_errno(slot.described.request.kind.name(), errno), metrics)
}

/// Whether a request that is with no backend has run. One that came back to be continued has: it
/// was interrupted, or moved a part of its bytes.
pub(crate) fn ran_before(slot: &Slot) -> Ran {
    if slot.came_back { Ran::Begun } else { Ran::No }
}

/// The end of a request that was given up.
#[cold]
pub(crate) fn give_up(slot: &Slot, ran: Ran, metrics: &mut Metrics) -> Settled {
    if let Some(counted) = metrics.of(slot.described.request.kind) {
        counted.given_up += 1;
    }
    let why = slot.given_up.unwrap_or(GivenUp::Cancelled);
    fail(slot, given_up(why, slot.described.request.kind.name(), ran), metrics)
}

/// The error of a request that was given up.
#[cold]
pub(crate) fn given_up(why: GivenUp, operation: &'static str, ran: Ran) -> Error {
    let (kind, why) = match (why, ran) {
        (GivenUp::DeadlineExceeded, Ran::No) => {
            (ErrorKind::DeadlineExceeded, "its deadline had passed before it began")
        }
        (GivenUp::DeadlineExceeded, _) => {
            (ErrorKind::DeadlineExceeded, "its deadline passed before it was done: it was stopped")
        }
        (GivenUp::Cancelled, Ran::No) => (ErrorKind::Cancelled, "it was cancelled before it began"),
        (GivenUp::Cancelled, _) => {
            (ErrorKind::Cancelled, "it was cancelled before it was done: it was stopped")
        }
    };
    Error::refused(kind, operation, why).with_ran(ran)
}

fn fail(slot: &Slot, error: Error, metrics: &mut Metrics) -> Settled {
    let error = match slot.done_bytes {
        0 => error,
        bytes => error.with_transferred(bytes).with_ran(Ran::Begun),
    };
    if let Some(counted) = metrics.of(slot.described.request.kind) {
        counted.failed += 1;
    }
    let error = if slot.described.request.kind.is_transfer() {
        error.with_offset(slot.described.request.offset)
    } else {
        error
    };
    Settled::Finished(Err(error))
}

/// Whether a step of a chain that was begun too early, against the backend's contract, can be made
/// again as if it had not been.
pub(crate) fn is_repeatable(request: &Request) -> bool {
    match request.kind {
        RequestKind::Write | RequestKind::WriteVectored => request.flags & RWF_APPEND == 0,
        RequestKind::Read
        | RequestKind::ReadVectored
        | RequestKind::Sync
        | RequestKind::SyncData
        | RequestKind::Nop => true,
        _ => false,
    }
}

/// What such a step comes to where it cannot.
#[cold]
pub(crate) fn begun_too_early(slot: &Slot) -> Error {
    let why = "the backend began it before the step before it was done: what it did is done, and \
               what was to come before it may be missing";
    Error::refused(ErrorKind::Backend, slot.described.request.kind.name(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflight::InFlight;
    use crate::op::Described;

    /// Settles `results` one after another on one request; answers the last outcome and what was
    /// left to do after each step.
    fn run(kind: RequestKind, block_len_bytes: u32, results: &[i32]) -> (Settled, Vec<(u64, u32)>) {
        let mut table = InFlight::new(1, 0);
        let mut metrics = Metrics::new();
        let request = Request { offset: 8192, len: 4096, ..Request::without_file(kind) };
        let total_bytes = if kind.is_transfer() { 4096 } else { 0 };
        let (_, slot) = table.insert(Described { request, total_bytes, block_len_bytes }).unwrap();
        let mut left = Vec::new();
        let mut last = Settled::Again;
        for result in results {
            assert!(matches!(last, Settled::Again), "nothing comes after the end");
            last = settle(slot, *result, 10, &mut metrics);
            left.push((slot.described.request.offset, slot.described.request.len));
        }
        (last, left)
    }

    #[test]
    fn a_short_transfer_resumes_where_it_ended_until_all_is_done() {
        for kind in [RequestKind::Read, RequestKind::Write] {
            let (last, left) = run(kind, 1, &[1000, 96, 3000]);
            assert!(matches!(last, Settled::Finished(Ok(4096))), "{last:?}");
            assert_eq!(left[..2], [(9192, 3096), (9288, 3000)]);
        }
    }

    #[test]
    fn the_end_of_the_file_ends_a_read_with_what_there_was() {
        let (last, _) = run(RequestKind::Read, 1, &[1000, 0]);
        assert!(matches!(last, Settled::Finished(Ok(1000))), "{last:?}");
    }

    #[test]
    fn a_direct_read_that_ends_between_blocks_is_at_the_end_and_is_not_resumed() {
        let (last, _) = run(RequestKind::Read, 512, &[1000]);
        assert!(matches!(last, Settled::Finished(Ok(1000))), "{last:?}");
        let (last, left) = run(RequestKind::Read, 512, &[1024, 3072]);
        assert!(matches!(last, Settled::Finished(Ok(4096))), "{last:?}");
        assert_eq!(left[0], (9216, 3072));
    }

    #[test]
    fn a_write_that_takes_nothing_is_an_error_and_not_a_success() {
        let (last, _) = run(RequestKind::Write, 1, &[1000, 0]);
        let Settled::Finished(Err(error)) = last else { panic!("{last:?}") };
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Io, Some(9192)));
    }

    #[test]
    fn a_request_that_was_given_up_tells_whether_it_had_run() {
        for (kind, results, ran, bytes) in [
            (RequestKind::Read, &[-libc::ECANCELED][..], Ran::No, 0),
            (RequestKind::Sync, &[-libc::EINTR], Ran::Begun, 0),
            (RequestKind::Write, &[1000], Ran::Begun, 1000),
        ] {
            let mut table = InFlight::new(1, 0);
            let mut metrics = Metrics::new();
            let request = Request { len: 4096, ..Request::without_file(kind) };
            let total_bytes = if kind.is_transfer() { 4096 } else { 0 };
            let described = Described { request, total_bytes, block_len_bytes: 1 };
            let (_, slot) = table.insert(described).unwrap();
            for why in [GivenUp::Cancelled, GivenUp::DeadlineExceeded] {
                slot.given_up = Some(why);
                slot.left_bytes = total_bytes;
                slot.done_bytes = 0;
                let last = settle(slot, results[0], 10, &mut metrics);
                let Settled::Finished(Err(error)) = last else { panic!("{last:?}") };
                assert_eq!((error.ran(), error.transferred_bytes()), (ran, bytes), "{error}");
                let message = error.to_string();
                assert_eq!(message.contains("before it began"), ran == Ran::No, "{message}");
            }
        }
        let (last, _) = run(RequestKind::Write, 1, &[1000, -libc::EIO]);
        let Settled::Finished(Err(error)) = last else { panic!("{last:?}") };
        assert_eq!((error.ran(), error.transferred_bytes()), (Ran::Begun, 1000));
    }

    #[test]
    fn passing_errnos_are_retried_within_a_bound_and_others_are_not() {
        let interrupted = [-libc::EINTR; RETRIES_MAX as usize];
        let (last, left) = run(RequestKind::Sync, 1, &[&interrupted[..], &[0]].concat());
        assert!(matches!(last, Settled::Finished(Ok(0))), "{last:?}");
        assert_eq!(left.len(), RETRIES_MAX as usize + 1);

        let (last, left) = run(RequestKind::Close, 1, &[-libc::EINTR]);
        assert!(matches!(last, Settled::Finished(Err(_))), "a close is not repeated: {last:?}");
        assert_eq!(left.len(), 1);

        let again = [-libc::EAGAIN; RETRIES_MAX as usize + 1];
        let (last, _) = run(RequestKind::Read, 1, &again);
        let Settled::Finished(Err(error)) = last else { panic!("{last:?}") };
        assert_eq!(error.errno(), Some(libc::EAGAIN));

        let (last, _) = run(RequestKind::Write, 1, &[1000, -libc::ENOSPC]);
        let Settled::Finished(Err(error)) = last else { panic!("{last:?}") };
        assert_eq!((error.kind(), error.offset()), (ErrorKind::NoSpace, Some(9192)));
    }
}
