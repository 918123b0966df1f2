//! What the running kernel and the disk below a folder can do, one line each:
//! `feature NAME: ANSWER`. The kernel matrix runs it in its guests, in `$TMPDIR`; it is as good a
//! look at any other host.
//!
//! It judges nothing, and leaves nothing behind.

#![allow(clippy::print_stdout, reason = "the lines are the program's output")]

use iomill_engine::{Config, File, WriteFlags, WriteWith};
use iomill_ring::abi::SetupFlags;
use iomill_ring::{Builder, Opcode, Ring, SqPoll, Target, errno_name, op};
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

const BLOCK_LEN_BYTES: usize = 4096;
/// The namespace of the first NVMe disk as a character device (Linux 5.13).
const NVME: &str = "/dev/ng0n1";
/// `NVME_URING_CMD_IO`: `_IOWR('N', 0x80, struct nvme_uring_cmd)`, from `linux/nvme_ioctl.h`.
const NVME_COMMAND: u32 = 0xc048_4e80;

fn main() {
    let folder = std::env::var_os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    engine();
    ring();
    set_up_flags();
    let path = folder.join("guest-features.bin");
    if let Err(error) = std::fs::write(&path, vec![7; 16 * BLOCK_LEN_BYTES]) {
        return println!("feature file: no: {}: {error}", path.display());
    }
    disk(&path);
    print("polled direct read", polled_read(&path));
    print("NVMe flush by passthrough", nvme_flush());
    // It was written above, and nothing else depends on it.
    let _ = std::fs::remove_file(&path);
}

fn print(name: &str, answer: Result<String, String>) {
    match answer {
        Ok(answer) => println!("feature {name}: {answer}"),
        Err(why) => println!("feature {name}: no: {why}"),
    }
}

/// What an engine gets that asks for nothing special.
fn engine() {
    let engine = match Config::new().start() {
        Ok(engine) => engine,
        Err(error) => return println!("feature engine: no: {error}"),
    };
    let report = engine.report();
    println!("feature engine: {}", report.backend);
    println!("feature registered buffers: {}", yes(report.fixed_buffers));
    println!("feature registered files: {}", report.fixed_files);
    for fallback in &report.fallbacks {
        println!("feature without {}: {}", fallback.what, fallback.why);
    }
}

/// The newest opcode, as the kernel says.
fn ring() {
    let probe = Builder::new(1).build().and_then(|ring| ring.probe());
    print(
        "newest opcode",
        probe.map_err(|error| error.to_string()).map(|probe| {
            let last = probe.last();
            format!("{} ({})", last.name().unwrap_or("unknown here"), last.0)
        }),
    );
}

/// Each flag by itself.
fn set_up_flags() {
    let flags = [
        ("SQPOLL", Builder::new(1).sqpoll(SqPoll { idle: Duration::from_millis(1), cpu: None })),
        ("COOP_TASKRUN", Builder::new(1).require(SetupFlags::COOP_TASKRUN)),
        (
            "DEFER_TASKRUN",
            Builder::new(1).require(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN),
        ),
        ("NO_SQARRAY", Builder::new(1).require(SetupFlags::NO_SQARRAY)),
        ("IOPOLL", Builder::new(1).iopoll()),
        ("HYBRID_IOPOLL", Builder::new(1).hybrid_iopoll()),
        ("SQE128", Builder::new(1).sqe128()),
        ("SQE_MIXED", Builder::new(4).sqe_mixed()),
        ("CQE32", Builder::new(1).cqe32()),
        ("CQE_MIXED", Builder::new(4).cqe_mixed()),
    ];
    for (name, builder) in flags {
        let built = builder.build().map(|_| String::from("yes"));
        print(name, built.map_err(|error| named(error.errno().unwrap_or(0))));
    }
}

/// What the file system and its disk offer to direct and to special writes.
fn disk(path: &Path) {
    let direct = File::options().read(true).write(true).direct(true).open(path);
    let direct = match direct {
        Ok(file) => file,
        Err(error) => return println!("feature direct I/O: no: {error}"),
    };
    if let Some(alignment) = direct.alignment() {
        println!("feature direct I/O: multiples of {} bytes", alignment.offset);
    }
    let buffered = File::options().read(true).write(true).open(path);
    let cases = [
        ("RWF_DSYNC", WriteFlags::DSYNC, Ok(direct.clone())),
        ("RWF_ATOMIC", WriteFlags::ATOMIC, Ok(direct)),
        ("RWF_DONTCACHE", WriteFlags::DONTCACHE, buffered),
    ];
    for (name, flags, file) in cases {
        print(
            name,
            file.and_then(|file| write_with(&file, flags)).map_err(|error| one_line(&error)),
        );
    }
}

fn one_line(error: &iomill_engine::Error) -> String {
    match error.errno().and_then(errno_name) {
        Some(name) => name.to_owned(),
        None => format!("{:?}", error.kind()),
    }
}

fn write_with(file: &File, flags: WriteFlags) -> Result<String, iomill_engine::Error> {
    let mut engine = Config::new().start()?;
    let buffer = engine.buffer().expect("a new engine has a buffer");
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    let op = WriteWith { file: file.clone(), offset: 0, buffer, flags };
    engine.submit(op, move |done, _| *inside.borrow_mut() = Some(done.result))?;
    engine.drain()?;
    let result = place.take().expect("what was accepted is called back");
    result.map(|_| String::from("yes"))
}

/// A direct read whose completion is polled for.
fn polled_read(path: &Path) -> Result<String, String> {
    let file = File::options().read(true).direct(true).open(path).map_err(|e| one_line(&e))?;
    let mut ring = Builder::new(4).iopoll().build().map_err(|error| error.to_string())?;
    // From an engine's pool, because it is aligned.
    let engine = Config::new().start().map_err(|error| one_line(&error))?;
    let mut buffer = engine.buffer().ok_or("no buffer")?;
    let len = u32::try_from(BLOCK_LEN_BYTES).expect("a small number");
    let sqe = op::read(Target::from(file.as_fd()), buffer.as_mut_ptr(), len, 0);
    // SAFETY: the buffer and the file live until `answer` has seen the completion.
    unsafe { ring.push(&sqe) }.map_err(|error| error.to_string())?;
    answer(&mut ring)
}

/// A flush as a raw NVMe command.
fn nvme_flush() -> Result<String, String> {
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open(NVME)
        .map_err(|error| format!("{NVME}: {error}"))?;
    let mut ring = Builder::new(4).sqe128().cqe32().build().map_err(|error| error.to_string())?;
    let probe = ring.probe().map_err(|error| error.to_string())?;
    if !probe.supports(Opcode::URING_CMD) {
        return Err("the kernel has no URING_CMD (Linux 5.19)".into());
    }
    let mut command = [0; op::COMMAND_LEN_BYTES];
    // Opcode 0 is a flush; the namespace is the first one.
    command[4] = 1;
    let (sqe, tail) = op::command128(Target::from(device.as_fd()), NVME_COMMAND, &command);
    // SAFETY: a flush names no memory, and the device stays open until `answer` has seen the
    // completion.
    unsafe { ring.push128(&sqe, &tail) }.map_err(|error| error.to_string())?;
    answer(&mut ring)
}

/// The result of the one entry in the ring.
fn answer(ring: &mut Ring) -> Result<String, String> {
    // A kernel that polls returns early when something else wants the processor.
    let result = loop {
        ring.submit_and_wait(1).map_err(|error| error.to_string())?;
        if let Some(cqe) = ring.completions().next() {
            break cqe.res;
        }
    };
    if result >= 0 {
        return Ok(String::from("yes"));
    }
    Err(named(-result))
}

fn named(errno: i32) -> String {
    errno_name(errno).map_or_else(|| format!("errno {errno}"), str::to_owned)
}

fn yes(it_is: bool) -> &'static str {
    if it_is { "yes" } else { "no" }
}
