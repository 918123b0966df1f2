//! Cases about direct I/O: aligned transfers, and misaligned ones refused before the kernel sees
//! them.
//!
//! It skips, and says why, on file systems that do no direct I/O.

use iomill_engine::{DirectAlignment, ErrorKind, File, Stat, Sync, WriteFlags, WriteWith};

use super::subject::{
    Subject, bytes_read, complete, contents, open, pattern, read, try_open, write,
};

/// A file of four blocks and 100 bytes, open for direct I/O.
fn open_direct(subject: &Subject) -> Option<(File, DirectAlignment)> {
    let path = subject.file("direct", &pattern(4 * 4096 + 100));
    let sync = Sync { file: open(&path), data_only: false };
    complete(&mut subject.engine(), sync).result.unwrap();
    let opened = try_open(&path, &File::options().read(true).write(true).direct(true));
    match opened {
        Ok(file) => {
            assert!(file.is_direct());
            let alignment = file.alignment().expect("a direct file knows its alignment");
            Some((file, alignment))
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            println!("skipped: no direct I/O on this file system: {error}");
            None
        }
    }
}

pub(super) fn aligned_direct_transfers_move_the_bytes(subject: &Subject) {
    let Some((file, _)) = open_direct(subject) else { return };
    let mut engine = subject.engine();
    let op = read(&engine, &file, 4096, 4096);
    assert!(bytes_read(&complete(&mut engine, op)) == &pattern(8192)[4096..]);
    let op = write(&engine, &file, 8192, &[9; 4096]);
    assert_eq!(complete(&mut engine, op).result.unwrap(), 4096);
    assert!(contents(file.path())[8192..12288] == [9; 4096]);
}

pub(super) fn direct_read_across_the_end_is_short(subject: &Subject) {
    let Some((file, _)) = open_direct(subject) else { return };
    let mut engine = subject.engine();
    let op = read(&engine, &file, 4 * 4096, 4096);
    assert!(bytes_read(&complete(&mut engine, op)) == &pattern(4 * 4096 + 100)[4 * 4096..]);
    let op = read(&engine, &file, 5 * 4096, 4096);
    assert_eq!(complete(&mut engine, op).result.unwrap(), 0);
}

pub(super) fn misaligned_direct_request_is_refused_with_the_alignment(subject: &Subject) {
    let Some((file, alignment)) = open_direct(subject) else { return };
    let mut engine = subject.engine();
    for (offset, len) in [(1, 4096), (0, 100), (4096 + 3, 4093)] {
        let op = read(&engine, &file, offset, len);
        let Err(refused) = engine.submit(op, |_, _| panic!("a refused callback ran")) else {
            panic!("{len} bytes at {offset} were accepted");
        };
        let text = refused.error.to_string();
        assert_eq!(refused.error.kind(), ErrorKind::Misaligned, "{text}");
        assert!(text.contains(&alignment.offset.to_string()), "{text:?} lacks the alignment");
        assert!(text.contains("direct"), "{text:?} does not name the file");
        assert_eq!(refused.op.buffer.len(), len, "the operation comes back");
        assert_eq!(engine.in_flight(), 0);
    }
    let op = write(&engine, &file, 1, &[9; 4096]);
    assert!(engine.submit(op, |_, _| panic!("a refused callback ran")).is_err());
    engine.drain().unwrap();
    assert!(contents(file.path()) == pattern(4 * 4096 + 100), "nothing was written");
}

pub(super) fn atomic_write_is_whole_or_refused_by_the_limit(subject: &Subject) {
    let Some((file, _)) = open_direct(subject) else { return };
    let mut engine = subject.engine();
    let stat = complete(&mut engine, Stat::file(file.clone())).result.unwrap();
    if subject.disk().is_some() {
        println!(
            "skipped: a simulated file's handle does not know its limits: the disk checks them"
        );
        return;
    }
    assert_eq!(file.atomic_limits(), stat.atomic, "both ask the same kernel");
    let flags = WriteFlags::ATOMIC;
    let atomic = |engine: &iomill_engine::Engine, len: usize| {
        let mut buffer = engine.buffer_of(len).unwrap().unwrap();
        buffer.fill(9);
        WriteWith { file: file.clone(), offset: 0, buffer, flags }
    };
    let op = atomic(&engine, 12_288);
    let refused = engine.submit(op, |_, _| ()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Misaligned, "{}", refused.error);
    let Some(limits) = file.atomic_limits() else {
        let op = atomic(&engine, 4096);
        let refused = engine.submit(op, |_, _| panic!("a refused callback ran")).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        assert!(refused.error.to_string().contains("Linux 6.13"), "{}", refused.error);
        println!("skipped the positive half: this file takes no atomic writes");
        return;
    };
    let len = limits.min.max(4096);
    let op = atomic(&engine, usize::try_from(len).unwrap());
    assert_eq!(complete(&mut engine, op).result.unwrap(), len);
    assert_eq!(contents(file.path())[..4096], [9; 4096]);
}
