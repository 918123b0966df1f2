//! Cases about the bytes: what is read and written, at which offsets, and how much of it.
//!
//! It never looks at when callbacks run (`callbacks`) or at refusals (`admission`).

use iomill_engine::{Nop, Sync};

use super::subject::{
    Subject, bytes_read, complete, contents, open, open_for_writing, overwrite, pattern, read,
    write,
};

pub(super) fn read_gives_what_pwrite_wrote(subject: &Subject) {
    let path = subject.file("data", &pattern(16 * 4096));
    overwrite(&path, 5000, b"from outside");
    let mut engine = subject.engine();
    let file = open(&path);
    let op = read(&engine, &file, 5000, 12);
    assert_eq!(bytes_read(&complete(&mut engine, op)), b"from outside");
    let op = read(&engine, &file, 3 * 4096, 4096);
    assert_eq!(bytes_read(&complete(&mut engine, op)), &pattern(16 * 4096)[3 * 4096..4 * 4096]);
}

pub(super) fn write_is_whole_and_nothing_around_it_changes(subject: &Subject) {
    let path = subject.file("data", &[7; 3 * 4096]);
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    let op = write(&engine, &file, 4000, &pattern(4096));
    let completion = complete(&mut engine, op);
    assert_eq!(*completion.result.as_ref().unwrap(), 4096);
    assert_eq!(completion.op.offset, 4000, "the operation comes back as it was handed in");
    assert_eq!(completion.op.buffer[..], pattern(4096)[..]);
    let mut wanted = vec![7; 3 * 4096];
    wanted[4000..8096].copy_from_slice(&pattern(4096));
    assert!(contents(&path) == wanted, "the file differs from what was written");
}

pub(super) fn write_after_the_end_extends_the_file(subject: &Subject) {
    let path = subject.file("data", b"abc");
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    let op = write(&engine, &file, 5, b"xyz");
    assert_eq!(complete(&mut engine, op).result.unwrap(), 3);
    assert_eq!(contents(&path), b"abc\0\0xyz");
    assert_eq!(file.len().unwrap(), 8);
}

pub(super) fn transfer_larger_than_a_page_is_whole(subject: &Subject) {
    const LEN: usize = 1 << 20;
    let path = subject.file("data", &[]);
    let mut engine = subject.config().buffers(2, 1 << 20).start().unwrap();
    let file = open_for_writing(&path);
    let op = write(&engine, &file, 1, &pattern(LEN));
    assert_eq!(complete(&mut engine, op).result.unwrap(), 1 << 20);
    assert!(contents(&path)[1..] == pattern(LEN), "what std reads differs");
    let op = read(&engine, &file, 1, LEN);
    assert!(bytes_read(&complete(&mut engine, op)) == pattern(LEN), "what was read differs");
}

pub(super) fn read_across_the_end_is_short(subject: &Subject) {
    let path = subject.file("data", &pattern(5000));
    let mut engine = subject.engine();
    let op = read(&engine, &open(&path), 4096, 4096);
    let completion = complete(&mut engine, op);
    assert_eq!(bytes_read(&completion), &pattern(5000)[4096..]);
    assert_eq!(completion.op.buffer.len(), 4096, "the buffer keeps the length that was asked for");
    assert_eq!(completion.op.offset, 4096, "the offset is the caller's, however it was retried");
}

pub(super) fn read_at_and_after_the_end_gives_0(subject: &Subject) {
    let path = subject.file("data", &pattern(5000));
    let mut engine = subject.engine();
    let file = open(&path);
    for offset in [5000, 5001, 1 << 40] {
        let op = read(&engine, &file, offset, 100);
        assert_eq!(complete(&mut engine, op).result.unwrap(), 0, "at offset {offset}");
    }
}

pub(super) fn empty_transfers_succeed_with_0(subject: &Subject) {
    let path = subject.file("data", b"abc");
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    let op = read(&engine, &file, 1, 0);
    assert_eq!(complete(&mut engine, op).result.unwrap(), 0);
    let op = write(&engine, &file, 1, b"");
    assert_eq!(complete(&mut engine, op).result.unwrap(), 0);
    assert_eq!(contents(&path), b"abc");
}

pub(super) fn offsets_beyond_4_gib_are_whole(subject: &Subject) {
    // An offset cut to 32 bits would land at 4096, which holds other bytes.
    const FAR: u64 = (5 << 32) + 4096;
    let path = subject.file("sparse", &[1; 8192]);
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    let op = write(&engine, &file, FAR, b"far away");
    assert_eq!(complete(&mut engine, op).result.unwrap(), 8);
    assert_eq!(file.len().unwrap(), FAR + 8);
    let op = read(&engine, &file, FAR, 100);
    assert_eq!(bytes_read(&complete(&mut engine, op)), b"far away");
    let op = read(&engine, &file, 4096, 8);
    assert_eq!(bytes_read(&complete(&mut engine, op)), [1; 8]);
}

pub(super) fn sync_datasync_and_nop_succeed(subject: &Subject) {
    let path = subject.file("data", b"not yet on disk");
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    for data_only in [false, true] {
        let completion = complete(&mut engine, Sync { file: file.clone(), data_only });
        completion.result.unwrap();
        assert_eq!(completion.op.file.path(), path);
    }
    complete(&mut engine, Nop).result.unwrap();
    assert_eq!(engine.metrics().sync.completed, 2);
}

pub(super) fn registered_file_gives_the_same_as_a_plain_one(subject: &Subject) {
    let path = subject.file("data", &pattern(9000));
    let mut engine = subject.config().fixed_files(2).start().unwrap();
    let plain = open_for_writing(&path);
    let registered = engine.register_file(&plain).unwrap();
    assert_eq!(registered.path(), plain.path());
    for offset in [0, 4095, 8000, 9000] {
        let op = read(&engine, &plain, offset, 2000);
        let by_plain = bytes_read(&complete(&mut engine, op)).to_vec();
        let op = read(&engine, &registered, offset, 2000);
        assert!(bytes_read(&complete(&mut engine, op)) == by_plain, "at offset {offset}");
    }
    let op = write(&engine, &registered, 4090, b"by its slot");
    assert_eq!(complete(&mut engine, op).result.unwrap(), 11);
    complete(&mut engine, Sync { file: registered, data_only: false }).result.unwrap();
    assert_eq!(&contents(&path)[4090..4101], b"by its slot");
}

pub(super) fn plain_buffers_give_the_same_as_fixed_ones(subject: &Subject) {
    let path = subject.file("data", &pattern(9000));
    for fixed in [true, false] {
        let mut engine = subject.config().fixed_buffers(fixed).start().unwrap();
        let file = open_for_writing(&path);
        let op = read(&engine, &file, 8000, 4096);
        assert_eq!(bytes_read(&complete(&mut engine, op)), &pattern(9000)[8000..]);
        let word: &[u8] = if fixed { b"fixed" } else { b"plain" };
        let op = write(&engine, &file, 100, word);
        assert_eq!(complete(&mut engine, op).result.unwrap(), 5);
        assert_eq!(&contents(&path)[100..105], word);
    }
}
