//! Replaces a settings file by writing a new one and renaming it, and tries every power failure:
//! once as it is done, and once without the sync before the rename, which must be found out:
//! `cargo run -p iomill-engine --features sim --example crash_test`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::backend::sim::SimOptions;
use iomill_engine::backend::sim::crash::{Explorer, Image, Recorder, Report};
use iomill_engine::{
    Completion, Config, Context, Engine, Error, File, Open, Operation, Rename, Sync, Write,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Submits an operation and waits for it.
fn perform<O: Operation + 'static>(engine: &mut Engine, op: O) -> Result<O::Output, Error>
where
    O::Output: 'static,
{
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    engine.submit(op, move |done: Completion<O>, _: &mut Context<'_>| {
        *inside.borrow_mut() = Some(done.result);
    })?;
    engine.drain()?;
    place.take().expect("what was accepted is called back")
}

/// The program under test.
fn save(engine: &mut Engine, settings: &[u8], syncs: bool) -> Result<(), Error> {
    let options = File::options().write(true).create(true).truncate(true);
    let file = perform(engine, Open::new(options, "settings.new")?)?;
    let mut buffer = engine.buffer().expect("one request at a time");
    buffer.set_len(settings.len());
    buffer.copy_from_slice(settings);
    perform(engine, Write { file: file.clone(), offset: 0, buffer })?;
    if syncs {
        perform(engine, Sync { file: file.clone(), data_only: false })?;
    }
    perform(engine, Rename::new("settings.new", "settings")?)?;
    // So that the new name is there for certain.
    perform(engine, Sync { file, data_only: false })
}

/// What is to be there: version after version, each as long as this.
fn version(number: u8) -> Vec<u8> {
    vec![number; 900]
}

fn explore(seed: u64, syncs: bool) -> Result<Report, Error> {
    let program = |recorder: &Recorder<u8>| {
        recorder.disk().create_with("settings", &version(0))?;
        let mut engine = Config::new().depth(4).simulated(recorder.disk()).start()?;
        for number in 1..4 {
            save(&mut engine, &version(number), syncs)?;
            recorder.mark(number);
        }
        Ok(())
    };
    let checker = |image: &Image<'_, u8>| {
        let found = image.disk.contents("settings").ok_or("there are no settings")?;
        let saved = image.marks.last().copied().unwrap_or(0);
        // The next version may be there before `save` has returned.
        match found == version(saved) || found == version(saved + 1) {
            true => Ok(()),
            false => {
                Err(format!("{} bytes are neither version {saved} nor the next", found.len()))?
            }
        }
    };
    Explorer::new(SimOptions::new(seed)).explore(program, checker)
}

fn main() -> Result<(), Error> {
    for seed in 0..5 {
        let report = explore(seed, true)?;
        println!("with the sync: {report}");
        report.assert_sound();
        let wrong = explore(seed, false)?;
        println!("without it: {} of {} images refused", wrong.violation_count, wrong.images);
        assert!(wrong.violation_count > 0, "a missing sync must be found out");
    }
    Ok(())
}
