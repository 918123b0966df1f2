//! An engine on a thread of its own: what many threads hand over is called back once each, nothing
//! is lost at the end, and an idle engine sleeps.

use iomill_engine::{
    BackendChoice, Completion, Config, ErrorKind, File, Handle, Nop, Owner, Read, Route, Sync,
    WriteFlags, WriteWith,
};
use rustix::thread::sched_getaffinity;
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// Runs `test` with an engine on each backend that this machine has.
pub(crate) fn on_each_backend(config: &Config, test: impl Fn(&Handle, Owner)) {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        match config.clone().backend(backend).spawn() {
            Ok((handle, owner)) => test(&handle, owner),
            Err(error) => eprintln!("skipped {backend:?}: {error}"),
        }
    }
}

/// Runs `work` on the engine's thread and waits for what it says.
fn on_engine<T: Send + 'static>(handle: &Handle, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    let work = Box::new(work);
    handle.try_submit(Nop, move |_, _| tell.send(work()).unwrap()).unwrap();
    told.recv().unwrap()
}

/// Keeps the engine's thread inside a callback until the answer is dropped.
pub(crate) fn hold(handle: &Handle) -> Sender<()> {
    let (release, released) = channel::<()>();
    let (tell, told) = channel();
    let hold = move |_, _: &mut iomill_engine::Context<'_>| {
        tell.send(()).unwrap();
        released.recv().unwrap_err();
    };
    handle.try_submit(Nop, hold).unwrap();
    told.recv().unwrap();
    release
}

#[test]
fn every_request_of_many_threads_is_called_back_exactly_once() {
    const THREADS: usize = 4;
    const EACH: usize = 3000;
    on_each_backend(&Config::new().depth(8).queue(16), |handle, owner| {
        let calls: Arc<[AtomicU32]> = (0..THREADS * EACH).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let calls = &calls;
                scope.spawn(move || {
                    for number in thread * EACH..(thread + 1) * EACH {
                        let counted = Arc::clone(calls);
                        let mut submitted = handle.try_submit(Nop, move |done, _| {
                            done.result.unwrap();
                            counted[number].fetch_add(1, Ordering::Relaxed);
                        });
                        while let Err(refused) = submitted {
                            assert_eq!(refused.error.kind(), ErrorKind::Full);
                            std::thread::yield_now();
                            submitted = handle.try_submit(refused.op, refused.on_complete);
                        }
                    }
                });
            }
        });
        let report = owner.shutdown(Duration::from_secs(60));
        assert_eq!((report.cancelled, report.leaked), (0, 0));
        assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == 1));
    });
}

#[test]
fn a_full_queue_hands_the_operation_and_the_callback_back() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    on_each_backend(&Config::new().queue(2).buffers(4, 4096), |handle, owner| {
        let file = File::open(temporary.path()).unwrap();
        let release = hold(handle);
        let (tell, told) = channel();
        let read = |number: u8| {
            let mut buffer = handle.buffer().unwrap();
            buffer.fill(number);
            let tell = tell.clone();
            handle.try_submit(Read { file: file.clone(), offset: 0, buffer }, move |done, _| {
                tell.send((number, done.result.unwrap())).unwrap();
            })
        };
        read(0).unwrap();
        read(1).unwrap();
        let refused = read(2).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Full);
        assert!(refused.op.buffer.iter().all(|byte| *byte == 2), "the same buffer");
        drop(release);
        let mut again = handle.try_submit(refused.op, refused.on_complete);
        while let Err(refused) = again {
            std::thread::yield_now();
            again = handle.try_submit(refused.op, refused.on_complete);
        }
        let mut called: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
        called.sort_unstable();
        assert_eq!(called, [(0, 0), (1, 0), (2, 0)], "an empty file was read three times");
        drop(owner);
        let buffers: Vec<_> = std::iter::from_fn(|| handle.buffer()).collect();
        assert_eq!(buffers.len(), 4, "all buffers came back");
    });
}

#[test]
fn a_submitter_wakes_the_engine_only_when_it_sleeps_and_only_once() {
    on_each_backend(&Config::new().depth(4).queue(512), |handle, owner| {
        let release = hold(handle);
        let before = handle.counters().wake_ups;
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..500 {
            let done = Arc::clone(&done);
            let count = move |_, _: &mut iomill_engine::Context<'_>| {
                done.fetch_add(1, Ordering::Relaxed);
            };
            handle.try_submit(Nop, count).unwrap();
        }
        assert_eq!(handle.counters().wake_ups, before, "it is awake, inside a callback");
        drop(release);
        on_engine(handle, || ());
        assert!(handle.counters().wake_ups <= before + 1, "500 requests found it awake");

        // Asleep, each request that comes alone has to wake it, once.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            on_engine(handle, || ());
        }
        let wake_ups = handle.counters().wake_ups - before;
        assert!((1..=22).contains(&wake_ups), "{wake_ups} wake-ups for 20 requests");
        drop(owner);
        assert_eq!(done.load(Ordering::Relaxed), 500);
    });
}

#[test]
fn an_idle_engine_uses_no_processor() {
    on_each_backend(&Config::new(), |handle, _owner| {
        let cpu_time = || {
            let time = on_engine(handle, || clock_gettime(ClockId::ThreadCPUTime));
            Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
        };
        let before = cpu_time();
        std::thread::sleep(Duration::from_millis(200));
        let used = cpu_time() - before;
        assert!(used < Duration::from_millis(5), "{used:?} of 200 ms");
    });
}

#[test]
fn a_panicking_callback_is_counted_and_the_engine_goes_on() {
    on_each_backend(&Config::new(), |handle, owner| {
        for _ in 0..3 {
            handle.try_submit(Nop, |_, _| panic!("on purpose")).unwrap();
        }
        let start = Instant::now();
        while handle.counters().callback_panics < 3 {
            assert!(start.elapsed() < Duration::from_secs(60), "three panics are counted");
            assert_eq!(on_engine(handle, || 7), 7);
        }
        assert_eq!(owner.shutdown(Duration::from_secs(5)).leaked, 0);
    });
}

#[test]
fn what_cannot_be_done_is_told_to_the_callback_with_the_operation() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    on_each_backend(&Config::new(), |handle, _owner| {
        let file = File::options().write(true).open(temporary.path()).unwrap();
        let mut buffer = handle.buffer().unwrap();
        buffer.set_len(3);
        let op = WriteWith { file, offset: 0, buffer, flags: WriteFlags::ATOMIC };
        let done = pollster::block_on(handle.run(op)).unwrap();
        assert_eq!(done.result.unwrap_err().kind(), ErrorKind::Misaligned);
        assert_eq!(done.op.buffer.len(), 3);

        let before = handle.counters().callback_panics;
        handle.try_submit(done.op, |_, _| panic!("on purpose")).unwrap();
        let start = Instant::now();
        while handle.counters().callback_panics == before {
            assert!(start.elapsed() < Duration::from_secs(60), "its panic is counted too");
            on_engine(handle, || ());
        }
    });
}

#[test]
fn a_sleeping_engine_keeps_deadlines_and_its_shutdown_stops_what_never_ends() {
    // Only the ring can stop a read that has begun.
    let config = Config::new().backend(BackendChoice::IoUring).buffers(2, 4096);
    let (handle, owner) = match config.spawn() {
        Ok(pair) => pair,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let (reader, _writer) = std::io::pipe().unwrap();
    let file = File::from_fd(OwnedFd::from(reader), "a pipe").unwrap();
    let (tell, told) = channel();
    let piped = file.clone();
    let outer = move |_, cx: &mut iomill_engine::Context<'_>| {
        let read = Read { file: piped, offset: 0, buffer: cx.buffer().unwrap() };
        let limit = Duration::from_millis(20);
        let told = move |done: Completion<Read>, _: &mut iomill_engine::Context<'_>| {
            tell.send(done.result.unwrap_err().kind()).unwrap();
        };
        cx.submit_within(read, limit, told).unwrap();
    };
    handle.try_submit(Nop, outer).unwrap();
    let kind = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(kind, ErrorKind::DeadlineExceeded);

    // A future is dropped with its read in flight: the engine has to bring the buffer back.
    let mut future = handle.run(Read { file, offset: 0, buffer: handle.buffer().unwrap() });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    drop(future);
    on_engine(&handle, || ());
    let report = owner.shutdown(Duration::from_millis(20));
    assert_eq!((report.cancelled, report.leaked), (1, 0));
    let buffers: Vec<_> = std::iter::from_fn(|| handle.buffer()).collect();
    assert_eq!(buffers.len(), 2);
}

#[test]
fn a_callback_may_submit_more_and_feed_its_own_engine() {
    on_each_backend(&Config::new().queue(4), |handle, _owner| {
        let (tell, told) = channel();
        let inner = handle.clone();
        let outer = move |_, cx: &mut iomill_engine::Context<'_>| {
            let second = tell.clone();
            cx.submit(Nop, move |_, _| second.send("context").unwrap()).unwrap();
            inner.try_submit(Nop, move |_, _| tell.send("handle").unwrap()).unwrap();
        };
        handle.try_submit(Nop, outer).unwrap();
        let mut heard = [told.recv().unwrap(), told.recv().unwrap()];
        heard.sort_unstable();
        assert_eq!(heard, ["context", "handle"]);
    });
}

#[test]
fn a_shutdown_amid_submissions_calls_back_what_was_accepted_and_hands_back_the_rest() {
    for round in 0..20_u32 {
        on_each_backend(&Config::new().depth(4).queue(8), |handle, owner| {
            let called = Arc::new(AtomicU32::new(0));
            let accepted = std::thread::scope(|scope| {
                let submit = || {
                    let mut accepted = 0;
                    loop {
                        let called = Arc::clone(&called);
                        let count = move |_, _: &mut iomill_engine::Context<'_>| {
                            called.fetch_add(1, Ordering::Relaxed);
                        };
                        match handle.try_submit(Nop, count) {
                            Ok(_) => accepted += 1,
                            Err(refused) if refused.error.kind() == ErrorKind::Full => {}
                            Err(refused) => {
                                assert_eq!(refused.error.kind(), ErrorKind::Closing);
                                return accepted;
                            }
                        }
                    }
                };
                let submitters: Vec<_> = (0..3).map(|_| scope.spawn(submit)).collect();
                std::thread::sleep(Duration::from_micros(u64::from(round) * 100));
                // Half of the rounds leave no time to finish what is in the queue.
                owner.shutdown(Duration::from_secs(u64::from(round % 2) * 10));
                submitters.into_iter().map(|submitter| submitter.join().unwrap()).sum::<u32>()
            });
            assert_eq!(called.load(Ordering::Relaxed), accepted, "round {round}");
        });
    }
}

#[test]
fn an_engine_that_is_gone_hands_everything_back() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    on_each_backend(&Config::new().queue(4), |handle, owner| {
        drop(owner);
        for _ in 0..10 {
            let file = File::open(temporary.path()).unwrap();
            let buffer = handle.buffer().unwrap();
            let refused =
                handle.try_submit(Read { file, offset: 0, buffer }, |_, _| ()).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::Closing);
            assert_eq!(refused.op.buffer.len(), 4096);
        }
    });
}

#[test]
fn a_pinned_engine_runs_on_its_processor_and_one_that_cannot_be_pinned_does_not_start() {
    let allowed = sched_getaffinity(None).unwrap();
    let cpu = (0..1024).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let config = Config::new().pin(u32::try_from(cpu).unwrap());
    on_each_backend(&config, |handle, _owner| {
        let set = on_engine(handle, || sched_getaffinity(None).unwrap());
        assert!(set.is_set(cpu) && set.count() == 1);
    });
    if allowed.is_set(1023) {
        return eprintln!("skipped: this machine has a CPU 1023");
    }
    let error = Config::new().pin(1023).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("CPU 1023"), "{error}");
}

#[test]
fn the_helpers_of_a_pinned_engine_are_not_pinned() {
    let allowed = sched_getaffinity(None).unwrap();
    if allowed.count() < 2 {
        return eprintln!("skipped: there is only one CPU to run on");
    }
    let cpu = (0..1024).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let config = Config::new().pin(u32::try_from(cpu).unwrap());
    let config = config.lanes(crate::lanes::all(Route::Helpers)).threads(2);
    let temporary = tempfile::NamedTempFile::new().unwrap();
    on_each_backend(&config, |handle, _owner| {
        let sync = Sync { file: File::open(temporary.path()).unwrap(), data_only: true };
        pollster::block_on(handle.run(sync)).unwrap().result.unwrap();
        // Nobody pins the helpers of the tests that run beside this one either.
        let tasks: Vec<_> = std::fs::read_dir("/proc/self/task").unwrap().flatten().collect();
        let mut helpers = 0;
        for task in tasks {
            // Another test's may be gone by now.
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let thread = task.file_name().to_string_lossy().parse().unwrap();
            let set = sched_getaffinity(rustix::thread::Pid::from_raw(thread));
            if let (true, Ok(set)) = (name.starts_with("iomill-io"), set) {
                assert_eq!(set.count(), allowed.count(), "{name}");
                helpers += 1;
            }
        }
        assert!(helpers >= 2, "they are there when there is work for them");
    });
}

#[test]
fn a_request_through_a_handle_allocates_nothing_on_either_side() {
    use crate::allocations::COUNTED;
    on_each_backend(&Config::new().queue(128), |handle, _owner| {
        // Answers how often this thread allocated.
        let round = || {
            let start = Instant::now();
            let done = Arc::new(());
            COUNTED.set(Some(0));
            for _ in 0..64 {
                let done = Arc::clone(&done);
                handle.try_submit(Nop, move |_, _| drop(done)).unwrap();
            }
            let counted = COUNTED.take();
            while Arc::strong_count(&done) > 1 {
                assert!(start.elapsed() < Duration::from_secs(60), "all are called back");
                std::thread::yield_now();
            }
            counted
        };
        round();
        // Not through `on_engine`, whose answer allocates.
        handle.try_submit(Nop, |_, _| COUNTED.set(Some(0))).unwrap();
        // The queue is empty again before the next round fills it.
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(round(), Some(0), "by the submitter");
        assert_eq!(on_engine(handle, || COUNTED.take()), Some(0), "by the engine's thread");
    });
}
