//! This project's engine, as it comes, with its callbacks.

use super::warm_up;
use crate::cost::{Begin, Cost};
use crate::load::{BLOCK_LEN_BYTES, Load, Places};
use iomill_engine::{BackendChoice, Completion, Config, Context, Engine, File, Read};
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;

/// On io_uring.
pub fn on_io_uring(load: &Load, path: &Path) -> io::Result<Cost> {
    run(load, path, BackendChoice::IoUring)
}

/// On the thread pool.
pub fn on_threads(load: &Load, path: &Path) -> io::Result<Cost> {
    run(load, path, BackendChoice::Threads)
}

struct State {
    left: u64,
    places: Places,
}

fn run(load: &Load, path: &Path, backend: BackendChoice) -> io::Result<Cost> {
    let depth = u32::try_from(load.depth).expect("a small number");
    let mut engine = Config::new().backend(backend).depth(depth).start().map_err(other)?;
    let file = File::options().read(true).direct(load.direct).open(path).map_err(other)?;
    let file = engine.register_file(&file).map_err(other)?;
    let state = Rc::new(RefCell::new(State { left: 0, places: Places::new() }));
    pass(&mut engine, &file, &state, warm_up(load), load.depth)?;
    let begin = Begin::now();
    pass(&mut engine, &file, &state, load.reads, load.depth)?;
    Ok(begin.cost_of(load.reads))
}

fn pass(
    engine: &mut Engine,
    file: &File,
    state: &Rc<RefCell<State>>,
    reads: u64,
    depth: u64,
) -> io::Result<()> {
    state.borrow_mut().left = reads - depth;
    for _ in 0..depth {
        let buffer = engine.buffer().ok_or_else(|| io::Error::other("no buffer"))?;
        let offset = state.borrow_mut().places.next_offset();
        let op = Read { file: file.clone(), offset, buffer };
        let state = Rc::clone(state);
        engine
            .submit(op, move |done, context| took(done, context, state))
            .map_err(|refused| other(refused.error))?;
    }
    engine.drain().map_err(other)
}

fn took(done: Completion<Read>, context: &mut Context<'_>, state: Rc<RefCell<State>>) {
    let bytes = done.result.expect("a read of the file succeeds");
    assert_eq!(bytes as usize, BLOCK_LEN_BYTES);
    let mut now = state.borrow_mut();
    if now.left == 0 {
        return;
    }
    now.left -= 1;
    let op = Read { offset: now.places.next_offset(), ..done.op };
    drop(now);
    let submitted = context.submit(op, move |done, context| took(done, context, state));
    assert!(submitted.is_ok(), "the completed read has left room");
}

fn other(error: iomill_engine::Error) -> io::Error {
    io::Error::other(error.to_string())
}
