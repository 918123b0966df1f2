//! Registrations other than plain buffers and files: tags, clones, ranges, eventfds, workers,
//! clocks.

use crate::{one, ring, ring_for, run, supported};
use iomill_ring::abi::{Slot, SqeFlags};
use iomill_ring::op::{self, CURRENT_DIRECTORY};
use iomill_ring::{
    Builder, Clock, ErrorKind, Opcode, Restrictions, SlotUpdate, Target, Wait, WorkerLimits,
};
use std::io::IoSlice;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

#[test]
fn files_are_replaced_and_the_tag_tells_when_the_old_one_is_closed() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let files = [Some(file.as_fd()), None];
    let Some(()) = supported(ring.register_files_tagged(&files, &[11, 0])) else { return };
    let error = ring.register_files(&files).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let updates = [SlotUpdate::Keep, SlotUpdate::Put(other.as_fd())];
    let sync = |slot| op::fsync(Target::Fixed(slot), op::FsyncFlags::empty());
    assert_eq!(ring.update_files(0, &updates, &[]), Ok(2));
    assert_eq!(one(&mut ring, sync(0)), Ok(0), "the file that was kept");
    assert_eq!(ring.update_files(0, &[SlotUpdate::Clear], &[]), Ok(1));
    ring.submit_and_wait_for(1, Duration::from_secs(10)).unwrap();
    assert_eq!(ring.completions().next().unwrap().user_data, 11, "the tag of the closed file");
    assert_eq!(one(&mut ring, sync(0)), Err(9), "EBADF");
    assert_eq!(one(&mut ring, sync(1)), Ok(0));
    let error = ring.update_files(1, &updates, &[]).unwrap_err();
    assert!(error.to_string().contains("from slot 1 on"), "{error}");
    assert_eq!(ring.register_files_tagged(&files, &[1]).unwrap_err().errno(), None);
    ring.unregister_files().unwrap();
    assert!(ring.unregister_files().is_err());
    ring.register_files(&files).unwrap();
    assert_eq!(one(&mut ring, sync(0)), Ok(0));
}

#[test]
fn the_kernel_chooses_slots_out_of_the_given_range() {
    let Some(mut ring) = ring_for(&Builder::new(8), &[Opcode::SEND_ZC]) else { return };
    ring.register_files_sparse(8).unwrap();
    let Some(()) = supported(ring.register_file_range(5, 2)) else { return };
    let open = op::open(CURRENT_DIRECTORY, c"/dev/null", libc::O_RDONLY, 0).with_slot(Slot::Any);
    let mut slots = [one(&mut ring, open).unwrap(), one(&mut ring, open).unwrap()];
    slots.sort_unstable();
    assert_eq!(slots, [5, 6]);
    assert_eq!(one(&mut ring, open), Err(23), "ENFILE: the range is full");
    let error = ring.register_file_range(7, 2).unwrap_err();
    assert!(error.to_string().contains("slots 7 to 9"), "{error}");
}

#[test]
fn buffers_are_replaced_and_the_tag_tells_when_the_old_one_is_free() {
    let Some(mut ring) = ring(&Builder::new(8)) else { return };
    let mut memory = vec![0_u8; 8192];
    let (front, back) = memory.split_at_mut(4096);
    let tags = [21_u64];
    // SAFETY: the memory outlives the ring's use of it in this test.
    let registered = unsafe { ring.register_buffers_tagged(&[IoSlice::new(front)], &tags) };
    let Some(()) = supported(registered) else { return };
    // SAFETY: as above, and nothing in flight names the old buffer.
    assert_eq!(unsafe { ring.update_buffers(0, &[IoSlice::new(back)], &[22]) }, Ok(1));
    ring.submit_and_wait_for(1, Duration::from_secs(10)).unwrap();
    assert_eq!(ring.completions().next().unwrap().user_data, 21, "the tag of the replaced buffer");
    let file = tempfile::tempfile().unwrap();
    let write = |pointer| op::write_fixed(Target::from(file.as_fd()), pointer, 512, 0, 0);
    assert_eq!(one(&mut ring, write(back.as_ptr())), Ok(512));
    assert_eq!(one(&mut ring, write(front.as_ptr())), Err(14), "EFAULT");
    ring.unregister_buffers().unwrap();
    // The tags of those that were given up come too, on newer kernels.
    match ring.submit_and_wait_for(1, Duration::from_secs(1)) {
        Ok(_) => assert_eq!(ring.completions().next().unwrap().user_data, 22),
        Err(error) => eprintln!("skipped: the tags at the end: this kernel sends none: {error}"),
    }
}

#[test]
fn buffers_are_put_into_an_empty_table_and_cloned_into_another_ring() {
    let Some(mut source) = ring(&Builder::new(8)) else { return };
    let Some(mut target) = ring(&Builder::new(8)) else { return };
    let Some(()) = supported(source.register_buffers_sparse(4)) else { return };
    let memory = vec![3_u8; 4096];
    // SAFETY: the memory outlives both rings' use of it in this test.
    unsafe { source.update_buffers(2, &[IoSlice::new(&memory)], &[]) }.unwrap();
    // SAFETY: as above.
    let cloned = unsafe { target.clone_buffers(&source, 2, 0, 1, false) };
    let Some(()) = supported(cloned) else { return };
    source.unregister_buffers().unwrap();
    let file = tempfile::tempfile().unwrap();
    let write = op::write_fixed(Target::from(file.as_fd()), memory.as_ptr(), 4096, 0, 0);
    assert_eq!(one(&mut target, write), Ok(4096), "it is pinned for this ring by itself");
    // SAFETY: as above.
    let error = unsafe { target.clone_buffers(&source, 0, 0, 1, true) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "the source has none: {error}");
    target.unregister_buffers().unwrap();
}

#[test]
fn too_many_buffers_are_refused_with_their_number() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let memory = vec![0_u8; 4096];
    let buffers = vec![IoSlice::new(&memory); 16_385];
    // SAFETY: the memory outlives the ring's use of it in this test.
    let error = unsafe { ring.register_buffers(&buffers) }.unwrap_err();
    assert!(error.to_string().contains("16385 buffers"), "{error}");
}

#[test]
fn an_eventfd_is_signalled_for_completions() {
    // Without DEFER_TASKRUN, which would count only after a call that waits.
    let builder = Builder::new(4).without(iomill_ring::abi::SetupFlags::DEFER_TASKRUN);
    let Some(mut ring) = ring(&builder) else { return };
    // SAFETY: no pointer is passed.
    let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
    assert!(fd >= 0);
    // SAFETY: the kernel just gave us this descriptor and nobody else has seen it.
    let eventfd = unsafe { OwnedFd::from_raw_fd(fd) };
    for only_async in [false, true] {
        ring.register_eventfd(eventfd.as_fd(), only_async).unwrap();
        let error = ring.register_eventfd(eventfd.as_fd(), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        run(&mut ring, &[op::nop(), op::nop()]);
        let mut count = [0_u8; 8];
        let read = rustix::io::read(&eventfd, &mut count);
        let expected = if only_async { Err(rustix::io::Errno::AGAIN) } else { Ok(8) };
        assert_eq!(read, expected, "NOPs complete at once, not asynchronously");
        // Two completions of one submission may count as one signal.
        assert_eq!(u64::from_ne_bytes(count) > 0, !only_async);
        ring.unregister_eventfd().unwrap();
    }
    let file = tempfile::tempfile().unwrap();
    assert!(ring.register_eventfd(file.as_fd(), false).is_err());
}

#[test]
fn credentials_are_registered_and_forgotten() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let personality = ring.register_personality().unwrap();
    assert_eq!(one(&mut ring, op::nop().with_personality(personality)), Ok(0));
    ring.unregister_personality(personality).unwrap();
    assert_eq!(one(&mut ring, op::nop().with_personality(personality)), Err(22), "EINVAL");
    let error = ring.unregister_personality(personality).unwrap_err();
    assert!(error.to_string().contains("credentials"), "{error}");
}

#[test]
fn workers_are_limited_and_bound() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let limits = WorkerLimits { bounded: 3, unbounded: 5 };
    let Some(before) = supported(ring.limit_workers(limits)) else { return };
    assert!(before.bounded > 0 && before.unbounded > 0, "{before:?}");
    let none = WorkerLimits { bounded: 0, unbounded: 0 };
    assert_eq!(ring.limit_workers(none), Ok(limits), "0 leaves a limit as it is");
    ring.bind_workers(&[0]).unwrap();
    ring.unbind_workers().unwrap();
    let error = ring.bind_workers(&[9000]).unwrap_err();
    assert!(error.to_string().contains("CPU 9000"), "{error}");
}

#[test]
fn a_clock_is_chosen_and_deadlines_are_measured_by_it() {
    let Some(mut ring) = ring(&Builder::new(4)) else { return };
    let Some(()) = supported(ring.register_clock(Clock::Boottime)) else { return };
    let past = iomill_ring::abi::KernelTimespec { tv_sec: 1, tv_nsec: 0 };
    let begin = Instant::now();
    let error = ring.submit_with(&Wait::until(1).deadline(past)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(begin.elapsed() < Duration::from_millis(900), "a point in time, not a duration");
    ring.register_clock(Clock::Monotonic).unwrap();
}

#[test]
fn a_restricted_ring_does_only_what_its_list_allows() {
    let builder = Builder::new(8);
    let mut disabled = match builder.build_disabled() {
        Ok(ring) => ring,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let list = Restrictions::new()
        .allow(Opcode::NOP)
        .allow(Opcode::FSYNC)
        .allow_flags(SqeFlags::ASYNC)
        .allow_register(iomill_ring::abi::RegisterOp::PROBE);
    let file = tempfile::tempfile().unwrap();
    disabled.register_files_sparse(1).unwrap();
    disabled.update_file(0, Some(file.as_fd())).unwrap();
    disabled.restrict(&list).unwrap();
    assert_eq!(disabled.restrict(&list).unwrap_err().kind(), ErrorKind::Busy);
    let worker = std::thread::spawn(move || {
        let mut ring = disabled.enable().unwrap();
        assert_eq!(one(&mut ring, op::nop()), Ok(0));
        assert_eq!(one(&mut ring, op::nop().with_flags(SqeFlags::ASYNC)), Ok(0));
        let mut byte = 0_u8;
        let read = op::read(Target::Fd(0), &raw mut byte, 1, 0);
        assert_eq!(one(&mut ring, read), Err(13), "EACCES: not on the list");
        let sync = op::fsync(Target::Fixed(0), op::FsyncFlags::empty());
        assert_eq!(one(&mut ring, sync), Err(13), "EACCES: nor is the flag FIXED_FILE");
        assert!(ring.probe().is_ok());
        let error = ring.register_files_sparse(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    });
    worker.join().unwrap();
}

#[test]
fn registered_waits_end_at_their_time() {
    let Ok(mut disabled) = Builder::new(4).build_disabled() else {
        return eprintln!("skipped: no disabled rings here");
    };
    let Some(()) = supported(disabled.register_waits(3)) else { return };
    assert!(disabled.register_waits(0).is_err());
    let mut ring = disabled.enable().unwrap();
    let wait = Wait::until(1).registered(2);
    ring.set_wait(2, Some(Duration::from_millis(5)), Duration::ZERO).unwrap();
    let begin = Instant::now();
    assert_eq!(ring.submit_with(&wait).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(begin.elapsed() >= Duration::from_millis(5));
    // SAFETY: a NOP names no memory and no file.
    unsafe { ring.push(&op::nop()) }.unwrap();
    assert_eq!(ring.submit_with(&wait), Ok(1));
    assert_eq!(ring.completions().count(), 1);
    let error = ring.set_wait(3, None, Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("wait 3 of 3"), "{error}");
    assert!(ring.submit_with(&Wait::until(1).registered(3)).is_err());
}

#[test]
fn a_registration_beyond_the_limit_of_locked_memory_names_the_limit() {
    // Credentials belong to the thread in the kernel, so only this one becomes unprivileged.
    let worker = std::thread::spawn(|| {
        const NOBODY: libc::uid_t = 65_534;
        // SAFETY: the call takes three numbers and changes this thread's credentials only.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        // SAFETY: the call takes no argument.
        if changed != 0 && unsafe { libc::geteuid() } == 0 {
            return eprintln!("skipped: this process cannot give its privileges up");
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
        let Some(limit) = limit.filter(|bytes| *bytes < 1 << 28) else {
            return eprintln!(
                "skipped: locked memory is limited to {limit:?} bytes, too many to try"
            );
        };
        let Some(mut ring) = ring(&Builder::new(4)) else { return };
        let memory = vec![1_u8; usize::try_from(limit).unwrap() + (1 << 20)];
        // SAFETY: the memory outlives the ring.
        let error = unsafe { ring.register_buffers(&[IoSlice::new(&memory)]) }.unwrap_err();
        assert_eq!((error.kind(), error.errno()), (ErrorKind::OutOfMemory, Some(12)), "{error}");
        let (text, limit) = (error.to_string(), format!("{} KiB", limit / 1024));
        assert!(text.contains(&limit) && text.contains("memlock"), "{text}");
        assert!(text.contains(&format!("{} bytes", memory.len())), "{text}");
    });
    worker.join().unwrap();
}
