//! Appends records to a log, each durable before it is acknowledged, in the way that a probe has
//! found to be quickest: `cargo run -p iomill-engine --example durable_append -- target/log 100`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::{Completion, Config, Context, DurableAppend, Error, File};
use std::cell::RefCell;
use std::rc::Rc;

/// How it goes: records acknowledged so far, or why no more came.
type Outcome = Rc<RefCell<Result<u32, Error>>>;

/// A record is durable: appends the next one, from the same buffer.
fn appended(
    done: Completion<DurableAppend>,
    context: &mut Context<'_>,
    records: u32,
    outcome: &Outcome,
) {
    let number = match (done.result, &mut *outcome.borrow_mut()) {
        (Ok(_), Ok(acknowledged)) => {
            *acknowledged += 1;
            *acknowledged
        }
        (result, state) => {
            *state = result;
            return;
        }
    };
    if number < records {
        let mut op = done.op;
        fill(&mut op, number);
        let shared = Rc::clone(outcome);
        let next = context.submit(op, move |done, context| {
            appended(done, context, records, &shared);
        });
        if let Err(refused) = next {
            *outcome.borrow_mut() = Err(refused.error);
        }
    }
}

/// A record is a line with its number.
fn fill(op: &mut DurableAppend, number: u32) {
    let line = format!("record {number:>8}\n");
    op.buffer.set_len(line.len());
    op.buffer.copy_from_slice(line.as_bytes());
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| String::from("target/log"));
    let records = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100);
    let mut engine = Config::new().start()?;
    let log = File::options().write(true).create(true).open(&path)?;
    println!("durable {}", engine.probe_durability(&log)?);

    let mut op = DurableAppend { file: log, buffer: engine.buffer().expect("nobody has one yet") };
    fill(&mut op, 0);
    let outcome: Outcome = Rc::new(RefCell::new(Ok(0)));
    let shared = Rc::clone(&outcome);
    engine.submit(op, move |done, context| appended(done, context, records, &shared))?;
    engine.drain()?;
    let acknowledged = outcome.replace(Ok(0))?;
    println!("{acknowledged} records are durable in {path}");
    Ok(())
}
