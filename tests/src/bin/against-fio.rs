//! Runs one job on `bench-cli` and on the installed fio in turn, and prints the ratio pair by pair:
//! `cargo run --release -p iomill-tests --bin against-fio -- --runs 5 -- --rw=randread …`
//!
//! The arguments after `--` go to both; `--ours ARG` and `--fio ARG` add one for one side. It
//! judges nothing and is part of no test: whole-process figures on a shared machine are for
//! reading.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What the command line asks for.
struct Plan {
    runs: usize,
    both: Vec<String>,
    ours: Vec<String>,
    fio: Vec<String>,
}

/// Picks one of them.
type Figure = fn(&Figures) -> f64;

/// One run's figures.
#[derive(Clone, Copy)]
struct Figures {
    iops: f64,
    p99_us: f64,
    user_ns_per_io: f64,
    system_ns_per_io: f64,
}

fn main() -> ExitCode {
    match plan(std::env::args().skip(1)).and_then(|plan| compare(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("against-fio: error: {error}");
            ExitCode::from(2)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan { runs: 5, both: Vec::new(), ours: Vec::new(), fio: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--runs" => {
                let text = value()?;
                plan.runs = text.parse().map_err(|_| format!("--runs {text}: give a number"))?;
            }
            "--ours" => plan.ours.push(value()?),
            "--fio" => plan.fio.push(value()?),
            "--" => {
                plan.both = arguments.collect();
                break;
            }
            other => {
                return Err(format!(
                    "{other} is not known: use [--runs N] [--ours ARG] [--fio ARG] -- JOB OPTIONS"
                ));
            }
        }
    }
    if plan.both.is_empty() || plan.runs == 0 {
        return Err("no job or no runs: give the job's options after `--`".into());
    }
    Ok(plan)
}

fn compare(plan: &Plan) -> Result<(), String> {
    let bench_cli = build_bench_cli()?;
    println!(
        "{:>4} {:>12} {:>12} {:>7}   figures: IOPS, ratio ours/fio",
        "run", "ours", "fio", "ratio"
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 1..=plan.runs {
        let mut command = Command::new(&bench_cli);
        ours.push(figures(command.arg("run").args(&plan.both).args(&plan.ours))?);
        theirs.push(figures(Command::new("fio").args(&plan.both).args(&plan.fio))?);
        let (a, b) = (ours[run - 1].iops, theirs[run - 1].iops);
        println!("{run:>4} {a:>12.0} {b:>12.0} {:>7.2}", a / b);
    }
    println!(
        "\n{:<22} {:>12} {:>12} {:>7}   ratio min to max",
        "median of", "ours", "fio", "ratio"
    );
    let rows: [(&str, Figure); 4] = [
        ("IOPS", |figures| figures.iops),
        ("p99 latency, us", |figures| figures.p99_us),
        ("user ns per I/O", |figures| figures.user_ns_per_io),
        ("system ns per I/O", |figures| figures.system_ns_per_io),
    ];
    for (name, figure) in rows {
        let ratios: Vec<f64> =
            ours.iter().zip(&theirs).map(|(a, b)| figure(a) / figure(b)).collect();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        println!(
            "{name:<22} {:>12.1} {:>12.1} {:>7.2}   {low:.2} to {high:.2}",
            median(ours.iter().map(figure).collect()),
            median(theirs.iter().map(figure).collect()),
            median(ratios),
        );
    }
    Ok(())
}

/// Builds `bench-cli` with the profile of this binary and answers where it lies: beside it.
fn build_bench_cli() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release", "-p", "bench-cli"])
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !built.success() {
        return Err("bench-cli does not build: see cargo's message above".into());
    }
    let own = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    let folder = own.parent().and_then(Path::parent).ok_or("this binary lies in no folder")?;
    Ok(folder.join("release").join("bench-cli"))
}

/// Runs one side to its end and reads its JSON.
fn figures(command: &mut Command) -> Result<Figures, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .arg("--output-format=json")
        .output()
        .map_err(|error| format!("{name} cannot be started: {error}: is it installed?"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} failed ({}): {}", output.status, message.trim()));
    }
    // fio puts its notes on stdout, before the JSON.
    let begin = output.stdout.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let json: Value = serde_json::from_slice(&output.stdout[begin..])
        .map_err(|error| format!("{name} printed no JSON: {error}"))?;
    let job = &json["jobs"][0];
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let sides = ["read", "write"].map(|side| &job[side]);
    let total: f64 = sides.iter().map(|side| number(&side["total_ios"])).sum();
    let runtime_ns = number(&job["job_runtime"]) * 1e6;
    let p99 = sides.iter().map(|side| number(&side["clat_ns"]["percentile"]["99.000000"]));
    let cpu_ns_per_io = |percent: &Value| number(percent) / 100.0 * runtime_ns / total;
    Ok(Figures {
        iops: sides.iter().map(|side| number(&side["iops"])).sum(),
        p99_us: p99.fold(0.0, f64::max) / 1e3,
        user_ns_per_io: cpu_ns_per_io(&job["usr_cpu"]),
        system_ns_per_io: cpu_ns_per_io(&job["sys_cpu"]),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
