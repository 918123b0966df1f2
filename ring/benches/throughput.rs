//! `cargo bench -p iomill-ring --bench throughput`: each side of the contest under criterion, for
//! its statistics and for comparing one version with the next. `compare` is the fairer judge
//! between the sides, because it lets them take turns.

mod contest;

use contest::{Ground, Load, Side, Work};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BATCH: u32 = 32;

fn contest_of(criterion: &mut Criterion, ground: &Ground, name: &str, work: Work) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    for side in Side::ALL {
        if let Some(reason) = ground.absence(side) {
            eprintln!("skipped: {name}: {}: {reason}", side.name());
            continue;
        }
        group.bench_function(side.name(), |bencher| {
            bencher.iter_custom(|iterations| {
                let batches = u32::try_from(iterations).expect("criterion asks for far fewer");
                ground.measure(side, &Load { work, batch: BATCH, batches })
            });
        });
    }
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let ground = Ground::new(contest::FILE_LEN_BYTES).expect("a temporary file");
    contest_of(criterion, &ground, "nop", Work::Nop);
    contest_of(criterion, &ground, "fixed read of 4 KiB, warm", Work::FixedRead);
}

criterion_group!(throughput, benches);
criterion_main!(throughput);
