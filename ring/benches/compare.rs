//! `cargo bench -p iomill-ring --bench compare [-- --rounds N]`: our ring against the `io-uring`
//! crate and liburing, in alternating rounds, as a table of medians, spreads and ratios.
//!
//! The sides take turns in each round, so that a slow spell of the machine meets all of them, and a
//! ratio is the median of the rounds' own ratios.
#![allow(clippy::print_stdout)]

mod contest;

use contest::{Ground, Load, Side, Work};
use std::time::Duration;

const ROUNDS_DEFAULT: usize = 15;

fn main() {
    let rounds = match rounds(std::env::args().skip(1)) {
        Ok(rounds) => rounds,
        Err(message) => {
            eprintln!("compare: {message}");
            std::process::exit(2);
        }
    };
    let ground = Ground::new(contest::FILE_LEN_BYTES).expect("a temporary file");
    for side in Side::ALL {
        if let Some(reason) = ground.absence(side) {
            println!("skipped: {}: {reason}", side.name());
        }
    }
    for (title, load) in [
        ("NOPs", Load { work: Work::Nop, batch: 32, batches: 100_000 }),
        ("4 KiB fixed reads, warm", Load { work: Work::FixedRead, batch: 32, batches: 8_000 }),
        ("4 KiB fixed reads, warm", Load { work: Work::FixedRead, batch: 8, batches: 32_000 }),
    ] {
        println!("\n{title}, batches of {}, {rounds} rounds of {} each", load.batch, ops(&load));
        print_table(&contest(&ground, &load, rounds));
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

/// Entries in one measured run.
fn ops(load: &Load) -> u64 {
    u64::from(load.batch) * u64::from(load.batches)
}

/// One side and its time in each round.
struct Line {
    side: Side,
    times: Vec<Duration>,
    ops: u64,
}

fn contest(ground: &Ground, load: &Load, rounds: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Side::ALL
        .into_iter()
        .filter(|side| ground.absence(*side).is_none())
        .map(|side| Line { side, times: Vec::new(), ops: ops(load) })
        .collect();
    for round in 0..rounds {
        let count = lines.len();
        for turn in 0..count {
            // Who begins changes, so that nobody always follows the same neighbour's heat.
            let line = &mut lines[(round + turn) % count];
            line.times.push(ground.measure(line.side, load));
        }
    }
    lines
}

fn print_table(lines: &[Line]) {
    println!(
        "{:34} {:>9} {:>19} {:>8} {:>17}",
        "", "M/CPU-s", "(quartiles)", "ns", "ours is times"
    );
    let ours = &lines[0];
    for line in lines {
        let mut rates: Vec<f64> =
            line.times.iter().map(|time| line.ops as f64 / time.as_secs_f64() / 1e6).collect();
        let mut ratios: Vec<f64> = line
            .times
            .iter()
            .zip(&ours.times)
            .map(|(theirs, ours)| theirs.as_secs_f64() / ours.as_secs_f64())
            .collect();
        let [low, median, high] = quartiles(&mut rates);
        let [ratio_low, ratio, ratio_high] = quartiles(&mut ratios);
        println!(
            "{:34} {median:9.3} {:>19} {:8.1} {ratio:6.3} {:>10}",
            line.side.name(),
            format!("({low:.3}-{high:.3})"),
            1e3 / median,
            format!("({ratio_low:.3}-{ratio_high:.3})"),
        );
    }
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}
