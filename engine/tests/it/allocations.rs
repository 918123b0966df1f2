//! Between `submit` and the callback nothing allocates, and a batch costs at most one
//! `io_uring_enter`: on every backend, at a steady state.

use iomill_engine::depth::Target;
use iomill_engine::{
    BackendChoice, Buffer, Chain, Completion, Config, Context, DurableWrite, Engine, File, Lane,
    LaneOp, LaneTable, Lanes, Read, ReadWhole, Route, Sync, Wait, Write,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of the thread that asks for it.
struct Counting;

thread_local! {
    /// `Some` while the thread counts.
    pub(crate) static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more, and does not count.
        let _ = COUNTED.try_with(|counted| counted.set(counted.get().map(|count| count + 1)));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads the next block, for ever, with the same file handle and buffer.
fn again(done: Completion<Read>, cx: &mut Context<'_>) {
    assert_eq!(done.result.unwrap(), 4096);
    let mut op = done.op;
    op.offset = (op.offset + 4096) % (64 * 4096);
    cx.submit(op, again).unwrap();
}

fn engine(backend: BackendChoice, is_adaptive: bool) -> Option<Engine> {
    let config = Config::new().backend(backend);
    // With a latency target, the part of the rule that works at every reap.
    let target = Target::Percentile { percent: 99.0, limit_ns: 50_000 };
    let config = if is_adaptive { config.adaptive(1..=16, target) } else { config.depth(16) };
    match config.start() {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("skipped {backend:?}: {error}");
            None
        }
    }
}

/// An adaptive depth learns only while requests wait.
fn engine_lanes(is_adaptive: bool) -> u64 {
    if is_adaptive { 32 } else { 16 }
}

#[test]
fn memory_of_the_callers_is_used_again_and_again_without_an_allocation() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), vec![1; 64 * 4096]).unwrap();
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let Some(mut engine) = engine(backend, false) else { continue };
        let file = File::open(temporary.path()).unwrap();
        let submit = |engine: &mut Engine, buffer| {
            engine.submit(Read { file: file.clone(), offset: 0, buffer }, again).unwrap();
        };
        for _ in 0..16 {
            // A vector goes in and comes out without an allocation too.
            let vector = Buffer::from(vec![0; 4096]);
            COUNTED.set(Some(0));
            let vector = Buffer::from_capacity(vector.into_vec().unwrap());
            assert_eq!(COUNTED.take(), Some(0));
            submit(&mut engine, vector);
        }
        for _ in 0..100 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
        COUNTED.set(Some(0));
        let mut completed = 0;
        for _ in 0..1000 {
            completed += engine.tick(Wait::AtLeast(1)).unwrap().completed;
        }
        let counted = COUNTED.take();
        assert!(completed >= 1000);
        assert_eq!(counted, Some(0), "allocations on {backend:?}");
    }
}

#[test]
fn a_request_allocates_nothing_and_a_batch_enters_the_kernel_at_most_once() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), vec![1; 64 * 4096]).unwrap();
    let backends = [BackendChoice::IoUring, BackendChoice::Threads];
    for (backend, is_adaptive) in backends.into_iter().flat_map(|b| [(b, false), (b, true)]) {
        let Some(mut engine) = engine(backend, is_adaptive) else { continue };
        let file = engine.register_file(&File::open(temporary.path()).unwrap()).unwrap();
        for index in 0..engine_lanes(is_adaptive) {
            let buffer = engine.buffer().unwrap();
            engine
                .submit(Read { file: file.clone(), offset: index % 64 * 4096, buffer }, again)
                .unwrap();
        }
        for _ in 0..100 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
        engine.reset_metrics();
        COUNTED.set(Some(0));
        let mut completed = 0;
        for _ in 0..1000 {
            completed += engine.tick(Wait::AtLeast(1)).unwrap().completed;
        }
        let counted = COUNTED.take();
        assert!(completed >= 1000);
        assert_eq!(counted, Some(0), "allocations on {backend:?}, adaptive: {is_adaptive}");
        if backend == BackendChoice::IoUring {
            assert!(engine.metrics().enters <= 1000, "{} enters", engine.metrics().enters);
        }
    }
}

/// Reads the file whole, for ever, with the same path and buffer.
fn whole_again(done: Completion<ReadWhole>, cx: &mut Context<'_>) {
    assert_eq!(done.result.unwrap(), 1000);
    cx.submit(done.op, whole_again).unwrap();
}

#[test]
fn a_file_that_is_read_whole_allocates_nothing_in_one_run_and_in_parts() {
    let temporary = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(temporary.path(), [1; 1000]).unwrap();
    for (backend, at_once) in
        [BackendChoice::IoUring, BackendChoice::Threads].into_iter().flat_map(|b| [(b, 3), (b, 5)])
    {
        let Some(mut engine) = engine(backend, false) else { continue };
        for _ in 0..at_once {
            let op = ReadWhole::new(temporary.path(), engine.buffer().unwrap()).unwrap();
            engine.submit(op, whole_again).unwrap();
        }
        for _ in 0..200 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
        COUNTED.set(Some(0));
        let mut completed = 0;
        for _ in 0..1000 {
            completed += engine.tick(Wait::AtLeast(1)).unwrap().completed;
        }
        let counted = COUNTED.take();
        assert!(completed >= 100, "{completed}");
        assert_eq!(counted, Some(0), "allocations on {backend:?}, {at_once} files at once");
    }
}

#[test]
fn no_lane_allocates() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), vec![1; 64 * 4096]).unwrap();
    let routes = [
        (Route::Inline, Lane::Inline),
        (Route::IfCached, Lane::Inline),
        (Route::Helpers, Lane::Helper),
    ];
    for (route, lane) in routes {
        let mut table = LaneTable::backend_only();
        table.set_everywhere(LaneOp::Read, route);
        let config = Config::new().backend(BackendChoice::IoUring).depth(16);
        let mut engine = match config.lanes(Lanes::Fixed(Box::new(table))).start() {
            Ok(engine) => engine,
            Err(error) => return eprintln!("skipped lanes beside a ring: {error}"),
        };
        let file = engine.register_file(&File::open(temporary.path()).unwrap()).unwrap();
        for index in 0..16 {
            let (file, buffer) = (file.clone(), engine.buffer().unwrap());
            engine.submit(Read { file, offset: index * 4096, buffer }, again).unwrap();
        }
        for _ in 0..100 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
        engine.reset_metrics();
        COUNTED.set(Some(0));
        let mut completed = 0;
        while completed < 1000 {
            completed += u64::from(engine.tick(Wait::AtLeast(1)).unwrap().completed);
        }
        assert_eq!(COUNTED.take(), Some(0), "allocations on {route:?}");
        let lanes = engine.metrics().read.lanes;
        let on_lane = if lane == Lane::Helper { lanes.helper } else { lanes.inline };
        assert_eq!(on_lane, completed, "{route:?}: {lanes:?}");
    }
}

type Journal = Chain<(Write, Sync, Read)>;

/// Writes, syncs and reads the same block, for ever, by the same chain.
fn chain_again(done: Completion<Journal>, cx: &mut Context<'_>) {
    assert_eq!(done.result.unwrap(), (4096, (), 4096));
    cx.submit(done.op, chain_again).unwrap();
}

/// Overwrites the same block durably, for ever.
fn durable_again(done: Completion<DurableWrite>, cx: &mut Context<'_>) {
    assert_eq!(done.result.unwrap(), 4096);
    cx.submit(done.op, durable_again).unwrap();
}

#[test]
fn a_chain_that_is_used_again_allocates_nothing() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), vec![1; 8 * 4096]).unwrap();
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let Some(mut engine) = engine(backend, false) else { continue };
        let file = File::options().read(true).write(true).open(temporary.path()).unwrap();
        for index in 0..3 {
            let (write, read) = (engine.buffer().unwrap(), engine.buffer().unwrap());
            let (file, offset) = (file.clone(), index * 4096);
            let chain = Chain::new((
                Write { file: file.clone(), offset, buffer: write },
                Sync { file: file.clone(), data_only: true },
                Read { file, offset, buffer: read },
            ));
            engine.submit(chain, chain_again).unwrap();
        }
        let (file, buffer) = (file.clone(), engine.buffer().unwrap());
        engine.submit(DurableWrite { file, offset: 7 * 4096, buffer }, durable_again).unwrap();
        for _ in 0..50 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
        COUNTED.set(Some(0));
        let mut completed = 0;
        while completed < 60 {
            completed += engine.tick(Wait::AtLeast(1)).unwrap().completed;
        }
        assert_eq!(COUNTED.take(), Some(0), "allocations on {backend:?}");
    }
}
