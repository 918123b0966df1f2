//! An engine whose backend never completes: dropping it must not free what is in flight.

use iomill_engine::backend::{Backend, Completion, Memory, Request};
use iomill_engine::{Config, Engine, Error, ErrorKind, File, Nop, Wait, Write};
use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

/// Takes requests and keeps them.
#[derive(Debug, Default)]
pub(crate) struct Stuck {
    requests: Rc<RefCell<Vec<Request>>>,
    dropped: Rc<Cell<bool>>,
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.dropped.set(true);
    }
}

// SAFETY: it touches no memory and yields no completion.
unsafe impl Backend for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
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
        self.requests.borrow_mut().extend_from_slice(batch);
        batch.len()
    }

    fn cancel(&mut self, _id: u64) -> bool {
        true
    }

    fn enter(&mut self, wait: Wait, _completions: &mut Vec<Completion>) -> Result<(), Error> {
        if let Wait::For { timeout, .. } = wait {
            std::thread::sleep(timeout);
        }
        Ok(())
    }
}

#[test]
fn a_shutdown_at_its_deadline_cancels_what_waits_and_leaks_what_is_in_flight() {
    let stuck = Stuck::default();
    let (requests, dropped) = (Rc::clone(&stuck.requests), Rc::clone(&stuck.dropped));
    let config = Config::new().depth(1).capacity(2).buffers(1, 4096);
    let mut engine = Engine::with_backend(&config, Box::new(stuck)).unwrap();
    let mut temporary = tempfile::NamedTempFile::new().unwrap();
    temporary.write_all(b"old").unwrap();
    let file = File::options().write(true).open(temporary.path()).unwrap();

    let mut buffer = engine.buffer().unwrap();
    buffer.fill(7);
    let (called, cancelled) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let called_in = Rc::clone(&called);
    engine.submit(Write { file, offset: 0, buffer }, move |_, _| called_in.set(true)).unwrap();
    let cancelled_in = Rc::clone(&cancelled);
    engine
        .submit(Nop, move |done, cx| {
            assert_eq!(done.result.unwrap_err().kind(), ErrorKind::Cancelled);
            let refused = cx.submit(Nop, |_, _| ()).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::Closing);
            cancelled_in.set(true);
        })
        .unwrap();
    engine.tick(Wait::None).unwrap();

    let report = engine.shutdown(Duration::from_millis(10));
    assert_eq!((report.drained, report.cancelled, report.leaked), (1, 1, 1));
    assert!(cancelled.get(), "what had not started is called back");
    assert!(!called.get(), "the buffer must not come back: the kernel may still read it");
    assert!(!dropped.get(), "the backend lives on");
    let request = requests.borrow()[0];
    // SAFETY: what this test is about: the buffer of a leaked request is still mapped and ours.
    let byte = unsafe { request.address.read_volatile() };
    assert_eq!(byte, 7);
}

#[test]
fn a_shutdown_with_nothing_in_flight_drops_the_backend() {
    let stuck = Stuck::default();
    let dropped = Rc::clone(&stuck.dropped);
    let engine = Engine::with_backend(&Config::new(), Box::new(stuck)).unwrap();
    let report = engine.shutdown(Duration::from_millis(10));
    assert_eq!((report.drained, report.leaked), (0, 0));
    assert!(dropped.get());
}
