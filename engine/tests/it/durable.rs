//! Durable writes: what is handed over by each method, what a refusal and a failure lead to, and
//! what the probe leaves behind.

use crate::chain_place::{Place, config, perform, place, submit, sync};
use crate::scripted::{Fate, scripted};
use iomill_engine::backend::RequestKind::{SyncData, Write as WriteKind};
use iomill_engine::{
    Buffer, Config, DurableAppend, DurableMethod, DurableWrite, Engine, ErrorKind, File, Wait,
};

const DSYNC: u32 = libc::RWF_DSYNC.cast_unsigned();
const APPEND: u32 = libc::RWF_APPEND.cast_unsigned();

fn buffer(engine: &Engine, len: usize) -> Buffer {
    let mut buffer = engine.buffer().unwrap();
    buffer.set_len(len);
    buffer.fill(7);
    buffer
}

fn durable(engine: &Engine, file: &File, len: usize) -> DurableWrite {
    DurableWrite { file: file.clone(), offset: 0, buffer: buffer(engine, len) }
}

#[test]
fn each_method_hands_over_what_it_says_and_no_more() {
    for (method, batches) in [
        (DurableMethod::Dsync, vec![vec![(WriteKind, DSYNC)]]),
        (DurableMethod::LinkedSync, vec![vec![(WriteKind, 0), (SyncData, 0)]]),
        (DurableMethod::LaterSync, vec![vec![(WriteKind, 0)], vec![(SyncData, 0)]]),
    ] {
        let (mut engine, script) = scripted(&config(), true);
        let Place { path, file, _folder } = place(b"");
        file.set_durable_method(method);
        let op = durable(&engine, &file, 100);
        assert_eq!(perform(&mut engine, op).unwrap(), 100);
        let batch = |batch: &Vec<crate::scripted::Seen>| {
            batch.iter().map(|seen| (seen.kind, seen.flags)).collect::<Vec<_>>()
        };
        let found: Vec<_> = script.borrow().batches.iter().map(batch).collect();
        assert_eq!(found, batches, "{method}");
        assert_eq!(std::fs::read(&path).unwrap(), [7; 100]);
        assert_eq!(engine.in_flight(), 0);
    }
    let Place { file, _folder, .. } = place(b"");
    assert_eq!(file.durable_method(), DurableMethod::LinkedSync, "sound everywhere");
}

#[test]
fn a_short_durable_write_is_continued_in_the_same_way_and_an_append_stays_one() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    file.set_durable_method(DurableMethod::Dsync);
    script.borrow_mut().fates = [Fate::Short(60)].into();
    let op = DurableAppend { file: file.clone(), buffer: buffer(&engine, 100) };
    assert_eq!(perform(&mut engine, op).unwrap(), 100);
    let begun: Vec<_> =
        script.borrow().begun.iter().map(|seen| (seen.kind, seen.len, seen.flags)).collect();
    let flags = DSYNC | APPEND;
    assert_eq!(begun, [(WriteKind, 100, flags), (WriteKind, 40, flags)]);

    file.set_durable_method(DurableMethod::LinkedSync);
    script.borrow_mut().begun.clear();
    script.borrow_mut().fates = [Fate::Short(60)].into();
    let op = durable(&engine, &file, 100);
    let done = submit(&mut engine, op);
    engine.tick(Wait::AtLeast(1)).unwrap();
    assert!(done.borrow().is_none(), "a part of it is written, and nothing is durable");
    engine.drain().unwrap();
    assert_eq!(done.take().unwrap().result.unwrap(), 100);
    let begun: Vec<_> = script.borrow().begun.iter().map(|seen| (seen.kind, seen.len)).collect();
    assert_eq!(begun, [(WriteKind, 100), (WriteKind, 40), (SyncData, 0)]);
}

#[test]
fn a_refused_dsync_becomes_a_sync_for_this_write_and_all_later_ones() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { path, file, _folder } = place(b"");
    file.set_durable_method(DurableMethod::Dsync);
    script.borrow_mut().fates = [Fate::Short(60), Fate::Errno(libc::EOPNOTSUPP)].into();
    for _ in 0..2 {
        let op = durable(&engine, &file, 100);
        assert_eq!(perform(&mut engine, op).unwrap(), 100);
    }
    let begun: Vec<_> = script.borrow().begun.iter().map(|seen| (seen.kind, seen.flags)).collect();
    let with = (WriteKind, DSYNC);
    let (without, sync) = ((WriteKind, 0), (SyncData, 0));
    assert_eq!(begun, [with, with, without, sync, without, sync]);
    assert_eq!(file.durable_method(), DurableMethod::LinkedSync);
    assert!(!file.is_poisoned());
    assert_eq!(std::fs::read(&path).unwrap(), [7; 100]);
}

#[test]
fn behind_a_refused_dsync_the_sync_counts() {
    for links in [true, false] {
        let (mut engine, script) = scripted(&config(), links);
        let Place { file, _folder, .. } = place(b"");
        file.set_durable_method(DurableMethod::Dsync);
        let (refused, fails) = (Fate::Errno(libc::EOPNOTSUPP), Fate::Errno(libc::EIO));
        script.borrow_mut().fates = [refused, Fate::Good, fails].into();
        let op = durable(&engine, &file, 100);
        let error = perform(&mut engine, op).unwrap_err();
        assert_eq!((error.errno(), error.failed_step()), (Some(libc::EIO), Some(1)));
        assert!(file.is_poisoned());
    }
}

#[test]
fn what_may_have_lost_data_poisons_the_file_and_what_has_not_does_not() {
    let (good, fails) = (Fate::Good, Fate::Errno);
    for (method, fates, step, poisoned) in [
        (DurableMethod::Dsync, vec![fails(libc::EIO)], 0, true),
        (DurableMethod::Dsync, vec![fails(libc::ENOSPC)], 0, true),
        (DurableMethod::Dsync, vec![fails(libc::EBADF)], 0, false),
        (DurableMethod::LinkedSync, vec![fails(libc::ENOSPC)], 0, false),
        (DurableMethod::LinkedSync, vec![good, fails(libc::EIO)], 1, true),
        (DurableMethod::LaterSync, vec![good, fails(libc::EIO)], 1, true),
        (DurableMethod::LaterSync, vec![good, fails(libc::EINVAL)], 1, false),
    ] {
        let (mut engine, script) = scripted(&config(), true);
        let Place { file, _folder, .. } = place(b"");
        file.set_durable_method(method);
        script.borrow_mut().fates = fates.clone().into();
        let op = durable(&engine, &file, 100);
        let error = perform(&mut engine, op).unwrap_err();
        let found = (error.failed_step(), file.is_poisoned());
        assert_eq!(found, (Some(step), poisoned), "{method} {fates:?}: {error}");
        if poisoned {
            let op = durable(&engine, &file, 100);
            let refused = engine.submit(op, |_, _| ()).unwrap_err();
            assert_eq!(refused.error.kind(), ErrorKind::Poisoned);
        }
    }
}

#[test]
fn a_sync_that_succeeds_on_a_file_poisoned_meanwhile_is_not_believed() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    script.borrow_mut().fates = [Fate::Errno(libc::EIO)].into();
    let failing = submit(&mut engine, sync(&file));
    let plain = submit(&mut engine, sync(&file));
    let op = durable(&engine, &file, 100);
    let durable = submit(&mut engine, op);
    engine.drain().unwrap();
    assert_eq!(failing.take().unwrap().result.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(plain.take().unwrap().result.unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(durable.take().unwrap().result.unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn the_probe_leaves_the_file_alone_chooses_by_its_figures_and_is_told_in_the_report() {
    // The build folder lies on a disk file system, unlike `/tmp` on many machines.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"as it was").unwrap();
    let changed = |path| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = changed(&path);
    let mut engine = Config::new().start().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let found = engine.probe_durability(&file).unwrap();
    assert_eq!(file.durability(), Some(&found));
    assert_eq!(file.durable_method(), found.method);
    assert_eq!(engine.report().durability, [(path.clone(), found.clone())]);
    assert!(engine.report().to_string().contains(&found.to_string()), "{}", engine.report());
    if found.figures.is_empty() {
        eprintln!("skipped the figures: {found}");
        assert_eq!(found.method, DurableMethod::LinkedSync);
    } else if found.figures.iter().any(|figure| figure.writes < 3) {
        eprintln!("skipped the choice, the machine is too slow now: {found}");
        assert_eq!(found.method, found.figures[0].method);
    } else {
        let best = found.figures.iter().map(|figure| figure.median_ns).min().unwrap();
        let chosen = found.figures.iter().find(|figure| figure.method == found.method).unwrap();
        assert!(chosen.median_ns <= best + best / 10, "{found}");
        // Another file there is not measured again.
        let other = File::options().write(true).create(true).open(path.with_extension("b"));
        assert_eq!(engine.probe_durability(&other.unwrap()).unwrap(), found);
    }
    assert_eq!((std::fs::read(&path).unwrap(), changed(&path)), (b"as it was".to_vec(), before));
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| name == "file" || name == "file.b"), "nothing else");
    let op = durable(&engine, &file, 4);
    assert_eq!(perform(&mut engine, op).unwrap(), 4);
    assert_eq!(std::fs::read(&path).unwrap(), b"\x07\x07\x07\x07t was");
}

#[test]
fn a_file_that_cannot_be_probed_is_written_by_the_method_that_is_sound_everywhere() {
    // Without links, so that no measurement of another test holds here.
    let (mut engine, _) = scripted(&config(), false);
    let file = File::options().write(true).open("/dev/null").unwrap();
    let found = engine.probe_durability(&file).unwrap();
    assert_eq!((found.method, found.figures.len()), (DurableMethod::LinkedSync, 0));
    assert!(found.why.contains("not a regular file"), "{found}");
    // The name leads into another file system than the one that the file is on.
    let Place { path, file: temporary, _folder } = place(b"");
    let fd = std::os::fd::AsFd::as_fd(&temporary).try_clone_to_owned().unwrap();
    let file = File::from_fd(fd, "/proc/elsewhere").unwrap();
    let found = engine.probe_durability(&file).unwrap();
    assert!(found.why.contains("another file system than /proc"), "{found}");
    let gone = File::from_fd(std::fs::File::open(&path).unwrap().into(), "/no such/file").unwrap();
    let found = engine.probe_durability(&gone).unwrap();
    assert!(found.why.contains("/no such gave ENOENT"), "{found}");
}

#[test]
fn a_probe_on_a_backend_that_refuses_dsync_does_not_choose_it() {
    let (mut engine, script) = scripted(&config(), true);
    let Place { file, _folder, .. } = place(b"");
    // The first two requests make the block; then comes the first write with it.
    let refusal = [Fate::Good, Fate::Good, Fate::Good, Fate::Errno(libc::EOPNOTSUPP)];
    script.borrow_mut().fates = refusal.into();
    let found = engine.probe_durability(&file).unwrap();
    if found.figures.is_empty() {
        eprintln!("skipped: {found}");
        return;
    }
    assert!(found.why.contains("RWF_DSYNC was refused"), "{found}");
    assert!(found.figures.iter().all(|figure| figure.method != DurableMethod::Dsync));
    assert_ne!(found.method, DurableMethod::Dsync);
}
