//! The contract's part on links, asked of each backend without an engine. Tests only.

use super::{Backend, Completion, Request, RequestFile, RequestKind, Threads, Wait, ring};
use crate::config::Config;
use crate::lanes::Lanes;
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;

/// Each backend that runs here, by its name.
fn backends() -> Vec<Box<dyn Backend>> {
    let mut all: Vec<Box<dyn Backend>> = vec![Box::new(Threads::new(3, 32).unwrap())];
    match ring(&Config::new().lanes(Lanes::Off), "for this test") {
        Ok((uring, _)) => all.push(uring),
        Err(error) => eprintln!("skipped io_uring: {error}"),
    }
    all
}

/// Stages a batch and waits for all of it; answers the results in the order of their arrival.
fn run(backend: &mut dyn Backend, batch: &[Request]) -> Vec<(u64, i32)> {
    // SAFETY: each test keeps its file and its memory until this returns, and touches neither.
    assert_eq!(unsafe { backend.stage(batch) }, batch.len());
    let mut completions: Vec<Completion> = Vec::new();
    while completions.len() < batch.len() {
        let missing = u32::try_from(batch.len() - completions.len()).unwrap();
        backend.enter(Wait::AtLeast(missing), &mut completions).unwrap();
    }
    completions.iter().map(|done| (done.id, done.result)).collect()
}

/// A transfer of the first `len` bytes of a file.
fn transfer(id: u64, kind: RequestKind, fd: i32, memory: &mut [u8], linked: bool) -> Request {
    let len = u32::try_from(memory.len()).unwrap();
    let address = memory.as_mut_ptr();
    let file = RequestFile::Fd(fd);
    Request { id, file, address, len, linked, ..Request::without_file(kind) }
}

fn nop(id: u64, linked: bool) -> Request {
    Request { id, linked, ..Request::without_file(RequestKind::Nop) }
}

#[test]
fn a_run_goes_on_behind_success_and_ends_behind_a_short_transfer_and_a_failure() {
    for mut backend in backends() {
        let name = backend.name();
        let temporary = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temporary.path(), [7; 100]).unwrap();
        let fd = temporary.as_file().as_raw_fd();
        let (mut fitting, mut long) = ([0; 100], [0; 101]);
        let good = [
            transfer(0, RequestKind::Write, fd, &mut fitting, true),
            transfer(1, RequestKind::Read, fd, &mut fitting, true),
            nop(2, false),
        ];
        let wanted = [(0, 100), (1, 100), (2, 0)];
        assert_eq!(run(backend.as_mut(), &good), wanted, "{name}");

        let short = [
            transfer(3, RequestKind::Read, fd, &mut long, true),
            transfer(4, RequestKind::Write, fd, &mut fitting, true),
            nop(5, false),
            nop(6, false),
        ];
        let mut results = run(backend.as_mut(), &short);
        results.sort_unstable();
        let canceled = -libc::ECANCELED;
        assert_eq!(results, [(3, 100), (4, canceled), (5, canceled), (6, 0)], "{name}");

        let mut failing =
            [transfer(7, RequestKind::Write, -1, &mut fitting, true), nop(8, true), nop(9, false)];
        failing[0].file = RequestFile::Fd(-1);
        let wanted = [(7, -libc::EBADF), (8, canceled), (9, canceled)];
        assert_eq!(run(backend.as_mut(), &failing), wanted, "{name}");
    }
}

#[test]
fn a_short_vectored_read_ends_its_run_and_a_full_one_does_not() {
    for mut backend in backends() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temporary.path(), [7; 100]).unwrap();
        let fd = temporary.as_file().as_raw_fd();
        for (len, behind) in [(50, 0), (51, -libc::ECANCELED)] {
            let (mut first, mut second) = ([0_u8; 50], vec![0_u8; len]);
            let vector = [
                libc::iovec { iov_base: first.as_mut_ptr().cast(), iov_len: 50 },
                libc::iovec { iov_base: second.as_mut_ptr().cast(), iov_len: len },
            ];
            let read = Request {
                file: RequestFile::Fd(fd),
                address: vector.as_ptr().cast_mut().cast(),
                len: 2,
                linked: true,
                ..Request::without_file(RequestKind::ReadVectored)
            };
            let wanted = [(0, 100), (1, behind)];
            assert_eq!(run(backend.as_mut(), &[read, nop(1, false)]), wanted, "{}", backend.name());
        }
    }
}

#[test]
fn only_what_ends_a_chain_when_it_fails_may_have_something_linked_behind_it() {
    for mut backend in backends() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let missing = c"/no such folder/no such file";
        let (file, address) = (RequestFile::Fd(reader.as_raw_fd()), std::ptr::null_mut());
        let path = missing.as_ptr().cast_mut().cast();
        let failing = [
            (RequestKind::Write, RequestFile::Fd(-1), address),
            (RequestKind::Sync, file, address),
            (RequestKind::SyncData, file, address),
            (RequestKind::Truncate, file, address),
            (RequestKind::Unlink, RequestFile::None, path),
            (RequestKind::MakeDirectory, RequestFile::None, path),
            (RequestKind::Open, RequestFile::None, path),
        ];
        for (kind, file, address) in failing {
            if !backend.links(kind, RequestKind::Nop) {
                continue;
            }
            let first = Request { file, address, linked: true, ..Request::without_file(kind) };
            let results = run(backend.as_mut(), &[first, nop(1, false)]);
            assert!(results[0].1 < 0, "{kind:?} fails");
            assert_eq!(results[1], (1, -libc::ECANCELED), "{kind:?} on {}", backend.name());
        }
        assert!(backend.links(RequestKind::Write, RequestKind::SyncData));
    }
}

/// A run that reads the file at `path` whole by the slot 1.
fn whole(path: &CStr, memory: &mut [u8]) -> [Request; 3] {
    let file = RequestFile::Slot(1);
    let about = |id, kind| Request { id, file, linked: id < 2, ..Request::without_file(kind) };
    let (address, len) = (memory.as_mut_ptr(), u32::try_from(memory.len()).unwrap());
    let path = path.as_ptr().cast_mut().cast();
    [
        Request { address: path, ..about(0, RequestKind::OpenSlot) },
        Request { address, len, ..about(1, RequestKind::ReadSlot) },
        about(2, RequestKind::CloseSlot),
    ]
}

#[test]
fn a_whole_file_is_read_by_a_run_that_closes_whatever_was_read() {
    let (mut some, canceled) = (0, -libc::ECANCELED);
    for mut backend in backends().into_iter().filter(|backend| backend.reads_whole(0)) {
        some += 1;
        assert!(!backend.reads_whole(7), "beside so many others it is slower");
        backend.register_slots(2).unwrap();
        let program = std::env::current_exe().unwrap();
        let folder = tempfile::TempDir::new_in(program.parent().unwrap()).unwrap();
        let name =
            |path: std::path::PathBuf| CString::new(path.into_os_string().into_vec()).unwrap();
        let long = name("n".repeat(5000).into());
        let [file, missing, folder_itself] =
            ["file", "missing", ""].map(|path| name(folder.path().join(path)));
        std::fs::write(folder.path().join("file"), [7; 100]).unwrap();
        let without_waiting = std::fs::File::open(folder.path().join("file")).unwrap();
        let mut byte = [0];
        let mut byte = [std::io::IoSliceMut::new(&mut byte)];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        if let Err(errno) = rustix::io::preadv2(&without_waiting, &mut byte, 0, flags) {
            eprintln!("skipped: this file system does not read without waiting: {errno}");
            return;
        }
        for (path, len, results, filled) in [
            (&file, 100, [0, 100, 0], false),
            (&file, 10, [0, 10, 0], false),
            // Short, at the end.
            (&file, 101, [0, 100, 0], false),
            (&missing, 10, [-libc::ENOENT, canceled, canceled], false),
            // Refused when it is taken.
            (&long, 10, [-libc::ENAMETOOLONG, canceled, canceled], false),
            // Nothing is read that may have to be waited for.
            (&folder_itself, 10, [0, canceled, canceled], true),
        ] {
            let mut memory = vec![0; len];
            let found = run(backend.as_mut(), &whole(path, &mut memory));
            assert_eq!(
                found,
                [(0, results[0]), (1, results[1]), (2, results[2])],
                "{len} {path:?}"
            );
            assert!(
                results[1] < 0 || memory.iter().filter(|byte| **byte == 7).count() >= len.min(100)
            );
            // What is left in the slot can be read and closed by itself.
            let read = Request {
                id: 3,
                file: RequestFile::Slot(1),
                address: memory.as_mut_ptr(),
                len: 1,
                ..Request::without_file(RequestKind::Read)
            };
            let errno = if filled { libc::EISDIR } else { libc::EBADF };
            assert_eq!(run(backend.as_mut(), &[read]), [(3, -errno)]);
            if filled {
                let close = Request { linked: false, ..whole(path, &mut memory)[2] };
                assert_eq!(run(backend.as_mut(), &[close]), [(2, 0)]);
                assert_eq!(run(backend.as_mut(), &[read]), [(3, -libc::EBADF)]);
            }
        }
    }
    if some == 0 {
        eprintln!("skipped: no backend here reads whole files by one run (Linux 5.17)");
    }
}
