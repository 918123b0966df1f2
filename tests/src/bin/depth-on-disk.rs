//! Measures the adaptive depth on a real file against a sweep of fixed depths: interleaved rounds,
//! medians, for 4 KiB and 64 KiB direct random reads and a mix of 70 % reads, without a target and
//! with a 99th percentile to keep to.
//!
//! Usage: `depth-on-disk --file PATH [--size-mib N] [--seconds N] [--rounds N] [--depth-max N]
//! [--throttle-iops N]`. The file is made, filled and removed at the end unless it exists already.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_engine::depth::Target;
use iomill_engine::{Buffer, Completion, Config, Context, Engine, File, Nop, Read, Wait, Write};
use iomill_tests::depth::random::Random;
use iomill_tests::throttle::Throttle;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// What to measure.
#[derive(Debug)]
struct Options {
    file: PathBuf,
    size_bytes: u64,
    seconds: u64,
    rounds: u64,
    depth_max: u32,
    throttle_iops: Option<u64>,
}

/// A kind of load.
#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    block_len_bytes: u32,
    read_percent: u64,
}

const LOADS: [Load; 3] = [
    Load { name: "4 KiB random reads", block_len_bytes: 4096, read_percent: 100 },
    Load { name: "64 KiB random reads", block_len_bytes: 65_536, read_percent: 100 },
    Load { name: "4 KiB random, 70 % reads", block_len_bytes: 4096, read_percent: 70 },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("depth-on-disk: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = parse()?;
    let is_ours = !options.file.exists();
    let result = prepare(&options).and_then(|()| measure_all(&options));
    if is_ours {
        std::fs::remove_file(&options.file)?;
    }
    result
}

fn parse() -> Result<Options, Failure> {
    let mut options = Options {
        file: PathBuf::new(),
        size_bytes: 1 << 30,
        seconds: 2,
        rounds: 5,
        depth_max: 128,
        throttle_iops: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--file" => options.file = value.into(),
            "--size-mib" => options.size_bytes = value.parse::<u64>()? << 20,
            "--seconds" => options.seconds = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--depth-max" => options.depth_max = value.parse()?,
            "--throttle-iops" => options.throttle_iops = Some(value.parse()?),
            _ => return Err(format!("unknown option {word}").into()),
        }
    }
    if options.file.as_os_str().is_empty() || options.size_bytes == 0 || options.rounds == 0 {
        return Err("name a --file on the disk to measure; sizes and counts are above 0".into());
    }
    Ok(options)
}

/// Fills the file with bytes, so that no read is of a hole.
fn prepare(options: &Options) -> Result<(), Failure> {
    if options.file.exists() {
        return Ok(());
    }
    let mut random = Random::new(1);
    let block: Vec<u8> = (0..1 << 17).flat_map(|_| random.number().to_le_bytes()).collect();
    let mut file = std::fs::File::create(&options.file)?;
    for _ in 0..options.size_bytes >> 20 {
        std::io::Write::write_all(&mut file, &block)?;
    }
    file.sync_all()?;
    Ok(())
}

fn measure_all(options: &Options) -> Result<(), Failure> {
    let throttle = options.throttle_iops.map(|iops| Throttle::start(&options.file, iops));
    match &throttle {
        Some(Err(why)) => return Err(format!("no throttle: {why}").into()),
        Some(Ok(_)) => {
            println!("Throttled to {} IOPS each way.", options.throttle_iops.unwrap_or(0))
        }
        None => {}
    }
    println!("| load, aim | best fixed | smallest adequate | adaptive | of the best | chosen |");
    println!("|---|---|---|---|---|---|");
    for load in LOADS {
        measure(options, load)?;
    }
    Ok(())
}

/// What one run gave.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    iops: f64,
    /// Of reads. Units: nanoseconds.
    p99_ns: u64,
}

fn measure(options: &Options, load: Load) -> Result<(), Failure> {
    let depths: Vec<u32> =
        (0..).map(|power| 1 << power).take_while(|d| *d <= options.depth_max).collect();
    let file = File::options()
        .read(true)
        .write(load.read_percent < 100)
        .direct(true)
        .open(&options.file)?;
    let adaptive = |target| {
        lanes(Config::new().adaptive(1..=options.depth_max, target), 2 * options.depth_max, load)
    };
    // Its engine lives on between the rounds, so that it learns once.
    let mut knee =
        Runner::start(adaptive(Target::Knee), 2 * options.depth_max, &file, load, options)?;
    knee.run(Duration::from_secs(4 * options.seconds))?;
    let mut limited: Option<(u64, Runner)> = None;
    let mut fixed = vec![Vec::new(); depths.len()];
    let (mut of_knee, mut of_limited) = (Vec::new(), Vec::new());
    let time = Duration::from_secs(options.seconds);
    for _ in 0..options.rounds {
        for (depth, results) in depths.iter().zip(&mut fixed) {
            let config = lanes(Config::new().depth(*depth), *depth, load);
            results.push(Runner::start(config, *depth, &file, load, options)?.run(time)?);
        }
        of_knee.push(knee.run(time)?);
        if limited.is_none() {
            // What the middle of the sweep gives, so that the limit is felt and can be kept.
            let limit_ns = fixed[depths.len() / 2][0].p99_ns;
            let target = Target::Percentile { percent: 99.0, limit_ns };
            let mut runner =
                Runner::start(adaptive(target), 2 * options.depth_max, &file, load, options)?;
            runner.run(4 * time)?;
            limited = Some((limit_ns, runner));
        }
        if let Some((_, runner)) = &mut limited {
            of_limited.push(runner.run(time)?);
        }
    }
    let fixed: Vec<(u32, Given)> =
        depths.iter().copied().zip(fixed.iter().map(|r| median(r))).collect();
    row(load.name, "no target", &fixed, median(&of_knee), &knee);
    if let Some((limit_ns, runner)) = &limited {
        let within: Vec<_> =
            fixed.iter().copied().filter(|row| row.1.p99_ns <= *limit_ns).collect();
        let given = median(&of_limited);
        let (limit, p99) = (*limit_ns as f64 / 1e6, given.p99_ns as f64 / 1e6);
        row(load.name, &format!("p99 {limit:.2} ms (got {p99:.2})"), &within, given, runner);
    }
    Ok(())
}

fn row(load: &str, aim: &str, fixed: &[(u32, Given)], given: Given, runner: &Runner) {
    let best = fixed.iter().max_by(|a, b| a.1.iops.total_cmp(&b.1.iops));
    let Some((deep, best)) = best else {
        println!("| {load}, {aim} | no fixed depth keeps to it | | {:.0} | | |", given.iops);
        return;
    };
    let enough = fixed.iter().find(|row| row.1.iops >= 0.95 * best.iops).map_or(0, |row| row.0);
    let chosen = runner.engine.depth_status().and_then(|status| status.chosen);
    let chosen = chosen.map_or("none".to_owned(), |chosen| chosen.to_string());
    let ratio = given.iops / best.iops;
    println!(
        "| {load}, {aim} | {:.0} at {deep} | {enough} | {:.0} | {ratio:.3} | {chosen} |",
        best.iops, given.iops
    );
}

/// The middle one by throughput, with the middle one of the percentiles.
fn median(results: &[Given]) -> Given {
    let mut iops: Vec<f64> = results.iter().map(|given| given.iops).collect();
    let mut p99_ns: Vec<u64> = results.iter().map(|given| given.p99_ns).collect();
    iops.sort_by(f64::total_cmp);
    p99_ns.sort_unstable();
    Given { iops: iops[iops.len() / 2], p99_ns: p99_ns[p99_ns.len() / 2] }
}

fn lanes(config: Config, count: u32, load: Load) -> Config {
    config.capacity(count).buffers(count, load.block_len_bytes)
}

/// Where the next request goes, and whether there is to be one.
#[derive(Debug)]
struct Plan {
    random: Random,
    blocks: usize,
    load: Load,
    is_over: bool,
    /// Buffers without a request.
    idle: Vec<Buffer>,
    failed: Option<iomill_engine::Error>,
}

/// An engine that keeps a number of requests going while it runs.
struct Runner {
    engine: Engine,
    file: File,
    plan: Rc<RefCell<Plan>>,
}

impl Runner {
    fn start(
        config: Config,
        count: u32,
        file: &File,
        load: Load,
        options: &Options,
    ) -> Result<Self, Failure> {
        let mut engine = config.start()?;
        let file = engine.register_file(file)?;
        let idle = (0..count).filter_map(|_| engine.buffer()).collect();
        let blocks = usize::try_from(options.size_bytes / u64::from(load.block_len_bytes))?;
        let random = Random::new(7);
        let plan = Plan { random, blocks, load, is_over: true, idle, failed: None };
        Ok(Self { engine, file, plan: Rc::new(RefCell::new(plan)) })
    }

    /// Runs for this long, and lets all requests end.
    fn run(&mut self, time: Duration) -> Result<Given, Failure> {
        self.engine.reset_metrics();
        let idle = std::mem::take(&mut self.plan.borrow_mut().idle);
        self.plan.borrow_mut().is_over = false;
        for buffer in idle {
            let (file, plan) = (self.file.clone(), Rc::clone(&self.plan));
            let first =
                move |_: Completion<Nop>, cx: &mut Context<'_>| next(file, buffer, plan, cx);
            self.engine.submit(Nop, first).map_err(|refused| refused.error)?;
        }
        let start = Instant::now();
        while start.elapsed() < time {
            self.engine.tick(Wait::AtLeast(1))?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        let metrics = self.engine.metrics();
        let iops = (metrics.read.completed + metrics.write.completed) as f64 / elapsed;
        let p99_ns = metrics.read.latency_ns.value_at_quantile(0.99);
        self.plan.borrow_mut().is_over = true;
        self.engine.drain()?;
        match self.plan.borrow_mut().failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(Given { iops, p99_ns }),
        }
    }
}

/// A lane's next request.
fn next(file: File, buffer: Buffer, plan: Rc<RefCell<Plan>>, cx: &mut Context<'_>) {
    let (offset, is_read) = {
        let mut state = plan.borrow_mut();
        if state.is_over {
            state.idle.push(buffer);
            return;
        }
        let blocks = state.blocks;
        let block = state.random.below(blocks) as u64;
        let is_read = state.random.number() % 100 < state.load.read_percent;
        (block * u64::from(state.load.block_len_bytes), is_read)
    };
    let again = Rc::clone(&plan);
    let refused = if is_read {
        let then = move |done: Completion<Read>, cx: &mut Context<'_>| {
            go_on(done.op.file, done.op.buffer, done.result.err(), again, cx);
        };
        cx.submit(Read { file, offset, buffer }, then).map_err(|refused| refused.error).err()
    } else {
        let then = move |done: Completion<Write>, cx: &mut Context<'_>| {
            go_on(done.op.file, done.op.buffer, done.result.err(), again, cx);
        };
        cx.submit(Write { file, offset, buffer }, then).map_err(|refused| refused.error).err()
    };
    if refused.is_some() {
        plan.borrow_mut().failed = refused;
    }
}

fn go_on(
    file: File,
    buffer: Buffer,
    error: Option<iomill_engine::Error>,
    plan: Rc<RefCell<Plan>>,
    cx: &mut Context<'_>,
) {
    if error.is_some() {
        let mut state = plan.borrow_mut();
        (state.failed, state.is_over) = (error, true);
    }
    next(file, buffer, plan, cx);
}
