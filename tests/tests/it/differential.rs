//! Random programs of reads, writes and syncs, run by each backend and by a plain model in memory:
//! with the lanes that the engine chooses, without any, and with tables at random; also on
//! simulated disks that fail, where each request that fails is asked for again.
//!
//! It never lets two requests in flight overlap where one of them writes, because then the kernel
//! itself would promise nothing. A failure prints its seed; `IOMILL_SEED=<seed>` runs it again.
//! `IOMILL_PROGRAMS=<number>` sets how many are run: fewer on an emulated machine, more overnight.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use iomill_engine::backend::sim::{Faults, SimOptions};
use iomill_engine::{
    Completion, Context, Engine, Error, ErrorKind, File, FileSystem, LaneOp, LaneTable, Lanes,
    Operation, QueueLength, Read, Route, Sync, Wait, Write,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use crate::contract::subject::{Subject, contents, open_for_writing, pattern};

const FILE_LEN_BYTES: usize = 96 * 1024;
const TRANSFER_LEN_BYTES_MAX: u32 = 12 * 1024;
/// About five seconds per backend, unoptimized, on two slow cores.
const PROGRAMS: u32 = 400;

/// As many as `IOMILL_PROGRAMS` says, at least one.
fn programs_wanted() -> u32 {
    std::env::var("IOMILL_PROGRAMS").map_or(PROGRAMS, |text| {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.expect("IOMILL_PROGRAMS is a number above 0")
    })
}

#[derive(Clone, Debug)]
enum Step {
    Read { offset: usize, len: usize },
    Write { offset: usize, len: usize, byte: u8 },
    Sync { data_only: bool },
    Drain,
}

#[derive(Clone, Debug)]
struct Program {
    depth: u32,
    fixed_buffers: bool,
    registered_file: bool,
    /// Of the simulated disk with faults, where there is one.
    disk_seed: u64,
    choice: Choice,
    steps: Vec<Step>,
}

/// Who chooses the lanes.
#[derive(Clone, Debug)]
enum Choice {
    Engine,
    Nobody,
    /// A table whose cells take these routes in turn.
    Table(Vec<Route>),
}

impl Choice {
    fn lanes(&self) -> Lanes {
        let routes = match self {
            Choice::Engine => return Lanes::Auto,
            Choice::Nobody => return Lanes::Off,
            Choice::Table(routes) => routes,
        };
        let mut routes = routes.iter().cycle();
        let mut table = LaneTable::backend_only();
        for op in LaneOp::ALL {
            for file_system in FileSystem::ALL {
                for queue in QueueLength::ALL {
                    let route = *routes.next().expect("at least one");
                    table.set(op, file_system, false, queue, route);
                }
            }
        }
        Lanes::Fixed(Box::new(table))
    }
}

fn choices() -> impl Strategy<Value = Choice> {
    let route = prop_oneof![
        Just(Route::Backend),
        Just(Route::Inline),
        Just(Route::IfCached),
        Just(Route::IfAwaited),
        Just(Route::Helpers),
    ];
    // A prime number, so that the routes shift from row to row.
    let table = prop::collection::vec(route, 13).prop_map(Choice::Table);
    prop_oneof![1 => Just(Choice::Engine), 1 => Just(Choice::Nobody), 2 => table]
}

fn steps() -> impl Strategy<Value = Step> {
    // Reads may begin behind the end; both may cross it, so that files grow and reads run short.
    let offset = prop_oneof![
        4 => 0..FILE_LEN_BYTES,
        1 => (0..FILE_LEN_BYTES / 4096).prop_map(|page| page * 4096),
        1 => FILE_LEN_BYTES..FILE_LEN_BYTES + 20_000,
    ];
    let max = usize::try_from(TRANSFER_LEN_BYTES_MAX).expect("a small number");
    let len = prop_oneof![3 => 1..600_usize, 2 => 1..=max, 1 => Just(4096)];
    prop_oneof![
        8 => (offset.clone(), len.clone()).prop_map(|(offset, len)| Step::Read { offset, len }),
        8 => (offset, len, any::<u8>())
            .prop_map(|(offset, len, byte)| Step::Write { offset, len, byte }),
        1 => any::<bool>().prop_map(|data_only| Step::Sync { data_only }),
        1 => Just(Step::Drain),
    ]
}

fn programs() -> impl Strategy<Value = Program> {
    let depth = prop_oneof![Just(1), Just(2), Just(3), Just(8), Just(32), Just(100)];
    let steps = prop::collection::vec(steps(), 1..150);
    (depth, any::<bool>(), any::<bool>(), any::<u64>(), choices(), steps).prop_map(
        |(depth, fixed_buffers, registered_file, disk_seed, choice, steps)| Program {
            depth,
            fixed_buffers,
            registered_file,
            disk_seed,
            choice,
            steps,
        },
    )
}

/// The engine beside its model: what the file must hold, and which ranges are on their way.
struct Run {
    engine: Engine,
    file: File,
    model: Vec<u8>,
    in_flight: Vec<(Range<usize>, bool)>,
    /// Whether a write that lengthens the file is in flight: a read beyond the old end would see
    /// either length.
    lengthens: bool,
    wrong: Rc<RefCell<Vec<String>>>,
    /// How many requests have failed on a disk that may fail them; `None` on any other.
    failures: Option<Rc<Cell<u32>>>,
}

impl Run {
    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match *step {
            Step::Read { offset, len } => {
                self.make_room(offset..offset + len, false)?;
                let end = self.model.len().min(offset + len);
                let wanted = self.model.get(offset..end).unwrap_or_default().to_vec();
                let buffer = self.buffer(len)?;
                let read = Read { file: self.file.clone(), offset: offset as u64, buffer };
                let wrong = Rc::clone(&self.wrong);
                self.submit(read, move |completion| match completion.result {
                    Ok(count) if completion.op.buffer[..count as usize] == wanted => {}
                    other => wrong.borrow_mut().push(format!("read {len} at {offset}: {other:?}")),
                })
            }
            Step::Write { offset, len, byte } => {
                self.make_room(offset..offset + len, true)?;
                // No two places and no two steps look alike, so that no mistake hides.
                let bytes: Vec<u8> = (0..len)
                    .map(|at| byte.wrapping_add(u8::try_from(at % 251).expect("below 251")))
                    .collect();
                if self.model.len() < offset + len {
                    self.model.resize(offset + len, 0);
                }
                self.model[offset..offset + len].copy_from_slice(&bytes);
                let mut buffer = self.buffer(len)?;
                buffer.copy_from_slice(&bytes);
                let write = Write { file: self.file.clone(), offset: offset as u64, buffer };
                let wrong = Rc::clone(&self.wrong);
                self.submit(write, move |completion| match completion.result {
                    Ok(count) if count as usize == len => {}
                    other => wrong.borrow_mut().push(format!("write {len} at {offset}: {other:?}")),
                })
            }
            Step::Sync { data_only } => {
                if self.failures.is_some() {
                    // A failed sync poisons the file for what would have to be asked for again.
                    self.drain()?;
                }
                let wrong = Rc::clone(&self.wrong);
                let sync = Sync { file: self.file.clone(), data_only };
                self.submit(sync, move |completion| {
                    if let Err(error) = completion.result {
                        wrong.borrow_mut().push(format!("sync: {error}"));
                    }
                })?;
                if self.failures.is_some() {
                    self.drain()?;
                    if self.file.is_poisoned() {
                        self.file = open_for_writing(self.file.path());
                    }
                }
                Ok(())
            }
            Step::Drain => self.drain(),
        }
    }

    /// Drains where this range may not be in flight beside what already is, then books it.
    fn make_room(&mut self, range: Range<usize>, writes: bool) -> Result<(), Error> {
        let lengthens = writes && range.end > self.model.len();
        let overlaps = |other: &Range<usize>| range.start < other.end && other.start < range.end;
        let conflict = self
            .in_flight
            .iter()
            .any(|(other, other_writes)| (writes || *other_writes) && overlaps(other));
        if conflict || self.lengthens || (lengthens && !self.in_flight.is_empty()) {
            self.drain()?;
        }
        self.lengthens = lengthens;
        self.in_flight.push((range, writes));
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        self.engine.drain()?;
        self.in_flight.clear();
        self.lengthens = false;
        Ok(())
    }

    fn buffer(&mut self, len: usize) -> Result<iomill_engine::Buffer, Error> {
        loop {
            if let Some(mut buffer) = self.engine.buffer() {
                buffer.set_len(len);
                return Ok(buffer);
            }
            self.engine.tick(Wait::AtLeast(1))?;
        }
    }

    /// Submits, and where the engine is full lets it finish something first.
    fn submit<O: Operation + 'static>(
        &mut self,
        op: O,
        on_complete: impl FnOnce(Completion<O>) + 'static,
    ) -> Result<(), Error> {
        // Boxed, because what a comparison holds is larger than a callback may be.
        let on_complete: Box<dyn FnOnce(Completion<O>)> = Box::new(on_complete);
        let failures = self.failures.clone();
        let mut next = (op, move |completion, context: &mut Context<'_>| {
            insist(completion, context, failures, on_complete);
        });
        loop {
            match self.engine.submit(next.0, next.1) {
                Ok(_) => return Ok(()),
                Err(refused) if refused.error.kind() == ErrorKind::Full => {
                    self.engine.tick(Wait::AtLeast(1))?;
                    next = (refused.op, refused.on_complete);
                }
                Err(refused) => return Err(refused.error),
            }
        }
    }
}

/// Asks again for what a disk with faults has failed.
fn insist<O: Operation + 'static>(
    completion: Completion<O>,
    context: &mut Context<'_>,
    failures: Option<Rc<Cell<u32>>>,
    on_complete: Box<dyn FnOnce(Completion<O>)>,
) {
    let failed = |error: &Error| matches!(error.kind(), ErrorKind::Io | ErrorKind::NoSpace);
    let Some(failures) = failures.filter(|_| completion.result.as_ref().is_err_and(failed)) else {
        return on_complete(completion);
    };
    failures.set(failures.get() + 1);
    let again = context.submit(completion.op, move |completion, context| {
        insist(completion, context, Some(failures), on_complete);
    });
    if let Err(refused) = again {
        // A failed sync, which nothing may follow on this handle.
        assert_eq!(refused.error.kind(), ErrorKind::Poisoned);
    }
}

fn run_program(
    subject: &Subject,
    program: &Program,
    failures: Option<Rc<Cell<u32>>>,
) -> TestCaseResult {
    let start = pattern(FILE_LEN_BYTES / 2);
    let path = subject.file("data", &start);
    let config = subject.config().depth(program.depth).fixed_buffers(program.fixed_buffers);
    let config = config.lanes(program.choice.lanes());
    // Fewer buffers than requests may be in flight, so that the pool runs dry as well.
    let count = program.depth + 1;
    let mut engine = config.buffers(count, TRANSFER_LEN_BYTES_MAX).start().expect("it starts");
    let mut file = open_for_writing(&path);
    if program.registered_file {
        file = engine.register_file(&file).expect("a free slot");
    }
    let wrong = Rc::default();
    let in_flight = Vec::new();
    let mut run = Run { engine, file, model: start, in_flight, lengthens: false, wrong, failures };
    for step in &program.steps {
        run.step(step).map_err(|error| TestCaseError::fail(format!("{step:?}: {error}")))?;
    }
    run.drain().map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(run.wrong.borrow().is_empty(), "{:?}", run.wrong.borrow());
    prop_assert!(contents(&path) == run.model, "the file is not the model");
    Ok(())
}

fn compare_with_the_model(run: impl Fn(&Program) -> TestCaseResult) {
    let seed = match std::env::var("IOMILL_SEED") {
        Ok(text) => text.parse::<u64>().expect("IOMILL_SEED is a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
        }
    };
    println!("random programs from IOMILL_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: programs_wanted(), failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&programs(), |program| run(&program));
    if let Err(failure) = outcome {
        panic!("IOMILL_SEED={seed}: {failure}");
    }
}

#[test]
fn random_programs_match_the_model_on_io_uring() {
    if let Some(subject) = Subject::io_uring() {
        compare_with_the_model(|program| run_program(&subject, program, None));
    }
}

#[test]
fn random_programs_match_the_model_on_threads() {
    let subject = Subject::threads();
    compare_with_the_model(|program| run_program(&subject, program, None));
}

#[test]
fn random_programs_match_the_model_on_a_simulated_disk() {
    compare_with_the_model(|program| run_program(&Subject::sim(), program, None));
}

#[test]
fn random_programs_match_the_model_on_simulated_disks_with_faults() {
    let (failures, retries) = (Rc::new(Cell::new(0)), Cell::new(0));
    compare_with_the_model(|program| {
        let options = SimOptions::swarm(program.disk_seed);
        // What fails at each try would be asked for again for ever.
        let faults = Faults { bad_range: 0.0, ..options.faults };
        let subject = Subject::sim_with(SimOptions { faults, ..options });
        run_program(&subject, program, Some(Rc::clone(&failures)))?;
        let counts = subject.disk().expect("a simulated one").fault_counts();
        retries.set(retries.get() + counts.short_transfer + counts.try_again + counts.interrupted);
        Ok(())
    });
    let (failures, retries) = (failures.get(), retries.get());
    println!("{failures} requests failed and {retries} were to be continued");
    assert!(failures > 100 && retries > 1000, "the faults have happened");
}
