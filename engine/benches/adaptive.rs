//! What an adaptive depth costs a whole engine beside a fixed depth of the same number, and what it
//! gains to wait for several completions together, as `drain` does, in alternating slices:
//! `cargo bench -p iomill-engine --bench adaptive [-- --rounds N]`
//!
//! The range of the adaptive depth is one number, so that both sides do the same I/O, and both have
//! twice as many requests waiting. Cached reads teach the controller nothing; direct reads are
//! counted, handed over and judged. Both engines live through all rounds, a slice is short, and a
//! ratio is the median of the rounds' own: so a slow spell of the machine meets both sides.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_engine::depth::Target;
use iomill_engine::{BackendChoice, Completion, Config, Context, Engine, File, Read, Wait};
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

const BLOCK_LEN_BYTES: u32 = 4096;
const FILE_LEN_BYTES: u64 = 64 << 20;
const ROUNDS_DEFAULT: usize = 201;
/// A limit that some reads miss, and which a range of one cannot follow.
const P99: Target = Target::Percentile { percent: 99.0, limit_ns: 500_000 };

fn main() {
    let rounds = match rounds(std::env::args().skip(1)) {
        Ok(rounds) => rounds,
        Err(message) => {
            eprintln!("adaptive: {message}");
            std::process::exit(2);
        }
    };
    let file = warm_file().expect("a temporary file");
    println!("4 KiB random reads, {rounds} rounds\n");
    println!("{:44} {:>24} {:>24}", "", "wall (quartiles)", "CPU (quartiles)");
    adaptive_or_fixed(rounds, file.path());
    together_or_one_by_one(rounds, file.path());
}

/// A range of one number against that number.
fn adaptive_or_fixed(rounds: usize, path: &Path) {
    println!("adaptive / fixed at the same depth");
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        for (name, is_direct, depth, reads) in [
            ("cached, depth 32", false, 32, 20_000),
            ("cached, depth 1", false, 1, 10_000),
            ("direct, depth 32", true, 32, 4_000),
            ("direct, depth 1", true, 1, 500),
        ] {
            for (aim, target) in [("knee", Target::Knee), ("p99", P99)] {
                let fixed = Config::new().depth(depth);
                let adaptive = Config::new().adaptive(depth..=depth, target);
                let sides = [adaptive, fixed]
                    .map(|config| Side::start(config.backend(backend), path, is_direct, 2 * depth));
                contest(&format!("{backend:?}, {name}, {aim}"), rounds, reads, sides);
            }
        }
    }
}

/// `drain`, which waits for several completions together at high load, against ticks that wait for
/// one.
fn together_or_one_by_one(rounds: usize, path: &Path) {
    println!("waits for several completions / for one");
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        for depth in [1, 16, 64, 256] {
            let sides = [true, false].map(|is_patient| {
                let config = Config::new().depth(depth).backend(backend);
                let side = Side::start(config, path, true, 2 * depth)?;
                Ok(Side { is_patient, ..side })
            });
            let title = format!("{backend:?}, direct, depth {depth}");
            contest(&title, rounds, 500 * u64::from(depth.min(16)), sides);
        }
    }
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

/// What a slice took. Units: seconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: f64,
    /// Of the whole process.
    cpu: f64,
}

/// Alternates two sides and prints what the first takes of what the second takes. A side that
/// cannot run here says why.
fn contest(title: &str, rounds: usize, reads: u64, sides: [Result<Side, iomill_engine::Error>; 2]) {
    let [mut a, mut b] = match sides {
        [Ok(a), Ok(b)] => [a, b],
        [Err(error), _] | [_, Err(error)] => return println!("{title}: skipped: {error}"),
    };
    for side in [&mut a, &mut b] {
        side.run(reads);
    }
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who begins changes, so that nobody always follows the other's heat.
        let (first, second) = if round % 2 == 0 {
            let first = a.run(reads);
            (first, b.run(reads))
        } else {
            let second = b.run(reads);
            (a.run(reads), second)
        };
        wall.push(first.wall / second.wall);
        cpu.push(first.cpu / second.cpu);
    }
    let words = [&mut wall, &mut cpu].map(|ratios| {
        ratios.sort_by(f64::total_cmp);
        let [low, middle, high] = [1, 2, 3].map(|q| ratios[(ratios.len() - 1) * q / 4]);
        format!("{middle:.3} ({low:.3}-{high:.3})")
    });
    println!("{title:44} {:>24} {:>24}", words[0], words[1]);
}

/// The process's CPU time so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("no time is negative");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// What the callbacks share.
#[derive(Debug)]
struct Run {
    left: u64,
    /// The state of xorshift64.
    random: u64,
}

impl Run {
    fn next_offset(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let block = u64::from(BLOCK_LEN_BYTES);
        (self.random % (FILE_LEN_BYTES / block)) * block
    }
}

/// An engine and what it reads.
struct Side {
    engine: Engine,
    file: File,
    lanes: u32,
    /// Whether it waits as the engine likes, not for one completion.
    is_patient: bool,
    run: Rc<RefCell<Run>>,
}

impl Side {
    fn start(
        config: Config,
        path: &Path,
        is_direct: bool,
        lanes: u32,
    ) -> Result<Self, iomill_engine::Error> {
        let config = config.capacity(lanes).buffers(lanes, BLOCK_LEN_BYTES);
        let mut engine = config.start()?;
        let file = File::options().read(true).direct(is_direct).open(path)?;
        let file = engine.register_file(&file)?;
        let run = Rc::new(RefCell::new(Run { left: 0, random: 0x9e37_79b9_7f4a_7c15 }));
        Ok(Self { engine, file, lanes, is_patient: false, run })
    }

    fn run(&mut self, reads: u64) -> Cost {
        let (cpu, wall) = (cpu_time(), Instant::now());
        self.run.borrow_mut().left = reads;
        for _ in 0..self.lanes {
            let buffer = self.engine.buffer().expect("the pool holds a buffer per request");
            let offset = self.run.borrow_mut().next_offset();
            let op = Read { file: self.file.clone(), offset, buffer };
            let run = Rc::clone(&self.run);
            let submitted = self.engine.submit(op, move |done, context| took(done, context, run));
            assert!(submitted.is_ok(), "the engine has room");
        }
        if self.is_patient {
            self.engine.drain().expect("the loop runs");
        }
        while self.engine.in_flight() > 0 {
            self.engine.tick(Wait::AtLeast(1)).expect("the loop runs");
        }
        Cost { wall: wall.elapsed().as_secs_f64(), cpu: (cpu_time() - cpu).as_secs_f64() }
    }
}

fn took(done: Completion<Read>, context: &mut Context<'_>, run: Rc<RefCell<Run>>) {
    assert_eq!(done.result.expect("a read"), BLOCK_LEN_BYTES);
    let mut state = run.borrow_mut();
    if state.left == 0 {
        return;
    }
    state.left -= 1;
    let op = Read { offset: state.next_offset(), ..done.op };
    drop(state);
    let submitted = context.submit(op, move |done, context| took(done, context, run));
    assert!(submitted.is_ok(), "the completed request has left room");
}
