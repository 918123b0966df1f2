//! Random requests of several files through an engine to a simulated disk, each answer and each
//! power failure checked against `sim_oracle`. Driven by the tests in `sim`; decides nothing but
//! what to ask for.

use crate::sim_oracle::{GRANULE_LEN_BYTES, Oracle};
use iomill_engine::backend::sim::{SimDisk, SimOptions};
use iomill_engine::{
    Append, Buffer, Config, Engine, Error, ErrorKind, File, OpId, Read, Sync, Truncate, Wait,
    Write, WriteFlags, WriteWith,
};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

const FILES: u64 = 4;
/// 16 sectors.
const FILE_LEN_MAX_BYTES: u64 = 8192;
const TRANSFER_LEN_MAX_BYTES: u64 = 4096;

/// Numbers from splitmix64.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// One file and what it may hold.
struct Lane {
    name: String,
    file: File,
    oracle: Rc<RefCell<Oracle>>,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) submitted: u64,
    pub(crate) failed: u64,
    /// Requests that were asked to be given up.
    pub(crate) cancelled: u64,
    /// Requests whose deadline passed first.
    pub(crate) overdue: u64,
    /// Runs that were made twice.
    pub(crate) repeated: u64,
    pub(crate) crashes: u64,
    /// Power failures that lost something.
    pub(crate) losses: u64,
    pub(crate) virtual_ns: u64,
}

/// A run under way.
pub(crate) struct Workload {
    disk: SimDisk,
    engine: Engine,
    lanes: Vec<Lane>,
    dice: Dice,
    called: Rc<Cell<u64>>,
    failed: Rc<Cell<u64>>,
    overdue: Rc<Cell<u64>>,
    outcome: Outcome,
    /// The last request, to be cancelled.
    last: Option<OpId>,
}

impl Workload {
    pub(crate) fn new(options: SimOptions) -> Self {
        let seed = options.seed;
        let disk = SimDisk::new(options);
        let mut dice = Dice(seed);
        let depth = 1 + u32::try_from(dice.below(16)).unwrap();
        let config = Config::new().depth(depth).capacity(64).buffers(64, 4096);
        let engine = Engine::with_backend(&config, disk.backend()).unwrap();
        let lanes = (0..FILES).map(|index| {
            let (name, len) = (format!("file-{index}"), dice.below(FILE_LEN_MAX_BYTES));
            let file = disk.create(&name, len).unwrap();
            let granules = usize::try_from(FILE_LEN_MAX_BYTES / GRANULE_LEN_BYTES).unwrap();
            Lane { name, file, oracle: Rc::new(RefCell::new(Oracle::new(len, granules))) }
        });
        let lanes = lanes.collect();
        let (called, failed, overdue, outcome, last) = Default::default();
        Self { disk, engine, lanes, dice, called, failed, overdue, outcome, last }
    }

    /// So many steps, and then everything has to end. Answers what came of it and the history.
    pub(crate) fn run(mut self, steps: u32) -> (Outcome, String) {
        for _ in 0..steps {
            let lane = usize::try_from(self.dice.below(FILES)).unwrap();
            match self.dice.below(16) {
                0..=5 => self.write(lane),
                6 => self.append(lane),
                7..=9 => self.sync(lane),
                10 => self.truncate(lane),
                11..=12 => self.read(lane),
                13 => self.power_failure(),
                14 => self.cancel(),
                _ => {
                    // Callers are idle most of the time.
                    self.disk.advance(Duration::from_millis(self.dice.below(6000)));
                    self.engine.tick(Wait::AtLeast(1)).unwrap();
                }
            }
        }
        self.engine.drain().unwrap();
        self.power_failure();
        assert_eq!(self.called.get(), self.outcome.submitted, "each calls back exactly once");
        self.disk.calm();
        for lane in 0..self.lanes.len() {
            self.read(lane);
        }
        let failed = self.failed.get();
        self.engine.drain().unwrap();
        assert_eq!(self.failed.get(), failed, "a calm disk serves every read");
        let (overdue, virtual_ns) = (self.overdue.get(), self.disk.now_ns());
        let outcome = Outcome { failed, overdue, virtual_ns, ..self.outcome };
        (outcome, self.disk.history().to_string())
    }

    /// Several states that a power failure may leave now, each checked.
    fn power_failure(&mut self) {
        for _ in 0..2 {
            let left = self.disk.crash(self.dice.below(u64::MAX)).unwrap();
            self.outcome.crashes += 1;
            let mut lost = false;
            for Lane { name, oracle, .. } in &self.lanes {
                let bytes = left.contents(name).expect("its name is durable");
                lost |= Some(&bytes) != self.disk.contents(name).as_ref();
                if let Err(why) = oracle.borrow().check_left(&bytes) {
                    panic!("{name} after a power failure: {why}\n{}", self.disk.history());
                }
            }
            self.outcome.losses += u64::from(lost);
        }
    }

    /// Gives the last request up, if it is still there; half of the time after it has begun.
    fn cancel(&mut self) {
        if self.dice.below(2) == 0 {
            self.engine.tick(Wait::None).unwrap();
        }
        if let Some(id) = self.last.take() {
            self.outcome.cancelled += u64::from(self.engine.cancel(id));
        }
    }

    /// A buffer, after some turns if there is none.
    fn buffer(&mut self, len: u64) -> Buffer {
        loop {
            if let Some(mut buffer) = self.engine.buffer() {
                buffer.set_len(usize::try_from(len).unwrap());
                return buffer;
            }
            self.engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }

    /// Room for one more, its number, and what its callback tells.
    fn next(&mut self) -> (u64, impl Fn(Option<&Error>) + use<>) {
        while self.engine.in_flight() >= 60 {
            self.engine.tick(Wait::AtLeast(1)).unwrap();
        }
        let (called, failed) = (Rc::clone(&self.called), Rc::clone(&self.failed));
        let overdue = Rc::clone(&self.overdue);
        let on_end = move |error: Option<&Error>| {
            called.set(called.get() + 1);
            if let Some(error) = error {
                // A sync is poisoned if another one of its file has failed meanwhile.
                let expected = [
                    ErrorKind::Poisoned,
                    ErrorKind::Io,
                    ErrorKind::NoSpace,
                    ErrorKind::Cancelled,
                    ErrorKind::DeadlineExceeded,
                ];
                assert!(expected.contains(&error.kind()), "nobody has asked for {error}");
                failed.set(failed.get() + 1);
                overdue.set(overdue.get() + u64::from(error.kind() == ErrorKind::DeadlineExceeded));
            }
        };
        self.outcome.submitted += 1;
        (self.outcome.submitted, on_end)
    }

    /// A range of granules within the longest length.
    fn range(&mut self) -> Range<u64> {
        let begin = self.dice.below(FILE_LEN_MAX_BYTES / GRANULE_LEN_BYTES) * GRANULE_LEN_BYTES;
        let len =
            (1 + self.dice.below(TRANSFER_LEN_MAX_BYTES / GRANULE_LEN_BYTES)) * GRANULE_LEN_BYTES;
        begin..(begin + len).min(FILE_LEN_MAX_BYTES)
    }

    /// How long a request may take: a millisecond to a day.
    fn limit(&mut self) -> Duration {
        match self.dice.below(4) {
            0 => Duration::from_millis(1 << self.dice.below(12)),
            _ => Duration::from_secs(86_400),
        }
    }

    fn fill(&mut self) -> u8 {
        1 + u8::try_from(self.dice.below(255)).unwrap()
    }

    fn write(&mut self, lane: usize) {
        let (range, fill, durable) = (self.range(), self.fill(), self.dice.below(4) == 0);
        let oracle = Rc::clone(&self.lanes[lane].oracle);
        if oracle.borrow().overlaps(&range) {
            return;
        }
        let mut buffer = self.buffer(range.end - range.start);
        buffer.fill(fill);
        let (id, on_end) = self.next();
        // The turns may have completed something, but begun nothing.
        oracle.borrow_mut().write_begins(id, range.clone(), fill);
        let (file, offset, limit) = (self.file(lane), range.start, self.limit());
        if durable {
            let op = WriteWith { file, offset, buffer, flags: WriteFlags::DSYNC };
            let id = self
                .engine
                .submit(op, move |done, _| {
                    on_end(done.result.as_ref().err());
                    oracle.borrow_mut().change_ends(id, done.result.is_ok(), true);
                })
                .unwrap();
            self.last = Some(id);
        } else {
            let id = self
                .engine
                .submit_within(Write { file, offset, buffer }, limit, move |done, _| {
                    on_end(done.result.as_ref().err());
                    oracle.borrow_mut().change_ends(id, done.result.is_ok(), false);
                })
                .unwrap();
            self.last = Some(id);
        }
    }

    /// The lane's file, opened anew where a sync of it has failed.
    fn file(&mut self, lane: usize) -> File {
        let lane = &mut self.lanes[lane];
        if lane.file.is_poisoned() {
            lane.file = self.disk.open_again(&lane.name).unwrap();
        }
        lane.file.clone()
    }

    fn append(&mut self, lane: usize) {
        let oracle = Rc::clone(&self.lanes[lane].oracle);
        let (fill, most) = (self.fill(), 1 + self.dice.below(2000));
        let Some(end) = oracle.borrow().len() else { return };
        let len = most.min(FILE_LEN_MAX_BYTES - end);
        if oracle.borrow().is_changing() || len == 0 {
            return;
        }
        let mut buffer = self.buffer(len);
        buffer.fill(fill);
        let (id, on_end) = self.next();
        oracle.borrow_mut().append_begins(id, end..end + len, fill);
        let file = self.file(lane);
        let id = self
            .engine
            .submit(Append { file, buffer }, move |done, _| {
                on_end(done.result.as_ref().err());
                oracle.borrow_mut().change_ends(id, done.result.is_ok(), false);
            })
            .unwrap();
        self.last = Some(id);
    }

    fn truncate(&mut self, lane: usize) {
        let oracle = Rc::clone(&self.lanes[lane].oracle);
        let len_bytes = self.dice.below(FILE_LEN_MAX_BYTES);
        if !oracle.borrow().is_idle() {
            return;
        }
        let (id, on_end) = self.next();
        oracle.borrow_mut().cut_begins(id, len_bytes, FILE_LEN_MAX_BYTES);
        let file = self.file(lane);
        let id = self
            .engine
            .submit(Truncate { file, len_bytes }, move |done, _| {
                on_end(done.result.as_ref().err());
                oracle.borrow_mut().change_ends(id, done.result.is_ok(), false);
            })
            .unwrap();
        self.last = Some(id);
    }

    fn sync(&mut self, lane: usize) {
        let oracle = Rc::clone(&self.lanes[lane].oracle);
        let data_only = self.dice.below(2) == 0;
        let (id, on_end) = self.next();
        oracle.borrow_mut().sync_begins(id);
        let (file, limit) = (self.file(lane), self.limit());
        let id = self
            .engine
            .submit_within(Sync { file, data_only }, limit, move |done, _| {
                on_end(done.result.as_ref().err());
                oracle.borrow_mut().sync_ends(id, done.result.is_ok());
            })
            .unwrap();
        self.last = Some(id);
    }

    fn read(&mut self, lane: usize) {
        let (oracle, range) = (Rc::clone(&self.lanes[lane].oracle), self.range());
        while oracle.borrow().is_changing() {
            self.engine.tick(Wait::AtLeast(1)).unwrap();
        }
        let buffer = self.buffer(range.end - range.start);
        let (_, on_end) = self.next();
        let file = self.file(lane);
        let id = self
            .engine
            .submit(Read { file, offset: range.start, buffer }, move |done, _| {
                on_end(done.result.as_ref().err());
                let Ok(count) = done.result else { return };
                let bytes = &done.op.buffer[..count as usize];
                let checked =
                    oracle.borrow().check_read(range.start, range.end - range.start, bytes);
                assert_eq!(checked, Ok(()));
            })
            .unwrap();
        self.last = Some(id);
        // Until it is done, nothing changes under it.
        self.engine.drain().unwrap();
    }
}
