//! What lanes are worth: each kind of operation by plain system calls in a loop, by an engine that
//! chooses lanes, and by one that sends everything to its backend, in alternating rounds:
//! `cargo bench -p iomill-engine --bench lanes [-- --rounds N] [-- --backend threads]`
//!
//! A ratio is time per operation over that of the plain loop, the median of the rounds' own ratios;
//! below 1 the engine is quicker. The plain loop has one call in flight at any depth. Rows that are
//! more than 5 % slower are marked. The cases are in `lanes/cases.rs`.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

#[path = "lanes/cases.rs"]
mod cases;

use cases::Case;
use iomill_engine::{BackendChoice, Completion, Config, Context, Engine, Lanes, Operation};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const DEPTHS: [u32; 3] = [1, 8, 32];
const ROUNDS_DEFAULT: usize = 9;
/// A ratio above this is marked.
const SLOWER: f64 = 1.05;

fn main() {
    let (rounds, backend) = match arguments(std::env::args().skip(1)) {
        Ok(chosen) => chosen,
        Err(message) => {
            eprintln!("lanes: {message}");
            std::process::exit(2);
        }
    };
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let memory = tempfile::TempDir::new_in("/dev/shm").ok();
    let cases = cases::all(folder.path(), memory.as_ref().map(tempfile::TempDir::path));
    println!("time per operation over that of plain calls, {rounds} rounds; below 1 is quicker\n");
    println!(
        "{:16} {:>5}  {:>18} {:>6}  {:>18} {:>6}  {:>17}",
        "", "depth", "lanes: wall", "CPU", "without: wall", "CPU", "inline/ring/help"
    );
    let mut slower = 0;
    for case in &cases {
        for depth in DEPTHS {
            match contest(case, backend, depth, rounds) {
                Ok(is_slower) => slower += usize::from(is_slower),
                Err(why) => {
                    println!("skipped: {why}");
                    return;
                }
            }
        }
    }
    println!("\n{slower} rows are more than 5 % slower than plain calls");
}

/// `--rounds N` and `--backend NAME`, beside the `--bench` that cargo adds.
fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(usize, BackendChoice), String> {
    let (mut rounds, mut backend) = (ROUNDS_DEFAULT, BackendChoice::IoUring);
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
            "--backend" => {
                backend = match arguments.next().as_deref() {
                    Some("io_uring") => BackendChoice::IoUring,
                    Some("threads") => BackendChoice::Threads,
                    _ => return Err("--backend: choose io_uring or threads".to_owned()),
                };
            }
            other => return Err(format!("{other}: known are --rounds N and --backend NAME")),
        }
    }
    Ok((rounds, backend))
}

/// What one side took for its operations.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: f64,
    /// Of the whole process.
    cpu: f64,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Self {
        let (cpu, begin) = (cpu_time(), Instant::now());
        work();
        Self { wall: begin.elapsed().as_secs_f64(), cpu: (cpu_time() - cpu).as_secs_f64() }
    }
}

/// The process's CPU time so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("no time is negative");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// Alternates the three sides, prints a row, and answers whether it is marked.
fn contest(
    case: &Case,
    backend: BackendChoice,
    depth: u32,
    rounds: usize,
) -> Result<bool, iomill_engine::Error> {
    let engine = |lanes| Config::new().backend(backend).depth(depth).lanes(lanes).start();
    let (mut auto, mut off) = (engine(Lanes::Auto)?, engine(Lanes::Off)?);
    // The first round warms up and does not count.
    let mut plain_over = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        let mut costs = [Cost { wall: 0.0, cpu: 0.0 }; 3];
        for turn in 0..3 {
            // Who begins changes, so that nobody always follows the other's heat.
            let side = (round + turn) % 3;
            (case.prepare)();
            costs[side] = match side {
                0 => Cost::of(|| (case.plain)(case.count)),
                1 => Cost::of(|| (case.engine)(&mut auto, depth, case.count)),
                _ => Cost::of(|| (case.engine)(&mut off, depth, case.count)),
            };
        }
        let [plain, auto, off] = costs;
        let ratios = [
            auto.wall / plain.wall,
            auto.cpu / plain.cpu,
            off.wall / plain.wall,
            off.cpu / plain.cpu,
        ];
        if round > 0 {
            for (values, ratio) in plain_over.iter_mut().zip(ratios) {
                values.push(ratio);
            }
        }
    }
    Ok(print_row(case, depth, &auto, plain_over))
}

fn print_row(case: &Case, depth: u32, auto: &Engine, mut ratios: [Vec<f64>; 4]) -> bool {
    let [wall, cpu, off_wall, off_cpu] = ratios.each_mut().map(|values| quartiles(values));
    let spread = |[low, median, high]: [f64; 3]| format!("{median:.2} ({low:.2}-{high:.2})");
    let lanes = carried(auto);
    let mark = if wall[1] > SLOWER { "  SLOWER" } else { "" };
    println!(
        "{:16} {depth:>5}  {:>18} {:>6.2}  {:>18} {:>6.2}  {lanes:>17}{mark}",
        case.name,
        spread(wall),
        cpu[1],
        spread(off_wall),
        off_cpu[1]
    );
    wall[1] > SLOWER
}

/// Percentages of the completions by lane.
fn carried(engine: &Engine) -> String {
    let metrics = engine.metrics();
    let kinds = metrics.kinds().map(|(_, kind)| kind);
    let sum = |pick: fn(&iomill_engine::LaneCounts) -> u64| {
        kinds.iter().map(|kind| pick(&kind.lanes)).sum::<u64>()
    };
    let counts = [sum(|lanes| lanes.inline), sum(|lanes| lanes.ring), sum(|lanes| lanes.helper)];
    let total = counts.iter().sum::<u64>().max(1);
    counts.map(|count| format!("{}%", (100 * count + total / 2) / total)).join("/")
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// What the callbacks of one run share.
struct Flow<O> {
    left: u64,
    next: Box<dyn FnMut(O) -> O>,
}

/// Runs `count` operations, as many in flight as there are in `first`: each completed one becomes
/// the next.
fn drive<O: Operation>(
    engine: &mut Engine,
    first: Vec<O>,
    count: u64,
    next: impl FnMut(O) -> O + 'static,
) {
    let left = count.saturating_sub(first.len() as u64);
    let flow = Rc::new(RefCell::new(Flow { left, next: Box::new(next) }));
    for op in first {
        let flow = Rc::clone(&flow);
        let submitted = engine.submit(op, move |done, context| again(done, context, flow));
        assert!(submitted.is_ok(), "the engine has room");
    }
    engine.drain().expect("the loop runs");
}

fn again<O: Operation>(done: Completion<O>, context: &mut Context<'_>, flow: Rc<RefCell<Flow<O>>>) {
    done.result.expect("the operation succeeds");
    let mut state = flow.borrow_mut();
    if state.left == 0 {
        return;
    }
    state.left -= 1;
    let op = (state.next)(done.op);
    drop(state);
    let submitted = context.submit(op, move |done, context| again(done, context, flow));
    assert!(submitted.is_ok(), "the completed request has left room");
}
