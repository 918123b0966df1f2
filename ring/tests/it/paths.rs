//! Operations on names, compared with what the standard library sees.

use crate::{one, ring_for};
use iomill_ring::abi::{Slot, SqeFlags};
use iomill_ring::op::{self, CURRENT_DIRECTORY, OpenHow};
use iomill_ring::{Builder, Opcode, Target};
use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

#[test]
fn a_file_is_opened_into_the_process_and_into_slots() {
    let opcodes = [Opcode::OPENAT, Opcode::OPENAT2, Opcode::CLOSE];
    let Some(mut ring) = ring_for(&Builder::new(8), &opcodes) else { return };
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f"), b"content").unwrap();
    let handle = fs::File::open(directory.path()).unwrap();
    let open = op::open(handle.as_raw_fd(), c"f", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let fd = one(&mut ring, open).unwrap();
    assert!(fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().ends_with("f"));
    assert_eq!(one(&mut ring, op::close(fd.cast_signed())), Ok(0));
    // Another test may have the number by now, but not of this file.
    let link = fs::read_link(format!("/proc/self/fd/{fd}"));
    assert!(!link.is_ok_and(|path| path.starts_with(directory.path())), "it is closed");

    let how = OpenHow { resolve: libc::RESOLVE_BENEATH, ..OpenHow::default() };
    assert_eq!(one(&mut ring, op::open2(handle.as_raw_fd(), c"../f", &raw const how)), Err(18));
    ring.register_files_sparse(2).unwrap();
    let into_slot = op::open2(handle.as_raw_fd(), c"f", &raw const how).with_slot(Slot::Index(1));
    assert_eq!(one(&mut ring, into_slot), Ok(0));
    let mut bytes = [0_u8; 7];
    let read = op::read(Target::Fixed(1), bytes.as_mut_ptr(), 7, 0);
    assert_eq!((one(&mut ring, read), &bytes), (Ok(7), b"content"));
    assert_eq!(one(&mut ring, open.with_slot(Slot::Any)), Err(22), "EINVAL: slots have no CLOEXEC");
    // Its operation is as old as letting the kernel choose.
    if !ring.probe().unwrap().supports(Opcode::URING_CMD) {
        return eprintln!("skipped: this kernel chooses no slots, which came with Linux 5.19");
    }
    let any = op::open(handle.as_raw_fd(), c"f", libc::O_RDONLY, 0).with_slot(Slot::Any);
    assert_eq!(one(&mut ring, any.with_flags(SqeFlags::ASYNC)), Ok(0), "slot 0 was free");
    assert_eq!(one(&mut ring, op::close_slot(1)), Ok(0));
    assert_eq!(one(&mut ring, read), Err(9), "EBADF");
}

#[test]
fn names_are_made_linked_renamed_and_removed() {
    let opcodes = [Opcode::MKDIRAT, Opcode::SYMLINKAT, Opcode::LINKAT, Opcode::RENAMEAT];
    let Some(mut ring) = ring_for(&Builder::new(8), &opcodes) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let handle = fs::File::open(path).unwrap();
    let fd = handle.as_raw_fd();
    fs::write(path.join("f"), b"content").unwrap();

    assert_eq!(one(&mut ring, op::mkdir(fd, c"d", 0o700)), Ok(0));
    assert_eq!(one(&mut ring, op::mkdir(fd, c"d", 0o700)), Err(17), "EEXIST");
    assert!(path.join("d").is_dir());
    assert_eq!(one(&mut ring, op::symlink(c"f", fd, c"s")), Ok(0));
    assert_eq!(fs::read_link(path.join("s")).unwrap(), Path::new("f"));
    assert_eq!(one(&mut ring, op::link(fd, c"f", fd, c"l", 0)), Ok(0));
    assert_eq!(fs::read(path.join("l")).unwrap(), b"content");
    assert_eq!(one(&mut ring, op::rename(fd, c"l", fd, c"f", libc::RENAME_NOREPLACE)), Err(17));
    let far = c_path(&path.join("d/r"));
    assert_eq!(one(&mut ring, op::rename(fd, c"l", CURRENT_DIRECTORY, &far, 0)), Ok(0));
    assert!(path.join("d/r").exists() && !path.join("l").exists());

    assert_eq!(one(&mut ring, op::unlink(fd, c"d", libc::AT_REMOVEDIR)), Err(39), "ENOTEMPTY");
    assert_eq!(one(&mut ring, op::unlink(CURRENT_DIRECTORY, &far, 0)), Ok(0));
    assert_eq!(one(&mut ring, op::unlink(fd, c"d", libc::AT_REMOVEDIR)), Ok(0));
    assert!(!path.join("d").exists());
}

#[test]
fn statx_answers_the_size() {
    let Some(mut ring) = ring_for(&Builder::new(4), &[Opcode::STATX]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    fs::write(&path, b"content").unwrap();
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    let path = c_path(&path);
    let statx = op::statx(CURRENT_DIRECTORY, &path, 0, libc::STATX_SIZE, answer.as_mut_ptr());
    assert_eq!(one(&mut ring, statx), Ok(0));
    // SAFETY: zeroed bytes are a valid statx, and the kernel has filled it.
    assert_eq!(unsafe { answer.assume_init() }.stx_size, 7);
}

#[test]
fn attributes_are_set_and_read_by_path_and_by_file() {
    let opcodes = [Opcode::SETXATTR, Opcode::GETXATTR, Opcode::FSETXATTR, Opcode::FGETXATTR];
    let Some(mut ring) = ring_for(&Builder::new(4), &opcodes) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    let file = fs::File::create(&path).unwrap();
    let (path, target) = (c_path(&path), Target::Fd(file.as_raw_fd()));
    let set = op::setxattr(&path, c"user.a", b"one".as_ptr(), 3, 0);
    match one(&mut ring, set) {
        Err(libc::EOPNOTSUPP) => return eprintln!("skipped: this file system has no attributes"),
        result => assert_eq!(result, Ok(0)),
    }
    let mut value = [0_u8; 8];
    let get = op::fgetxattr(target, c"user.a", value.as_mut_ptr(), 8);
    assert_eq!((one(&mut ring, get), &value[..3]), (Ok(3), &b"one"[..]));
    let twice = op::fsetxattr(target, c"user.a", b"two".as_ptr(), 3, libc::XATTR_CREATE);
    assert_eq!(one(&mut ring, twice), Err(17), "EEXIST");
    let replace = op::fsetxattr(target, c"user.a", b"four".as_ptr(), 4, libc::XATTR_REPLACE);
    assert_eq!(one(&mut ring, replace), Ok(0));
    let get = op::getxattr(&path, c"user.a", value.as_mut_ptr(), 8);
    assert_eq!((one(&mut ring, get), &value[..4]), (Ok(4), &b"four"[..]));
}

#[test]
fn a_slot_becomes_a_descriptor_and_slots_are_filled_by_an_entry() {
    let opcodes = [Opcode::FIXED_FD_INSTALL, Opcode::FILES_UPDATE];
    let Some(mut ring) = ring_for(&Builder::new(4), &opcodes) else { return };
    ring.register_files_sparse(2).unwrap();
    let file = tempfile::tempfile().unwrap();
    let mut fds = [file.as_raw_fd()];
    assert_eq!(one(&mut ring, op::update_slots(fds.as_mut_ptr(), 1, 1)), Ok(1));
    let fd = one(&mut ring, op::install_fd(1, op::InstallFlags::empty())).unwrap();
    // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
    let installed = unsafe { OwnedFd::from_raw_fd(fd.cast_signed()) };
    let link = |fd| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    assert_eq!(link(installed.as_raw_fd()), link(file.as_raw_fd()));
    assert_ne!(installed.as_raw_fd(), file.as_raw_fd());
}
