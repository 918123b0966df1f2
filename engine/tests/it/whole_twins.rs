//! Files that are read whole in one run, on a backend that answers by a script: what happens when
//! any of the three steps fails, and that the outcome is that of three steps one by one.

use crate::chain_operations::descriptors;
use crate::chain_place::{config, place, submit};
use crate::scripted::{Fate, Script, scripted_by};
use iomill_engine::backend::RequestKind::{self, Close, CloseSlot, Open, OpenSlot, Read, ReadSlot};
use iomill_engine::{Completion, Config, Context, ErrorKind, Ran, ReadWhole, Wait};
use proptest::prelude::*;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

fn whole() -> Script {
    Script { reads_whole: true, ..Script::default() }
}

/// Reads a file with a buffer of this length; answers what came of it, what was begun for it, and
/// checks that nothing has stayed open.
fn read(script: Script, links: bool, path: &Path, len: usize) -> (Told, Vec<RequestKind>) {
    let open_before = descriptors();
    let (mut engine, script) = scripted_by(&config().link(links), links, script);
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(len);
    let done = submit(&mut engine, ReadWhole::new(path, buffer).unwrap());
    engine.drain().unwrap();
    let done = done.take().unwrap();
    let told = match done.result {
        Ok(bytes) => Told::Bytes(done.op.buffer[..bytes as usize].to_vec()),
        Err(error) => Told::Failed(error.errno(), error.failed_step()),
    };
    let script = script.borrow();
    assert!(script.slots.is_empty(), "a file is left in a slot: {:?}", script.slots);
    assert_eq!(descriptors(), open_before, "none is left open, and none of others is closed");
    (told, script.begun.iter().map(|seen| seen.kind).collect())
}

#[derive(Debug, PartialEq)]
enum Told {
    Bytes(Vec<u8>),
    /// The errno and the step.
    Failed(Option<i32>, Option<usize>),
}

#[test]
fn a_file_is_read_by_one_run_of_three() {
    let place = place(&[5; 1000]);
    for len in [1000, 4096, 10] {
        let (told, begun) = read(whole(), true, &place.path, len);
        assert_eq!(told, Told::Bytes(vec![5; len.min(1000)]));
        assert_eq!(begun, [OpenSlot, ReadSlot, CloseSlot]);
    }
    let (told, begun) = read(whole(), false, &place.path, 4096);
    assert_eq!(told, Told::Bytes(vec![5; 1000]));
    assert_eq!(begun, [Open, Read, Read, Close], "an engine that never links");
}

#[test]
fn whatever_step_fails_the_slot_is_empty_and_the_file_is_read_in_another_way_if_there_is_one() {
    let place = place(&[5; 1000]);
    let (errno, good) = (Fate::Errno, Fate::Good);
    let all = || Told::Bytes(vec![5; 1000]);
    let failed = |errno, step| Told::Failed(Some(errno), Some(step));
    let in_parts = [Open, Read, Read, Close];
    let anew = [&[OpenSlot, ReadSlot, CloseSlot][..], &in_parts].concat();
    for (fates, told, begun) in [
        // Nothing was opened.
        (vec![errno(libc::EMFILE)], failed(libc::EMFILE, 0), vec![OpenSlot]),
        (vec![errno(libc::EINTR)], all(), vec![OpenSlot, OpenSlot, ReadSlot, CloseSlot]),
        (vec![errno(libc::EINVAL)], all(), [&[OpenSlot][..], &in_parts].concat()),
        // The read has failed for good.
        (vec![good, errno(libc::EIO)], failed(libc::EIO, 1), vec![OpenSlot, ReadSlot, CloseSlot]),
        // The read is to be gone on with, and the file is closed.
        (vec![good, errno(libc::EINTR)], all(), anew.clone()),
        (vec![good, errno(libc::EAGAIN)], all(), anew.clone()),
        (vec![good, Fate::Short(10)], all(), anew.clone()),
        (vec![good, Fate::Short(10), good, good, Fate::Short(1)], all(), vec![]),
        // The same, and the file is open still.
        (
            vec![good, Fate::Short(10), errno(libc::ECANCELED)],
            all(),
            vec![OpenSlot, ReadSlot, CloseSlot, Read, Read, CloseSlot],
        ),
        // Only the close was not made, for now or for good.
        (
            vec![good, good, errno(libc::ECANCELED)],
            all(),
            vec![OpenSlot, ReadSlot, CloseSlot, CloseSlot],
        ),
        (vec![good, good, errno(libc::EBADF)], all(), vec![OpenSlot, ReadSlot, CloseSlot]),
        (
            vec![good, errno(libc::EIO), errno(libc::ECANCELED)],
            failed(libc::EIO, 1),
            vec![OpenSlot, ReadSlot, CloseSlot],
        ),
    ] {
        let script = Script { fates: fates.clone().into(), ..whole() };
        let (found, kinds) = read(script, true, &place.path, 4096);
        assert_eq!(found, told, "{fates:?}");
        assert!(begun.is_empty() || kinds == begun, "{fates:?}: {kinds:?}");
    }
}

#[test]
fn a_run_that_is_cut_behind_its_open_goes_on_with_what_is_open() {
    let place = place(&[5; 1000]);
    let errno = Fate::Errno;
    for (fates, told, begun) in [
        (vec![], Told::Bytes(vec![5; 1000]), vec![OpenSlot, Read, Read, CloseSlot]),
        (
            vec![Fate::Good, errno(libc::EIO)],
            Told::Failed(Some(libc::EIO), Some(1)),
            vec![OpenSlot, Read],
        ),
        (
            vec![Fate::Good, Fate::Good, Fate::Good, errno(libc::EIO)],
            Told::Bytes(vec![5; 1000]),
            vec![OpenSlot, Read, Read, CloseSlot],
        ),
    ] {
        let script = Script { fates: fates.clone().into(), cuts_whole: true, ..whole() };
        assert_eq!(read(script, true, &place.path, 4096), (told, begun), "{fates:?}");
    }
}

#[test]
fn a_run_that_the_kernel_refuses_before_it_begins_is_made_one_by_one() {
    let place = place(&[5; 1000]);
    let script = Script { refuses_runs: Some(libc::EINVAL), ..whole() };
    let (told, begun) = read(script, true, &place.path, 4096);
    assert_eq!((told, begun), (Told::Bytes(vec![5; 1000]), vec![Open, Read, Read, Close]));
}

#[test]
fn a_cancel_at_any_step_calls_back_once_and_leaves_no_slot_filled() {
    let place = place(&[5; 1000]);
    for (held_after, cuts_whole) in [(0, false), (1, false), (1, true), (2, true), (3, true)] {
        let (mut engine, script) = scripted_by(&config(), true, Script { cuts_whole, ..whole() });
        let error = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&error);
        let on_complete = move |done: Completion<ReadWhole>, _: &mut Context<'_>| {
            let earlier = inside.borrow_mut().replace(done.result.err());
            assert!(earlier.is_none(), "called back twice");
        };
        let op = ReadWhole::new(&place.path, engine.buffer().unwrap()).unwrap();
        let id = engine.submit(op, on_complete).unwrap();
        for _ in 1..held_after {
            engine.tick(Wait::None).unwrap();
        }
        script.borrow_mut().held = true;
        if held_after > 0 {
            engine.tick(Wait::None).unwrap();
        }
        engine.cancel(id);
        engine.tick(Wait::None).unwrap();
        if (held_after, cuts_whole) == (1, false) {
            assert_eq!(script.borrow().cancels, 2, "the close ends by itself");
        }
        script.borrow_mut().held = false;
        engine.drain().unwrap();
        let error = error.take().unwrap().expect("it was given up");
        let begun = cuts_whole && held_after > 1;
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.failed_step(), Some(usize::from(begun)), "{held_after} {cuts_whole}");
        assert_eq!(error.ran() == Ran::Begun, begun, "{error}");
        assert!(script.borrow().slots.is_empty());
    }
}

#[test]
fn no_more_files_are_open_in_slots_than_there_are_and_the_others_are_read_one_by_one() {
    let place = place(&[5; 1000]);
    // The window has room for four such runs.
    let few = Script { slots_max: Some(3), ..whole() };
    let config = Config::new().fixed_files(1).depth(12).capacity(64).buffers(16, 4096);
    let (engine, script) = scripted_by(&config, true, few);
    assert_eq!((engine.report().fixed_files, script.borrow().slot_count), (1, 1));
    let noted = &engine.report().fallbacks[0];
    assert_eq!(noted.what, "whole files in one batch");
    drop(engine);

    let (mut engine, script) = scripted_by(&config, true, whole());
    assert_eq!((engine.report().fixed_files, script.borrow().slot_count), (1, 4));
    let done: Vec<_> = (0..16)
        .map(|_| {
            let buffer = engine.buffer().unwrap();
            submit(&mut engine, ReadWhole::new(&place.path, buffer).unwrap())
        })
        .collect();
    engine.drain().unwrap();
    assert!(done.iter().all(|done| done.take().unwrap().result.unwrap() == 1000));
    let script = script.borrow();
    assert!(script.slots.is_empty());
    let opened = script.begun.iter().filter(|seen| seen.kind == OpenSlot).count();
    let in_parts = script.begun.iter().filter(|seen| seen.kind == Open).count();
    assert_eq!(opened + in_parts, 16);
    assert!(opened >= 3 && in_parts >= 1, "{opened} in slots");
}

#[test]
fn an_engine_without_runs_for_whole_files_has_no_slots_for_them() {
    for (links, depth, reads_whole) in [(false, 12, true), (true, 2, true), (true, 12, false)] {
        let config = Config::new().fixed_files(3).depth(depth).link(links);
        let script = Script { reads_whole, ..Script::default() };
        let (_engine, script) = scripted_by(&config, true, script);
        assert_eq!(script.borrow().slot_count, 3);
    }
    let config = Config::new().fixed_files(3).depth(4096).capacity(4096).buffers(0, 1);
    let (_engine, script) = scripted_by(&config, true, whole());
    assert_eq!(script.borrow().slot_count, 3 + 3, "a bound at any depth");
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Good),
        2 => (1_usize..2000).prop_map(Fate::Short),
        1 => Just(Fate::Errno(libc::EINTR)),
        1 => Just(Fate::Errno(libc::EAGAIN)),
    ]
}

fn failure() -> impl Strategy<Value = Option<(RequestKind, i32)>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some((Open, libc::EACCES))),
        1 => Just(Some((Read, libc::EIO))),
    ]
}

proptest! {
    #[test]
    fn read_in_one_run_or_never_linked_a_file_comes_to_the_same(
        content_len in 0_usize..3000, len in 1_usize..=4096,
        fates in prop::collection::vec(fate(), 0..9), fails in failure(),
        cuts_whole in any::<bool>()
    ) {
        let place = place(&vec![7; content_len]);
        let script = || Script { fates: fates.clone().into(), fails, cuts_whole, ..whole() };
        let (linked, _) = read(script(), true, &place.path, len);
        let (never, begun) = read(script(), false, &place.path, len);
        prop_assert!(begun.iter().all(|kind| ![OpenSlot, ReadSlot, CloseSlot].contains(kind)));
        prop_assert_eq!(linked, never);
    }
}
