//! What the engine costs beside bare loops that do nothing else, in alternating rounds:
//! `cargo bench -p iomill-engine --bench bare_loop [-- --rounds N]`
//!
//! Three pairs, on warm 4 KiB random reads: the engine on io_uring against a loop on
//! `iomill-ring`, at depth 32 with everything registered; the engine on threads against one thread
//! that calls pread(2) into one buffer, which so stays in the nearest cache; and against one that
//! promises what the engine does: it reads into as many buffers, and never waits for a device. The
//! engine does all that it always does, histograms included. A ratio is the median of the rounds'
//! own ratios, so that a slow spell of the machine meets both sides.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_engine::{BackendChoice, Completion, Config, Context, Engine, File, Read};
use iomill_ring::{Builder, Ring, Target, op};
use rustix::io::ReadWriteFlags;
use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

const BLOCK_LEN_BYTES: u32 = 4096;
const FILE_LEN_BYTES: u64 = 64 << 20;
const DEPTH: u32 = 32;
/// Reads of one side in one round.
const READS: u64 = 200_000;
const ROUNDS_DEFAULT: usize = 15;

fn main() {
    let rounds = match rounds(std::env::args().skip(1)) {
        Ok(rounds) => rounds,
        Err(message) => {
            eprintln!("bare_loop: {message}");
            std::process::exit(2);
        }
    };
    let file = warm_file().expect("a temporary file");
    println!("4 KiB random reads of cached pages, {rounds} rounds of {READS} reads a side\n");
    println!(
        "{:44} {:>10} {:>19} {:>9} {:>9} {:>9}",
        "", "ratio", "(quartiles)", "ns", "CPU ns", "user ns"
    );
    let ring = |reads| bare_ring(file.as_file(), reads);
    let uring = |reads| on_engine(BackendChoice::IoUring, file.path(), reads);
    contest("engine on io_uring / bare iomill-ring", rounds, uring, ring);
    let pread = |reads| Some(bare_pread(file.as_file(), reads));
    let threads = |reads| on_engine(BackendChoice::Threads, file.path(), reads);
    contest("engine on threads / bare pread loop", rounds, threads, pread);
    let nowait = |reads| Some(bare_nowait(file.as_file(), reads));
    contest("engine on threads / bare RWF_NOWAIT loop", rounds, threads, nowait);
}

/// `--rounds N`, beside the `--bench` that cargo adds.
fn rounds(mut arguments: impl Iterator<Item = String>) -> Result<usize, String> {
    let mut rounds = ROUNDS_DEFAULT;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--rounds" => {
                let value = arguments.next().ok_or("--rounds needs a number")?;
                rounds = match value.parse() {
                    Ok(number) if number > 0 => number,
                    _ => return Err(format!("--rounds {value}: choose a number from 1 on")),
                };
            }
            other => return Err(format!("{other}: unknown; known is --rounds N")),
        }
    }
    Ok(rounds)
}

/// A file in the page cache, clean, so that no write-back runs meanwhile.
fn warm_file() -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    let chunk = vec![0x5a; 1 << 20];
    for _ in 0..FILE_LEN_BYTES >> 20 {
        file.write_all(&chunk)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// What one side took for its reads.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: Duration,
    /// Of the whole process.
    cpu: Duration,
    user: Duration,
}

/// Alternates two sides and prints how often the first does what the second does once. A side that
/// cannot run here has said why, and answers nothing.
fn contest(
    title: &str,
    rounds: usize,
    ours: impl Fn(u64) -> Option<Cost>,
    bare: impl Fn(u64) -> Option<Cost>,
) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who begins changes, so that nobody always follows the other's heat.
        let pair = if round % 2 == 0 {
            let first = ours(READS);
            first.zip(bare(READS))
        } else {
            let first = bare(READS);
            ours(READS).zip(first)
        };
        let Some((ours, bare)) = pair else { return };
        a.push(ours);
        b.push(bare);
    }
    for (name, pick) in [("rate", wall as fn(&Cost) -> f64), ("rate per CPU second", cpu)] {
        let mut ratios: Vec<f64> = a.iter().zip(&b).map(|(a, b)| pick(b) / pick(a)).collect();
        let [low, median, high] = quartiles(&mut ratios);
        let spread = format!("({low:.3}-{high:.3})");
        println!("{:44} {median:10.3} {spread:>19}", format!("{title}, {name}"));
    }
    for (name, costs) in [("  engine", &a), ("  bare loop", &b)] {
        let [wall, cpu, user] = [wall, cpu, user].map(|pick: fn(&Cost) -> f64| {
            let mut values: Vec<f64> = costs.iter().map(pick).collect();
            quartiles(&mut values)[1] * 1e9 / READS as f64
        });
        println!("{name:44} {:>10} {:>19} {wall:9.1} {cpu:9.1} {user:9.1}", "", "");
    }
}

fn wall(cost: &Cost) -> f64 {
    cost.wall.as_secs_f64()
}

fn cpu(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64()
}

fn user(cost: &Cost) -> f64 {
    cost.user.as_secs_f64()
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Measures what `work` takes.
fn measure(work: impl FnOnce()) -> Cost {
    let (user_before, cpu_before, begin) = (user_time(), cpu_time(), Instant::now());
    work();
    Cost {
        wall: begin.elapsed(),
        cpu: cpu_time() - cpu_before,
        user: user_time().saturating_sub(user_before),
    }
}

/// The process's CPU time so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("no time is negative");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// The process's CPU time so far outside of the kernel.
fn user_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the place is a whole `rusage`.
    let answer = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    assert_eq!(answer, 0, "the own process can be asked");
    // SAFETY: the call succeeded, and all bytes were zero before; a `rusage` is numbers only.
    let time = unsafe { usage.assume_init() }.ru_utime;
    let seconds = u64::try_from(time.tv_sec).expect("no time is negative");
    Duration::new(seconds, 0) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// Block after block at random, the same for every side.
#[derive(Debug)]
struct Places(u64);

impl Places {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    fn next_offset(&mut self) -> u64 {
        // xorshift64: no rival for a generator, and next to nothing beside a read.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let block = u64::from(BLOCK_LEN_BYTES);
        (self.0 % (FILE_LEN_BYTES / block)) * block
    }
}

/// A loop on the ring alone: batches of 32, one enter each, every result looked at.
fn bare_ring(file: &std::fs::File, reads: u64) -> Option<Cost> {
    let mut ring = match Builder::new(DEPTH).build() {
        Ok(ring) => ring,
        Err(error) => {
            println!("skipped io_uring: {error}");
            return None;
        }
    };
    let len_bytes = (DEPTH * BLOCK_LEN_BYTES) as usize;
    let mut memory = vec![0_u8; len_bytes + 4096];
    let lead = memory.as_ptr().align_offset(4096);
    let memory = &mut memory[lead..lead + len_bytes];
    // SAFETY: the memory lives until the buffers are unregistered below.
    unsafe { ring.register_buffers(&[IoSlice::new(memory)]) }.expect("a registered buffer");
    ring.register_files_sparse(1).expect("a table of files");
    ring.update_file(0, Some(file.as_fd())).expect("a registered file");
    let mut places = Places::new();
    batches(&mut ring, reads / 10, memory, &mut places);
    let cost = measure(|| batches(&mut ring, reads, memory, &mut places));
    ring.unregister_buffers().expect("no read is in flight");
    Some(cost)
}

fn batches(ring: &mut Ring, reads: u64, memory: &mut [u8], places: &mut Places) {
    let base = memory.as_mut_ptr();
    for _ in 0..reads / u64::from(DEPTH) {
        for index in 0..DEPTH {
            // SAFETY: the memory holds a block per entry of the batch.
            let block = unsafe { base.add((index * BLOCK_LEN_BYTES) as usize) };
            let offset = places.next_offset();
            let sqe = op::read_fixed(Target::Fixed(0), block, BLOCK_LEN_BYTES, offset, 0)
                .with_user_data(u64::from(index));
            // SAFETY: the block is this entry's, and all entries are waited for below.
            unsafe { ring.push(&sqe) }.expect("the queue holds a batch");
        }
        ring.submit_and_wait(DEPTH).expect("a batch is submitted");
        let whole = BLOCK_LEN_BYTES.cast_signed();
        let count = ring.completions().inspect(|cqe| assert_eq!(cqe.res, whole)).count();
        assert_eq!(count, DEPTH as usize, "each entry once");
    }
}

/// One thread, one call per read.
fn bare_pread(file: &std::fs::File, reads: u64) -> Cost {
    let mut block = vec![0_u8; BLOCK_LEN_BYTES as usize];
    let mut places = Places::new();
    let mut run = |reads| {
        for _ in 0..reads {
            let bytes = file.read_at(&mut block, places.next_offset()).expect("a read");
            assert_eq!(bytes, block.len());
        }
    };
    run(reads / 10);
    measure(|| run(reads))
}

/// One thread, one call per read, that must not wait; a buffer for each of the requests that the
/// engine has in flight.
fn bare_nowait(file: &std::fs::File, reads: u64) -> Cost {
    let mut blocks = vec![vec![0_u8; BLOCK_LEN_BYTES as usize]; DEPTH as usize];
    let mut places = Places::new();
    let mut run = |reads| {
        for (_, block) in (0..reads).zip((0..blocks.len()).cycle()) {
            let mut memory = [IoSliceMut::new(&mut blocks[block])];
            let offset = places.next_offset();
            // The kernel may have taken a page back: a loop of one thread waits for that one.
            let bytes = rustix::io::preadv2(file, &mut memory, offset, ReadWriteFlags::NOWAIT)
                .or_else(|_| rustix::io::preadv(file, &mut memory, offset))
                .expect("a read");
            assert_eq!(bytes, BLOCK_LEN_BYTES as usize);
        }
    };
    run(reads / 10);
    measure(|| run(reads))
}

/// What the callbacks share.
struct Run {
    left: u64,
    places: Places,
}

/// The engine with its window full: each callback hands the next read in.
fn on_engine(backend: BackendChoice, path: &std::path::Path, reads: u64) -> Option<Cost> {
    let config = Config::new().backend(backend).depth(DEPTH);
    let mut engine = match config.start() {
        Ok(engine) => engine,
        Err(error) => {
            println!("skipped {backend:?}: {error}");
            return None;
        }
    };
    let file = File::open(path).expect("the file opens");
    let file = engine.register_file(&file).expect("the file is registered");
    let run = Rc::new(RefCell::new(Run { left: 0, places: Places::new() }));
    let mut all = |reads: u64| {
        run.borrow_mut().left = reads;
        fill(&mut engine, &file, &run);
        engine.drain().expect("the loop runs");
    };
    all(reads / 10);
    Some(measure(|| all(reads)))
}

fn fill(engine: &mut Engine, file: &File, run: &Rc<RefCell<Run>>) {
    for _ in 0..DEPTH {
        let buffer = engine.buffer().expect("the pool holds a buffer per request");
        let mut state = run.borrow_mut();
        state.left -= 1;
        let op = Read { file: file.clone(), offset: state.places.next_offset(), buffer };
        drop(state);
        let run = Rc::clone(run);
        let submitted = engine.submit(op, move |done, context| took(done, context, run));
        assert!(submitted.is_ok(), "the engine has room");
    }
}

fn took(done: Completion<Read>, context: &mut Context<'_>, run: Rc<RefCell<Run>>) {
    assert_eq!(done.result.expect("a read"), BLOCK_LEN_BYTES);
    let mut state = run.borrow_mut();
    if state.left == 0 {
        return;
    }
    state.left -= 1;
    let mut op = done.op;
    op.offset = state.places.next_offset();
    drop(state);
    let submitted = context.submit(op, move |done, context| took(done, context, run));
    assert!(submitted.is_ok(), "the completed request has left room");
}
