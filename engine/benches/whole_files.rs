//! What it costs to read small files whole: by plain calls, and through engines that hand open,
//! read and close over in one run or in parts, with lanes and without:
//! `cargo bench -p iomill-engine --bench whole_files [-- --rounds N] [-- --cold] [-- --in FOLDER]`
//!
//! The page cache has the files; with `--cold` it has lost their bytes before each turn.
//! Each figure is the median of the rounds, with quartiles; the sides take turns. The plain loop
//! reads until the file says that it has ended, as `std::fs::read` and the engine do.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_engine::{
    BackendChoice, Buffer, Completion, Config, Context, Engine, Error, Lanes, ReadWhole,
};
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

const FILES: usize = 64;
const FILE_LEN: usize = 4096;
const BUFFER_LEN: u32 = 8192;
/// Files that one side reads in its turn: some milliseconds. From the disk, each file once.
const COUNT: u32 = 2048;
const COLD_COUNT: u32 = 64;
const ROUNDS_DEFAULT: usize = 25;
const IN_FLIGHT: [u32; 5] = [1, 2, 4, 8, 32];

/// The engines beside the plain calls: whether they link, and their lanes.
const SIDES: [(&str, bool, Lanes); 4] = [
    ("one run", true, Lanes::Off),
    ("parts", false, Lanes::Off),
    ("lanes", true, Lanes::Auto),
    ("lanes, parts", false, Lanes::Auto),
];

fn main() {
    let plan = match plan(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("whole_files: {message}");
            std::process::exit(2);
        }
    };
    let folder = tempfile::TempDir::new_in(&plan.folder).expect("a folder");
    let paths: Vec<PathBuf> =
        (0..FILES).map(|index| folder.path().join(index.to_string())).collect();
    for path in &paths {
        std::fs::write(path, [1; FILE_LEN]).expect("a file");
    }
    let Plan { rounds, cold, .. } = plan;
    let place = if cold { "disk" } else { "page cache" };
    println!("microseconds per file of {FILE_LEN} bytes from the {place}: median (quartiles)");
    println!("of {rounds} rounds,");
    println!("and io_uring_enter(2) calls per file\n");
    for in_flight in IN_FLIGHT {
        if let Err(error) = contest(&paths, in_flight, &plan) {
            println!("skipped: {error}");
            return;
        }
    }
}

/// What is measured.
struct Plan {
    rounds: usize,
    cold: bool,
    count: u32,
    folder: PathBuf,
}

/// `--rounds N`, `--cold` and `--in FOLDER`, beside the `--bench` that cargo adds.
fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut plan = Plan { rounds: ROUNDS_DEFAULT, cold: false, count: COUNT, folder };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--cold" => (plan.cold, plan.count) = (true, COLD_COUNT),
            "--rounds" => {
                let value = arguments.next().and_then(|value| value.parse().ok());
                let value = value.filter(|rounds| *rounds > 0);
                plan.rounds = value.ok_or("--rounds needs a number from 1 on")?;
            }
            "--in" => plan.folder = arguments.next().ok_or("--in needs a folder")?.into(),
            other => {
                return Err(format!("{other}: known are --rounds N, --cold and --in FOLDER"));
            }
        }
    }
    Ok(plan)
}

/// Takes the files' bytes out of the page cache.
fn evict(paths: &[PathBuf]) {
    for path in paths {
        let file = File::open(path).expect("it opens");
        file.sync_all().expect("it is written");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a hint");
    }
}

/// Alternates the sides and prints a row for each.
fn contest(paths: &[PathBuf], in_flight: u32, plan: &Plan) -> Result<(), Error> {
    let mut engines = Vec::new();
    for (_, link, lanes) in SIDES {
        // Each file takes three places of the window.
        let config = Config::new().backend(BackendChoice::IoUring).depth(3 * in_flight);
        let config = config.buffers(in_flight, BUFFER_LEN).link(link).lanes(lanes);
        engines.push(config.start()?);
    }
    let mut micros = vec![Vec::new(); 1 + SIDES.len()];
    // The first round warms up and does not count.
    for round in 0..=plan.rounds {
        for turn in 0..micros.len() {
            // Who begins changes, so that nobody always follows the other's heat.
            let side = (round + turn) % micros.len();
            if plan.cold {
                evict(paths);
            }
            let begin = Instant::now();
            match side.checked_sub(1) {
                None => by_plain_calls(paths, plan.count),
                Some(engine) => by_engine(&mut engines[engine], paths, in_flight, plan.count),
            }
            if round > 0 {
                micros[side].push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(plan.count));
            }
        }
    }
    let files = (plan.rounds as f64 + 1.0) * f64::from(plan.count);
    let names = ["plain calls"].into_iter().chain(SIDES.map(|(name, ..)| name));
    for (side, (name, micros)) in names.zip(&mut micros).enumerate() {
        micros.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|part| micros[(micros.len() - 1) * part / 4]);
        let engine = side.checked_sub(1).map(|index| &engines[index]);
        let enters = engine.map_or(0.0, |engine| engine.metrics().enters as f64 / files);
        println!(
            "{in_flight:>3} in flight  {name:13} {median:6.2} ({low:.2}-{high:.2}) {enters:6.3}"
        );
    }
    Ok(())
}

fn by_plain_calls(paths: &[PathBuf], count: u32) {
    let mut memory = [0; BUFFER_LEN as usize];
    for path in paths.iter().cycle().take(count as usize) {
        let file = File::open(path).expect("it opens");
        let len = file.read_at(&mut memory, 0).expect("a read");
        assert_eq!(file.read_at(&mut memory[len..], len as u64).expect("a read"), 0);
        assert_eq!(len, FILE_LEN);
    }
}

/// What the callbacks of one turn share.
struct Flow {
    paths: Vec<PathBuf>,
    /// Files that are still to be read.
    left: Cell<u32>,
}

fn by_engine(engine: &mut Engine, paths: &[PathBuf], in_flight: u32, count: u32) {
    let flow = Rc::new(Flow { paths: paths.to_vec(), left: Cell::new(count - in_flight) });
    for index in 0..in_flight {
        let buffer = engine.buffer().expect("a buffer per file");
        let op = whole(&paths[FILES - 1 - index as usize], buffer);
        let flow = Rc::clone(&flow);
        let submitted = engine.submit(op, move |done, context| again(done, context, flow));
        assert!(submitted.is_ok(), "the engine has room");
    }
    engine.drain().expect("the loop runs");
}

fn again(done: Completion<ReadWhole>, context: &mut Context<'_>, flow: Rc<Flow>) {
    assert_eq!(done.result.expect("it is read") as usize, FILE_LEN);
    let left = flow.left.get();
    if left == 0 {
        return;
    }
    flow.left.set(left - 1);
    let op = whole(&flow.paths[(left as usize - 1) % FILES], done.op.buffer);
    let submitted = context.submit(op, move |done, context| again(done, context, flow));
    assert!(submitted.is_ok(), "the completed file has left room");
}

fn whole(path: &Path, buffer: Buffer) -> ReadWhole {
    ReadWhole::new(path, buffer).expect("a path")
}
