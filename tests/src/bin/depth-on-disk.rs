//! Measures the adaptive depth on a real file against a sweep of fixed depths, in interleaved
//! rounds: for 4 KiB and 64 KiB direct random reads and a mix of 70 % reads, without a target and
//! with a 99th percentile to keep to; and all of it again with the disk throttled.
//!
//! Usage: `depth-on-disk --file PATH [--size-mib N] [--seconds N] [--rounds N] [--depth-max N]
//! [--throttle-iops N] [--parts LETTERS] [--only TEXT] [--trace yes]`. The file is made, filled and
//! removed at the end unless it exists already. The parts are the disk as it is, `d`, and
//! throttled, `t`. `--only` picks loads by the beginning of their name.

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_engine::depth::Target;
use iomill_engine::{Config, File};
use iomill_tests::depth::on_disk::{Failure, Given, Load, Runner};
use iomill_tests::depth::random::Random;
use iomill_tests::throttle::Throttle;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What to measure.
#[derive(Debug)]
struct Options {
    file: PathBuf,
    size_bytes: u64,
    seconds: u64,
    rounds: usize,
    depth_max: u32,
    throttle_iops: u64,
    parts: String,
    only: String,
    is_traced: bool,
}

const LOADS: [Load; 3] = [
    Load { name: "4 KiB random reads", block_len_bytes: 4096, read_percent: 100 },
    Load { name: "64 KiB random reads", block_len_bytes: 65_536, read_percent: 100 },
    Load { name: "4 KiB random, 70 % reads", block_len_bytes: 4096, read_percent: 70 },
];

/// The percentile's budget.
const BUDGET: f64 = 0.01;
/// An adaptive depth is chosen within this time, or never. Units: seconds.
const SETTLE_MAX: u64 = 60;

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
        depth_max: 256,
        throttle_iops: 20_000,
        parts: "dt".into(),
        only: String::new(),
        is_traced: false,
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
            "--throttle-iops" => options.throttle_iops = value.parse()?,
            "--parts" => options.parts = value,
            "--only" => options.only = value,
            "--trace" => options.is_traced = value == "yes",
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
    let rounds = format!("{} rounds of {} s", options.rounds, options.seconds);
    println!("Medians of {rounds}; \"late\" is the share of reads above the limit, of the budget.");
    let loads = || LOADS.into_iter().filter(|load| load.name.starts_with(options.only.as_str()));
    if options.parts.contains('d') {
        loads().try_for_each(|load| measure(options, load, ""))?;
    }
    if options.parts.contains('t') {
        match Throttle::start(&options.file, options.throttle_iops) {
            Ok(_throttle) => {
                let note = format!(", throttled to {} a second each way", options.throttle_iops);
                loads().try_for_each(|load| measure(options, load, &note))?;
            }
            Err(why) => println!("\nNot throttled, so left out: {why}"),
        }
    }
    Ok(())
}

fn measure(options: &Options, load: Load, note: &str) -> Result<(), Failure> {
    let file = File::options()
        .read(true)
        .write(load.read_percent < 100)
        .direct(true)
        .open(&options.file)?;
    let bench = Bench { options, load, file };
    println!("\n### {}, no target{note}\n", load.name);
    let fixed = bench.contest(Target::Knee)?;
    // What the depth in the middle of the octaves gives, and a quarter more: so that the limit is
    // felt, and that a fixed depth keeps to it.
    let limit_ns = fixed[fixed.len() / 2].p99_ns / 4 * 5;
    println!("\n### {}, p99 of reads {:.2} ms{note}\n", load.name, limit_ns as f64 / 1e6);
    bench.contest(Target::Percentile { percent: 100.0 * (1.0 - BUDGET), limit_ns })?;
    Ok(())
}

/// A load on a file.
struct Bench<'o> {
    options: &'o Options,
    load: Load,
    file: File,
}

impl Bench<'_> {
    /// Runs an adaptive depth against all fixed ones, and prints them. Only one engine that adapts
    /// is alive at a time: two on one device would share their window. Answers the medians of the
    /// fixed depths.
    fn contest(&self, target: Target) -> Result<Vec<Given>, Failure> {
        let Options { seconds, rounds, depth_max, .. } = *self.options;
        let depths: Vec<u32> =
            (0..).map(|power| 1 << power).take_while(|depth| *depth <= depth_max).collect();
        let time = Duration::from_secs(seconds);
        let limit_ns = target.limit_ns().unwrap_or(u64::MAX);
        // Its engine lives on between the rounds, so that it learns once.
        let mut adaptive = self.start(Config::new().adaptive(1..=depth_max, target))?;
        let settled = adaptive.settle(Duration::from_secs(SETTLE_MAX))?;
        adaptive.run(2 * time, limit_ns)?;
        let mut fixed = vec![Vec::new(); depths.len()];
        let mut ours = Vec::new();
        for round in 0..rounds {
            for (index, (depth, results)) in depths.iter().zip(&mut fixed).enumerate() {
                let mut runner = self.start(Config::new().depth(*depth))?;
                results.push(runner.run(time, limit_ns)?);
                // In the midst of the others, at another place in each round.
                if index == round % depths.len() {
                    drop(runner);
                    ours.push(adaptive.run(time, limit_ns)?);
                }
            }
        }
        print(&depths, &fixed, &ours, limit_ns);
        match settled {
            Some(time) => println!("\nFirst chosen after {:.2} s.", time.as_secs_f64()),
            None => println!("\nNothing chosen in {SETTLE_MAX} s."),
        }
        if self.options.is_traced {
            for decision in adaptive.decisions() {
                println!("{decision:?}");
            }
        }
        Ok(fixed.iter().map(|results| median(results)).collect())
    }

    /// All engines have the same number of requests waiting.
    fn start(&self, config: Config) -> Result<Runner, Failure> {
        let count = 2 * self.options.depth_max;
        Runner::start(config, count, &self.file, self.options.size_bytes, self.load)
    }
}

/// A row for each depth, and a last one for the adaptive depth, with the throughput as a share of
/// the best fixed depth's that keeps to the limit, round by round.
fn print(depths: &[u32], fixed: &[Vec<Given>], ours: &[Given], limit_ns: u64) {
    let has_limit = limit_ns != u64::MAX;
    let rows: Vec<Given> = fixed.iter().map(|results| median(results)).collect();
    let keeps = |index: &usize| !has_limit || rows[*index].late <= BUDGET;
    let by_iops = |a: &usize, b: &usize| rows[*a].iops.total_cmp(&rows[*b].iops);
    let best = (0..rows.len()).filter(keeps).max_by(by_iops);
    let enough = best.and_then(|best| {
        let is_enough = |index: &usize| rows[*index].iops >= 0.95 * rows[best].iops;
        (0..rows.len()).filter(keeps).find(is_enough)
    });
    println!(
        "| depth | a second | of the best, by round: median (worst) | p99 ms | late / budget |"
    );
    println!("|---|---|---|---|---|");
    let row = |name: &str, results: &[Given]| {
        let given = median(results);
        let share = best.map_or(String::from("none keeps to it"), |best| {
            let mut shares: Vec<f64> =
                results.iter().zip(&fixed[best]).map(|(own, best)| own.iops / best.iops).collect();
            shares.sort_by(f64::total_cmp);
            format!("{:.3} ({:.3})", shares[shares.len() / 2], shares[0])
        });
        let worst = results.iter().map(|given| given.late).fold(0.0, f64::max);
        let late = format!("{:.2} (worst {:.2})", given.late / BUDGET, worst / BUDGET);
        let late = if has_limit { late } else { String::new() };
        let p99_ms = given.p99_ns as f64 / 1e6;
        println!("| {name} | {:.0} | {share} | {p99_ms:.2} | {late} |", given.iops);
    };
    for (depth, results) in depths.iter().zip(fixed) {
        row(&depth.to_string(), results);
    }
    let mut chosen: Vec<u32> = ours.iter().filter_map(|given| given.chosen).collect();
    chosen.sort_unstable();
    let chosen = match chosen[..] {
        [] => String::from("none"),
        [first, .., last] if first != last => format!("{first} to {last}"),
        [first, ..] => first.to_string(),
    };
    let enough = enough.map_or(String::from("none"), |index| depths[index].to_string());
    let reach = ours.iter().filter(|given| given.is_out_of_reach).count();
    let reach = if has_limit { format!(", out of reach in {reach} rounds") } else { String::new() };
    row(&format!("adaptive: {chosen} (smallest adequate: {enough}){reach}"), ours);
}

/// The middle of each value.
fn median(results: &[Given]) -> Given {
    let middle = |value: fn(&Given) -> f64| {
        let mut values: Vec<f64> = results.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut p99_ns: Vec<u64> = results.iter().map(|given| given.p99_ns).collect();
    p99_ns.sort_unstable();
    Given {
        iops: middle(|given| given.iops),
        late: middle(|given| given.late),
        p99_ns: p99_ns[p99_ns.len() / 2],
        ..results[0]
    }
}
