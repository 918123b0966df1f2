//! Measures the engine beside other crates that read files, in alternating rounds:
//! `cargo run --release --manifest-path tests/peers/Cargo.toml [-- --rounds N] [--folder PATH]`
//!
//! Each contender runs each load in a process of its own, so that no runtime meets another one's
//! threads. In each round every contender has its turn, so that a slow spell of the machine meets
//! all of them; a ratio is the median of the rounds' own ratios. It judges nothing and is part of
//! no test.

mod contender;
mod cost;
mod load;

use contender::CONTENDERS;
use cost::Cost;
use load::{LOADS, Load};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const ROUNDS_DEFAULT: usize = 7;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [word, contender, load, path] if word == "one" => one(contender, load, Path::new(path)),
        others => plan(others).and_then(|plan| compare(&plan)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iomill-peers: error: {error}");
            ExitCode::from(2)
        }
    }
}

/// What the command line asks for.
struct Plan {
    rounds: usize,
    folder: PathBuf,
}

fn plan(arguments: &[String]) -> Result<Plan, String> {
    // Beside the build's own files: on a disk, unlike the temporary folder of many machines.
    let own = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let folder = own.parent().unwrap_or(Path::new(".")).to_path_buf();
    let mut plan = Plan { rounds: ROUNDS_DEFAULT, folder };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--rounds" => match value.parse() {
                Ok(rounds) if rounds > 0 => plan.rounds = rounds,
                _ => return Err(format!("--rounds {value}: choose a number from 1 on")),
            },
            "--folder" => plan.folder = PathBuf::from(value),
            other => return Err(format!("{other} is not known: use [--rounds N] [--folder PATH]")),
        }
    }
    Ok(plan)
}

/// Runs one contender on one load in this process, and prints what it took.
fn one(contender: &str, load: &str, path: &Path) -> Result<(), String> {
    let (_, run) = CONTENDERS
        .iter()
        .find(|(name, _)| *name == contender)
        .ok_or_else(|| format!("{contender}: no such contender"))?;
    let load = LOADS
        .iter()
        .find(|known| known.name == load)
        .ok_or_else(|| format!("{load}: no such load"))?;
    let cost = run(load, path).map_err(|error| format!("{contender}: {error}"))?;
    println!("{cost}");
    Ok(())
}

fn compare(plan: &Plan) -> Result<(), String> {
    let path = plan.folder.join("iomill-peers.bin");
    load::make_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let printed = LOADS.iter().try_for_each(|load| {
        println!("\n{} ({} reads of 4 KiB, {} rounds)", load.name, load.reads, plan.rounds);
        print_table(&rounds(load, &path, plan.rounds)?);
        Ok(())
    });
    std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    printed
}

/// One contender and what it took in each round, or why it takes no part.
struct Line {
    name: &'static str,
    costs: Result<Vec<Cost>, String>,
}

fn rounds(load: &Load, path: &Path, rounds: usize) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> =
        CONTENDERS.iter().map(|(name, _)| Line { name, costs: Ok(Vec::new()) }).collect();
    for round in 0..rounds {
        for turn in 0..lines.len() {
            // Who begins changes, so that nobody always follows the same neighbour.
            let at = (round + turn) % lines.len();
            let line = &mut lines[at];
            let Ok(costs) = &mut line.costs else { continue };
            match in_a_process(line.name, load, path)? {
                Ok(cost) => costs.push(cost),
                Err(why) => line.costs = Err(why),
            }
        }
    }
    Ok(lines)
}

/// Runs one contender; the inner answer is its own.
fn in_a_process(contender: &str, load: &Load, path: &Path) -> Result<Result<Cost, String>, String> {
    let own = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let output = Command::new(own)
        .args(["one", contender, load.name])
        .arg(path)
        .output()
        .map_err(|error| format!("cannot start myself: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return text.trim().parse().map(Ok);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Ok(Err(why.lines().next().unwrap_or("it said nothing").to_owned()))
}

fn print_table(lines: &[Line]) {
    println!(
        "{:30} {:>11} {:>11} {:>13} {:>15} {:>12}",
        "", "reads/s", "CPU ns/read", "rate of ours", "(quartiles)", "CPU of ours"
    );
    let Some(Ok(ours)) = lines.first().map(|line| &line.costs) else { return };
    for line in lines {
        let costs = match &line.costs {
            Ok(costs) => costs,
            Err(why) => {
                println!("{:30} took no part: {why}", line.name);
                continue;
            }
        };
        let ratios = |pick: fn(&Cost) -> f64| {
            quartiles(ours.iter().zip(costs).map(|(a, b)| pick(a) / pick(b)).collect())
        };
        let [low, rate, high] = ratios(|cost| cost.wall_ns);
        let [_, cpu, _] = ratios(|cost| 1.0 / cost.cpu_ns);
        let wall_ns = quartiles(costs.iter().map(|cost| cost.wall_ns).collect())[1];
        let cpu_ns = quartiles(costs.iter().map(|cost| cost.cpu_ns).collect())[1];
        println!(
            "{:30} {:>11.0} {cpu_ns:>11.0} {rate:>13.2} {:>15} {cpu:>12.2}",
            line.name,
            1e9 / wall_ns,
            format!("({low:.2}-{high:.2})"),
        );
    }
}

/// Lower quartile, median, upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
