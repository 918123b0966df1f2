//! Requests as futures: under three executors, dropped and forgotten at any moment, with a full
//! queue, and with an engine that ends under them.

use crate::handle::{hold, on_each_backend};
use iomill_engine::backend::{Backend, Completion as RawCompletion, Memory, Request};
use iomill_engine::{Config, Error, ErrorKind, File, Handle, Nop, OpFuture, Read, Wait, Write};
use std::future::Future;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A file of 64 blocks, of which each byte is its block's number.
fn numbered_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..64_u8).flat_map(|number| [number; 4096]).collect();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

/// Reads one block, when there is a buffer for it, and checks it.
async fn read_block(handle: Handle, file: File, number: u8) -> Result<(), Error> {
    let buffer = handle.buffer().expect("the pool has one for each task");
    let done = handle.run(Read { file, offset: u64::from(number) * 4096, buffer }).await?;
    assert_eq!(done.result?, 4096);
    assert!(done.op.buffer.iter().all(|byte| *byte == number));
    Ok(())
}

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn futures_complete_under_three_executors_though_the_queue_is_short() {
    let temporary = numbered_file();
    // One entry: nearly every future has to wait for room.
    let config = Config::new().depth(4).queue(1).buffers(64, 4096);
    on_each_backend(&config, |handle, _owner| {
        let file = File::open(temporary.path()).unwrap();
        pollster::block_on(read_block(handle.clone(), file.clone(), 9)).unwrap();

        let executor = smol::Executor::new();
        let tasks: Vec<_> = (0..64)
            .map(|number| executor.spawn(read_block(handle.clone(), file.clone(), number)))
            .collect();
        smol::block_on(executor.run(async {
            for task in tasks {
                task.await.unwrap();
            }
        }));

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        runtime.unwrap().block_on(async {
            let tasks: Vec<_> = (0..64)
                .map(|number| tokio::spawn(read_block(handle.clone(), file.clone(), number)))
                .collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
        });
    });
}

#[test]
fn futures_may_be_dropped_at_any_moment_and_every_buffer_comes_back() {
    let temporary = numbered_file();
    let config = Config::new().depth(4).queue(4).buffers(16, 4096);
    on_each_backend(&config, |handle, owner| {
        let file = File::open(temporary.path()).unwrap();
        let mut seed = 7_u64;
        let mut random = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        let mut live: Vec<(u8, OpFuture<Read>)> = Vec::new();
        let (mut answered, start) = (0, Instant::now());
        while answered < 300 {
            assert!(start.elapsed() < Duration::from_secs(60), "only {answered} completed");
            let number = u8::try_from(random(64)).unwrap();
            let index = usize::try_from(random(16)).unwrap();
            match (random(3), live.get_mut(index)) {
                (0, Some(_)) => drop(live.swap_remove(index)),
                (1, Some((number, future))) => {
                    let Poll::Ready(done) = poll_once(future) else { continue };
                    let done = done.unwrap();
                    assert_eq!(done.result.unwrap(), 4096);
                    assert!(done.op.buffer.iter().all(|byte| byte == number));
                    drop(live.swap_remove(index));
                    answered += 1;
                }
                _ => {
                    let Some(buffer) = handle.buffer() else { continue };
                    let offset = u64::from(number) * 4096;
                    let op = Read { file: file.clone(), offset, buffer };
                    live.push((number, handle.run(op)));
                }
            }
        }
        drop(live);
        drop(owner);
        let buffers: Vec<_> = std::iter::from_fn(|| handle.buffer()).collect();
        assert_eq!(buffers.len(), 16);
    });
}

#[test]
fn forgotten_futures_keep_their_buffers_and_nothing_else() {
    let temporary = numbered_file();
    let config = Config::new().depth(4).queue(2).buffers(16, 4096);
    on_each_backend(&config, |handle, owner| {
        let file = File::open(temporary.path()).unwrap();
        let release = hold(handle);
        // Two get into the queue, two stand in the line for room; all four are forgotten.
        for number in 0..4_u64 {
            let buffer = handle.buffer().unwrap();
            let mut future = handle.run(Read { file: file.clone(), offset: number, buffer });
            assert!(poll_once(&mut future).is_pending());
            std::mem::forget(future);
        }
        drop(release);
        // Those that come later get their turn all the same.
        for number in 0..50 {
            pollster::block_on(read_block(handle.clone(), file.clone(), number)).unwrap();
        }
        drop(owner);
        let buffers: Vec<_> = std::iter::from_fn(|| handle.buffer()).collect();
        assert_eq!(buffers.len(), 12);
    });
}

#[test]
fn a_future_that_left_the_line_is_not_in_the_way_of_the_others() {
    on_each_backend(&Config::new().queue(1), |handle, _owner| {
        let release = hold(handle);
        handle.try_submit(Nop, |_, _| ()).unwrap();
        let mut waiting: Vec<_> = (0..10).map(|_| handle.run(Nop)).collect();
        for future in &mut waiting {
            assert!(poll_once(future).is_pending(), "the queue is full");
        }
        // These wait with wakers of their own, behind the ten.
        let patient: Vec<_> = (0..10)
            .map(|_| {
                let future = handle.run(Nop);
                std::thread::spawn(|| pollster::block_on(future).unwrap().result.unwrap())
            })
            .collect();
        drop(waiting.drain(..5));
        drop(release);
        for thread in patient {
            thread.join().unwrap();
        }
        drop(waiting);
    });
}

#[test]
fn a_future_whose_engine_is_gone_gives_the_operation_back() {
    let temporary = numbered_file();
    on_each_backend(&Config::new().queue(1), |handle, owner| {
        let file = File::open(temporary.path()).unwrap();
        let buffer = handle.buffer().unwrap();
        let future = handle.run(Read { file, offset: 0, buffer });
        let release = hold(handle);
        handle.try_submit(Nop, |_, _| ()).unwrap();
        // It waits for room when the engine goes.
        let thread = std::thread::spawn(|| pollster::block_on(future));
        std::thread::sleep(Duration::from_millis(20));
        let end = std::thread::spawn(move || owner.shutdown(Duration::ZERO));
        while handle.try_submit(Nop, |_, _| ()).unwrap_err().error.kind() == ErrorKind::Full {
            std::thread::yield_now();
        }
        drop(release);
        let unfinished = thread.join().unwrap().unwrap_err();
        assert_eq!(unfinished.error.kind(), ErrorKind::Closing);
        assert_eq!(unfinished.op.unwrap().buffer.len(), 4096);
        assert_eq!(end.join().unwrap().leaked, 0);
    });
}

/// Takes requests and never completes them.
#[derive(Debug, Default)]
struct Stuck {
    rung: Arc<Rung>,
    staged: Arc<AtomicU32>,
}

#[derive(Debug, Default)]
struct Rung {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

// SAFETY: it touches no memory and yields no completion.
unsafe impl Backend for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn enters(&self) -> u64 {
        0
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        Ok(())
    }

    fn register_slots(&mut self, _slots: u32) -> Result<(), Error> {
        Ok(())
    }

    fn set_slot(&mut self, _slot: u32, _file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        self.staged.fetch_add(u32::try_from(batch.len()).unwrap(), Ordering::SeqCst);
        batch.len()
    }

    fn cancel(&mut self, _id: u64) -> bool {
        true
    }

    fn waker(&mut self) -> Result<Waker, Error> {
        Ok(Waker::from(Arc::clone(&self.rung)))
    }

    fn enter(&mut self, wait: Wait, _completions: &mut Vec<RawCompletion>) -> Result<(), Error> {
        let mut rung = self.rung.rung.lock().unwrap();
        match wait {
            Wait::None => {}
            Wait::AtLeast(_) => {
                rung = self.rung.changed.wait_while(rung, |rung| !*rung).unwrap();
            }
            Wait::For { timeout, .. } => {
                let woken = self.rung.changed.wait_timeout_while(rung, timeout, |rung| !*rung);
                rung = woken.unwrap().0;
            }
        }
        *rung = false;
        Ok(())
    }
}

#[test]
fn a_future_whose_request_had_to_be_leaked_learns_that_it_will_not_come() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    let staged = Arc::new(AtomicU32::new(0));
    let in_backend = Arc::clone(&staged);
    let make =
        move || -> Box<dyn Backend> { Box::new(Stuck { staged: in_backend, ..Stuck::default() }) };
    let config = Config::new().depth(1).capacity(1).queue(1).buffers(4, 4096);
    let (handle, owner) = config.spawn_with_backend(make).unwrap();
    let file = File::options().write(true).open(temporary.path()).unwrap();
    let write = || Write { file: file.clone(), offset: 0, buffer: handle.buffer().unwrap() };
    let stuck = handle.run(write());
    let thread = std::thread::spawn(|| pollster::block_on(stuck));
    let start = Instant::now();
    while staged.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is handed to the backend");
        std::thread::yield_now();
    }
    // This one stays in the queue: the engine is full.
    let called = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&called);
    handle
        .try_submit(write(), move |done, _| {
            assert_eq!(done.result.unwrap_err().kind(), ErrorKind::Cancelled);
            told.store(true, Ordering::SeqCst);
        })
        .unwrap();
    let report = owner.shutdown(Duration::from_millis(20));
    assert_eq!((report.drained, report.cancelled, report.leaked), (1, 1, 1));
    assert!(called.load(Ordering::SeqCst));
    let unfinished = thread.join().unwrap().unwrap_err();
    assert!(unfinished.op.is_none(), "the kernel may still read its buffer");
    assert_eq!(unfinished.error.kind(), ErrorKind::Closing);
    let buffers: Vec<_> = std::iter::from_fn(|| handle.buffer()).collect();
    assert_eq!(buffers.len(), 3, "one buffer is leaked");
}

#[test]
fn a_backend_that_cannot_be_woken_gets_no_thread() {
    let make = || -> Box<dyn Backend> { Box::new(crate::stuck::Stuck::default()) };
    let error = Config::new().spawn_with_backend(make).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("tick"), "{error}");
}
