//! Cases about chains and durable writes: their order, their ends, and what they leave.
//!
//! It never looks at what is handed to the kernel: the engine's own tests do.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use iomill_engine::{
    Chain, Completion, Context, CopyParts, CopyRange, DurableAppend, DurableMethod, DurableWrite,
    Error, ErrorKind, File, Nop, Open, ReadWhole, Rename, Sync, Wait,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::subject::{
    Count, Subject, complete, contents, open, open_for_writing, pattern, read, try_open, write,
};

const METHODS: [DurableMethod; 3] =
    [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];

fn sync(file: &File) -> Sync {
    Sync { file: file.clone(), data_only: true }
}

pub(super) fn chain_of_write_sync_and_read_gives_what_was_written(subject: &Subject) {
    let path = subject.file("data", b"");
    let mut engine = subject.engine();
    let plain = open_for_writing(&path);
    let registered = engine.register_file(&plain).unwrap();
    for (file, fill) in [(plain, 3), (registered, 4)] {
        let chain = Chain::new((
            write(&engine, &file, 100, &[fill; 4000]),
            sync(&file),
            read(&engine, &file, 0, 4096),
        ));
        let done = complete(&mut engine, chain);
        assert_eq!(done.result.unwrap(), (4000, (), 4096));
        let (before, after) = done.op.steps.2.buffer.split_at(100);
        assert_eq!((before, after), (&[0; 100][..], &[fill; 3996][..]));
    }
}

pub(super) fn steps_of_a_chain_run_in_order_beside_many_others(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    let mut engine = subject.config().depth(16).capacity(64).buffers(64, 512).start().unwrap();
    let (count, mut chains) = (Count::default(), 0);
    while chains < 400 {
        let at = chains * 512;
        // Two writes of one range: the second one stays.
        let steps = (
            write(&engine, &file, at, &[1; 512]),
            write(&engine, &file, at, &[2; 512]),
            read(&engine, &file, at, 512),
        );
        let inside = count.clone();
        let accepted = engine.submit(Chain::new(steps), move |done, _| {
            assert_eq!(done.result.unwrap(), (512, 512, 512));
            assert!(done.op.steps.2.buffer.iter().all(|byte| *byte == 2));
            inside.add();
        });
        accepted.map_err(|refused| refused.error).unwrap();
        chains += 1;
        while engine.in_flight() > 48 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }
    engine.drain().unwrap();
    assert_eq!(u64::from(count.get()), chains);
    assert!(contents(&path).iter().all(|byte| *byte == 2));
}

pub(super) fn chain_ends_at_the_step_that_fails(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    let mut engine = subject.engine();
    let rename = Rename::new(subject.path("missing"), subject.path("other")).unwrap();
    let chain = Chain::new((
        write(&engine, &file, 0, b"before"),
        rename,
        write(&engine, &file, 0, b"behind"),
        sync(&file),
    ));
    let error = complete(&mut engine, chain).result.unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::NotFound, Some(1)));
    assert_eq!(error.path(), Some(subject.path("missing").as_path()));
    assert_eq!(contents(&path), b"before");

    let reading = open(&path);
    let first = write(&engine, &reading, 0, b"no");
    let chain = Chain::new((first, write(&engine, &file, 0, b"behind")));
    let error = complete(&mut engine, chain).result.unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::NotOpenForThis, Some(0)));
    assert_eq!(contents(&path), b"before");
}

pub(super) fn chain_whose_last_step_is_refused_at_once_has_done_the_others(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    let mut engine = subject.engine();
    // The kernel looks at the name when it takes the request, before it begins the first step.
    let name = "n".repeat(5000);
    let step = Open::new(File::options().read(true), subject.path(&name)).unwrap();
    let chain = Chain::new((write(&engine, &file, 0, b"before"), step));
    let error = complete(&mut engine, chain).result.unwrap_err();
    assert_eq!((error.errno(), error.failed_step()), (Some(libc_enametoolong()), Some(1)));
    assert_eq!(contents(&path), b"before");
}

/// The errno of a name that is too long, as the host says it.
fn libc_enametoolong() -> i32 {
    let error = fs::File::open("n".repeat(5000)).unwrap_err();
    error.raw_os_error().expect("the kernel refused it")
}

pub(super) fn chain_longer_than_the_window_is_carried_out(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    for depth in 1..5 {
        let mut engine = subject.config().depth(depth).capacity(8).start().unwrap();
        let chain = Chain::new((
            write(&engine, &file, 0, &[1; 10]),
            sync(&file),
            write(&engine, &file, 5, &[2; 10]),
            Nop,
            read(&engine, &file, 0, 15),
        ));
        let done = complete(&mut engine, chain);
        assert_eq!(done.result.unwrap(), (10, (), 10, (), 15));
        assert_eq!(done.op.steps.4.buffer[..], [&[1; 5][..], &[2; 10]].concat());
    }
}

pub(super) fn chain_without_room_for_all_steps_is_handed_back(subject: &Subject) {
    let mut engine = subject.config().depth(2).capacity(4).start().unwrap();
    engine.submit(Nop, |_, _| ()).unwrap();
    engine.submit(Nop, |_, _| ()).unwrap();
    let refused = engine.submit(Chain::new((Nop, Nop, Nop)), |_, _| ()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Full);
    assert_eq!(engine.in_flight(), 2, "no step of it was kept");
    engine.submit(Chain::new((Nop, Nop)), |done, _| assert!(done.result.is_ok())).unwrap();
    engine.drain().unwrap();
    let again = engine.submit(refused.op, |done, _| assert!(done.result.is_ok()));
    assert!(again.is_ok());
    engine.drain().unwrap();
}

pub(super) fn copy_gives_the_same_bytes_and_stops_at_the_end(subject: &Subject) {
    let content = pattern(100_001);
    let from = open(&subject.file("from", &content));
    let path = subject.file("to", b"");
    let to = open_for_writing(&path);
    let mut engine = subject.engine();
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(4096);
    let parts = CopyParts { from, from_offset: 0, to, to_offset: 0, buffer };
    let mut copy = CopyRange::new(parts);
    loop {
        let done = complete(&mut engine, copy);
        let bytes = done.result.unwrap();
        copy = done.op;
        copy.parts.from_offset += u64::from(bytes);
        copy.parts.to_offset += u64::from(bytes);
        if bytes < 4096 {
            break;
        }
    }
    assert_eq!(contents(&path), content);
    assert_eq!(complete(&mut engine, copy).result.unwrap(), 0, "behind the end");
}

pub(super) fn file_is_read_whole_by_its_path(subject: &Subject) {
    let content = pattern(3000);
    let path = subject.file("data", &content);
    let mut engine = subject.engine();
    let op = ReadWhole::new(&path, engine.buffer().unwrap()).unwrap();
    let done = complete(&mut engine, op);
    assert_eq!(done.result.unwrap(), 3000);
    assert_eq!(done.op.buffer[..3000], content);
    let mut buffer = done.op.buffer;
    buffer.set_len(1000);
    let done = complete(&mut engine, ReadWhole::new(&path, buffer).unwrap());
    assert_eq!(done.result.unwrap(), 1000, "as much as the buffer holds");

    let op = ReadWhole::new(subject.path("missing"), done.op.buffer).unwrap();
    let done = complete(&mut engine, op);
    let error = done.result.unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::NotFound, Some(0)));
    let op = ReadWhole::new(subject.path("."), done.op.buffer).unwrap();
    let error = complete(&mut engine, op).result.unwrap_err();
    // Opened or not: Linux finds out at the first read, the simulated disk when it is opened.
    assert_eq!(error.kind(), ErrorKind::IsDirectory);
    assert!(matches!(error.failed_step(), Some(0 | 1)), "{error}");
}

pub(super) fn many_files_are_read_whole_however_many_at_once(subject: &Subject) {
    let lens = [0, 1, 511, 512, 513, 3000, 4095, 4096];
    let path = |len: usize| subject.path(&format!("whole-{len}"));
    for len in lens {
        subject.file(&format!("whole-{len}"), &pattern(len));
    }
    let mut engine = subject.config().depth(24).capacity(96).buffers(32, 4096).start().unwrap();
    let count = Count::default();
    for at_once in [1, 2, 3, 4, 30] {
        for round in 0..60 {
            let len = lens[round * 5 % lens.len()];
            let is_missing = round % 7 == 3;
            let path = if is_missing { subject.path("missing") } else { path(len) };
            let mut buffer = engine.buffer().unwrap();
            let most = if round % 5 == 0 { 512 } else { 4096 };
            buffer.set_len(most);
            let inside = count.clone();
            let op = ReadWhole::new(path, buffer).unwrap();
            let accepted = engine.submit(op, move |done, _| {
                inside.add();
                if is_missing {
                    let error = done.result.unwrap_err();
                    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::NotFound, Some(0)));
                    return;
                }
                let there = len.min(most);
                assert_eq!(done.result.unwrap() as usize, there);
                assert_eq!(done.op.buffer[..there], pattern(len)[..there]);
            });
            accepted.map_err(|refused| refused.error).unwrap();
            while engine.in_flight() > 3 * (at_once - 1) {
                engine.tick(Wait::AtLeast(1)).unwrap();
            }
        }
        engine.drain().unwrap();
    }
    assert_eq!(count.get(), 5 * 60, "each exactly once");
}

pub(super) fn pipe_is_read_whole_without_the_loss_of_a_byte(subject: &Subject) {
    if subject.disk().is_some() {
        // A simulated disk has no pipes.
        return;
    }
    let path = subject.path("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut engine = subject.engine();
    let mut pipe = fs::File::options().read(true).write(true).open(&path).unwrap();
    pipe.write_all(b"first ").unwrap();
    let op = ReadWhole::new(&path, engine.buffer().unwrap()).unwrap();
    let count = Count::default();
    let inside = count.clone();
    let accepted = engine.submit(op, move |done, _| {
        assert_eq!(done.result.unwrap(), 12);
        assert_eq!(done.op.buffer[..12], *b"first second");
        inside.add();
    });
    accepted.map_err(|refused| refused.error).unwrap();
    for _ in 0..10 {
        // It takes what is there, and goes on to wait for the rest.
        engine.tick(Wait::For { at_least: 1, timeout: Duration::from_millis(3) }).unwrap();
    }
    assert_eq!(count.get(), 0, "the pipe has not ended");
    pipe.write_all(b"second").unwrap();
    drop(pipe);
    engine.drain().unwrap();
    assert_eq!(count.get(), 1);
}

pub(super) fn durable_write_is_whole_by_each_method(subject: &Subject) {
    let path = subject.file("data", b"");
    let mut engine = subject.engine();
    let mut options = File::options().read(true).write(true);
    for direct in [false, true] {
        options = options.direct(direct);
        let file = match try_open(&path, &options) {
            Ok(file) => file,
            Err(error) => {
                println!("skipped the direct half: {error}");
                return;
            }
        };
        for (method, fill) in METHODS.into_iter().zip(1..) {
            file.set_durable_method(method);
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(4096);
            buffer.fill(fill);
            let op = DurableWrite { file: file.clone(), offset: 0, buffer };
            let done = complete(&mut engine, op);
            assert_eq!(done.result.unwrap(), 4096, "{method}");
            let len = contents(&path).len();
            let op = DurableAppend { file: file.clone(), buffer: done.op.buffer };
            let appended = complete(&mut engine, op).result;
            if cfg!(iomill_portable) {
                // Not every system has such a call.
                assert_eq!(appended.unwrap_err().kind(), ErrorKind::Unsupported);
                continue;
            }
            assert_eq!(appended.unwrap(), 4096, "{method}");
            let content = contents(&path);
            assert_eq!(content[..4096], [fill; 4096]);
            assert_eq!(content[len..], [fill; 4096]);
            assert_eq!(file.durable_method(), method, "nothing was refused");
        }
    }
}

pub(super) fn cancelled_and_overdue_chains_call_back_once_and_tell_their_step(subject: &Subject) {
    let path = subject.file("data", b"");
    let file = open_for_writing(&path);
    let mut engine = subject.config().depth(8).capacity(64).buffers(64, 512).start().unwrap();
    let (done, given_up) = (Count::default(), Count::default());
    for round in 0..60_u64 {
        let at = round * 512;
        let chain = Chain::new((
            write(&engine, &file, at, &[1; 512]),
            sync(&file),
            write(&engine, &file, at, &[2; 512]),
        ));
        let (done, given_up) = (done.clone(), given_up.clone());
        let on_complete = move |completion: Completion<_>, _: &mut Context<'_>| {
            let result: Result<(u32, (), u32), Error> = completion.result;
            match result {
                Ok(answers) => {
                    assert_eq!(answers, (512, (), 512));
                    done.add();
                }
                Err(error) => {
                    let kinds = [ErrorKind::Cancelled, ErrorKind::DeadlineExceeded];
                    assert!(kinds.contains(&error.kind()), "{error}");
                    assert!(error.failed_step().is_some_and(|step| step < 3));
                    given_up.add();
                }
            }
        };
        let id = if round % 3 == 0 {
            engine.submit_within(chain, Duration::ZERO, on_complete)
        } else {
            engine.submit(chain, on_complete)
        };
        let id = id.map_err(|refused| refused.error).unwrap();
        if round % 2 == 0 {
            engine.tick(Wait::None).unwrap();
        }
        if round % 3 == 1 {
            engine.cancel(id);
        }
        while engine.in_flight() > 40 {
            engine.tick(Wait::AtLeast(1)).unwrap();
        }
    }
    engine.drain().unwrap();
    assert_eq!(done.get() + given_up.get(), 60, "each exactly once");
    assert!(done.get() >= 20, "what nobody gave up was done: {}", done.get());
}
