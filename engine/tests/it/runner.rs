//! What is asked of an engine's thread beside requests, an engine on a thread of the caller's, and
//! what an idle engine costs.

use crate::handle::on_each_backend;
use iomill_engine::{Config, ErrorKind, File, Nop, Read};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_file_is_registered_through_a_handle_and_used_from_any_thread() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), [7; 4096]).unwrap();
    on_each_backend(&Config::new().fixed_files(2), |handle, owner| {
        let file = File::open(temporary.path()).unwrap();
        let waited = handle.register_file(&file).wait().unwrap();
        let awaited = pollster::block_on(handle.register_file(&file)).unwrap();
        let beyond_the_slots = handle.register_file(&file).wait().unwrap();
        for file in [waited, awaited, beyond_the_slots] {
            let read = Read { file, offset: 0, buffer: handle.buffer().unwrap() };
            let done = pollster::block_on(handle.run(read)).unwrap();
            assert_eq!(done.result.unwrap(), 4096);
            assert_eq!(done.op.buffer[..], [7; 4096]);
        }
        let metrics = handle.metrics().wait().unwrap();
        assert_eq!((metrics.read.completed, metrics.read.bytes), (3, 3 * 4096));
        drop(handle.register_file(&file));
        drop(owner);
        let error = handle.register_file(&file).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closing);
        assert_eq!(handle.metrics().wait().unwrap_err().kind(), ErrorKind::Closing);
    });
}

#[test]
fn a_callback_that_waits_for_its_own_engine_is_refused_instead_of_hanging() {
    on_each_backend(&Config::new(), |handle, _owner| {
        let (tell, told) = channel();
        let inner = handle.clone();
        handle.try_submit(Nop, move |_, _| tell.send(inner.metrics().wait()).unwrap()).unwrap();
        let error = told.recv_timeout(LONG).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("callback"), "{error}");
    });
}

#[test]
fn an_engine_runs_on_the_callers_thread_until_it_is_stopped() {
    for backend in [iomill_engine::BackendChoice::IoUring, iomill_engine::BackendChoice::Threads] {
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            let (handle, runner) = match Config::new().backend(backend).on_this_thread() {
                Ok(pair) => pair,
                Err(error) => return eprintln!("skipped {backend:?}: {error}"),
            };
            let this = std::thread::current().id();
            // From a callback, before it runs.
            let stopper = runner.stopper();
            let on_complete = move |_, _: &mut iomill_engine::Context<'_>| {
                assert_eq!(std::thread::current().id(), this);
                stopper.stop(LONG);
            };
            let feeder = std::thread::spawn(move || {
                let done = pollster::block_on(handle.run(Nop)).unwrap();
                done.result.unwrap();
                handle.try_submit(Nop, on_complete).unwrap();
                handle
            });
            let report = runner.run();
            assert_eq!((report.leaked, report.panicked), (0, 0));
            let handle = feeder.join().unwrap();
            let refused = handle.try_submit(Nop, |_, _| ()).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::Closing);
        });
        thread.join().unwrap();

        // One that never runs calls back what it was handed.
        let Ok((handle, runner)) = Config::new().backend(backend).on_this_thread() else {
            continue;
        };
        handle.try_submit(Nop, move |done, _| tell.send(done.result).unwrap()).unwrap();
        let answer = handle.metrics();
        drop(runner);
        assert_eq!(told.recv().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(answer.wait().unwrap_err().kind(), ErrorKind::Unsupported, "its own thread");
    }
}

/// The processor time of this process's threads whose name begins with `prefix`, in the ticks of
/// the kernel's accounting (usually 10 ms).
fn ticks_of_threads(prefix: &str) -> (usize, u64) {
    let (mut threads, mut ticks) = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        if name.starts_with(prefix) {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            threads += 1;
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    (threads, ticks)
}

#[test]
fn no_thread_of_an_idle_engine_uses_a_processor() {
    // Other tests have engines too: each backend's threads are told apart by a name of their own,
    // which threads inherit from nobody, so this test has a process of its own.
    if std::env::var_os("IOMILL_TEST_IDLE").is_none() {
        let this = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(this);
        command.args(["--exact", "runner::no_thread_of_an_idle_engine_uses_a_processor"]);
        let output = command.env("IOMILL_TEST_IDLE", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let config = Config::new().threads(3).busy_poll(Duration::from_millis(1));
    let is_idle = |handle: &iomill_engine::Handle, _owner| {
        pollster::block_on(handle.run(Nop)).unwrap().result.unwrap();
        // It polls for a millisecond, and then it sleeps.
        std::thread::sleep(Duration::from_millis(100));
        let (threads, before) = ticks_of_threads("iomill-");
        let helpers = if handle.report().backend == "threads" { 3 } else { 0 };
        assert_eq!(threads, 1 + helpers);
        std::thread::sleep(Duration::from_millis(500));
        let used = ticks_of_threads("iomill-").1 - before;
        assert!(used <= 2, "{used} ticks of {threads} threads in half a second");
    };
    on_each_backend(&config, is_idle);
    // A ring that polls devices sleeps in a way of its own.
    on_each_backend(&config.iopoll(true), is_idle);
}

#[test]
fn an_engine_that_polls_is_not_woken_for_requests_that_come_meanwhile() {
    on_each_backend(&Config::new().busy_poll(Duration::from_secs(1)), |handle, _owner| {
        let before = handle.counters().wake_ups;
        let begin = Instant::now();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            pollster::block_on(handle.run(Nop)).unwrap().result.unwrap();
        }
        let wake_ups = handle.counters().wake_ups - before;
        // One for each second without a request, which only a stopped machine makes.
        let allowed = begin.elapsed().as_secs();
        assert!(wake_ups <= allowed, "{wake_ups} wake-ups in {:?}", begin.elapsed());
    });
}
