//! Cancels and deadlines through a handle: a request is given up wherever it is, calls back exactly
//! once, and tells whether it had run.

use crate::handle::on_each_backend;
use iomill_engine::{
    Chain, Completion, Config, Context as Cx, Error, ErrorKind, File, Handle, Nop, OpFuture, Open,
    Ran, Read,
};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(60);

/// Something that the backend cannot end by itself. While it lives, an engine of depth 1 starts
/// nothing else.
struct Blocker {
    /// What ends it: a pipe's writing end on io_uring; a FIFO's folder on threads, where pread(2)
    /// refuses pipes. (The ring opens a FIFO without waiting.)
    end: Result<std::io::PipeWriter, tempfile::TempDir>,
    done: Receiver<Result<(), Error>>,
}

impl Blocker {
    fn start(handle: &Handle) -> Self {
        let (tell, done) = channel();
        if handle.report().backend == "io_uring" {
            let (reader, writer) = std::io::pipe().unwrap();
            let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
            let op = Read { file, offset: 0, buffer: handle.buffer().unwrap() };
            handle
                .try_submit(op, move |done, _| tell.send(done.result.map(|_| ())).unwrap())
                .unwrap();
            return Self { end: Ok(writer), done };
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let open = Open::new(File::options().read(true), &path).unwrap();
        handle.try_submit(open, move |done, _| tell.send(done.result.map(drop)).unwrap()).unwrap();
        Self { end: Err(folder), done }
    }

    fn release(self) {
        match self.end {
            Ok(writer) => drop(writer),
            Err(folder) => {
                let path = folder.path().join("fifo");
                drop(std::fs::File::options().write(true).open(path).unwrap());
            }
        }
        self.done.recv_timeout(LONG).unwrap().unwrap();
    }
}

type Outcomes = Receiver<(u32, Result<(), Error>)>;

/// Hands numbered no-ops over, the n-th with the n-th limit; answers their tickets and outcomes.
fn submit(handle: &Handle, limits: &[Option<Duration>]) -> (Vec<iomill_engine::Ticket>, Outcomes) {
    let (tell, told) = channel();
    let tickets = limits.iter().zip(0..).map(|(limit, number)| {
        let tell = tell.clone();
        let told = move |done: iomill_engine::Completion<Nop>,
                         _: &mut iomill_engine::Context<'_>| {
            tell.send((number, done.result)).unwrap();
        };
        match limit {
            Some(limit) => handle.try_submit_within(Nop, *limit, told).unwrap(),
            None => handle.try_submit(Nop, told).unwrap(),
        }
    });
    (tickets.collect(), told)
}

fn expect_given_up(told: &Outcomes, number: u32, kind: ErrorKind) {
    let (told_number, result) = told.recv_timeout(LONG).unwrap();
    let error = result.unwrap_err();
    assert_eq!((told_number, error.kind(), error.ran()), (number, kind, Ran::No), "{error}");
}

#[test]
fn a_request_is_cancelled_wherever_it_waits_and_the_others_keep_their_order() {
    // With room for one request only, the rest waits in the queue; with room for all, in the
    // engine.
    for capacity in [1, 16] {
        let config = Config::new().depth(1).threads(1).capacity(capacity).queue(8);
        on_each_backend(&config.buffers(1, 4096), |handle, owner| {
            let blocker = Blocker::start(handle);
            let (tickets, told) = submit(handle, &[None; 6]);
            for number in [4, 1] {
                assert!(handle.cancel(tickets[number as usize]));
                assert!(handle.cancel(tickets[number as usize]), "asking twice is asking once");
                expect_given_up(&told, number, ErrorKind::Cancelled);
            }
            blocker.release();
            for number in [0, 2, 3, 5] {
                let (told_number, result) = told.recv_timeout(LONG).unwrap();
                result.unwrap();
                assert_eq!(told_number, number);
            }
            assert!(handle.cancel(tickets[0]), "that it is over is not known here");
            drop(owner);
            assert!(told.recv().is_err(), "no callback comes twice");
            assert!(!handle.cancel(tickets[0]), "the engine is gone");
        });
    }
}

#[test]
fn a_chain_is_cancelled_or_overdue_as_a_whole_wherever_it_waits() {
    for capacity in [2, 16] {
        let config = Config::new().depth(1).threads(1).capacity(capacity).queue(8);
        on_each_backend(&config.buffers(1, 4096), |handle, _owner| {
            let blocker = Blocker::start(handle);
            let (tell, told) = channel();
            let chain = |limit: Option<Duration>| {
                let (op, tell) = (Chain::new((Nop, Nop)), tell.clone());
                let answer = move |done: Completion<Chain<(Nop, Nop)>>, _: &mut Cx<'_>| {
                    tell.send(done.result.map(drop)).unwrap();
                };
                match limit {
                    Some(limit) => handle.try_submit_within(op, limit, answer).unwrap(),
                    None => handle.try_submit(op, answer).unwrap(),
                }
            };
            let expect = |kind| {
                let error: Error = told.recv_timeout(LONG).unwrap().unwrap_err();
                assert_eq!((error.kind(), error.ran()), (kind, Ran::No), "{error}");
            };
            assert!(handle.cancel(chain(None)));
            expect(ErrorKind::Cancelled);
            chain(Some(Duration::from_millis(5)));
            expect(ErrorKind::DeadlineExceeded);
            chain(Some(LONG));
            blocker.release();
            told.recv_timeout(LONG).unwrap().unwrap();
        });
    }
}

#[test]
fn a_ticket_is_good_for_its_own_engine_only() {
    let (handle, _owner) = Config::new().spawn().unwrap();
    let (other, _other_owner) = Config::new().spawn().unwrap();
    let (tickets, _told) = submit(&handle, &[None]);
    assert!(!other.cancel(tickets[0]));
    assert!(handle.cancel(tickets[0]));
}

#[test]
fn a_deadline_passes_also_in_the_queue_of_an_engine_that_is_full() {
    for capacity in [1, 16] {
        let config = Config::new().depth(1).threads(1).capacity(capacity).queue(8);
        on_each_backend(&config.buffers(1, 4096), |handle, _owner| {
            let blocker = Blocker::start(handle);
            let (short, long) = (Duration::from_millis(20), Duration::from_millis(60));
            let begin = Instant::now();
            let limits = [None, Some(long), Some(LONG), Some(short)];
            let (_, told) = submit(handle, &limits);
            expect_given_up(&told, 3, ErrorKind::DeadlineExceeded);
            assert!(begin.elapsed() >= short, "not before its time");
            expect_given_up(&told, 1, ErrorKind::DeadlineExceeded);
            assert!(begin.elapsed() >= long, "not before its time");
            let (_, late) = submit(handle, &[Some(Duration::ZERO)]);
            expect_given_up(&late, 0, ErrorKind::DeadlineExceeded);
            blocker.release();
            for number in [0, 2] {
                let (told_number, result) = told.recv_timeout(LONG).unwrap();
                result.unwrap();
                assert_eq!(told_number, number);
            }
        });
    }
}

#[test]
fn a_queue_that_a_full_engine_has_looked_through_takes_no_more_than_before() {
    let config = Config::new().depth(1).threads(1).capacity(1).queue(4).buffers(1, 4096);
    on_each_backend(&config, |handle, _owner| {
        let blocker = Blocker::start(handle);
        // Until it is in the engine it takes a place in the queue.
        let (tickets, told) = loop {
            let (tickets, told) = submit(handle, &[None]);
            assert!(handle.cancel(tickets[0]));
            expect_given_up(&told, 0, ErrorKind::Cancelled);
            if handle.metrics().wait().unwrap().staged > 0 {
                break submit(handle, &[None; 4]);
            }
        };
        let full = || handle.try_submit(Nop, |_, _| ()).unwrap_err().error.kind();
        assert_eq!(full(), ErrorKind::Full);
        // Now it has been taken out of the queue, and counts all the same.
        assert!(handle.cancel(tickets[1]));
        expect_given_up(&told, 1, ErrorKind::Cancelled);
        handle.try_submit(Nop, |_, _| ()).unwrap();
        assert_eq!(full(), ErrorKind::Full);
        blocker.release();
        for number in [0, 2, 3] {
            assert_eq!(told.recv_timeout(LONG).unwrap().0, number);
        }
    });
}

#[test]
fn a_future_waits_for_room_no_longer_than_its_limit_and_gives_the_operation_back() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    let config = Config::new().depth(1).threads(1).capacity(1).queue(1).buffers(2, 4096);
    on_each_backend(&config, |handle, _owner| {
        let blocker = Blocker::start(handle);
        while handle.metrics().wait().unwrap().staged == 0 {
            std::thread::yield_now();
        }
        let (_, told) = submit(handle, &[None]);
        let file = File::open(temporary.path()).unwrap();
        let read = |buffer| Read { file: file.clone(), offset: 0, buffer };
        let limit = Duration::from_millis(20);
        let begin = Instant::now();
        let future = handle.run(read(handle.buffer().unwrap())).within(limit);
        let unfinished = pollster::block_on(future).unwrap_err();
        assert!(begin.elapsed() >= limit, "not before its time");
        assert_eq!(unfinished.error.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(unfinished.error.ran(), Ran::No);

        // One that is cancelled before it was handed over gives it back too.
        let mut future = handle.run(unfinished.op.unwrap());
        assert!(poll_once(&mut future));
        future.cancel();
        let unfinished = pollster::block_on(future).unwrap_err();
        assert_eq!(unfinished.error.kind(), ErrorKind::Cancelled);
        blocker.release();
        told.recv_timeout(LONG).unwrap().1.unwrap();
        let future = handle.run(unfinished.op.unwrap()).within(LONG);
        assert_eq!(pollster::block_on(future).unwrap().result.unwrap(), 0);
    });
}

/// Polls once with a waker that does nothing; answers whether the future waits.
fn poll_once<O>(future: &mut OpFuture<O>) -> bool
where
    O: iomill_engine::Operation + Send,
    O::Output: Send,
{
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_read_that_never_ends_is_stopped_by_its_future_in_three_ways() {
    // Only the ring can stop a read that has begun.
    let config = Config::new().backend(iomill_engine::BackendChoice::IoUring).buffers(1, 4096);
    let (handle, _owner) = match config.spawn() {
        Ok(pair) => pair,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let (reader, _writer) = std::io::pipe().unwrap();
    let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
    let read = || {
        let begin = Instant::now();
        let buffer = loop {
            // The pool's only one: the read before has to give it back.
            match handle.buffer() {
                Some(buffer) => break buffer,
                None => assert!(begin.elapsed() < LONG, "its buffer comes back"),
            }
            std::thread::yield_now();
        };
        handle.run(Read { file: file.clone(), offset: 0, buffer })
    };
    let mut cancelled = read();
    assert!(poll_once(&mut cancelled));
    cancelled.cancel();
    let error = pollster::block_on(cancelled).unwrap().result.unwrap_err();
    assert_eq!((error.kind(), error.ran()), (ErrorKind::Cancelled, Ran::No));

    let overdue = read().within(Duration::from_millis(20));
    let error = pollster::block_on(overdue).unwrap().result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);

    let mut dropped = read().cancel_on_drop();
    assert!(poll_once(&mut dropped));
    drop(dropped);
    drop(read());
}

#[test]
fn under_a_storm_of_cancels_every_callback_comes_exactly_once() {
    const EACH: usize = 2000;
    let config = Config::new().depth(4).capacity(8).queue(16);
    on_each_backend(&config, |handle, owner| {
        let calls: Arc<[AtomicU32]> = (0..3 * EACH).map(|_| AtomicU32::new(0)).collect();
        let tickets = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (calls, tickets) = (&calls, &tickets);
                scope.spawn(move || {
                    for number in thread * EACH..(thread + 1) * EACH {
                        let counted = Arc::clone(calls);
                        let mut submitted = handle.try_submit(Nop, move |done, _| {
                            if let Err(error) = done.result {
                                assert_eq!(error.kind(), ErrorKind::Cancelled);
                                assert_eq!(error.ran(), Ran::No);
                            }
                            counted[number].fetch_add(1, Ordering::Relaxed);
                        });
                        while let Err(refused) = submitted {
                            assert_eq!(refused.error.kind(), ErrorKind::Full);
                            std::thread::yield_now();
                            submitted = handle.try_submit(refused.op, refused.on_complete);
                        }
                        // Mostly somebody else's, of any age.
                        let mut tickets = tickets.lock().unwrap();
                        tickets.push(submitted.unwrap());
                        let other = tickets[(number * 7919) % tickets.len()];
                        let last = tickets[tickets.len() - 1];
                        drop(tickets);
                        handle.cancel(if number % 3 == 0 { last } else { other });
                    }
                });
            }
        });
        let report = owner.shutdown(LONG);
        assert_eq!((report.leaked, report.panicked), (0, 0));
        assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == 1));
    });
}

#[test]
fn a_shutdown_that_waits_still_takes_cancels() {
    let config = Config::new().backend(iomill_engine::BackendChoice::IoUring).buffers(1, 4096);
    let (handle, owner) = match config.spawn() {
        Ok(pair) => pair,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let (reader, _writer) = std::io::pipe().unwrap();
    let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
    let read = Read { file, offset: 0, buffer: handle.buffer().unwrap() };
    let (tell, told) = channel();
    let ticket = handle.try_submit(read, move |done, _| tell.send(done.result).unwrap()).unwrap();
    let end = std::thread::spawn(move || owner.shutdown(LONG));
    while handle.try_submit(Nop, |_, _| ()).is_ok() {
        std::thread::yield_now();
    }
    handle.cancel(ticket);
    assert_eq!(told.recv_timeout(LONG).unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(end.join().unwrap().leaked, 0);
}
