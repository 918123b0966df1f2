//! The crash explorer on programs that keep their promises and on their twins that do not: it has
//! to find nothing in the former and something in the latter.

use crate::sim_behaviour::{perform, sync, write};
use iomill_engine::backend::sim::crash::{Explorer, Image, Recorder, Report};
use iomill_engine::backend::sim::{Faults, SimOptions};
use iomill_engine::{
    Append, Config, Engine, Error, File, Open, Rename, Sync, Write, WriteFlags, WriteWith,
};
use std::collections::HashSet;
use std::error::Error as StdError;

type Checked = Result<(), Box<dyn StdError>>;

/// What the programs here say of themselves: that they begin with something, or that it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Begun(u8),
    Safe(u8),
}

fn engine(recorder: &Recorder<Mark>) -> Engine {
    Config::new().depth(8).simulated(recorder.disk()).start().unwrap()
}

/// The newest number that was begun, and the newest that is safe.
fn promised(image: &Image<'_, Mark>) -> (u8, u8) {
    image.marks.iter().fold((0, 0), |(begun, safe), mark| match mark {
        Mark::Begun(number) => (*number, safe),
        Mark::Safe(number) => (begun, *number),
    })
}

fn explorer(seed: u64) -> Explorer {
    Explorer::new(SimOptions::new(seed))
}

/// Overwrites two sectors, again and again.
fn overwrite(syncs: bool) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        let file = recorder.disk().create("file", 1024)?;
        let mut engine = engine(recorder);
        for number in 1..=4 {
            recorder.mark(Mark::Begun(number));
            write(&mut engine, &file, 0, &[number; 1024])?;
            if syncs {
                sync(&mut engine, &file)?;
            }
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Checked {
        let bytes = image.disk.contents("file").ok_or("the file is gone")?;
        let (begun, safe) = promised(image);
        match bytes.iter().all(|byte| (safe..=begun).contains(byte)) && bytes.len() == 1024 {
            true => Ok(()),
            false => Err(format!("{} and {} with {safe} safe", bytes[0], bytes[512]).into()),
        }
    };
    explorer(1).explore(program, checker).unwrap()
}

#[test]
fn a_write_is_safe_after_its_sync_and_not_before() {
    let report = overwrite(true);
    report.assert_sound();
    // Worked out by hand, for each number: one image when it is begun. While it is written, and
    // after that, four, of which that one is known. After the sync one, which is known, too, and
    // once more with the mark that it is safe.
    assert_eq!((report.exhaustive, report.images), (true, 4 * (1 + 3 + 1)), "{report}");
    let report = overwrite(false);
    assert!(report.violation_count > 10, "{report}");
    assert!(report.to_string().contains("after mark 2: 0 and 0 with 1 safe"), "{report}");
}

const RECORD_LEN: usize = 700;

/// A number, bytes of it, and their sum.
fn record(number: u8) -> [u8; RECORD_LEN] {
    let mut bytes = [number; RECORD_LEN];
    let sum: u32 = bytes[..RECORD_LEN - 4].iter().map(|byte| u32::from(*byte) + 1).sum();
    bytes[RECORD_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Appends records; recovery takes them up to the first one that is not whole.
fn append_log(explorer: &Explorer, records: u8, checks_sums: bool) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        let file = recorder.disk().create("log", 0)?;
        let mut engine = engine(recorder);
        for number in 1..=records {
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(RECORD_LEN);
            buffer.copy_from_slice(&record(number));
            perform(&mut engine, Append { file: file.clone(), buffer })?;
            perform(&mut engine, Sync { file: file.clone(), data_only: true })?;
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Checked {
        let bytes = image.disk.contents("log").ok_or("the log is gone")?;
        let (mut found, (_, safe)) = (0, promised(image));
        for (number, bytes) in (1..).zip(bytes.chunks_exact(RECORD_LEN)) {
            let is_whole = bytes == record(number);
            if checks_sums && !is_whole {
                break;
            }
            if !is_whole {
                return Err(format!("record {number} is taken and was torn").into());
            }
            found = number;
        }
        if found < safe { Err(format!("{found} records of {safe}").into()) } else { Ok(()) }
    };
    explorer.explore(program, checker).unwrap()
}

#[test]
fn a_log_with_checksums_loses_nothing_and_one_without_takes_torn_records() {
    let report = append_log(&explorer(1), 6, true);
    report.assert_sound();
    assert!(report.exhaustive && report.images > 30, "{report}");
    assert!(append_log(&explorer(1), 6, false).violation_count > 6);
}

#[test]
fn what_is_too_much_is_explored_by_the_seed() {
    let explorer = |seed| explorer(seed).points_max(40).images_per_point_max(3);
    let report = append_log(&explorer(1), 200, true);
    report.assert_sound();
    assert!(!report.exhaustive && report.points > 500, "{report}");
    assert_eq!(report.explored_points, 40);
    let wrong = append_log(&explorer(1), 200, false);
    assert!(wrong.violation_count > 0, "{wrong}");
    let lines = |report: Report| report.to_string();
    assert_eq!(lines(append_log(&explorer(1), 200, false)), lines(wrong));
}

/// Replaces a file by one that is whole.
fn replace(syncs: bool) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        recorder.disk().create_with("settings", &[b'0'; 600])?;
        let mut engine = engine(recorder);
        for number in b'1'..=b'3' {
            recorder.mark(Mark::Begun(number));
            let options = File::options().read(true).write(true).create(true).truncate(true);
            let file = perform(&mut engine, Open::new(options, "settings.new")?)?;
            write(&mut engine, &file, 0, &[number; 600])?;
            if syncs {
                sync(&mut engine, &file)?;
            }
            perform(&mut engine, Rename::new("settings.new", "settings")?)?;
            // A full sync of any file covers the names.
            sync(&mut engine, &file)?;
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Checked {
        let bytes = image.disk.contents("settings").ok_or("there are no settings")?;
        let (begun, safe) = promised(image);
        let (oldest, newest) = (safe.max(b'0'), begun.max(b'0'));
        let is_one = bytes.iter().all(|byte| *byte == bytes[0]) && bytes.len() == 600;
        match is_one && (oldest..=newest).contains(&bytes[0]) {
            true => Ok(()),
            false => Err(format!("{} bytes, {:?}", bytes.len(), bytes.first()).into()),
        }
    };
    explorer(1).explore(program, checker).unwrap()
}

#[test]
fn a_file_is_replaced_in_one_step_if_it_is_synced_before_the_rename() {
    let report = replace(true);
    report.assert_sound();
    assert!(report.exhaustive, "{report}");
    assert!(replace(false).violation_count > 0);
}

fn direct(recorder: &Recorder<Mark>, len: usize) -> File {
    recorder.disk().create_with("pages", &vec![0; len]).unwrap();
    let options = File::options().read(true).write(true).direct(true);
    recorder.disk().open("pages", &options).unwrap()
}

/// Overwrites a page without a sync, so that each state must be one of the old ones as a whole.
fn pages(flags: WriteFlags) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        let file = direct(recorder, 4096);
        let mut engine = engine(recorder);
        for number in 1..=3 {
            recorder.mark(Mark::Begun(number));
            let mut buffer = engine.buffer().unwrap();
            buffer.fill(number);
            perform(&mut engine, WriteWith { file: file.clone(), offset: 0, buffer, flags })?;
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Checked {
        let bytes = image.disk.contents("pages").ok_or("the file is gone")?;
        let is_whole = bytes.iter().all(|byte| *byte == bytes[0]);
        let is_known = bytes.len() == 4096 && bytes[0] <= promised(image).0;
        if is_whole && is_known { Ok(()) } else { Err("a torn page".into()) }
    };
    explorer(1).explore(program, checker).unwrap()
}

#[test]
fn an_atomic_write_is_there_as_a_whole_or_not_at_all() {
    let report = pages(WriteFlags::ATOMIC);
    report.assert_sound();
    // With n writes begun n + 1 contents; each mark comes before its write.
    assert_eq!((report.exhaustive, report.images), (true, 2 + 3 + 4), "{report}");
    assert!(pages(WriteFlags::empty()).violation_count > 100);
}

/// Numbers from a linear congruence.
fn dice(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) % bound
}

/// Random atomic writes of four to sixteen KiB, plain ones of a sector, and syncs, all at once.
/// Answers the ranges of the atomic ones by their numbers.
fn atomic_program(recorder: &Recorder<Mark>, mut seed: u64) -> Vec<(u8, usize, usize)> {
    let file = direct(recorder, 16_384);
    let config = Config::new().depth(8).buffers(64, 16_384).simulated(recorder.disk());
    let mut engine = config.start().unwrap();
    let mut atomics = Vec::new();
    for number in 1..=20_u8 {
        let mut buffer = engine.buffer().unwrap();
        let (file, data_only) = (file.clone(), true);
        match dice(&mut seed, 8) {
            0..=3 => {
                let len = 4096 << dice(&mut seed, 3);
                let offset = dice(&mut seed, 16_384 / len) * len;
                let place = (usize::try_from(offset).unwrap(), usize::try_from(len).unwrap());
                buffer.set_len(place.1);
                buffer.fill(number);
                atomics.push((number, place.0, place.1));
                let flags = WriteFlags::ATOMIC;
                engine.submit(WriteWith { file, offset, buffer, flags }, |_, _| ()).unwrap();
            }
            4..=5 => {
                buffer.set_len(512);
                buffer.fill(number);
                let offset = dice(&mut seed, 32) * 512;
                engine.submit(Write { file, offset, buffer }, |_, _| ()).unwrap();
            }
            6 => {
                engine.submit(Sync { file, data_only }, |_, _| ()).unwrap();
            }
            _ => {}
        }
        // One after another, so that later numbers are later writes.
        engine.drain().unwrap();
        if engine.metrics().sync.failed > 0 {
            // The file is poisoned: nothing more can be written.
            break;
        }
    }
    atomics
}

#[test]
fn atomic_writes_stay_whole_among_others_syncs_and_failures() {
    let (mut images, mut partly) = (0, HashSet::new());
    for seed in 0..20 {
        let faults = Faults { io_error: 0.1, ..Faults::passing() };
        let options = SimOptions { faults, ..SimOptions::new(seed) };
        let atomics = std::cell::RefCell::new(Vec::new());
        let program = |recorder: &Recorder<Mark>| -> Result<(), Error> {
            *atomics.borrow_mut() = atomic_program(recorder, seed);
            Ok(())
        };
        let checker = |image: &Image<'_, Mark>| -> Checked {
            let bytes = image.disk.contents("pages").ok_or("the file is gone")?;
            for (number, offset, len) in &*atomics.borrow() {
                let range = &bytes[*offset..offset + len];
                let newer = range.iter().filter(|byte| *byte >= number).count();
                if range.contains(number) && newer < *len {
                    return Err(format!("write {number}: {newer} of {len} bytes").into());
                }
                partly.insert(newer);
            }
            Ok(())
        };
        let explorer = Explorer::new(options).images_per_point_max(20);
        let report = explorer.explore(program, checker).unwrap();
        report.assert_sound();
        images += report.images;
    }
    assert!(images > 1000 && partly.len() > 8, "{images} images, {partly:?}");
}

#[test]
fn a_program_that_fails_is_not_explored_and_says_why() {
    let program = |recorder: &Recorder<Mark>| {
        recorder.disk().create("file", 1)?;
        recorder.disk().create("file", 1).map(drop)
    };
    let error = explorer(1).explore(program, |_| panic!("there is nothing to show")).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EEXIST));
}
