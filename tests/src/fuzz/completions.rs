//! Completions of a backend that breaks the contract in any way there is, but touches no memory:
//! the engine goes on, or panics with a message that is documented, and then answers errors, calls
//! nobody twice and can be dropped.

use super::input::Input;
use iomill_engine::backend::{Backend, Completion, Memory, Request, RequestKind};
use iomill_engine::{
    Chain, Config, Engine, Error, ErrorKind, File, Lane, Nop, OpId, Operation, Read, Sync, Wait,
    Write,
};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What an engine says of a backend that breaks the contract.
const DOCUMENTED: [&str; 6] = [
    "a backend completed a request that is not in flight",
    "a backend completed a request that is not with it",
    "the kernel moved more bytes than it was asked for",
    "more requests came back than had gone to the backend",
    "a backend took more requests than it was given",
    "a backend took linked requests in part",
];

/// What each `enter` and `stage` does: bytes that the program leaves for it.
#[derive(Debug, Default)]
struct Script {
    bytes: Vec<u8>,
    at: usize,
    /// From now on it completes what it has.
    is_honest: bool,
}

impl Script {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }
}

#[derive(Debug)]
struct Hostile {
    script: Rc<RefCell<Script>>,
    /// Everything that it ever got.
    seen: Vec<Request>,
    /// How many of these it has completed in order.
    done: usize,
    /// What it has and has not completed.
    open: Vec<Request>,
}

impl Hostile {
    /// One completion, of any sort.
    fn lie(&mut self) -> Option<Completion> {
        let mut script = self.script.borrow_mut();
        let (what, how) = (script.byte(), script.byte());
        let any = || self.seen.get(usize::from(how) % self.seen.len().max(1)).copied();
        let request = match what % 8 {
            // Mostly what is due, so that there is something to lie about.
            0..=4 => {
                let due = self.seen.get(self.done).copied();
                self.done += usize::from(due.is_some());
                due
            }
            5 => any(),
            6 => any().map(|request| Request { id: request.id ^ (1 << (how % 64)), ..request }),
            _ => None,
        }?;
        let len = i32::try_from(request.len).unwrap_or(i32::MAX);
        let result = match script.byte() % 12 {
            0..=3 if request.kind.is_transfer() => len,
            4 if request.kind.is_transfer() => len / 2,
            5 => -libc::EIO,
            6 => -libc::EINTR,
            7 => -libc::EAGAIN,
            8 => -libc::ECANCELED,
            9 if how.is_multiple_of(4) => len.saturating_add(1),
            10 if how.is_multiple_of(4) => i32::MIN,
            11 if how.is_multiple_of(4) => i32::MAX,
            _ => 0,
        };
        let closed = self.open.iter().position(|open| open.id == request.id);
        closed.map(|index| self.open.remove(index));
        Some(Completion { id: request.id, result, lane: Lane::Ring })
    }

    /// Completes everything as the contract says.
    fn be_honest(&mut self, completions: &mut Vec<Completion>) {
        completions.extend(self.open.drain(..).map(|request| {
            let len = if request.kind.is_transfer() { request.len } else { 0 };
            let result = i32::try_from(len).unwrap_or(0);
            Completion { id: request.id, result, lane: Lane::Ring }
        }));
    }
}

// SAFETY: it touches no memory at all.
unsafe impl Backend for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn enters(&self) -> u64 {
        0
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        Ok(())
    }

    fn register_slots(&mut self, _slots: u32) -> Result<(), Error> {
        Ok(())
    }

    fn set_slot(&mut self, _slot: u32, _file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        Ok(())
    }

    fn links(&self, _first: RequestKind, _next: RequestKind) -> bool {
        true
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        let mut script = self.script.borrow_mut();
        let taken = match script.byte() {
            _ if script.is_honest => batch.len(),
            0xff => batch.len() + 1,
            0xf0..0xff => batch.len() / 2,
            _ => batch.len(),
        };
        let given = &batch[..taken.min(batch.len())];
        self.seen.extend_from_slice(given);
        self.open.extend_from_slice(given);
        taken
    }

    fn cancel(&mut self, _id: u64) -> bool {
        self.script.borrow_mut().byte() & 1 == 0
    }

    fn enter(&mut self, _wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        if self.script.borrow().is_honest {
            self.be_honest(completions);
            return Ok(());
        }
        let count = self.script.borrow_mut().byte() % 6;
        for _ in 0..count {
            completions.extend(self.lie());
        }
        Ok(())
    }
}

/// Submits an operation and notes that it was called back.
fn submit<O: Operation>(engine: &mut Engine, op: O, called: &Rc<Cell<u32>>) -> Option<OpId> {
    let (once, called) = (Rc::new(Cell::new(false)), Rc::clone(called));
    let submitted = engine.submit(op, move |_, _| {
        assert!(!once.replace(true), "called back twice");
        called.set(called.get() + 1);
    });
    submitted.ok()
}

/// Submits what the input says.
fn begin(engine: &mut Engine, file: &File, input: &mut Input<'_>, called: &Rc<Cell<u32>>) {
    let Some(mut buffer) = engine.buffer() else { return };
    buffer.set_len(usize::from(input.byte()) + 1);
    let (file, again, offset) = (file.clone(), file.clone(), u64::from(input.byte()));
    let id = match input.below(6) {
        0 => submit(engine, Nop, called),
        1 => submit(engine, Read { file, offset, buffer }, called),
        2 => submit(engine, Write { file, offset, buffer }, called),
        3 => submit(engine, Sync { file, data_only: true }, called),
        _ => {
            let sync = Sync { file: again, data_only: true };
            let write = Write { file, offset, buffer };
            submit(engine, Chain::new((write, sync, Nop)), called)
        }
    };
    if let (Some(id), 0) = (id, input.below(5)) {
        engine.cancel(id);
    }
}

/// Runs the program that the bytes stand for.
pub(super) fn run(bytes: &[u8]) -> Result<(), String> {
    let input = &mut Input::new(bytes);
    let script: Rc<RefCell<Script>> = Rc::default();
    let hostile =
        Hostile { script: Rc::clone(&script), seen: Vec::new(), done: 0, open: Vec::new() };
    let config = Config::new().depth(1 + u32::from(input.below(8))).capacity(24).buffers(24, 512);
    let engine = Engine::with_backend(&config, Box::new(hostile));
    let mut engine = engine.map_err(|error| error.to_string())?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let file = null.map_err(|error| error.to_string())?;
    let called = Rc::new(Cell::new(0));
    while !input.is_empty() {
        for _ in 0..input.below(5) {
            begin(&mut engine, &file, input, &called);
        }
        let lies = (0..1 + input.below(16)).map(|_| input.byte()).collect();
        *script.borrow_mut() = Script { bytes: lies, at: 0, is_honest: false };
        let ticked = catch_unwind(AssertUnwindSafe(|| engine.tick(Wait::None)));
        if let Err(panic) = ticked {
            return judge(engine, &*panic, &called);
        }
    }
    script.borrow_mut().is_honest = true;
    // What it lied about may be noticed only now.
    match catch_unwind(AssertUnwindSafe(|| engine.drain())) {
        Err(panic) => judge(engine, &*panic, &called),
        Ok(drained) => drained.map_err(|error| format!("drained: {error}")),
    }
}

/// Judges what an engine said when it panicked, and what it does after that.
fn judge(mut engine: Engine, panic: &dyn Any, called: &Cell<u32>) -> Result<(), String> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let said = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("not a text");
    if !DOCUMENTED.iter().any(|message| said.contains(message)) {
        return Err(format!("a panic that is not documented: {said}"));
    }
    let before = called.get();
    match engine.tick(Wait::None) {
        Err(error) if error.kind() == ErrorKind::Backend => {}
        other => return Err(format!("after a panic a tick answered {other:?}")),
    }
    drop(engine);
    if called.get() == before {
        return Ok(());
    }
    Err("somebody was called back after a panic".to_owned())
}
