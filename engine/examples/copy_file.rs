//! Copies a file, 16 pieces at once, each read linked with its write, and makes the copy durable:
//! `cargo run -p iomill-engine --example copy_file -- README.md target/copy-of-readme`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::{Completion, Config, Context, CopyParts, CopyRange, Error, File, Sync};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes per piece, and how many pieces are copied at once.
const PIECE_LEN_BYTES: u32 = 64 * 1024;
const PIECES: u32 = 16;

/// What the callbacks share.
#[derive(Default)]
struct Progress {
    next_offset: u64,
    copied_bytes: u64,
    failure: Option<Error>,
}

/// One piece is there: goes on with the next that nobody has, with the same files and buffer.
fn copied(
    done: Completion<CopyRange>,
    context: &mut Context<'_>,
    len: u64,
    progress: &Rc<RefCell<Progress>>,
) {
    let mut state = progress.borrow_mut();
    match done.result {
        Ok(bytes) => state.copied_bytes += u64::from(bytes),
        Err(error) => state.failure = Some(error),
    }
    if state.next_offset >= len || state.failure.is_some() {
        return;
    }
    let mut copy = done.op;
    (copy.parts.from_offset, copy.parts.to_offset) = (state.next_offset, state.next_offset);
    state.next_offset += u64::from(PIECE_LEN_BYTES);
    drop(state);
    let progress = Rc::clone(progress);
    let next = context.submit(copy, move |done, context| copied(done, context, len, &progress));
    next.expect("the piece before has left its room");
}

fn main() -> Result<(), Error> {
    let mut paths = std::env::args().skip(1);
    let from = paths.next().unwrap_or_else(|| String::from("README.md"));
    let to = paths.next().unwrap_or_else(|| String::from("target/copy-of-readme"));
    let mut engine = Config::new().depth(2 * PIECES).buffers(PIECES, PIECE_LEN_BYTES).start()?;
    let source = File::open(&from)?;
    let target = File::options().write(true).create(true).truncate(true).open(&to)?;
    let len = source.len()?;
    let progress = Rc::new(RefCell::new(Progress::default()));
    for _ in 0..u64::from(PIECES).min(len.div_ceil(u64::from(PIECE_LEN_BYTES))) {
        let offset = progress.borrow().next_offset;
        progress.borrow_mut().next_offset += u64::from(PIECE_LEN_BYTES);
        let copy = CopyRange::new(CopyParts {
            from: source.clone(),
            from_offset: offset,
            to: target.clone(),
            to_offset: offset,
            buffer: engine.buffer().expect("one for each piece"),
        });
        let progress = Rc::clone(&progress);
        engine.submit(copy, move |done, context| copied(done, context, len, &progress))?;
    }
    engine.drain()?;
    if progress.borrow().failure.is_none() {
        let shared = Rc::clone(&progress);
        engine.submit(Sync { file: target, data_only: true }, move |done, _| {
            shared.borrow_mut().failure = done.result.err();
        })?;
        engine.drain()?;
    }
    let Progress { copied_bytes, failure, .. } = progress.take();
    println!("{copied_bytes} of {len} bytes of {from} copied to {to}");
    failure.map_or(Ok(()), Err)
}
