//! Cases about the pool: what it gives, what comes back, and that nothing leaks.
//!
//! It never looks inside the pool; what a caller can see is enough.

use iomill_engine::{Buffer, BufferClass, Engine, ErrorKind, Read, Write};

use super::subject::{Count, Subject, complete, open, open_for_writing, pattern, read};

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

pub(super) fn length_gets_the_smallest_class_and_exhaustion_is_told_from_never(subject: &Subject) {
    let classes =
        [(1, 65_536), (2, 4096)].map(|(count, len_bytes)| BufferClass { count, len_bytes });
    let mut engine = subject.config().buffer_classes(classes).start().unwrap();
    let small = engine.buffer_of(100).unwrap().expect("nobody has one yet");
    assert_eq!((small.len(), small.capacity()), (100, 4096));
    let other = engine.buffer().expect("the smallest class has two");
    assert_eq!(other.len(), 4096);
    assert!(engine.buffer_of(1).unwrap().is_none(), "large buffers are kept for large requests");
    let path = subject.file("data", &pattern(40_000));
    let buffer = engine.buffer_of(40_000).unwrap().expect("the large one is free");
    assert!(engine.buffer_of(4097).unwrap().is_none());
    let completion = complete(&mut engine, Read { file: open(&path), offset: 0, buffer });
    assert!(completion.op.buffer[..] == pattern(40_000));
    let error = engine.buffer_of(65_537).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let lens: Vec<u32> = engine.report().pool.iter().map(|class| class.len_bytes).collect();
    assert_eq!(lens, [4096, 65_536]);
}

pub(super) fn default_pool_has_three_sizes(subject: &Subject) {
    let engine = subject.engine();
    for len in [1, 4096, 4097, 65_536, 65_537, 1 << 20] {
        let buffer = engine.buffer_of(len).unwrap().expect("one of each size at least");
        assert_eq!(buffer.len(), len);
        assert_eq!(buffer.as_ptr() as usize % 4096, 0);
    }
    assert!(engine.buffer_of((1 << 20) + 1).is_err());
}

pub(super) fn zeroed_pool_shows_nothing_of_an_earlier_file(subject: &Subject) {
    let path = subject.file("secret", &[7; 4096]);
    let short = subject.file("short", &[1; 10]);
    // Debug builds overwrite what a buffer held when it comes back.
    let kept = if cfg!(debug_assertions) { 0xdb } else { 7 };
    for (zero, left) in [(true, 0), (false, kept)] {
        let config = subject.config().buffers(1, 4096).zero_buffers(zero);
        let mut engine = config.start().unwrap();
        let op = read(&engine, &open(&path), 0, 4096);
        drop(complete(&mut engine, op));
        let op = read(&engine, &open(&short), 0, 4096);
        let completion = complete(&mut engine, op);
        assert_eq!(completion.result.unwrap(), 10);
        assert!(completion.op.buffer[..10] == [1; 10]);
        assert!(completion.op.buffer[10..].iter().all(|byte| *byte == left));
    }
}

pub(super) fn callers_vector_comes_back_as_the_same_vector(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    let mut engine = subject.engine();
    let bytes = pattern(10_000);
    let place = bytes.as_ptr();
    let completion =
        complete(&mut engine, Write { file: file.clone(), offset: 0, buffer: bytes.into() });
    assert_eq!(completion.result.unwrap(), 10_000);
    let bytes = completion.op.buffer.into_vec().expect("it was made of a vector");
    assert!(bytes.as_ptr() == place && bytes == pattern(10_000));
    let buffer = Buffer::from(vec![0; 5000]);
    let completion = complete(&mut engine, Read { file, offset: 1, buffer });
    assert!(completion.op.buffer.into_vec().unwrap() == pattern(10_000)[1..5001]);
}
