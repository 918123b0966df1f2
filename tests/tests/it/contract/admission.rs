//! Cases about what is accepted: the window, the queue behind it, and refusals that lose nothing.
//!
//! It never looks at the bytes moved (`transfers`).

use std::time::Duration;

use iomill_engine::{Buffer, Engine, ErrorKind, Nop, Read, Sync, Truncate};

use super::subject::{Count, Subject, complete, open, pattern, read, try_open};

fn fill(engine: &mut Engine, requests: u32, count: &Count) {
    for _ in 0..requests {
        let count = count.clone();
        assert!(engine.submit(Nop, move |_, _| count.add()).is_ok(), "there is room");
    }
}

pub(super) fn full_gives_the_request_back(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.config().depth(2).capacity(4).buffers(8, 4096).start().unwrap();
    let file = open(&path);
    let count = Count::default();
    fill(&mut engine, 4, &count);
    let op = read(&engine, &file, 10, 20);
    let called = Count::default();
    let called_inside = called.clone();
    let accepted = engine.submit(op, move |completion, _| {
        assert_eq!(completion.result.unwrap(), 20);
        assert_eq!(completion.op.buffer[..], pattern(4096)[10..30]);
        called_inside.add();
    });
    let Err(refused) = accepted else { panic!("a fifth request beyond a capacity of 4") };
    assert_eq!(refused.error.kind(), ErrorKind::Full);
    assert_eq!(engine.in_flight(), 4, "what was refused does not count");
    assert_eq!(refused.op.offset, 10);
    assert_eq!(called.get(), 0, "a refusal does not call back");
    engine.drain().unwrap();
    assert_eq!((count.get(), called.get()), (4, 0));
    // Operation and callback are as good as new.
    assert!(engine.submit(refused.op, refused.on_complete).is_ok());
    engine.drain().unwrap();
    assert_eq!(called.get(), 1);
}

pub(super) fn what_is_queued_beyond_the_window_completes(subject: &Subject) {
    let path = subject.file("data", &pattern(1 << 16));
    for depth in [1, 3, 8] {
        let mut engine =
            subject.config().depth(depth).capacity(200).buffers(200, 512).start().unwrap();
        let file = open(&path);
        let count = Count::default();
        for index in 0..200_usize {
            let count = count.clone();
            let at = index * 300;
            let op = read(&engine, &file, u64::try_from(at).unwrap(), 300);
            let accepted = engine.submit(op, move |completion, _| {
                assert_eq!(completion.result.unwrap(), 300);
                assert!(completion.op.buffer[..] == pattern(1 << 16)[at..at + 300]);
                count.add();
            });
            assert!(accepted.is_ok());
        }
        engine.drain().unwrap();
        assert_eq!(count.get(), 200, "with a window of {depth}");
    }
}

pub(super) fn shutdown_drains_and_refuses_what_callbacks_submit(subject: &Subject) {
    let mut engine = subject.config().depth(2).capacity(16).start().unwrap();
    let (count, refusals) = (Count::default(), Count::default());
    for _ in 0..10 {
        let (count, refusals) = (count.clone(), refusals.clone());
        let accepted = engine.submit(Nop, move |_, context| {
            count.add();
            match context.submit(Nop, |_, _| panic!("accepted while shutting down")) {
                Ok(_) => panic!("accepted while shutting down"),
                Err(refused) => {
                    assert_eq!(refused.error.kind(), ErrorKind::Closing);
                    refusals.add();
                }
            }
        });
        assert!(accepted.is_ok());
    }
    let report = engine.shutdown(Duration::from_secs(10));
    assert_eq!((report.drained, report.leaked), (10, 0));
    assert_eq!((count.get(), refusals.get()), (10, 10));
}

pub(super) fn window_of_one_and_the_largest_window_work(subject: &Subject) {
    for depth in [1, 4096] {
        let mut engine = subject.config().depth(depth).buffers(1, 4096).start().unwrap();
        let count = Count::default();
        fill(&mut engine, depth, &count);
        engine.drain().unwrap();
        assert_eq!(count.get(), depth);
        complete(&mut engine, Nop).result.unwrap();
    }
}

pub(super) fn absurd_options_are_refused_by_name_and_value(subject: &Subject) {
    for (config, option, value) in [
        (subject.config().depth(0), "depth", "0"),
        (subject.config().depth(5000), "depth", "5000"),
        (subject.config().depth(8).capacity(0), "capacity", "0"),
        (subject.config().threads(0), "threads", "0"),
        (subject.config().buffers(4, 0), "buffers", "0"),
    ] {
        let error = match config.start() {
            Ok(_) => panic!("{option} = {value} was accepted"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        let text = error.to_string();
        assert!(text.contains(option) && text.contains(value), "{text:?} lacks {option}, {value}");
        assert!(!text.contains('\n'), "{text:?} is more than one line");
    }
}

pub(super) fn bytes_are_bounded_and_refused_requests_come_back(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.config().depth(2).capacity(8).capacity_bytes(1000).start().unwrap();
    let file = open(&path);
    let count = Count::default();
    let of = |len: usize| Read { file: file.clone(), offset: 0, buffer: vec![0; len].into() };
    for len in [400, 600] {
        let count = count.clone();
        assert!(engine.submit(of(len), move |_, _| count.add()).is_ok());
    }
    let counted = count.clone();
    let accepted = engine.submit(of(1), move |_, _| counted.add());
    let Err(refused) = accepted else { panic!("1001 bytes of 1000 were accepted") };
    assert_eq!((refused.error.kind(), refused.op.buffer.len()), (ErrorKind::Full, 1));
    // What moves no bytes is not held up.
    assert!(engine.submit(Sync { file: file.clone(), data_only: true }, |_, _| ()).is_ok());
    engine.wait_for_room(1, 1).unwrap();
    assert!(engine.submit(refused.op, refused.on_complete).is_ok());
    engine.drain().unwrap();
    assert_eq!(count.get(), 3);

    let refused = engine.submit(of(1001), |_, _| panic!("a refused callback ran")).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::TooLarge);
    assert!(refused.error.to_string().contains("1001"), "{}", refused.error);
    assert_eq!(engine.wait_for_room(1, 1001).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(engine.wait_for_room(9, 0).unwrap_err().kind(), ErrorKind::TooLarge);
    // A transfer that fails gives its part back as well.
    let write_only = file_for_writing_only(&path);
    for _ in 0..5 {
        let read = Read { file: write_only.clone(), offset: 0, buffer: vec![0; 900].into() };
        assert!(complete(&mut engine, read).result.is_err());
    }
    let truncate = Truncate { file: write_only, len_bytes: 5000 };
    assert!(complete(&mut engine, truncate).result.is_ok());
    let buffer = Buffer::from(vec![0; 1000]);
    assert_eq!(complete(&mut engine, Read { file, offset: 0, buffer }).result.unwrap(), 1000);
}

fn file_for_writing_only(path: &std::path::Path) -> iomill_engine::File {
    try_open(path, &iomill_engine::File::options().write(true)).unwrap()
}
