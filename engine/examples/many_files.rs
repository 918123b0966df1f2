//! Reads 1,000 files at once through one engine and prints the memory that this took per file:
//! `cargo run -p iomill-engine --example many_files`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::{Completion, Config, Context, Error, File, Read};
use std::cell::RefCell;
use std::fs;
use std::process::ExitCode;
use std::rc::Rc;

const FILES: u32 = 1000;
const FILE_LEN_BYTES: usize = 20_000;
/// What one file may cost: its handle, its request in the engine and a buffer of 4 KiB, with room
/// to spare.
const FILE_MEMORY_MAX_KIB: u64 = 64;

/// What the callbacks share.
#[derive(Default)]
struct Progress {
    read_bytes: u64,
    finished: u32,
    failure: Option<Error>,
}

/// Takes a block in and asks for the next one of the same file, into the same buffer.
fn took(done: Completion<Read>, context: &mut Context<'_>, progress: Rc<RefCell<Progress>>) {
    let mut state = progress.borrow_mut();
    let bytes = match done.result {
        Ok(0) => return state.finished += 1,
        Ok(bytes) => u64::from(bytes),
        Err(error) => return state.failure = Some(error),
    };
    state.read_bytes += bytes;
    drop(state);
    let op = Read { offset: done.op.offset + bytes, ..done.op };
    let shared = Rc::clone(&progress);
    if let Err(refused) = context.submit(op, move |done, context| took(done, context, shared)) {
        progress.borrow_mut().failure = Some(refused.error);
    }
}

/// A field of this process's status, in KiB.
fn status_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn read_all(folder: &std::path::Path) -> Result<(), Error> {
    let before_kib = status_kib("VmRSS:");
    // As many requests at once as there are files, and a buffer for each: the default.
    let mut engine = Config::new().depth(FILES).capacity(FILES).start()?;
    eprintln!("{}", engine.report());
    let progress = Rc::new(RefCell::new(Progress::default()));
    for number in 0..FILES {
        let file = File::open(folder.join(number.to_string()))?;
        let Some(buffer) = engine.buffer() else { break };
        let shared = Rc::clone(&progress);
        let op = Read { file, offset: 0, buffer };
        engine.submit(op, move |done, context| took(done, context, shared))?;
    }
    let at_once = engine.in_flight();
    engine.drain()?;
    let state = progress.take();
    if let Some(error) = state.failure {
        return Err(error);
    }
    let used_kib = status_kib("VmHWM:").saturating_sub(before_kib);
    println!(
        "{at_once} files at once, {} read to the end, {} bytes in all: {} KiB of memory, {:.1} KiB \
         per file (at most {FILE_MEMORY_MAX_KIB} are allowed)",
        state.finished,
        state.read_bytes,
        used_kib,
        used_kib as f64 / f64::from(FILES),
    );
    assert!(used_kib < FILE_MEMORY_MAX_KIB * u64::from(FILES), "too much memory");
    Ok(())
}

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("iomill-many-files-{}", std::process::id()));
    let made = fs::create_dir(&folder).and_then(|()| {
        let content = vec![1; FILE_LEN_BYTES];
        (0..FILES).try_for_each(|number| fs::write(folder.join(number.to_string()), &content))
    });
    let outcome = match made {
        Ok(()) => read_all(&folder).map_err(|error| error.to_string()),
        Err(error) => Err(format!("make {FILES} files in {}: {error}", folder.display())),
    };
    // Whatever happened, nothing stays behind.
    let _ = fs::remove_dir_all(&folder);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
