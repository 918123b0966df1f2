//! Cases about when callbacks run: once each, only from the loop, never inside one another.
//!
//! It never looks at the bytes moved (`transfers`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use iomill_engine::{Context, Engine, Nop, Wait};

use super::subject::{Count, Subject, complete, open, pattern, read};

fn submit(engine: &mut Engine, on_complete: impl FnOnce(&mut Context<'_>) + 'static) {
    engine
        .submit(Nop, move |_, context| on_complete(context))
        .map_err(|refused| refused.error)
        .expect("the engine has room");
}

pub(super) fn each_request_is_called_back_exactly_once(subject: &Subject) {
    const ROUNDS: u32 = 50;
    const EACH: u32 = 40;
    let path = subject.file("data", &pattern(1 << 16));
    let mut engine = subject.config().depth(16).capacity(64).buffers(64, 4096).start().unwrap();
    let file = open(&path);
    let mut counts = Vec::new();
    for _ in 0..ROUNDS {
        for index in 0..EACH {
            let count = Count::default();
            counts.push(count.clone());
            let op = read(&engine, &file, u64::from(index) * 1000, 1000);
            let accepted = engine.submit(op, move |completion, _| {
                assert_eq!(completion.result.unwrap(), 1000);
                count.add();
            });
            accepted.map_err(|refused| refused.error).unwrap();
        }
        engine.drain().unwrap();
    }
    assert_eq!(counts.len(), 2000);
    assert!(counts.iter().all(|count| count.get() == 1), "not every callback ran exactly once");
    assert_eq!(engine.in_flight(), 0);
}

pub(super) fn submit_never_calls_back(subject: &Subject) {
    let mut engine = subject.config().depth(4).capacity(64).start().unwrap();
    let count = Count::default();
    for accepted in 1..=64 {
        let count_inside = count.clone();
        submit(&mut engine, move |_| count_inside.add());
        assert_eq!(count.get(), 0, "submit ran a callback");
        assert_eq!(engine.in_flight(), accepted);
    }
    engine.drain().unwrap();
    assert_eq!(count.get(), 64);
}

pub(super) fn callbacks_resubmit_and_are_never_nested(subject: &Subject) {
    const GENERATIONS: u32 = 200;

    fn next(context: &mut Context<'_>, inside: &Count, done: &Count) {
        assert_eq!(inside.get(), 0, "a callback ran inside another one");
        inside.add();
        done.add();
        if done.get() < GENERATIONS {
            let (inside_next, done_next) = (inside.clone(), done.clone());
            let accepted = context
                .submit(Nop, move |_, context| next(context, &inside_next, &done_next))
                .is_ok();
            assert!(accepted, "a callback's own slot is free for what it submits");
        }
        inside.take_away();
    }

    let mut engine = subject.config().depth(2).capacity(2).start().unwrap();
    let (inside, done) = (Count::default(), Count::default());
    let (inside_first, done_first) = (inside.clone(), done.clone());
    submit(&mut engine, move |context| next(context, &inside_first, &done_first));
    engine.drain().unwrap();
    assert_eq!(done.get(), GENERATIONS);
}

pub(super) fn resubmitted_operation_needs_nothing_new(subject: &Subject) {
    let path = subject.file("data", &pattern(3 * 1000));
    let mut engine = subject.config().depth(1).buffers(1, 4096).start().unwrap();
    let op = read(&engine, &open(&path), 0, 1000);
    let total = Count::default();
    let total_inside = total.clone();
    let accepted = engine.submit(op, move |first, context| {
        assert!(first.op.buffer[..] == pattern(3000)[..1000]);
        total_inside.add();
        let mut op = first.op;
        op.offset += 1000;
        let accepted = context.submit(op, move |second, _| {
            assert_eq!(second.op.offset, 1000);
            assert!(second.op.buffer[..] == pattern(3000)[1000..2000]);
            total_inside.add();
        });
        assert!(accepted.is_ok());
    });
    assert!(accepted.is_ok());
    engine.drain().unwrap();
    assert_eq!(total.get(), 2);
}

pub(super) fn panic_reaches_the_caller_and_loses_no_other_request(subject: &Subject) {
    let mut engine = subject.config().depth(8).capacity(32).start().unwrap();
    let count = Count::default();
    for index in 0..20 {
        let count_inside = count.clone();
        submit(&mut engine, move |_| {
            if index == 5 {
                std::panic::panic_any("request 5 is unhappy");
            }
            count_inside.add();
        });
    }
    let caught = catch_unwind(AssertUnwindSafe(|| engine.drain()));
    let payload = caught.expect_err("the panic reaches the caller of the loop");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"request 5 is unhappy"));
    engine.drain().expect("the engine goes on");
    assert_eq!(count.get(), 19, "the other callbacks all ran");
    assert_eq!(engine.in_flight(), 0);
    assert_eq!(engine.metrics().callback_panics, 1);
    complete(&mut engine, Nop).result.unwrap();
}

pub(super) fn waiting_for_n_calls_back_at_least_n(subject: &Subject) {
    let path = subject.file("data", &pattern(1 << 16));
    let mut engine = subject.config().depth(16).start().unwrap();
    let file = open(&path);
    let count = Count::default();
    for index in 0..16 {
        let count_inside = count.clone();
        let op = read(&engine, &file, index * 4096, 4096);
        assert!(engine.submit(op, move |_, _| count_inside.add()).is_ok());
    }
    // A tick that leaves a batch for the next one does not wait; the one that hands over the last
    // batch does.
    let (mut submitted, mut completed) = (0, 0);
    while submitted < 16 {
        let in_flight = engine.in_flight();
        let tick = engine.tick(Wait::AtLeast(9)).unwrap();
        assert!(tick.submitted > 0, "a tick without waiting and without progress");
        submitted += tick.submitted;
        completed += tick.completed;
        assert_eq!(completed, count.get(), "the ticks report the callbacks they ran");
        let wanted = if submitted == 16 { in_flight.min(9) } else { 0 };
        assert!(tick.completed >= wanted, "waited for {wanted}, got {tick:?}");
    }
    engine.drain().unwrap();
    assert_eq!((submitted, count.get()), (16, 16));
}

pub(super) fn waiting_for_more_than_is_in_flight_ends(subject: &Subject) {
    let mut engine = subject.config().depth(4).capacity(8).start().unwrap();
    let count = Count::default();
    for _ in 0..6 {
        let count_inside = count.clone();
        submit(&mut engine, move |_| count_inside.add());
    }
    let tick = engine.tick(Wait::AtLeast(100)).unwrap();
    assert_eq!((tick.submitted, tick.completed), (4, 4), "the window holds four");
    let tick = engine.tick(Wait::AtLeast(u32::MAX)).unwrap();
    assert_eq!((tick.submitted, tick.completed), (2, 2));
    assert_eq!(count.get(), 6);
}
