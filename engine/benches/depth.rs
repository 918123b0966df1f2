//! What the depth controller costs per completion: the sums that the engine keeps while it goes
//! through a reap, and the hand-over to the controller, measurements and decisions included.
//! `cargo bench -p iomill-engine --bench depth`

#![allow(missing_docs, reason = "criterion's macros make functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iomill_engine::depth::{Controller, Depth, Sample, Target};
use std::hint::black_box;

/// Reaps of one benchmark step.
const REAPS: u64 = 10_000;

fn reap(controller: &mut Controller, now_ns: &mut u64, size: u64) {
    // A device at its limit: one request per microsecond.
    *now_ns += 1000 * size;
    let limit_ns = controller.latency_limit_ns();
    let mut sample = Sample { now_ns: *now_ns, backlog: true, ..Sample::EMPTY };
    for request in 0..size {
        sample.reads.add(1, black_box(50_000 + request), limit_ns);
    }
    controller.observe(&sample);
}

fn bench(criterion: &mut Criterion) {
    let percentile = Target::Percentile { percent: 99.0, limit_ns: 60_000 };
    for (name, target) in [("knee", Target::Knee), ("p99", percentile)] {
        let mut group = criterion.benchmark_group(name);
        for size in [1, 8, 32] {
            group.throughput(Throughput::Elements(REAPS * size));
            let mut controller = Controller::new(Depth::Adaptive { min: 1, max: 256, target });
            let mut now_ns = 0;
            group.bench_function(format!("reaps of {size}"), |bencher| {
                bencher.iter(|| {
                    for _ in 0..REAPS {
                        reap(&mut controller, &mut now_ns, size);
                    }
                    controller.limits()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
