//! Every operation on every backend, compared with what the standard library sees.

use iomill_engine::{
    Advice, Advise, Allocate, AllocateMode, Append, BackendChoice, BufferList, Close, Completion,
    Config, Engine, Error, ErrorKind, File, FileKind, Link, MakeDirectory, Open, Operation,
    ReadVectored, Rename, Stat, Sync, SyncRange, Truncate, Unlink, WriteFlags, WriteVectored,
    WriteWith,
};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Whether the engine uses what Linux has and other systems lack.
pub(crate) const LINUX_CALLS: bool = cfg!(all(target_os = "linux", not(iomill_portable)));

/// Runs `test` on each backend that this machine has, each in a directory of its own.
fn on_each_backend(test: impl Fn(&mut Engine, &Path)) {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        match Config::new().backend(backend).depth(4).buffers(8, 8192).start() {
            Ok(mut engine) => {
                let folder = tempfile::tempdir().unwrap();
                test(&mut engine, folder.path());
                assert_eq!(engine.in_flight(), 0);
            }
            Err(error) => eprintln!("skipped {backend:?}: {error}"),
        }
    }
}

/// Submits one operation and waits for it.
fn run<O: Operation>(engine: &mut Engine, op: O) -> Completion<O> {
    let done = Rc::new(RefCell::new(None));
    let place = Rc::clone(&done);
    engine.submit(op, move |completion, _| *place.borrow_mut() = Some(completion)).unwrap();
    engine.drain().unwrap();
    done.take().expect("called back")
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn vectored_transfers_move_every_buffer_in_order() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let lens = [10, 0, 8192, 77];
        let list = |engine: &Engine, fill: &dyn Fn(usize) -> u8| -> BufferList {
            let mut buffers = Vec::new();
            for (index, len) in lens.into_iter().enumerate() {
                let mut buffer = engine.buffer().unwrap();
                buffer.set_len(len);
                buffer.fill(fill(index));
                buffers.push(buffer);
            }
            buffers.into()
        };
        let buffers = list(engine, &|index| u8::try_from(index).unwrap() + 1);
        let op = WriteVectored { file: file.clone(), offset: 3, buffers };
        let done = run(engine, op);
        assert_eq!(done.result.unwrap(), 8279);
        drop(done.op);
        let expected: Vec<u8> = [vec![0; 3], vec![1; 10], vec![3; 8192], vec![4; 77]].concat();
        assert_eq!(std::fs::read(&path).unwrap(), expected);

        let buffers = list(engine, &|_| 0xee);
        // From one byte later: the last byte of the last buffer is beyond the end.
        let done = run(engine, ReadVectored { file, offset: 4, buffers });
        assert_eq!(done.result.unwrap(), 8278);
        let read: Vec<u8> = done.op.buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
        assert_eq!(read[..8278], expected[4..]);
        assert_eq!(read[8278], 0xee);
        assert_eq!(done.op.buffers.into_vec().len(), 4);
    });
}

#[test]
fn an_append_goes_to_the_end_and_flagged_writes_say_where_they_cannot() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        std::fs::write(&path, b"begin").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let mut buffer = engine.buffer().unwrap();
        buffer.set_len(4);
        buffer.copy_from_slice(b"+end");
        let done = run(engine, Append { file: file.clone(), buffer });
        if LINUX_CALLS {
            assert_eq!(done.result.unwrap(), 4);
        } else {
            assert_eq!(kind_of(done.result), ErrorKind::Unsupported);
            std::fs::write(&path, b"begin+end").unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"begin+end");

        let buffer = done.op.buffer;
        let flags = WriteFlags::DSYNC;
        let done = run(engine, WriteWith { file: file.clone(), offset: 0, buffer, flags });
        assert_eq!(done.result.unwrap(), 4);
        assert_eq!(std::fs::read(&path).unwrap(), b"+endn+end");

        // A buffered file takes no atomic writes, and an odd length is refused before that.
        let flags = WriteFlags::ATOMIC;
        let buffer = done.op.buffer;
        let op = WriteWith { file: file.clone(), offset: 2, buffer, flags };
        let refused = engine.submit(op, |_, _| ()).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Misaligned);
        let mut buffer = refused.op.buffer;
        buffer.set_len(4096);
        let op = WriteWith { file, offset: 0, buffer, flags };
        let refused = engine.submit(op, |_, _| ()).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        assert!(refused.error.to_string().contains("direct I/O"), "{}", refused.error);
    });
}

#[test]
fn space_is_reserved_freed_and_cut() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let len_bytes = 8192;
        let mode = AllocateMode::Extend;
        let op = Allocate { file: file.clone(), offset: 0, len_bytes, mode };
        let reserved = run(engine, op).result;
        if !LINUX_CALLS {
            let error = reserved.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            return assert!(error.to_string().starts_with("allocate in "), "{error}");
        }
        reserved.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 8192);
        let mode = AllocateMode::PunchHole;
        let op = Allocate { file: file.clone(), offset: 10, len_bytes: 80, mode };
        run(engine, op).result.unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[..100], [vec![7; 10], vec![0; 80], vec![7; 10]].concat());
        run(engine, Truncate { file: file.clone(), len_bytes: 5 }).result.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [7; 5]);
        for advice in [Advice::Random, Advice::Sequential, Advice::WillNeed, Advice::DontNeed] {
            let op = Advise { file: file.clone(), offset: 0, len_bytes: 0, advice };
            run(engine, op).result.unwrap();
        }
        run(engine, SyncRange { file: file.clone(), offset: 0, len_bytes: 0 }).result.unwrap();
        run(engine, Sync { file, data_only: false }).result.unwrap();
        let metrics = engine.metrics();
        let other = [&metrics.space, &metrics.names, &metrics.handles].map(|kind| kind.completed);
        assert_eq!(other, [7, 0, 0]);
        assert_eq!(engine.metrics().sync.completed, 2);
    });
}

#[test]
fn files_are_opened_looked_at_and_closed() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        let options = File::options().read(true).write(true).create_new(true);
        let open = Open::new(options.clone(), &path).unwrap();
        let file = run(engine, open).result.unwrap();
        assert_eq!(file.path(), path);
        std::fs::write(&path, [1; 5000]).unwrap();

        for stat in [Stat::path(&path).unwrap(), Stat::file(file.clone())] {
            let seen = run(engine, stat).result.unwrap();
            let expected = std::fs::metadata(&path).unwrap();
            assert_eq!((seen.kind, seen.len_bytes), (FileKind::Regular, 5000));
            assert_eq!(seen.modified.unwrap(), expected.modified().unwrap());
        }
        let seen = run(engine, Stat::path(folder).unwrap()).result.unwrap();
        assert_eq!(seen.kind, FileKind::Directory);

        let open = Open::new(options, &path).unwrap();
        let error = run(engine, open).result.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, Some(path.as_path())));
        let open = Open::new(File::options().read(true), folder).unwrap();
        assert_eq!(kind_of(run(engine, open).result), ErrorKind::IsDirectory);

        let second = file.clone();
        assert!(!run(engine, Close::new(file)).result.unwrap(), "another handle holds it");
        assert!(run(engine, Close::new(second)).result.unwrap(), "that was the last one");
    });
}

#[test]
fn a_refused_close_leaves_the_file_open() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        std::fs::write(&path, b"here").unwrap();
        let file = File::open(&path).unwrap();
        // Depth 4, capacity 8: the ninth request is refused.
        for _ in 0..8 {
            engine.submit(iomill_engine::Nop, |_, _| ()).unwrap();
        }
        let refused = engine.submit(Close::new(file), |_, _| ()).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Full);
        assert_eq!(
            refused.op.into_file().unwrap().len().unwrap(),
            4,
            "the descriptor is still open"
        );
        engine.drain().unwrap();
    });
}

#[test]
fn names_are_made_moved_and_removed() {
    on_each_backend(|engine, folder| {
        let [directory, from, to] = ["directory", "from", "to"].map(|name| folder.join(name));
        run(engine, MakeDirectory::new(&directory).unwrap()).result.unwrap();
        assert!(directory.is_dir());
        let again = run(engine, MakeDirectory::new(&directory).unwrap());
        assert_eq!(kind_of(again.result), ErrorKind::AlreadyExists);

        std::fs::write(&from, b"a").unwrap();
        run(engine, Link::new(&from, &to).unwrap()).result.unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"a");
        let refused = run(engine, Rename::new(&from, &to).unwrap().without_replacing());
        let kind = if LINUX_CALLS { ErrorKind::AlreadyExists } else { ErrorKind::Unsupported };
        assert_eq!(kind_of(refused.result), kind);
        run(engine, Unlink::file(&to).unwrap()).result.unwrap();
        run(engine, Rename::new(&from, &to).unwrap()).result.unwrap();
        assert!(!from.exists() && to.exists());

        run(engine, Unlink::file(&to).unwrap()).result.unwrap();
        run(engine, Unlink::directory(&directory).unwrap()).result.unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
        let error = run(engine, Unlink::file(&to).unwrap()).result.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(to.as_path())));
    });
    let error = Stat::path("nul\0byte").unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
}
