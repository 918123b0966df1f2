//! Random chains under random faults, several at once, on an engine that links them and on one that
//! never does: each must come to the same outcome, and leave the same file.

use crate::chain_place::place;
use crate::scripted::{Fate, scripted};
use iomill_engine::{
    Buffer, Chain, Completion, Config, Context, CopyParts, CopyRange, DurableMethod, DurableWrite,
    Engine, File, Nop, Operation, Read, Sync, Truncate, Wait, Write,
};
use proptest::prelude::*;
use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

/// What one chain is to do, with two ranges of its file.
#[derive(Clone, Debug)]
struct Task {
    shape: u8,
    first: (u16, u16),
    second: (u16, u16),
    fates: Vec<Fate>,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Good),
        3 => (1_usize..2000).prop_map(Fate::Short),
        2 => Just(Fate::Errno(libc::EINTR)),
        2 => Just(Fate::Errno(libc::EAGAIN)),
        1 => Just(Fate::Errno(libc::EIO)),
        1 => Just(Fate::Errno(libc::EOPNOTSUPP)),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    let range = || (0_u16..3000, 1_u16..=1024);
    let fates = prop::collection::vec(fate(), 0..12);
    (0_u8..7, range(), range(), fates).prop_map(|(shape, first, second, fates)| Task {
        shape,
        first,
        second,
        fates,
    })
}

/// How each chain went: what it answered or its errno, and at which step it failed.
type Outcomes = Rc<RefCell<Vec<Option<String>>>>;

struct Run {
    engine: Engine,
    outcomes: Outcomes,
}

impl Run {
    fn buffer(&self, len: u16, fill: u8) -> Buffer {
        let mut buffer = self.engine.buffer().unwrap();
        buffer.set_len(usize::from(len));
        buffer.fill(fill);
        buffer
    }

    fn submit<O: Operation>(&mut self, op: O) {
        let number = self.outcomes.borrow().len();
        self.outcomes.borrow_mut().push(None);
        let outcomes = Rc::clone(&self.outcomes);
        let on_complete = move |done: Completion<O>, _: &mut Context<'_>| {
            let told = match done.result {
                Ok(output) => format!("{output:?}"),
                Err(error) => {
                    let moved = error.transferred_bytes();
                    format!("step {:?}: {:?} after {moved}", error.failed_step(), error.errno())
                }
            };
            let earlier = outcomes.borrow_mut()[number].replace(told);
            assert_eq!(earlier, None, "called back twice");
        };
        self.engine.submit(op, on_complete).map_err(|refused| refused.error).unwrap();
    }

    fn begin(&mut self, file: &File, task: &Task) {
        let ((at, len), (then, later_len)) = (task.first, task.second);
        let write = |run: &Self, offset: u16, len, fill| Write {
            file: file.clone(),
            offset: u64::from(offset),
            buffer: run.buffer(len, fill),
        };
        let read = |run: &Self, offset: u16, len| Read {
            file: file.clone(),
            offset: u64::from(offset),
            buffer: run.buffer(len, 0),
        };
        let sync = || Sync { file: file.clone(), data_only: true };
        match task.shape {
            0 => self.submit(Chain::new((write(self, at, len, 1), sync()))),
            1 => {
                let (first, second) = (write(self, at, len, 2), write(self, then, later_len, 3));
                self.submit(Chain::new((first, second, sync(), read(self, at, later_len))));
            }
            2 => {
                let len_bytes = u64::from(then);
                let truncate = Truncate { file: file.clone(), len_bytes };
                let (read, write) = (read(self, at, len), write(self, at, later_len, 4));
                self.submit(Chain::new((read, truncate, write, sync(), Nop)));
            }
            3 => self.submit(CopyRange::new(CopyParts {
                from: file.clone(),
                from_offset: u64::from(at),
                to: file.clone(),
                to_offset: u64::from(then),
                buffer: self.buffer(len, 0),
            })),
            shape => {
                file.set_durable_method(match shape {
                    4 => DurableMethod::Dsync,
                    5 => DurableMethod::LinkedSync,
                    _ => DurableMethod::LaterSync,
                });
                let Write { file, offset, buffer } = write(self, at, len, 5);
                self.submit(DurableWrite { file, offset, buffer });
            }
        }
    }
}

/// Carries the tasks out at once; answers their outcomes and what is in their files.
fn carry_out(tasks: &[Task], links: bool, depth: u32) -> (Vec<Option<String>>, Vec<Vec<u8>>) {
    let config = Config::new().depth(depth).capacity(64).buffers(32, 1024);
    let (engine, script) = scripted(&config, links);
    let mut run = Run { engine, outcomes: Outcomes::default() };
    let places: Vec<_> = tasks.iter().map(|_| place(&[9; 2500])).collect();
    for (place, task) in places.iter().zip(tasks) {
        let fd = place.file.as_fd().as_raw_fd();
        script.borrow_mut().fates_of.insert(fd, task.fates.clone().into());
        run.begin(&place.file, task);
    }
    while run.engine.in_flight() > 0 {
        run.engine.tick(Wait::AtLeast(1)).unwrap();
        let script = script.borrow();
        assert!(links || script.begun.iter().all(|seen| !seen.linked));
    }
    let outcomes = run.outcomes.take();
    assert!(outcomes.iter().all(Option::is_some), "each is called back");
    (outcomes, places.iter().map(|place| std::fs::read(&place.path).unwrap()).collect())
}

proptest! {
    #[test]
    fn linked_and_unlinked_chains_come_to_the_same(
        tasks in prop::collection::vec(task(), 1..5), depth in 1_u32..12
    ) {
        prop_assert_eq!(carry_out(&tasks, true, depth), carry_out(&tasks, false, 3));
    }
}
