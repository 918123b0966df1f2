//! Operations that are chains of their own: copies and whole files; and chains that come back.

use crate::chain_place::{Place, config, perform, place, submit, sync, write};
use crate::scripted::{Fate, scripted};
use iomill_engine::backend::RequestKind::{Close, Open, Read as ReadKind, Write as WriteKind};
use iomill_engine::{
    Chain, Completion, Context, CopyParts, CopyRange, ErrorKind, Read, ReadWhole, Wait,
};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn a_copy_writes_what_was_read_and_nothing_behind_the_end() {
    for links in [true, false] {
        let (mut engine, script) = scripted(&config(), links);
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let (from, to) = (place(&content), place(b""));
        let mut parts = CopyParts {
            from: from.file.clone(),
            from_offset: 0,
            to: to.file.clone(),
            to_offset: 0,
            buffer: engine.buffer().unwrap(),
        };
        for copied in [4096, 904, 0] {
            let done = submit(&mut engine, CopyRange::new(parts));
            engine.drain().unwrap();
            let done = done.take().unwrap();
            assert_eq!(done.result.unwrap(), copied);
            parts = *done.op.parts;
            parts.from_offset += u64::from(copied);
            parts.to_offset += u64::from(copied);
        }
        assert_eq!(std::fs::read(&to.path).unwrap(), content);
        let begun: Vec<_> = script.borrow().begun.iter().map(|seen| seen.kind).collect();
        // A read that brought less is asked again whether that was the end.
        let wanted = [ReadKind, WriteKind, ReadKind, ReadKind, WriteKind, ReadKind];
        assert_eq!(begun, wanted, "links: {links}");
    }
}

#[test]
fn a_file_is_read_whole_and_its_descriptor_is_closed_whatever_happens() {
    let Place { path, _folder, .. } = place(&[5; 1000]);
    let missing = path.with_extension("missing");
    let errno = Fate::Errno;
    let good = Fate::Good;
    for (fates, path, result, begun) in [
        (vec![], &path, Ok(1000), vec![Open, ReadKind, ReadKind, Close]),
        (vec![good, Fate::Short(1)], &path, Ok(1000), vec![]),
        (vec![errno(libc::EMFILE)], &path, Err(libc::EMFILE), vec![Open]),
        (vec![good, errno(libc::EIO)], &path, Err(libc::EIO), vec![Open, ReadKind]),
        (vec![], &missing, Err(libc::ENOENT), vec![Open]),
    ] {
        let (mut engine, script) = scripted(&config(), true);
        script.borrow_mut().fates = fates.into();
        let open_before = descriptors();
        let buffer = engine.buffer().unwrap();
        let done = submit(&mut engine, ReadWhole::new(path, buffer).unwrap());
        engine.drain().unwrap();
        let done = done.take().unwrap();
        let found = done.result.map_err(|error| {
            assert_eq!(error.path(), Some(path.as_path()));
            error.errno().unwrap()
        });
        assert_eq!(found, result);
        if found.is_ok() {
            assert_eq!(done.op.buffer[..1000], [5; 1000]);
        }
        assert_eq!(descriptors(), open_before, "{result:?}");
        let kinds: Vec<_> = script.borrow().begun.iter().map(|seen| seen.kind).collect();
        assert!(begun.is_empty() || kinds == begun, "{kinds:?}");
    }
}

#[test]
fn a_read_whole_that_is_cancelled_behind_its_open_leaks_no_descriptor() {
    let Place { path, _folder, .. } = place(&[5; 1000]);
    let (mut engine, script) = scripted(&config(), true);
    let open_before = descriptors();
    let buffer = engine.buffer().unwrap();
    let error = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&error);
    let on_complete = move |done: Completion<ReadWhole>, _: &mut Context<'_>| {
        *inside.borrow_mut() = done.result.err();
    };
    let id = engine.submit(ReadWhole::new(&path, buffer).unwrap(), on_complete).unwrap();
    engine.tick(Wait::None).unwrap();
    assert_eq!(descriptors(), open_before + 1, "it is open");
    script.borrow_mut().held = true;
    engine.tick(Wait::None).unwrap();
    engine.cancel(id);
    engine.tick(Wait::None).unwrap();
    let error = error.take().expect("it was given up");
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::Cancelled, Some(1)));
    assert_eq!(descriptors(), open_before);
}

/// How many descriptors this thread's own table has: tests run beside each other in one process, so
/// the table is made this thread's first.
pub(crate) fn descriptors() -> usize {
    thread_local! {
        static OWN: () = {
            // SAFETY: no memory is named; other threads keep the table that they had.
            let answer = unsafe { libc::unshare(libc::CLONE_FILES) };
            assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
        };
    }
    OWN.with(|()| std::fs::read_dir("/proc/thread-self/fd").unwrap().count())
}

#[test]
fn a_chain_comes_back_with_all_its_buffers_and_is_submitted_again() {
    let (mut engine, _) = scripted(&config(), true);
    let Place { path, file, _folder } = place(b"");
    let read = Read { file: file.clone(), offset: 0, buffer: engine.buffer().unwrap() };
    let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file), read));
    let done = submit(&mut engine, chain);
    engine.drain().unwrap();
    let mut chain = done.take().unwrap().op;
    assert_eq!(chain.steps.2.buffer[..10], [1; 10]);
    chain.steps.0.buffer.fill(2);
    chain.steps.0.offset = 10;
    assert_eq!(perform(&mut engine, chain).unwrap(), (10, (), 20));
    assert_eq!(std::fs::read(&path).unwrap(), [[1; 10], [2; 10]].concat());
}
