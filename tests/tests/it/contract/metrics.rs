//! Cases about what the engine counts.
//!
//! It never measures speed; it compares counts with what the case itself did.

use iomill_engine::{Nop, Sync};

use super::subject::{Subject, complete, open_for_writing, pattern, read, write};

pub(super) fn metrics_count_requests_bytes_and_latencies(subject: &Subject) {
    let path = subject.file("data", &pattern(5000));
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    for offset in [0, 1000, 4000] {
        let op = read(&engine, &file, offset, 2000);
        complete(&mut engine, op).result.unwrap();
    }
    for _ in 0..2 {
        let op = write(&engine, &file, 4000, &[1; 1000]);
        complete(&mut engine, op).result.unwrap();
    }
    complete(&mut engine, Sync { file, data_only: true }).result.unwrap();
    complete(&mut engine, Nop).result.unwrap();

    let metrics = engine.metrics();
    // The last read meets the end of the file after 1000 of its 2000 bytes.
    assert_eq!((metrics.read.completed, metrics.read.bytes), (3, 5000));
    assert_eq!((metrics.write.completed, metrics.write.bytes), (2, 2000));
    assert_eq!((metrics.sync.completed, metrics.sync.bytes), (1, 0));
    let failed = [metrics.read.failed, metrics.write.failed, metrics.sync.failed];
    assert_eq!(failed, [0, 0, 0]);
    assert_eq!(metrics.read.latency_ns.len(), 3);
    assert_eq!(metrics.write.latency_ns.len(), 2);
    assert_eq!(metrics.sync.latency_ns.len(), 1);
    assert!(metrics.read.latency_ns.max() > 0);
    assert_eq!(metrics.callback_panics, 0);
    assert!(metrics.batches >= 7, "each request was a batch of its own");
}

pub(super) fn reset_metrics_start_at_zero(subject: &Subject) {
    let path = subject.file("data", &pattern(5000));
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    let op = read(&engine, &file, 0, 100);
    complete(&mut engine, op).result.unwrap();
    engine.reset_metrics();
    let metrics = engine.metrics();
    assert_eq!((metrics.read.completed, metrics.read.bytes), (0, 0));
    assert_eq!(metrics.read.latency_ns.len(), 0);
    assert_eq!((metrics.batches, metrics.enters), (0, 0));
    let op = read(&engine, &file, 0, 100);
    complete(&mut engine, op).result.unwrap();
    assert_eq!((engine.metrics().read.completed, engine.metrics().read.bytes), (1, 100));
}

pub(super) fn report_names_the_backend_and_speaks_in_lines(subject: &Subject) {
    let engine = subject.engine();
    let text = engine.report().to_string();
    assert!(!text.trim().is_empty());
    assert!(text.lines().all(|line| !line.trim().is_empty()), "{text:?} has an empty line");
}
