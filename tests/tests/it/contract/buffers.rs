//! Cases about the pool: what it gives, what comes back, and that nothing leaks.
//!
//! It never looks inside the pool; what a caller can see is enough.

use iomill_engine::{Buffer, Engine, Read};

use super::subject::{Count, Subject, complete, open, pattern, read};

fn take_all(engine: &Engine) -> Vec<Buffer> {
    std::iter::from_fn(|| engine.buffer()).collect()
}

pub(super) fn exhausted_pool_says_none_until_a_buffer_returns(subject: &Subject) {
    let engine = subject.config().buffers(3, 4096).start().unwrap();
    let mut taken = take_all(&engine);
    assert_eq!(taken.len(), 3);
    assert!(engine.buffer().is_none());
    taken.pop();
    let again = engine.buffer().expect("the dropped one is back");
    assert_eq!(again.len(), 4096, "a buffer comes at its full length");
    assert!(engine.buffer().is_none());
}

pub(super) fn pooled_buffers_are_aligned_and_do_not_overlap(subject: &Subject) {
    let engine = subject.config().buffers(5, 512).start().unwrap();
    let mut taken = take_all(&engine);
    assert_eq!(taken.len(), 5);
    for (index, buffer) in taken.iter_mut().enumerate() {
        assert_eq!(buffer.as_ptr() as usize % 4096, 0, "aligned for any direct transfer");
        assert!(buffer.capacity() >= 512);
        buffer.fill(u8::try_from(index).unwrap());
    }
    for (index, buffer) in taken.iter().enumerate() {
        assert!(buffer.iter().all(|byte| usize::from(*byte) == index), "buffers overlap");
    }
}

pub(super) fn dropped_completions_return_their_buffers(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.config().depth(4).buffers(4, 4096).start().unwrap();
    let file = open(&path);
    for _ in 0..25 {
        for _ in 0..4 {
            let op = read(&engine, &file, 0, 4096);
            assert!(engine.submit(op, |completion, _| drop(completion)).is_ok());
        }
        assert!(engine.buffer().is_none(), "all four are in flight");
        engine.drain().unwrap();
    }
    assert_eq!(take_all(&engine).len(), 4);
}

pub(super) fn buffer_of_another_engine_works_and_goes_home(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let home = subject.config().buffers(1, 4096).start().unwrap();
    let mut other = subject.config().buffers(1, 4096).start().unwrap();
    let buffer = home.buffer().unwrap();
    let op = Read { file: open(&path), offset: 0, buffer };
    let completion = complete(&mut other, op);
    assert_eq!(*completion.result.as_ref().unwrap(), 4096);
    assert!(completion.op.buffer[..] == pattern(4096));
    assert!(home.buffer().is_none());
    drop(completion);
    assert!(home.buffer().is_some());
    assert_eq!(take_all(&other).len(), 1);
}

pub(super) fn buffer_outlives_its_engine(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.engine();
    let op = read(&engine, &open(&path), 0, 4096);
    let completion = complete(&mut engine, op);
    drop(engine);
    assert!(completion.op.buffer[..] == pattern(4096), "the bytes are still there");
}

pub(super) fn buffer_may_be_dropped_on_another_thread(subject: &Subject) {
    let engine = subject.config().buffers(1, 4096).start().unwrap();
    let buffer = engine.buffer().unwrap();
    assert!(engine.buffer().is_none());
    std::thread::spawn(move || drop(buffer)).join().unwrap();
    assert!(engine.buffer().is_some());
}

pub(super) fn refused_operation_dropped_returns_its_buffer(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.config().depth(1).capacity(1).buffers(2, 4096).start().unwrap();
    let file = open(&path);
    let count = Count::default();
    let count_inside = count.clone();
    let op = read(&engine, &file, 0, 4096);
    assert!(engine.submit(op, move |_, _| count_inside.add()).is_ok());
    let op = read(&engine, &file, 0, 4096);
    let Err(refused) = engine.submit(op, |_, _| panic!("a refused callback ran")) else {
        panic!("accepted beyond a capacity of one");
    };
    assert!(engine.buffer().is_none(), "the refusal holds the second buffer");
    drop(refused);
    assert!(engine.buffer().is_some());
    engine.drain().unwrap();
    assert_eq!(count.get(), 1);
}
