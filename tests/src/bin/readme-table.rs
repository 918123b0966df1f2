//! Prints the rows of the README's table and of docs/measurements.md: `bench-cli` against fio, four
//! jobs, both programs in turn.
//!
//! `cargo build --release -p bench-cli && cargo run --release -p iomill-tests --bin readme-table --
//! FILE [--runs 5] [--seconds 2]`
//!
//! FILE is on the disk in question; its first GiB is written first, because blocks that were never
//! written are read without the disk. People call it, on a machine that does nothing else.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the table is the program's output")]
#![allow(clippy::print_stderr, reason = "a command-line program says on stderr what went wrong")]

use iomill_tests::arguments::Arguments;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What every job works on. Units: bytes.
const SIZE_BYTES: u64 = 1 << 30;

/// A row: its name in the README, the options of both sides, and those of ours and of fio's alone.
struct Row {
    name: &'static str,
    both: &'static [&'static str],
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
}

const HEAD: &str = "| against fio, same flags, in turn | ours | fio | ratio (95 % interval) | \
                    user CPU per I/O |";

const ROWS: [Row; 4] = [
    Row {
        name: "cached 4 KiB random reads, depth 32, registered",
        both: &[
            "--rw=randread",
            "--iodepth=32",
            "--ioengine=io_uring",
            "--fixedbufs",
            "--registerfiles",
            "--invalidate=0",
        ],
        ours: &[],
        theirs: &[],
    },
    Row {
        name: "direct 4 KiB random reads, depth 64 (the disk's limit)",
        both: &[
            "--rw=randread",
            "--iodepth=64",
            "--ioengine=io_uring",
            "--fixedbufs",
            "--registerfiles",
            "--direct=1",
        ],
        ours: &[],
        theirs: &[],
    },
    Row {
        name: "plain pread, cached, depth 1: `threads`, fio's `psync`",
        both: &["--rw=randread", "--iodepth=1", "--ioengine=psync", "--invalidate=0"],
        ours: &[],
        theirs: &[],
    },
    Row {
        name: "cached writes, depth 1: ours with lanes, fio's `psync`",
        both: &["--rw=randwrite", "--iodepth=1", "--invalidate=0"],
        ours: &["--allow_overwrite=1", "--ioengine=auto"],
        theirs: &["--ioengine=psync"],
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("readme-table: error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = Arguments::of_process(&["--runs", "--seconds"]);
    let (runs, seconds) = (arguments.number("--runs", 5), arguments.number("--seconds", 2));
    if let Some(wrong) = arguments.wrong() {
        return Err(wrong.to_owned());
    }
    let [file] = arguments.words() else { return Err("name one file".to_owned()) };
    let program = bench_cli()?;
    lay_out(file.as_ref()).map_err(|error| format!("cannot write '{file}': {error}"))?;
    println!("{HEAD}");
    println!("|---|---|---|---|---|");
    for row in &ROWS {
        // Direct jobs drop it from the page cache.
        warm(file.as_ref()).map_err(|error| format!("cannot read '{file}': {error}"))?;
        let report = compare(&program, row, file, runs, seconds)?;
        println!("{}", line(row.name, &report)?);
    }
    Ok(())
}

/// The program beside this one.
fn bench_cli() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name("bench-cli");
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("build {} first: cargo build --release -p bench-cli", path.display())),
    }
}

/// Writes all of the file, down to the disk.
fn lay_out(path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    let chunk = vec![0x5a; 1 << 20];
    for _ in 0..SIZE_BYTES >> 20 {
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

/// Reads the file through the page cache.
fn warm(path: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(path)?, &mut io::sink())
}

fn compare(
    program: &Path,
    row: &Row,
    file: &str,
    runs: u64,
    seconds: u64,
) -> Result<Value, String> {
    let output = Command::new(program)
        .args(["compare", "--against=fio", "--output-format=json"])
        .arg(format!("--runs={runs}"))
        .args(row.ours.iter().map(|option| format!("--ours={option}")))
        .args(row.theirs.iter().map(|option| format!("--theirs={option}")))
        .args(["--", "--name=x", "--size=1g", "--bs=4k", "--time_based"])
        .args([format!("--filename={file}"), format!("--runtime={seconds}s")])
        .args(row.both)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("bench-cli cannot be started: {error}"))?;
    match output.status.success() {
        true => serde_json::from_slice(&output.stdout).map_err(|error| error.to_string()),
        false => Err(format!("'{}' failed", row.name)),
    }
}

/// One row: rates, ratio with its interval, user CPU time of both sides.
fn line(name: &str, report: &Value) -> Result<String, String> {
    let figures = report["comparisons"][0]["figures"].as_array().ok_or("no figures")?;
    let figure = |wanted: &str| {
        figures.iter().find(|figure| figure["name"] == wanted).ok_or(format!("no {wanted}"))
    };
    let (iops, cpu) = (figure("IOPS")?, figure("user CPU")?);
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let ratio = format!("{:.2}", number(&iops["ratio"]));
    let ratio = if iops["verdict"] == "better" { format!("**{ratio}**") } else { ratio };
    Ok(format!(
        "| {name} | {} | {} | {ratio} ({:.2}–{:.2}) | {:.0} : {:.0} ns |",
        rate(number(&iops["new"])),
        rate(number(&iops["base"])),
        number(&iops["low"]),
        number(&iops["high"]),
        number(&cpu["new"]),
        number(&cpu["base"])
    ))
}

/// Three digits, in thousands: `1,051k/s`, `28.0k/s`.
fn rate(iops: f64) -> String {
    let thousands = iops / 1000.0;
    match thousands {
        _ if thousands >= 1000.0 => {
            let whole = thousands.round();
            format!("{:.0},{:03.0}k/s", (whole / 1000.0).floor(), whole % 1000.0)
        }
        _ if thousands >= 100.0 => format!("{thousands:.0}k/s"),
        _ => format!("{thousands:.1}k/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_those_of_the_readme() {
        let figures = json!([
            { "name": "IOPS", "base": 708_123.0, "new": 1_051_400.0, "ratio": 1.4849, "low": 1.43,
              "high": 1.52, "verdict": "better" },
            { "name": "user CPU", "base": 337.2, "new": 76.4 },
        ]);
        let report = json!({ "comparisons": [{ "figures": figures }] });
        let row = line(ROWS[0].name, &report).expect("a row");
        assert_eq!(
            row,
            "| cached 4 KiB random reads, depth 32, registered | 1,051k/s | 708k/s | **1.48** \
             (1.43–1.52) | 76 : 337 ns |"
        );
        assert_eq!(rate(28_040.0), "28.0k/s");
        assert!(line("x", &json!({})).is_err());
    }

    #[test]
    fn every_row_stands_in_the_readme() {
        let readme = include_str!("../../../README.md");
        for row in &ROWS {
            assert!(readme.contains(&format!("| {} |", row.name)), "{}", row.name);
        }
    }
}
