//! Cases about what goes wrong in the world: errors that say where, and give everything back.
//!
//! It never looks at refusals by the engine itself (`admission`, `direct`).

use iomill_engine::{ErrorKind, File};

use super::subject::{
    Subject, bytes_read, complete, contents, open, open_for_writing, pattern, read, try_open, write,
};

#[track_caller]
fn assert_one_line_with(text: &str, parts: &[&str]) {
    assert!(!text.contains('\n'), "{text:?} is more than one line");
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

pub(super) fn write_to_a_read_only_file_says_what_and_where(subject: &Subject) {
    let path = subject.file("read-only", b"old content");
    let mut engine = subject.engine();
    let op = write(&engine, &open(&path), 4242, b"new");
    let completion = complete(&mut engine, op);
    assert_eq!(completion.op.buffer[..], *b"new", "the buffer comes back");
    let error = completion.result.expect_err("the file was opened for reading");
    assert_eq!(error.errno(), Some(9), "EBADF: {error}");
    assert_eq!(error.path(), Some(path.as_path()));
    assert_eq!(error.offset(), Some(4242));
    assert_one_line_with(&error.to_string(), &["write", path.to_str().unwrap(), "4242", "EBADF"]);
    assert_eq!(contents(&path), b"old content");
    assert_eq!(engine.metrics().write.failed, 1);
}

pub(super) fn failed_request_leaves_the_others_alone(subject: &Subject) {
    let path = subject.file("data", &pattern(4096));
    let mut engine = subject.engine();
    let read_only = open(&path);
    let op = write(&engine, &read_only, 0, b"new");
    assert!(complete(&mut engine, op).result.is_err());
    let op = read(&engine, &read_only, 0, 4096);
    assert!(bytes_read(&complete(&mut engine, op)) == pattern(4096));
}

pub(super) fn write_beyond_the_largest_file_says_why(subject: &Subject) {
    let path = subject.file("data", b"old content");
    let mut engine = subject.engine();
    // The write ends at the last offset that the kernel's interface can name.
    let offset = i64::MAX.unsigned_abs() - 12;
    let op = write(&engine, &open_for_writing(&path), offset, b"much too far");
    let error = match complete(&mut engine, op).result {
        Ok(_) => return println!("skipped: the file system takes a file of 2^63 - 1 bytes"),
        Err(error) => error,
    };
    assert!(matches!(error.errno(), Some(22 | 27)), "EINVAL or EFBIG: {error}");
    assert_one_line_with(&error.to_string(), &[path.to_str().unwrap(), &offset.to_string()]);
    assert_eq!(contents(&path), b"old content");
}

pub(super) fn transfer_beyond_the_last_offset_is_refused(subject: &Subject) {
    let path = subject.file("data", b"old content");
    let mut engine = subject.engine();
    let file = open_for_writing(&path);
    for offset in [i64::MAX.unsigned_abs() - 11, 1 << 63, u64::MAX] {
        let op = write(&engine, &file, offset, b"much too far");
        let Err(refused) = engine.submit(op, |_, _| panic!("a refused callback ran")) else {
            panic!("12 bytes at {offset} were accepted");
        };
        let text = refused.error.to_string();
        assert_one_line_with(&text, &[path.to_str().unwrap(), &offset.to_string()]);
        assert_eq!(refused.op.buffer[..], *b"much too far");
    }
    assert_eq!(contents(&path), b"old content");
}

pub(super) fn files_that_cannot_be_opened_are_named(subject: &Subject) {
    let missing = subject.path("missing");
    let error = try_open(&missing, &File::options().read(true)).expect_err("there is no such file");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some(missing.as_path()));
    assert_one_line_with(&error.to_string(), &[missing.to_str().unwrap(), "ENOENT"]);

    let folder = subject.folder("folder");
    let options = File::options().read(true).write(true);
    let error = try_open(&folder, &options).expect_err("a folder cannot be written");
    assert_eq!(error.kind(), ErrorKind::IsDirectory);
    assert_one_line_with(&error.to_string(), &[folder.to_str().unwrap()]);
}

pub(super) fn read_of_a_folder_fails_and_names_it(subject: &Subject) {
    let folder = subject.folder("folder");
    // Some may refuse at the opening, others only when it is read: both must name it.
    let error = match try_open(&folder, &File::options().read(true)) {
        Err(error) => error,
        Ok(file) => {
            let mut engine = subject.engine();
            let op = read(&engine, &file, 0, 512);
            complete(&mut engine, op).result.expect_err("a folder cannot be read")
        }
    };
    assert_eq!(error.kind(), ErrorKind::IsDirectory, "{error}");
    assert_one_line_with(&error.to_string(), &[folder.to_str().unwrap()]);
}
