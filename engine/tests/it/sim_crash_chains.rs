//! The crash explorer on chains and durable writes whose runs the disk cuts anywhere, as a kernel
//! without memory does: every promise holds in every image, and each program has a twin that
//! breaks it and must be found out.

use crate::sim_behaviour::{perform, write};
use iomill_engine::backend::RequestKind;
use iomill_engine::backend::sim::crash::{Explorer, Image, Recorder, Report};
use iomill_engine::backend::sim::{Faults, SimDisk, SimOptions};
use iomill_engine::{
    Append, Buffer, Chain, Config, DurableAppend, DurableMethod, DurableWrite, Engine, Error, File,
    Sync, Write, WriteFlags, WriteWith,
};
use std::error::Error as StdError;

type Checked = Result<(), Box<dyn StdError>>;

const SECTOR: usize = 512;

/// What the programs here say of themselves: that they begin with something, or that it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Begun(u8),
    Safe(u8),
}

/// Without faults; with runs that are cut; and with everything that the engine deals with itself.
fn disks() -> impl Iterator<Item = SimOptions> {
    let of_seed = |seed| {
        let cut = Faults { cut_run: 0.5, ..Faults::default() };
        [Faults::default(), cut, Faults { cut_run: 0.3, ..Faults::passing() }]
            .map(|faults| SimOptions { faults, ..SimOptions::new(seed) })
    };
    (0..4).flat_map(of_seed)
}

fn engine(recorder: &Recorder<Mark>) -> Engine {
    Config::new().depth(8).simulated(recorder.disk()).start().unwrap()
}

fn buffer(engine: &Engine, bytes: &[u8]) -> Buffer {
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(bytes.len());
    buffer.copy_from_slice(bytes);
    buffer
}

/// The newest number that was begun, and the newest that is safe.
fn promised(image: &Image<'_, Mark>) -> (u8, u8) {
    image.marks.iter().fold((0, 0), |(begun, safe), mark| match mark {
        Mark::Begun(number) => (*number, safe),
        Mark::Safe(number) => (begun, *number),
    })
}

/// Runs a program on each of the disks; answers the reports.
fn explore(
    program: impl Fn(&Recorder<Mark>) -> Result<(), Error>,
    checker: impl Fn(&Image<'_, Mark>) -> Checked,
) -> Vec<Report> {
    let run = |options| Explorer::new(options).explore(&program, &checker).unwrap();
    disks().map(run).collect()
}

/// The program keeps its promise on each disk, in all images that there are, and its twin does not.
#[track_caller]
fn assert_sound_and_twin_found(sound: &[Report], twin: &[Report]) {
    for (report, twin) in sound.iter().zip(twin) {
        report.assert_sound();
        assert!(report.exhaustive, "{report}");
        assert!(twin.violation_count > 0, "the twin was not found out: {twin}");
    }
}

fn sync(file: &File) -> Sync {
    Sync { file: file.clone(), data_only: true }
}

#[test]
fn a_run_is_cut_before_any_of_its_requests_and_nothing_is_begun_twice_or_out_of_turn() {
    let (mut cuts, mut of_all) = (0, 0);
    for seed in 0..60 {
        let faults = Faults { cut_run: 0.4, ..Faults::default() };
        let disk = SimDisk::new(SimOptions { faults, ..SimOptions::new(seed) });
        let file = disk.create("file", 0).unwrap();
        let mut engine = Config::new().depth(8).simulated(&disk).start().unwrap();
        let write = |fill| Write {
            file: file.clone(),
            offset: u64::from(fill) * 512,
            buffer: buffer(&engine, &[fill; SECTOR]),
        };
        let chain = Chain::new((write(0), sync(&file), write(1), sync(&file)));
        assert_eq!(perform(&mut engine, chain).unwrap(), (512, (), 512, ()));
        let history = disk.history();
        let kinds: Vec<_> = history.events().map(|event| event.kind).collect();
        let (write, sync) = (RequestKind::Write, RequestKind::SyncData);
        assert_eq!(kinds, [write, sync, write, sync], "seed {seed}");
        let times: Vec<_> = history.events().map(|it| (it.start_ns, it.end_ns)).collect();
        assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{times:?}");
        cuts += disk.fault_counts().cut_run;
        // One by one after the cut: a run of nothing is the whole chain once more.
        of_all += u64::from(engine.metrics().staged == 8);
    }
    assert!(cuts > 30 && of_all > 5, "{cuts} cuts, {of_all} of a whole run");
}

/// Two sectors, again and again, by chains of a write and a sync.
fn overwrite(in_order: bool) -> Vec<Report> {
    let program = |recorder: &Recorder<Mark>| {
        let file = recorder.disk().create("file", 2 * 512)?;
        let mut engine = engine(recorder);
        for number in 1..=3 {
            recorder.mark(Mark::Begun(number));
            let buffer = buffer(&engine, &[number; 2 * SECTOR]);
            let write = Write { file: file.clone(), offset: 0, buffer };
            if in_order {
                perform(&mut engine, Chain::new((write, sync(&file))))?;
            } else {
                perform(&mut engine, Chain::new((sync(&file), write)))?;
            }
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    explore(program, all_within_the_promise)
}

fn all_within_the_promise(image: &Image<'_, Mark>) -> Checked {
    let bytes = image.disk.contents("file").ok_or("the file is gone")?;
    let (begun, safe) = promised(image);
    match bytes.iter().all(|byte| (safe..=begun).contains(byte)) {
        true => Ok(()),
        false => Err(format!("{} and {} with {safe} safe", bytes[0], bytes[SECTOR]).into()),
    }
}

#[test]
fn a_write_and_its_linked_sync_are_safe_and_a_sync_before_its_write_is_not() {
    assert_sound_and_twin_found(&overwrite(true), &overwrite(false));
}

/// As above, by durable writes, or by writes that only call themselves so.
fn durable(method: Option<DurableMethod>) -> Vec<Report> {
    let program = |recorder: &Recorder<Mark>| {
        let file = recorder.disk().create("file", 2 * 512)?;
        let mut engine = engine(recorder);
        for number in 1..=3 {
            recorder.mark(Mark::Begun(number));
            let bytes = [number; 2 * SECTOR];
            if let Some(method) = method {
                file.set_durable_method(method);
                let buffer = buffer(&engine, &bytes);
                perform(&mut engine, DurableWrite { file: file.clone(), offset: 0, buffer })?;
            } else {
                write(&mut engine, &file, 0, &bytes)?;
            }
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    explore(program, all_within_the_promise)
}

#[test]
fn a_durable_write_is_safe_by_each_method() {
    let twin = durable(None);
    let methods = [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];
    for method in methods {
        assert_sound_and_twin_found(&durable(Some(method)), &twin);
    }
}

const RECORD_LEN: usize = 700;

/// A number, bytes of it, and their sum.
fn record(number: u8) -> [u8; RECORD_LEN] {
    let mut bytes = [number; RECORD_LEN];
    let sum: u32 = bytes[..RECORD_LEN - 4].iter().map(|byte| u32::from(*byte) + 1).sum();
    bytes[RECORD_LEN - 4..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// How the log is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Good,
    /// Recovery takes records without looking at their sums.
    TakesAnything,
    /// Nothing is synced.
    NeverSynced,
}

/// Appends records one after the other; one that the kernel takes in parts makes a gap of none,
/// because nobody else appends.
fn append_log(options: SimOptions, how: Log, records: u8) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        let file = recorder.disk().create("log", 0)?;
        let mut engine = engine(recorder);
        let methods = [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];
        for number in 1..=records {
            let (file, buffer) = (file.clone(), buffer(&engine, &record(number)));
            file.set_durable_method(methods[usize::from(number) % 3]);
            if how == Log::NeverSynced {
                perform(&mut engine, Append { file, buffer })?;
            } else {
                perform(&mut engine, DurableAppend { file, buffer })?;
            }
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Checked {
        let bytes = image.disk.contents("log").ok_or("the log is gone")?;
        let (mut found, (_, safe)) = (0, promised(image));
        for (number, bytes) in (1..).zip(bytes.chunks_exact(RECORD_LEN)) {
            let is_whole = bytes == record(number);
            if how == Log::TakesAnything && !is_whole {
                return Err(format!("record {number} is taken and was torn").into());
            }
            if !is_whole {
                break;
            }
            found = number;
        }
        if found < safe { Err(format!("{found} records of {safe}").into()) } else { Ok(()) }
    };
    let explorer = Explorer::new(options);
    // All images of a small log; by chance of a longer one.
    let explorer = match records {
        0..8 => explorer,
        _ => explorer.points_max(30).images_per_point_max(4),
    };
    explorer.explore(program, checker).unwrap()
}

#[test]
fn a_small_log_of_durable_appends_with_checksums_loses_nothing() {
    for options in disks() {
        let report = append_log(options.clone(), Log::Good, 5);
        report.assert_sound();
        assert!(report.exhaustive, "{report}");
        let twin = append_log(options.clone(), Log::TakesAnything, 5);
        assert!(twin.violation_count > 0, "{twin}");
        let twin = append_log(options, Log::NeverSynced, 5);
        assert!(twin.violation_count > 0, "{twin}");
    }
}

#[test]
fn a_longer_log_loses_nothing_by_the_seed() {
    for seed in 0..6 {
        let swarm = SimOptions::swarm(seed);
        // What is a failure to the caller ends the program, which is another test's part.
        let faults = Faults { io_error: 0.0, no_space: 0.0, bad_range: 0.0, ..swarm.faults };
        let options = SimOptions { faults: Faults { cut_run: 0.3, ..faults }, ..swarm };
        append_log(options.clone(), Log::Good, 40).assert_sound();
        let twin = append_log(options, Log::NeverSynced, 40);
        assert!(twin.violation_count > 0, "seed {seed}: {twin}");
    }
}

const PAGE: usize = 4096;

/// Two pages change together: their new contents go to the spare half, and then a root page says
/// which half counts, all in one chain.
fn switch_halves(root: WriteFlags, syncs_between: bool) -> Vec<Report> {
    let program = move |recorder: &Recorder<Mark>| {
        recorder.disk().create_with("pages", &[0; 3 * PAGE])?;
        let options = File::options().read(true).write(true).direct(true);
        let file = recorder.disk().open("pages", &options)?;
        let mut engine = engine(recorder);
        for number in 1..=2_u8 {
            recorder.mark(Mark::Begun(number));
            let mut page = buffer(&engine, &[0; PAGE]);
            page.fill(number);
            let offset = (1 + u64::from(number % 2)) * 4096;
            let data = WriteFlags::ATOMIC;
            let data = WriteWith { file: file.clone(), offset, buffer: page, flags: data };
            let page = buffer(&engine, &[number; PAGE]);
            let root = WriteWith { file: file.clone(), offset: 0, buffer: page, flags: root };
            if syncs_between {
                perform(&mut engine, Chain::new((data, sync(&file), root, sync(&file))))?;
            } else {
                perform(&mut engine, Chain::new((data, root, sync(&file))))?;
            }
            recorder.mark(Mark::Safe(number));
        }
        Ok(())
    };
    explore(program, |image| {
        let bytes = image.disk.contents("pages").ok_or("the file is gone")?;
        let (root, data) = bytes.split_at(PAGE);
        let (begun, safe) = promised(image);
        let is_whole = |page: &[u8], number| page.iter().all(|byte| *byte == number);
        let number = root[0];
        if !is_whole(root, number) || !(safe..=begun).contains(&number) {
            return Err(format!("a root of {number}, torn or old").into());
        }
        let at = usize::from(number % 2) * PAGE;
        match number == 0 || is_whole(&data[at..at + PAGE], number) {
            true => Ok(()),
            false => Err(format!("root {number} and not its data").into()),
        }
    })
}

#[test]
fn atomic_writes_in_a_chain_are_whole_and_in_its_order() {
    let sound = switch_halves(WriteFlags::ATOMIC, true);
    for report in &sound {
        report.assert_sound();
    }
    let torn = switch_halves(WriteFlags::empty(), true);
    let early = switch_halves(WriteFlags::ATOMIC, false);
    assert_sound_and_twin_found(&sound, &torn);
    assert_sound_and_twin_found(&sound, &early);
}
