//! The pool where memory is limited or shared: a user who may lock next to nothing, and a process
//! that forks.

use iomill_engine::{BackendChoice, BufferClass, Config, Engine, File, Read};
use rustix::process::{Resource, Rlimit, getuid, setrlimit};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::rc::Rc;

/// Where the child of the first test finds its file.
const FILE_VARIABLE: &str = "IOMILL_TEST_LIMITED_FILE";
const CHILD: &str = "memory_limits::as_a_user_who_may_lock_64_kib";
const LIMIT_BYTES: u64 = 64 << 10;

#[test]
fn who_may_lock_little_memory_gets_what_fits_registered_and_the_reason_for_the_rest() {
    // In a process of its own: limits and users are the whole process's.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, vec![7; 65_536]).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(FILE_VARIABLE, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    if let Some(line) = text.lines().find(|line| line.contains("skipped")) {
        eprintln!("{line}");
    }
}

#[test]
#[ignore = "changes its whole process: the test above runs it in one of its own"]
fn as_a_user_who_may_lock_64_kib() {
    let path = std::env::var_os(FILE_VARIABLE).expect("the test above sets it");
    let limit = Rlimit { current: Some(LIMIT_BYTES), maximum: Some(LIMIT_BYTES) };
    setrlimit(Resource::Memlock, limit).unwrap();
    if getuid().is_root() {
        // One that nobody else has: what a user has locked is counted over all his processes.
        let user = 1_000_000 + std::process::id();
        // SAFETY: no memory is named; the test harness has nothing that it needs root for.
        assert_eq!(unsafe { libc::setuid(user) }, 0);
    }
    let class = |count, len_bytes| BufferClass { count, len_bytes };
    let start = |classes: [BufferClass; 2]| {
        let config = Config::new().backend(BackendChoice::IoUring).depth(2);
        config.buffer_classes(classes).start()
    };
    let mut engine = match start([class(4, 4096), class(4, 65_536)]) {
        Ok(engine) => engine,
        Err(error) => return println!("skipped: no io_uring for such a user: {error}"),
    };
    let fixed = |engine: &Engine| -> Vec<bool> {
        engine.report().pool.iter().map(|class| class.fixed).collect()
    };
    let why = |engine: &Engine, what: &str| {
        let fallbacks = &engine.report().fallbacks;
        let found = fallbacks.iter().find(|fallback| fallback.what == what);
        found.unwrap_or_else(|| panic!("{what} is not in {fallbacks:?}")).why.clone()
    };
    assert_eq!(fixed(&engine), [true, false]);
    let reason = why(&engine, "registered buffers of 65536 bytes");
    assert!(reason.contains("ENOMEM") && reason.contains("ulimit -l"), "{reason}");
    read_with_each_class(&mut engine, path.as_ref());

    let mut engine = start([class(64, 4096), class(4, 65_536)]).unwrap();
    assert_eq!(fixed(&engine), [false, false]);
    let reason = why(&engine, "registered buffers");
    assert!(reason.contains("ENOMEM") && reason.contains("ulimit -l"), "{reason}");
    read_with_each_class(&mut engine, path.as_ref());
}

fn read_with_each_class(engine: &mut Engine, path: &std::path::Path) {
    let file = File::open(path).unwrap();
    let moved = Rc::new(Cell::new(0));
    for len in [4096, 65_536] {
        let buffer = engine.buffer_of(len).unwrap().unwrap();
        let moved = Rc::clone(&moved);
        let read = Read { file: file.clone(), offset: 0, buffer };
        let accepted = engine.submit(read, move |done, _| {
            assert!(done.op.buffer.iter().all(|byte| *byte == 7));
            moved.set(moved.get() + done.result.unwrap());
        });
        accepted.unwrap();
    }
    engine.drain().unwrap();
    assert_eq!(moved.get(), 4096 + 65_536);
}

/// Forks a child that reads one byte there and ends; answers whether it was killed for it.
fn child_faults_at(address: *const u8) -> bool {
    // SAFETY: the child makes one access and two system calls, none of which needs a lock.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: the place is mapped, or this process is killed, which is the question.
        unsafe { std::ptr::read_volatile(address) };
        // SAFETY: it ends the process without a look at anything.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the place for its status is valid.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV
}

#[test]
#[cfg_attr(iomill_portable, ignore = "only Linux keeps memory out of children")]
fn a_forked_child_has_no_buffers_and_the_parents_transfer_goes_on() {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let config = Config::new().backend(backend).depth(2);
        let mut engine = match config.start() {
            Ok(engine) => engine,
            Err(error) => {
                eprintln!("skipped {backend:?}: {error}");
                continue;
            }
        };
        let own = [1_u8];
        assert!(!child_faults_at(own.as_ptr()), "other memory is there");
        // A read that is in flight while the process forks.
        let (reading, writing) = std::io::pipe().unwrap();
        let file = File::from_fd(OwnedFd::from(reading), "a pipe").unwrap();
        let mut buffer = engine.buffer().unwrap();
        buffer.set_len(3);
        buffer.fill(0xee);
        let in_flight = buffer.as_ptr();
        let called = Rc::new(Cell::new(false));
        let inside = Rc::clone(&called);
        let accepted = engine.submit(Read { file, offset: 0, buffer }, move |done, _| {
            assert_eq!(done.result.unwrap(), 3);
            assert_eq!(done.op.buffer[..], *b"abc");
            inside.set(true);
        });
        accepted.unwrap();
        engine.tick(iomill_engine::Wait::None).unwrap();
        assert!(child_faults_at(in_flight), "a buffer in flight on {backend:?}");
        for len in [1, 5000, 1 << 20] {
            let mut buffer = engine.buffer_of(len).unwrap().unwrap();
            buffer[0] = 1;
            assert!(child_faults_at(buffer.as_ptr()), "a buffer of {len} on {backend:?}");
            assert_eq!(buffer[0], 1);
        }
        use std::io::Write;
        (&writing).write_all(b"abc").unwrap();
        engine.drain().unwrap();
        assert!(called.get());
    }
}
