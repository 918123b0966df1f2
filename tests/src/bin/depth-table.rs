//! Prints how the depth controller and its rivals do on the simulated devices, against an oracle
//! that tries every fixed depth. Deterministic, so that a busy machine gives the same table.
//!
//! Usage: `depth-table [--seeds N] [--first N] [--only TEXT] [--parts LETTERS] [--ours|--rivals]
//! [--verbose]`

#![allow(clippy::print_stdout, reason = "the table is the program's output")]

use iomill_tests::depth::cases::{
    Case, Who, changes, demands, devices, in_lanes, narrow, shared, throttled,
};
use iomill_tests::depth::judge::{
    Known, KnownChange, Outcome, Variant, change, demand, knee, sharing, target, two_targets,
};
use iomill_tests::depth::oracle::Aim;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What to run.
#[derive(Clone, Debug)]
struct Options {
    seeds: usize,
    first: u64,
    only: String,
    parts: String,
    ours: bool,
    rivals: bool,
    verbose: bool,
}

fn main() -> ExitCode {
    let options = match parse() {
        Ok(options) => options,
        Err(why) => {
            println!("depth-table: {why}");
            return ExitCode::from(2);
        }
    };
    let last = options.first + options.seeds as u64 - 1;
    println!("Seeds {} to {last}, depths 1 to 256.", options.first);
    for part in options.parts.chars() {
        match part {
            'a' => knees(&options, "No target", &devices(), Variant::default()),
            'b' => percentiles(&options, "99th percentile, budget 1 %", &devices()),
            't' => {
                knees(&options, "Throttled, no target", &throttled(), Variant::default());
                percentiles(&options, "Throttled, 99th percentile, budget 1 %", &throttled());
            }
            'n' => knees(&options, "No target, narrow devices", &narrow(), Variant::default()),
            's' => {
                let title = "No target, devices that others use as well";
                knees(&options, title, &shared(), Variant::default());
            }
            'c' => all_changes(&options),
            'd' => all_demands(&options),
            'e' => {
                together(&options);
                two_goals(&options);
            }
            'm' => means(&options),
            'w' => classes(&options),
            'l' => lanes(&options),
            'g' => {
                let variant = Variant { batched: true, ..Variant::default() };
                knees(&options, "No target, batched submission", &devices(), variant);
            }
            other => println!("There is no part {other}."),
        }
    }
    ExitCode::SUCCESS
}

fn parse() -> Result<Options, String> {
    let mut options = Options {
        seeds: 50,
        first: 1001,
        only: String::new(),
        parts: "ansbmcdewltg".into(),
        ours: false,
        rivals: false,
        verbose: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => options.seeds = number(&value()?)?,
            "--first" => options.first = number(&value()?)? as u64,
            "--only" => options.only = value()?,
            "--parts" => options.parts = value()?,
            "--ours" => options.ours = true,
            "--rivals" => options.rivals = true,
            "--verbose" => options.verbose = true,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().ok().filter(|n| *n > 0).ok_or(format!("{word} is no number above 0"))
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// The rules to run; fio has none without a target.
    fn rules(&self, has_target: bool) -> impl Iterator<Item = Who> + '_ {
        let all = Who::ALL.into_iter();
        all.filter(move |who| match who {
            Who::Ours => !self.rivals,
            Who::Fio => !self.ours && has_target,
            _ => !self.ours,
        })
    }

    /// Runs all seeds, on as many threads as the machine has.
    fn run(&self, one: impl Fn(u64) -> Outcome + Sync) -> Vec<Outcome> {
        let outcomes = Mutex::new(vec![Outcome::default(); self.seeds]);
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= self.seeds {
                            return;
                        }
                        let outcome = one(self.first + index as u64);
                        let mut outcomes = outcomes.lock().expect("no run panics");
                        outcomes[index] = outcome;
                    }
                });
            }
        });
        let outcomes = outcomes.into_inner().expect("no run panics");
        if self.verbose {
            for (index, outcome) in outcomes.iter().enumerate() {
                let Outcome { pass, x, w, late, recovery, note } = outcome;
                let mark = if *pass { ' ' } else { '!' };
                let seed = self.first + index as u64;
                println!("  {mark} {seed} x {x:.3} w {w:.2} late {late:.4} {recovery:?} {note}");
            }
        }
        outcomes
    }
}

/// The middle one and the worst one.
fn middle_and(values: impl Iterator<Item = f64>, is_low_worse: bool) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let worst = if is_low_worse { values[0] } else { values[values.len() - 1] };
    (values[values.len() / 2], worst)
}

/// What every table says of a row of outcomes.
fn row(outcomes: &[Outcome]) -> String {
    let passed = outcomes.iter().filter(|outcome| outcome.pass).count();
    let x = middle_and(outcomes.iter().map(|outcome| outcome.x), true);
    let w = middle_and(outcomes.iter().map(|outcome| outcome.w), false);
    let share = 100.0 * passed as f64 / outcomes.len() as f64;
    format!("{share:.0} % | {:.3} / {:.3} | {:.2} / {:.2}", x.0, x.1, w.0, w.1)
}

fn recoveries(outcomes: &[Outcome]) -> String {
    let phases = outcomes.first().map_or(0, |outcome| outcome.recovery.len());
    let phase = |phase: usize| {
        let (middle, worst) = middle_and(outcomes.iter().map(|o| o.recovery[phase]), false);
        format!("{middle:.0} / {worst:.0}")
    };
    (0..phases).map(phase).collect::<Vec<_>>().join(", ")
}

fn heading(title: &str, columns: &str) {
    println!("\n### {title}\n\n{columns}");
    println!("|{}", "---|".repeat(columns.matches('|').count() - 1));
}

fn knees(options: &Options, title: &str, cases: &[Case], variant: Variant) {
    let columns = "| device | W95 | rule | pass | X median / worst | W / W95 median / worst | \
                   epochs to the first good ones, median / worst, within 20 |";
    heading(title, columns);
    for case in cases.iter().filter(|case| options.wants(case.name)) {
        let known = Known::new(case, Aim::None, variant);
        for who in options.rules(false) {
            let outcomes = options.run(|seed| knee(&known, who, seed));
            let (name, deep) = (case.name, known.oracle.depth_95);
            let soon = outcomes.iter().filter(|outcome| outcome.recovery[0] <= 20.0).count();
            let soon = 100.0 * soon as f64 / outcomes.len() as f64;
            let first = format!("{}, {soon:.0} %", recoveries(&outcomes));
            println!("| {name} | {deep} | {} | {} | {first} |", who.name(), row(&outcomes));
        }
    }
}

fn percentiles(options: &Options, title: &str, cases: &[Case]) {
    let columns = "| device, p99 | W | rule | pass | X median / worst | W / oracle's | \
                   late median / worst |";
    heading(title, columns);
    for case in cases.iter().filter(|case| options.wants(case.name)) {
        let known = Known::new(case, Aim::Late(case.p99, 0.01), Variant::default());
        targets(options, case.name, &known, case.p99);
    }
}

fn targets(options: &Options, name: &str, known: &Known, limit: f64) {
    let (deep, limit_ms) = (known.oracle.depth_within, limit / 1e6);
    let is_mean = matches!(known.aim, Aim::Mean(_));
    for who in options.rules(true).filter(|who| !is_mean || *who == Who::Ours) {
        let outcomes = options.run(|seed| target(known, who, seed));
        let late = middle_and(outcomes.iter().map(|outcome| outcome.late), false);
        let late = format!("{:.2} / {:.2}", 100.0 * late.0, 100.0 * late.1);
        let (rule, row) = (who.name(), row(&outcomes));
        println!("| {name}, {limit_ms:.1} ms | {deep} | {rule} | {row} | {late} % |");
    }
}

fn means(options: &Options) {
    let columns = "| device, mean | W | rule | pass | X median / worst | W / oracle's | \
                   mean over limit, median / worst |";
    heading("Mean latency, a third of the p99 above", columns);
    for case in devices().iter().filter(|case| options.wants(case.name)) {
        let limit = case.p99 / 3.0;
        let known = Known::new(case, Aim::Mean(limit), Variant::default());
        targets(options, case.name, &known, limit);
    }
}

fn all_changes(options: &Options) {
    let columns = "| change | rule | pass | worst phase's X median / worst | W / W95 | \
                   epochs to recover by phase, median / worst |";
    heading("Changes", columns);
    for case in changes().iter().filter(|case| options.wants(case.name)) {
        let known = KnownChange::new(case);
        for who in options.rules(!matches!(case.aim, Aim::None)) {
            let outcomes = options.run(|seed| change(&known, who, seed));
            let (rule, back) = (who.name(), recoveries(&outcomes));
            println!("| {} | {rule} | {} | {back} |", case.name, row(&outcomes));
        }
    }
}

fn all_demands(options: &Options) {
    heading("Loads", "| load | rule | pass | depths seen |");
    for case in demands().iter().filter(|case| options.wants(case.name)) {
        for who in options.rules(!matches!(case.aim, Aim::None)) {
            let outcomes = options.run(|seed| demand(case, who, seed));
            let passed = outcomes.iter().filter(|outcome| outcome.pass).count();
            let share = 100.0 * passed as f64 / outcomes.len() as f64;
            let low = middle_and(outcomes.iter().map(|outcome| outcome.x), true).1;
            let high = middle_and(outcomes.iter().map(|outcome| outcome.w), false).1;
            println!("| {} | {} | {share:.0} % | {low} to {high} |", case.name, who.name());
        }
    }
}

/// Devices on which two engines meet.
const SHARED: [&str; 7] = [
    "M/M/8",
    "M/M/32",
    "0.1 ms, cap 100k",
    "16 dies 0.4 ms",
    "token bucket 16k",
    "retrograde pool",
    "measured disk",
];

fn together(options: &Options) {
    let columns = "| device | rule | pass | X median / worst | W / W95 | larger share |";
    heading("Two engines on one device", columns);
    let is_shared = |name: &str| SHARED.contains(&name) && options.wants(name);
    for case in devices().iter().filter(|case| is_shared(case.name)) {
        let known = Known::new(case, Aim::None, Variant::default());
        let apart = options.rules(false).map(|who| (who, false));
        for (who, is_together) in
            std::iter::once((Who::Ours, true)).filter(|_| !options.rivals).chain(apart)
        {
            let outcomes = options.run(|seed| sharing(&known, who, is_together, seed));
            let larger = middle_and(outcomes.iter().map(|outcome| outcome.late), false);
            let how = if is_together { "one for both" } else { "one each" };
            let (name, rule, row) = (case.name, who.name(), row(&outcomes));
            println!("| {name} | {rule}, {how} | {row} | {:.2} / {:.2} |", larger.0, larger.1);
        }
    }
}

fn two_goals(options: &Options) {
    if options.rivals {
        return;
    }
    let columns = "| device, p99 of one | W | pass | X median / worst | W / oracle's | \
                   late median / worst |";
    heading("Two engines on one device, one of them with a target", columns);
    let is_shared = |name: &str| SHARED.contains(&name) && options.wants(name);
    for case in devices().iter().filter(|case| is_shared(case.name)) {
        let known = Known::new(case, Aim::Late(case.p99, 0.01), Variant::default());
        let outcomes = options.run(|seed| two_targets(&known, seed));
        let late = middle_and(outcomes.iter().map(|outcome| outcome.late), false);
        let late = format!("{:.2} / {:.2}", 100.0 * late.0, 100.0 * late.1);
        let (name, row, limit_ms) = (case.name, row(&outcomes), case.p99 / 1e6);
        let deep = known.oracle.depth_within;
        println!("| {name}, {limit_ms:.1} ms | {deep} | {row} | {late} % |");
    }
}

fn classes(options: &Options) {
    let variant = Variant { classes: true, ..Variant::default() };
    let writes = devices().into_iter().find(|case| case.name == "30 % slow writes");
    let Some(case) = writes.filter(|case| options.wants(case.name)) else { return };
    let columns = "| reads and writes apart | W | rule | pass | X median / worst | W / oracle's | \
                   late reads median / worst |";
    heading("70 % reads, 30 % writes", columns);
    let known = Known::new(&case, Aim::None, variant);
    let outcomes = options.run(|seed| knee(&known, Who::Ours, seed));
    println!("| no target | {} | ours | {} | |", known.oracle.depth_95, row(&outcomes));
    for limit in [2e6, 4e6, 12e6] {
        let known = Known::new(&case, Aim::Late(limit, 0.01), variant);
        targets(options, "p99 of reads", &known, limit);
    }
}

/// Lanes of one request each, on devices that also write.
fn lanes(options: &Options) {
    let columns = "| lanes of one request, p99 of reads | W | rule | pass | X median / worst | \
                   W / oracle's | late reads median / worst |";
    heading("70 % reads, 30 % writes, in 512 lanes", columns);
    let variant = Variant { classes: true, lanes: 512, ..Variant::default() };
    for (case, limits) in in_lanes().iter().filter(|(case, _)| options.wants(case.name)) {
        for limit in *limits {
            let known = Known::new(case, Aim::Late(limit, 0.01), variant);
            targets(options, case.name, &known, limit);
        }
    }
}
