//! What of one file's bytes can be seen where another file's are expected: none in what a read says
//! that it brought, none behind it where buffers are cleared, none in another engine's pool.
//!
//! `docs/explanation/threat-model.md` states this policy; the tests here hold the engine to it.

use iomill_engine::{BackendChoice, Completion, Config, Engine, File, Read, Wait, Write};
use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

const SECRET: u8 = b'#';
/// What a buffer shows of its last use: debug builds overwrite it when it comes back.
const KEPT: u8 = if cfg!(debug_assertions) { 0xdb } else { SECRET };
const LEN_BYTES: u32 = 8192;

/// An engine with a single buffer, or a printed reason and `None`.
fn engine(backend: BackendChoice, zero_buffers: bool) -> Option<Engine> {
    let config = Config::new().backend(backend).depth(1).buffers(1, LEN_BYTES);
    match config.zero_buffers(zero_buffers).start() {
        Ok(engine) => Some(engine),
        Err(error) => {
            println!("skipped {backend:?}: {error}");
            None
        }
    }
}

/// Reads `len` bytes into the engine's one buffer.
fn read(engine: &mut Engine, file: &File, len: usize) -> Completion<Read> {
    let mut buffer = engine.buffer().expect("the one buffer came back");
    buffer.set_len(len);
    let done = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&done);
    let op = Read { file: file.clone(), offset: 0, buffer };
    engine.submit(op, move |it, _| *inside.borrow_mut() = Some(it)).expect("there is room");
    while done.borrow().is_none() {
        engine.tick(Wait::AtLeast(1)).expect("the backend works");
    }
    done.take().expect("it was just looked at")
}

#[test]
fn no_byte_of_another_file_is_seen_where_it_should_not_be() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("secret"), [SECRET; LEN_BYTES as usize]).unwrap();
    fs::write(path("public"), b"12345").unwrap();
    let secret = File::open(path("secret")).unwrap();
    let public = File::open(path("public")).unwrap();
    let len = LEN_BYTES as usize;
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        for zero_buffers in [true, false] {
            let Some(mut engine) = engine(backend, zero_buffers) else { continue };
            let fresh = engine.buffer().unwrap();
            assert!(fresh.iter().all(|byte| *byte == 0), "{backend:?}: a new pool is all zeros");
            drop(fresh);
            assert!(read(&mut engine, &secret, len).op.buffer.iter().all(|byte| *byte == SECRET));
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(len);
            let left = if zero_buffers { 0 } else { KEPT };
            assert!(buffer.iter().all(|byte| *byte == left), "{backend:?} {zero_buffers}: stated");
            drop(buffer);
            let done = read(&mut engine, &public, len);
            assert_eq!(done.result.expect("it can be read"), 5, "{backend:?}: no more than it has");
            assert_eq!(done.op.buffer[..5], *b"12345", "{backend:?}");
            assert!(done.op.buffer[5..].iter().all(|byte| *byte == left), "{backend:?}: as stated");
        }
    }
}

#[test]
fn a_write_takes_no_more_than_its_length_out_of_a_used_buffer() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("secret"), [SECRET; LEN_BYTES as usize]).unwrap();
    let secret = File::open(path("secret")).unwrap();
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let Some(mut engine) = engine(backend, false) else { continue };
        let mut buffer = read(&mut engine, &secret, LEN_BYTES as usize).op.buffer;
        buffer.set_len(3);
        buffer.copy_from_slice(b"new");
        let options = File::options().write(true).create(true).truncate(true).open(path("out"));
        let write = Write { file: options.unwrap(), offset: 0, buffer };
        engine.submit(write, |done, _| assert_eq!(done.result.unwrap(), 3)).unwrap();
        engine.drain().unwrap();
        assert_eq!(fs::read(path("out")).unwrap(), b"new", "{backend:?}");
    }
}
