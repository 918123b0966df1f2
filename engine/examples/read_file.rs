//! Reads a file with many requests in flight and prints its length and a checksum:
//! `cargo run -p iomill-engine --example read_file -- Cargo.toml`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::{Completion, Config, Context, Error, File, Read, Wait};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes per request.
const BLOCK_LEN_BYTES: u32 = 64 * 1024;

/// What the callbacks share.
#[derive(Default)]
struct Progress {
    next_offset: u64,
    read_bytes: u64,
    sum: u64,
    failure: Option<Error>,
}

/// Takes one block in and asks for the next one that nobody has asked for yet.
fn took(
    done: Completion<Read>,
    context: &mut Context<'_>,
    len: u64,
    progress: &Rc<RefCell<Progress>>,
) {
    let mut state = progress.borrow_mut();
    match done.result {
        Ok(bytes) => {
            let block = &done.op.buffer[..bytes as usize];
            state.read_bytes += u64::from(bytes);
            state.sum =
                block.iter().fold(state.sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        }
        Err(error) => state.failure = Some(error),
    }
    if state.next_offset >= len || state.failure.is_some() {
        return;
    }
    let op = Read { offset: state.next_offset, ..done.op };
    state.next_offset += u64::from(BLOCK_LEN_BYTES);
    drop(state);
    let shared = Rc::clone(progress);
    let submitted = context.submit(op, move |done, context| took(done, context, len, &shared));
    if let Err(refused) = submitted {
        progress.borrow_mut().failure = Some(refused.error);
    }
}

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| String::from("Cargo.toml"));
    let mut engine = Config::new().depth(16).buffers(16, BLOCK_LEN_BYTES).start()?;
    eprintln!("{}", engine.report());
    let file = File::open(&path)?;
    let len = file.len()?;
    let file = engine.register_file(&file)?;
    let progress = Rc::new(RefCell::new(Progress::default()));
    while let Some(buffer) = engine.buffer() {
        let mut state = progress.borrow_mut();
        let offset = state.next_offset;
        if offset >= len {
            break;
        }
        state.next_offset += u64::from(BLOCK_LEN_BYTES);
        let shared = Rc::clone(&progress);
        let op = Read { file: file.clone(), offset, buffer };
        engine.submit(op, move |done, context| took(done, context, len, &shared))?;
    }
    while engine.in_flight() > 0 {
        engine.tick(Wait::AtLeast(1))?;
    }
    let state = progress.take();
    if let Some(error) = state.failure {
        return Err(error);
    }
    println!("{path}: {} bytes, byte sum {:016x}", state.read_bytes, state.sum);
    Ok(())
}
