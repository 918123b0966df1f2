//! How many no-ops per second other threads get through an engine on its own thread:
//! `cargo bench -p iomill-engine --bench handle`

#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use iomill_engine::{BackendChoice, Config, Handle, Nop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Submits `count` no-ops, waiting for room by giving the processor away.
fn submit(handle: &Handle, count: u64, done: &Arc<AtomicU64>) {
    for _ in 0..count {
        let done = Arc::clone(done);
        // Only the engine's thread writes, so that a plain load and store count.
        let counted = move |_, _: &mut iomill_engine::Context<'_>| {
            done.store(done.load(Ordering::Relaxed) + 1, Ordering::Release);
        };
        let mut submitted = handle.try_submit(Nop, counted);
        while let Err(refused) = submitted {
            std::thread::yield_now();
            submitted = handle.try_submit(refused.op, refused.on_complete);
        }
    }
}

/// How long `submitters` threads take for `count` no-ops, from the first one to the last callback.
fn run(handle: &Handle, submitters: u64, count: u64) -> Duration {
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let each = count.div_ceil(submitters);
    std::thread::scope(|scope| {
        for _ in 1..submitters {
            scope.spawn(|| submit(handle, each, &done));
        }
        submit(handle, each, &done);
    });
    while done.load(Ordering::Acquire) < each * submitters {
        std::thread::yield_now();
    }
    start.elapsed()
}

fn no_ops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handle_no_ops");
    group.throughput(Throughput::Elements(1));
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let config = Config::new().backend(backend).depth(64).queue(1024).threads(1);
        let (handle, _owner) = match config.spawn() {
            Ok(pair) => pair,
            Err(error) => {
                eprintln!("skipped {backend:?}: {error}");
                continue;
            }
        };
        for submitters in [1, 2, 4] {
            let id = BenchmarkId::new(format!("{backend:?}"), submitters);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|count| run(&handle, submitters, count));
            });
        }
        eprintln!("{backend:?}: {:?}", handle.counters());
    }
    group.finish();
}

criterion_group!(benches, no_ops);
criterion_main!(benches);
