//! Backends that break the contract: the engine must panic with a message that says so, and from
//! then on free nothing that the backend may still touch, and never panic while it is dropped.

use iomill_engine::backend::{Backend, Completion, Memory, Request};
use iomill_engine::{
    Buffer, BufferList, Completion as Done, Config, Context, Engine, Error, ErrorKind, File, Lane,
    Nop, Read, Wait, Write, WriteVectored,
};
use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// What happens at each `enter`, from what was staged so far: answers ids and results.
type Plan = Box<dyn FnMut(&[Request]) -> Vec<(u64, i32)>>;

/// Completes what its plan says, whether it has it or not.
struct Liar {
    staged: Vec<Request>,
    plan: Plan,
    /// How many requests it claims to have taken beyond those that it was given, or short of them.
    takes_more: isize,
    dropped: Rc<RefCell<bool>>,
}

impl std::fmt::Debug for Liar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Liar")
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        *self.dropped.borrow_mut() = true;
    }
}

// SAFETY: it breaks the contract, and writes to memory of the pool that nobody looks at then.
unsafe impl Backend for Liar {
    fn name(&self) -> &'static str {
        "liar"
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

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        self.staged.extend_from_slice(batch);
        batch.len().saturating_add_signed(self.takes_more)
    }

    fn cancel(&mut self, _id: u64) -> bool {
        true
    }

    fn enter(&mut self, _wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        let planned = (self.plan)(&self.staged);
        let lane = Lane::Ring;
        completions.extend(planned.into_iter().map(|(id, result)| Completion { id, result, lane }));
        Ok(())
    }
}

struct World {
    engine: Engine,
    file: File,
    dropped: Rc<RefCell<bool>>,
    called: Rc<RefCell<u32>>,
}

fn world(takes_more: isize, plan: impl FnMut(&[Request]) -> Vec<(u64, i32)> + 'static) -> World {
    let dropped = Rc::default();
    let plan = Box::new(plan);
    let liar = Liar { staged: Vec::new(), plan, takes_more, dropped: Rc::clone(&dropped) };
    let config = Config::new().depth(8).buffers(8, 4096);
    let engine = Engine::with_backend(&config, Box::new(liar)).unwrap();
    let file = File::open("Cargo.toml").unwrap();
    World { engine, file, dropped, called: Rc::default() }
}

impl World {
    fn read(&mut self) {
        let buffer: Buffer = self.engine.buffer().unwrap();
        let called = Rc::clone(&self.called);
        let op = Read { file: self.file.clone(), offset: 0, buffer };
        self.engine.submit(op, move |_, _| *called.borrow_mut() += 1).unwrap();
    }

    /// The next tick panics with this message, and nothing of the engine is freed or goes on.
    #[track_caller]
    fn assert_broken(mut self, message: &str) {
        let ticked = catch_unwind(AssertUnwindSafe(|| self.engine.tick(Wait::AtLeast(1))));
        let panic = ticked.expect_err("the tick must panic");
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("");
        assert!(said.contains(message), "{said}");
        let called = *self.called.borrow();
        let error = self.engine.tick(Wait::None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
        assert!(error.to_string().contains("broke the contract"), "{error}");
        let left = self.engine.in_flight();
        let report = self.engine.shutdown(Duration::from_secs(3600));
        assert_eq!((report.leaked, report.drained), (left, 0));
        assert_eq!(*self.called.borrow(), called, "nobody is called after that");
        assert!(left == 0 || !*self.dropped.borrow(), "the backend may still hold something");
    }
}

#[test]
fn a_request_that_is_completed_twice_in_one_turn() {
    // Nothing was read: the end of the file, so that it is over.
    let mut world = world(0, |staged| vec![(staged[0].id, 0), (staged[0].id, 0)]);
    world.read();
    world.read();
    world.assert_broken("not in flight");
}

#[test]
fn a_whole_read_that_is_completed_twice_while_its_slot_is_in_use_again() {
    let mut world = world(0, |staged| vec![(staged[0].id, 4096), (staged[0].id, 4096)]);
    let buffer = world.engine.buffer().unwrap();
    let op = Read { file: world.file.clone(), offset: 0, buffer };
    let called = Rc::clone(&world.called);
    let again = move |done: Done<Read>, cx: &mut Context<'_>| {
        *called.borrow_mut() += 1;
        cx.submit(done.op, |_, _| panic!("the kernel has never seen this one")).unwrap();
    };
    world.engine.submit(op, again).unwrap();
    world.assert_broken("not in flight");
}

#[test]
fn a_breach_behind_a_callback_that_panicked_in_the_same_turn() {
    let mut world = world(0, |staged| vec![(staged[0].id, 4096), (staged[0].id, 4096)]);
    let buffer = world.engine.buffer().unwrap();
    let op = Read { file: world.file.clone(), offset: 0, buffer };
    world.engine.submit(op, |_, _| panic!("the callback's own trouble")).unwrap();
    world.read();
    world.assert_broken("not in flight");
}

#[test]
fn a_request_whose_rest_waits_in_the_queue() {
    let mut world = world(0, |staged| vec![(staged[0].id, 100), (staged[0].id, 100)]);
    // The first completion is short, so that the rest goes to the queue under the same id.
    world.read();
    world.read();
    world.assert_broken("not with it");
}

#[test]
fn a_request_that_nobody_submitted() {
    for id in [u64::MAX, 1 << 32, 5, 0xffff] {
        let mut world = world(0, move |_| vec![(id, 1)]);
        world.read();
        world.assert_broken("not in flight");
    }
}

#[test]
fn more_bytes_than_were_asked_for() {
    for result in [4097, i32::MAX] {
        let mut world = world(0, move |staged| vec![(staged[0].id, result)]);
        world.read();
        world.assert_broken("moved more bytes than it was asked for");
    }
}

#[test]
fn more_completions_than_requests() {
    let mut world = world(0, |staged| vec![(staged[0].id, 0), (staged[0].id, 0)]);
    world.read();
    world.assert_broken("not in flight");
}

#[test]
fn more_requests_taken_than_were_given() {
    let mut world = world(1, |_| Vec::new());
    world.read();
    world.assert_broken("more requests than it was given");
}

#[test]
fn a_request_that_was_not_taken() {
    let mut world = world(-1, |staged| vec![(staged[1].id, 0)]);
    world.read();
    world.read();
    world.assert_broken("not with it");
}

#[test]
fn the_largest_negative_answer_is_an_error_like_any_other() {
    let mut world = world(0, |staged| vec![(staged[0].id, i32::MIN)]);
    let failed = Rc::new(RefCell::new(false));
    let inside = Rc::clone(&failed);
    world.engine.submit(Nop, move |done, _| *inside.borrow_mut() = done.result.is_err()).unwrap();
    world.engine.tick(Wait::AtLeast(1)).unwrap();
    assert!(*failed.borrow());
}

/// Writes one byte, beside the request's memory by so many bytes.
fn scribble(request: &Request, beside: isize) {
    // SAFETY: inside the pool: the tests here choose a place in the buffer of the request.
    unsafe { request.address.wrapping_offset(beside).write(1) };
}

#[cfg(debug_assertions)]
#[test]
fn a_write_beyond_the_length_of_a_read_is_found_when_it_completes() {
    for (len, beside) in [(100, 100), (100, 355), (4000, 4000)] {
        let mut world = world(0, move |staged| {
            scribble(&staged[0], beside);
            vec![(staged[0].id, 0)]
        });
        let mut buffer = world.engine.buffer().unwrap();
        buffer.set_len(len);
        let op = Read { file: world.file.clone(), offset: 0, buffer };
        world.engine.submit(op, |_, _| ()).unwrap();
        world.assert_broken("outside of the");
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_write_to_what_is_to_be_written_is_found_when_it_completes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for vectored in [false, true] {
        let mut world = world(0, move |staged| {
            let first = staged[0];
            let vector = first.address.cast::<*mut u8>();
            // SAFETY: the vector is the operation's until the completion.
            let address = if vectored { unsafe { vector.read() } } else { first.address };
            let request = Request { address, ..first };
            scribble(&request, 7);
            vec![(first.id, 4096)]
        });
        let file = File::options().write(true).create(true).open(&path).unwrap();
        let mut buffer = world.engine.buffer().unwrap();
        buffer.fill(0);
        let submitted = if vectored {
            let buffers = BufferList::from(vec![buffer]);
            let op = WriteVectored { file, offset: 0, buffers };
            world.engine.submit(op, |_, _| ()).map_err(|refused| refused.error)
        } else {
            let op = Write { file, offset: 0, buffer };
            world.engine.submit(op, |_, _| ()).map_err(|refused| refused.error)
        };
        submitted.unwrap();
        world.assert_broken("changed before it was complete");
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_write_after_the_completion_is_found_when_the_buffer_is_taken_again() {
    let mut turns = 0;
    let mut world = world(0, move |staged| {
        turns += 1;
        if turns == 1 {
            return vec![(staged[0].id, 0)];
        }
        // The first request's buffer, which went back to the pool meanwhile.
        scribble(&staged[0], 7);
        vec![(staged[1].id, 0)]
    });
    let kept = world.engine.buffer().unwrap();
    world.read();
    world.engine.tick(Wait::AtLeast(1)).unwrap();
    world.engine.submit(Nop, |_, _| ()).unwrap();
    world.engine.tick(Wait::AtLeast(1)).unwrap();
    let taken = catch_unwind(AssertUnwindSafe(|| world.engine.buffer()));
    let panic = taken.expect_err("the buffer was written to");
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(said.contains("written to while it was free"), "{said}");
    drop(kept);
}
