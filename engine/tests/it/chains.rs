//! What the engine hands over for a chain, and when it calls back: on a scripted backend that cuts
//! transfers short, fails at any step and breaks the contract.

use crate::chain_place::{Place, config, perform, place, submit, sync, write};
use crate::scripted::{Fate, Seen, scripted};
use iomill_engine::backend::RequestKind::{Nop as NopKind, SyncData, Write as WriteKind};
use iomill_engine::{Chain, Completion, Context, Engine, ErrorKind, Nop, Wait};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const ALL: Wait = Wait::AtLeast(1);

#[test]
fn steps_go_down_linked_in_one_batch_and_one_by_one_where_links_are_missing_or_forbidden() {
    for (links, allowed, batches) in [
        (true, true, vec![vec![WriteKind, SyncData, NopKind]]),
        (false, true, vec![vec![WriteKind], vec![SyncData], vec![NopKind]]),
        (true, false, vec![vec![WriteKind], vec![SyncData], vec![NopKind]]),
    ] {
        let (mut engine, script) = scripted(&config().link(allowed), links);
        let Place { path, file, _folder } = place(b"");
        let chain = Chain::new((write(&engine, &file, 3, 100, 7), sync(&file), Nop));
        assert_eq!(perform(&mut engine, chain).unwrap(), (100, (), ()));
        assert_eq!(script.borrow().kinds(), batches);
        assert_eq!(std::fs::read(&path).unwrap(), [&[0; 3][..], &[7; 100]].concat());
        assert_eq!(engine.in_flight(), 0);
    }
}

#[test]
fn after_a_short_write_the_remainder_and_a_new_sync_are_issued_and_nothing_is_said_before() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { path, file, _folder } = place(b"");
    script.borrow_mut().fates = [Fate::Short(1000), Fate::Short(96)].into();
    let chain = Chain::new((write(&engine, &file, 0, 4096, 7), sync(&file)));
    let done = submit(&mut engine, chain);
    for _ in 0..2 {
        engine.tick(ALL).unwrap();
        assert!(done.borrow().is_none(), "the chain is not done");
        assert!(!script.borrow().begun.iter().any(|seen| seen.kind == SyncData), "too early");
    }
    engine.drain().unwrap();
    assert_eq!(done.take().unwrap().result.unwrap(), (4096, ()));
    let write = |offset, len| Seen { kind: WriteKind, offset, len, flags: 0, linked: true };
    let sync = Seen { kind: SyncData, offset: 0, len: 0, flags: 0, linked: false };
    let batches = [[write(0, 4096), sync], [write(1000, 3096), sync], [write(1096, 3000), sync]];
    assert_eq!(script.borrow().batches, batches);
    let begun = [write(0, 4096), write(1000, 3096), write(1096, 3000), sync];
    assert_eq!(script.borrow().begun, begun);
    assert_eq!(std::fs::read(&path).unwrap(), [7; 4096]);
}

#[test]
fn a_fault_at_any_step_is_retried_if_it_passes_and_ends_the_chain_there_if_not() {
    let kinds = [WriteKind, SyncData, WriteKind, SyncData];
    for links in [true, false] {
        for step in 0..4 {
            for errno in [libc::EINTR, libc::EAGAIN, libc::EIO] {
                let (mut engine, script) = scripted(&config(), links);
                let Place { file, _folder, .. } = place(b"");
                let good = vec![Fate::Good; step];
                script.borrow_mut().fates = [good, vec![Fate::Errno(errno)]].concat().into();
                let (first, second) =
                    (write(&engine, &file, 0, 10, 1), write(&engine, &file, 10, 10, 2));
                let chain = Chain::new((first, sync(&file), second, sync(&file)));
                let result = perform(&mut engine, chain);
                let begun: Vec<_> = script.borrow().begun.iter().map(|seen| seen.kind).collect();
                if errno == libc::EIO {
                    let error = result.unwrap_err();
                    assert_eq!((error.failed_step(), error.errno()), (Some(step), Some(errno)));
                    assert_eq!(error.path(), Some(file.path()));
                    assert_eq!(begun, kinds[..=step], "nothing behind the failure");
                    let says = format!("step {} of 4: ", step + 1);
                    assert!(error.to_string().starts_with(&says), "{error}");
                    assert_eq!(file.is_poisoned(), kinds[step] == SyncData);
                } else {
                    assert_eq!(result.unwrap(), (10, (), 10, ()));
                    let again = [&kinds[..=step], &kinds[step..]].concat();
                    assert_eq!(begun, again, "from the interrupted step on");
                }
                assert_eq!(engine.in_flight(), 0);
            }
        }
    }
}

#[test]
fn a_chain_longer_than_the_window_goes_down_in_parts_in_order() {
    for (depth, parts) in [(1, vec![1, 1, 1, 1]), (2, vec![2, 2]), (3, vec![3, 1])] {
        let (mut engine, script) = scripted(&config().depth(depth).capacity(8), true);
        let Place { path, file, _folder } = place(b"");
        let (first, second) = (write(&engine, &file, 0, 10, 1), write(&engine, &file, 5, 10, 2));
        let chain = Chain::new((first, sync(&file), second, sync(&file)));
        assert_eq!(perform(&mut engine, chain).unwrap(), (10, (), 10, ()));
        let lens: Vec<_> = script.borrow().batches.iter().map(Vec::len).collect();
        assert_eq!(lens, parts, "depth {depth}");
        assert_eq!(std::fs::read(&path).unwrap(), [&[1; 5][..], &[2; 10]].concat());
    }
}

#[test]
fn a_chain_is_accepted_with_all_its_steps_or_handed_back_whole() {
    let (mut engine, script) = scripted(&config().capacity(8), true);
    script.borrow_mut().held = true;
    let Place { file, _folder, .. } = place(b"");
    for _ in 0..6 {
        engine.submit(Nop, |_, _| ()).unwrap();
    }
    let chain = Chain::new((write(&engine, &file, 0, 100, 9), sync(&file), Nop));
    let refused = engine.submit(chain, |_, _| ()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Full);
    assert_eq!(refused.op.steps.0.buffer[..], [9; 100], "the buffer came back");
    assert_eq!(engine.in_flight(), 6, "no step was kept");
    let chain = Chain::new((Nop, Nop));
    engine.submit(chain, |done, _| assert_eq!(done.result.unwrap(), ((), ()))).unwrap();
    assert_eq!(engine.submit(Nop, |_, _| ()).unwrap_err().error.kind(), ErrorKind::Full);
    script.borrow_mut().held = false;
    engine.drain().unwrap();
    engine.submit(refused.op, |done, _| assert_eq!(done.result.unwrap(), (100, (), ()))).unwrap();
    engine.drain().unwrap();

    let (mut engine, _) = scripted(&config().depth(2).capacity(2), true);
    let refused = engine.submit(Chain::new((Nop, Nop, Nop)), |_, _| ()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidConfig, "{}", refused.error);
}

#[test]
fn a_step_that_cannot_be_described_refuses_the_whole_chain_and_is_named() {
    let (mut engine, _) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    let far = write(&engine, &file, u64::MAX, 1, 1);
    let chain = Chain::new((Nop, far, sync(&file)));
    let refused = engine.submit(chain, |_, _| ()).unwrap_err();
    assert_eq!(refused.error.failed_step(), Some(1), "{}", refused.error);
    assert_eq!(engine.in_flight(), 0);
}

#[test]
fn a_run_that_the_kernel_refused_at_its_last_entry_is_made_one_by_one() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    script.borrow_mut().refuses_runs = Some(libc::EINVAL);
    let chain = Chain::new((write(&engine, &file, 0, 10, 1), Nop, sync(&file)));
    assert_eq!(perform(&mut engine, chain).unwrap(), (10, (), ()));
    let batches =
        vec![vec![WriteKind, NopKind, SyncData], vec![WriteKind], vec![NopKind], vec![SyncData]];
    assert_eq!(script.borrow().kinds(), batches);
}

#[test]
fn a_success_out_of_order_is_not_taken_but_made_again() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    script.borrow_mut().breaks_the_contract = true;
    let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file)));
    let done = submit(&mut engine, chain);
    engine.tick(ALL).unwrap();
    assert!(done.borrow().is_none(), "the sync was there before its write");
    engine.drain().unwrap();
    assert_eq!(done.take().unwrap().result.unwrap(), (10, ()));
    assert_eq!(script.borrow().kinds(), [vec![WriteKind, SyncData], vec![SyncData]]);
}

#[test]
fn a_chain_that_is_cancelled_in_the_middle_ends_at_the_step_it_has_come_to() {
    for links in [true, false] {
        let (mut engine, script) = scripted(&config(), links);
        let Place { path, file, _folder } = place(b"");
        script.borrow_mut().fates = [Fate::Short(4)].into();
        let done = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&done);
        let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file)));
        let on_complete = move |completion: Completion<_>, _: &mut Context<'_>| {
            *inside.borrow_mut() = Some(completion.result);
        };
        let id = engine.submit(chain, on_complete).unwrap();
        engine.tick(Wait::None).unwrap();
        script.borrow_mut().held = true;
        engine.tick(Wait::None).unwrap();
        assert!(engine.cancel(id));
        engine.tick(Wait::None).unwrap();
        let error = done.take().expect("it was called back").unwrap_err();
        let found = (error.kind(), error.failed_step(), error.transferred_bytes());
        assert_eq!(found, (ErrorKind::Cancelled, Some(0), 4));
        assert!(!engine.cancel(id), "it is over");
        assert_eq!((engine.in_flight(), file.is_poisoned()), (0, false));
        assert_eq!(std::fs::read(&path).unwrap(), [1; 4]);
    }
}

#[test]
fn a_cancel_that_comes_too_late_for_one_step_stops_the_next() {
    for links in [true, false] {
        let (mut engine, script) = scripted(&config(), links);
        let Place { path, file, _folder } = place(b"");
        script.borrow_mut().held = true;
        script.borrow_mut().cancel_comes_late = true;
        let done = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&done);
        let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file), Nop));
        let on_complete = move |completion: Completion<_>, _: &mut Context<'_>| {
            *inside.borrow_mut() = Some(completion.result);
        };
        let id = engine.submit(chain, on_complete).unwrap();
        engine.tick(Wait::None).unwrap();
        assert!(engine.cancel(id));
        for _ in 0..3 {
            engine.tick(Wait::None).unwrap();
        }
        let error = done.take().expect("it was called back").unwrap_err();
        assert_eq!((error.kind(), error.failed_step()), (ErrorKind::Cancelled, Some(1)));
        assert_eq!(script.borrow().begun.len(), 1, "links: {links}");
        assert_eq!(std::fs::read(&path).unwrap(), [1; 10]);
    }
}

#[test]
fn a_chain_that_is_cancelled_in_the_queue_was_not_begun() {
    let (mut engine, script) = scripted(&config().depth(1).capacity(8), true);
    script.borrow_mut().held = true;
    engine.submit(Nop, |_, _| ()).unwrap();
    let done = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&done);
    let on_complete = move |completion: Completion<_>, _: &mut Context<'_>| {
        *inside.borrow_mut() = Some(completion.result);
    };
    let id = engine.submit(Chain::new((Nop, Nop)), on_complete).unwrap();
    engine.tick(Wait::None).unwrap();
    engine.cancel(id);
    engine.tick(Wait::None).unwrap();
    let error = done.take().expect("it was called back").unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::Cancelled, Some(0)));
    assert_eq!(script.borrow().kinds(), [vec![NopKind]]);
    script.borrow_mut().held = false;
}

#[test]
fn a_deadline_ends_a_chain_in_the_middle() {
    let (mut engine, script) = scripted(&config().link(false), true);
    let Place { file, _folder, .. } = place(b"");
    let done = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&done);
    let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file)));
    let on_complete = move |completion: Completion<_>, _: &mut Context<'_>| {
        *inside.borrow_mut() = Some(completion.result);
    };
    engine.submit_within(chain, Duration::from_millis(20), on_complete).unwrap();
    engine.tick(Wait::None).unwrap();
    script.borrow_mut().held = true;
    while done.borrow().is_none() {
        engine.tick(ALL).unwrap();
    }
    let error = done.take().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::DeadlineExceeded, Some(1)));
    assert!(!file.is_poisoned(), "nothing failed");
}

#[test]
fn a_shutdown_ends_chains_at_their_step_and_leaks_what_does_not_come_back() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    script.borrow_mut().held = true;
    let chain = Chain::new((write(&engine, &file, 0, 10, 1), sync(&file)));
    let done = submit(&mut engine, chain);
    engine.tick(Wait::None).unwrap();
    let report = engine.shutdown(Duration::from_millis(10));
    assert_eq!((report.drained, report.cancelled, report.leaked), (1, 1, 0));
    let error = done.take().unwrap().result.unwrap_err();
    assert_eq!((error.kind(), error.failed_step()), (ErrorKind::Cancelled, Some(0)));

    let mut engine = Engine::with_backend(&config(), Box::new(crate::stuck::Stuck::default()));
    let engine = engine.as_mut().unwrap();
    let (op, count) = (write(engine, &file, 0, 10, 1), Rc::new(()));
    let inside = Rc::clone(&count);
    engine.submit(Chain::new((op, sync(&file))), move |_, _| drop(inside)).unwrap();
    engine.tick(Wait::None).unwrap();
    let taken = std::mem::replace(engine, scripted(&config(), true).0);
    assert_eq!(taken.shutdown(Duration::ZERO).leaked, 2, "both steps");
    assert_eq!(Rc::strong_count(&count), 1, "the callback was dropped, not called");
}
