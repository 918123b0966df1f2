//! Every function of `op` with random arguments: the 64 bytes must be those that the `io-uring`
//! crate, an independent author, builds for the same operation. For operations that it lacks, the
//! fields are named here one by one. And every completion, whatever the kernel may write into it,
//! can be asked everything.

use io_uring::{opcode, squeue, types};
use iomill_ring::abi::{CqeFlags, KernelTimespec, RwFlags, Slot, SqeFlags};
use iomill_ring::op::{self, FsyncFlags, Matching, MessageFlags, SyncRangeFlags, TimeoutFlags};
use iomill_ring::{Cqe, Sqe, Target};
use proptest::prelude::*;
use std::ffi::CString;
use std::ptr;

type Bytes = [u8; 64];

fn bytes_of_ours(sqe: &Sqe) -> Bytes {
    const { assert!(size_of::<Sqe>() == 64) };
    // SAFETY: 64 bytes without padding, all of them initialized.
    unsafe { ptr::from_ref(sqe).cast::<Bytes>().read() }
}

fn bytes_of_theirs(entry: &squeue::Entry) -> Bytes {
    const { assert!(size_of::<squeue::Entry>() == 64) };
    // SAFETY: the crate begins each entry with zeroed memory, and the structure has no padding.
    unsafe { ptr::from_ref(entry).cast::<Bytes>().read() }
}

/// The same bytes, but for the descriptor of an operation that has none: the kernel ignores it, and
/// ours is then -1 and theirs may be 0.
fn assert_same(ours: &Sqe, theirs: &squeue::Entry) -> Result<(), TestCaseError> {
    let (mut a, b) = (bytes_of_ours(ours), bytes_of_theirs(theirs));
    if ours.fd == -1 && b[4..8] == [0; 4] {
        a[4..8].fill(0);
    }
    prop_assert_eq!(a, b, "{:?}", ours);
    Ok(())
}

/// A file for both: a descriptor or a slot.
#[derive(Clone, Copy, Debug)]
struct File {
    number: u32,
    fixed: bool,
}

impl File {
    fn ours(self) -> Target {
        let Self { number, fixed } = self;
        if fixed { Target::Fixed(number) } else { Target::Fd(number.cast_signed()) }
    }

    /// The same call of theirs for either kind of file.
    fn entry(
        self,
        with_fd: impl FnOnce(types::Fd) -> squeue::Entry,
        with_slot: impl FnOnce(types::Fixed) -> squeue::Entry,
    ) -> squeue::Entry {
        let Self { number, fixed } = self;
        if fixed {
            with_slot(types::Fixed(number))
        } else {
            with_fd(types::Fd(number.cast_signed()))
        }
    }
}

/// `theirs!(file, |fd| expression)`: the expression for either kind of file.
macro_rules! theirs {
    ($file:expr, |$fd:ident| $build:expr) => {
        $file.entry(|$fd| $build, |$fd| $build)
    };
}

prop_compose! {
    fn files()(number in 0..i32::MAX.cast_unsigned(), fixed in any::<bool>()) -> File {
        File { number, fixed }
    }
}

fn pointer<T>(address: u64) -> *mut T {
    ptr::without_provenance_mut(usize::try_from(address).expect("a 64-bit machine"))
}

proptest! {
    #[test]
    fn transfers(
        file in files(), address in any::<u64>(), len in any::<u32>(), offset in any::<u64>(),
        index in any::<u16>(), rw in any::<u32>(),
    ) {
        let (f, buffer) = (file.ours(), pointer::<u8>(address));
        let (vector, rw_flags) = (pointer::<libc::iovec>(address), rw.cast_signed());
        let with = |sqe: Sqe| sqe.with_rw_flags(RwFlags::from_bits_retain(rw));
        for (ours, theirs) in [
            (op::read(f, buffer, len, offset), theirs!(file, |fd|
                opcode::Read::new(fd, buffer, len).offset(offset).rw_flags(rw_flags).build())),
            (op::write(f, buffer, len, offset), theirs!(file, |fd|
                opcode::Write::new(fd, buffer, len).offset(offset).rw_flags(rw_flags).build())),
            (op::read_fixed(f, buffer, len, offset, index), theirs!(file, |fd|
                opcode::ReadFixed::new(fd, buffer, len, index)
                    .offset(offset).rw_flags(rw_flags).build())),
            (op::write_fixed(f, buffer, len, offset, index), theirs!(file, |fd|
                opcode::WriteFixed::new(fd, buffer, len, index)
                    .offset(offset).rw_flags(rw_flags).build())),
            (op::readv(f, vector, len, offset), theirs!(file, |fd|
                opcode::Readv::new(fd, vector, len).offset(offset).rw_flags(rw_flags).build())),
            (op::writev(f, vector, len, offset), theirs!(file, |fd|
                opcode::Writev::new(fd, vector, len).offset(offset).rw_flags(rw_flags).build())),
            (op::readv_fixed(f, vector, len, offset, index), theirs!(file, |fd|
                opcode::ReadvFixed::new(fd, vector, len, index)
                    .offset(offset).rw_flags(rw_flags).build())),
            (op::writev_fixed(f, vector, len, offset, index), theirs!(file, |fd|
                opcode::WritevFixed::new(fd, vector, len, index)
                    .offset(offset).rw_flags(rw_flags).build())),
        ] {
            assert_same(&with(ours), &theirs)?;
        }
        // Version 0.7.15 forgets the flag of a registered file here, so it is added by hand.
        let fixed = if file.fixed { squeue::Flags::FIXED_FILE } else { squeue::Flags::empty() };
        let multishot = theirs!(file, |fd| opcode::ReadMulti::new(fd, 0, index)
            .offset(offset).build().flags(fixed));
        assert_same(&op::read_multishot(f, index, offset), &multishot)?;
        let selected = theirs!(file, |fd| opcode::Read::new(fd, ptr::null_mut(), len)
            .offset(offset).buf_group(index).build().flags(squeue::Flags::BUFFER_SELECT));
        assert_same(&op::read_into_group(f, index, len, offset), &selected)?;
    }

    #[test]
    fn files_and_durability(
        file in files(), len in any::<u32>(), long in any::<u64>(), offset in any::<u64>(),
        bits in any::<u32>(), advice in any::<u32>(), fd in 0..i32::MAX,
    ) {
        let (f, signed) = (file.ours(), bits.cast_signed());
        assert_same(&op::fsync(f, FsyncFlags::DATASYNC), &theirs!(file, |fd|
            opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build()))?;
        let flags = SyncRangeFlags::from_bits_retain(bits);
        assert_same(&op::sync_file_range(f, offset, len, flags), &theirs!(file, |fd|
            opcode::SyncFileRange::new(fd, len).offset(offset).flags(bits).build()))?;
        assert_same(&op::fallocate(f, bits, offset, long), &theirs!(file, |fd|
            opcode::Fallocate::new(fd, long).offset(offset).mode(signed).build()))?;
        assert_same(&op::ftruncate(f, long), &theirs!(file, |fd|
            opcode::Ftruncate::new(fd, long).build()))?;
        assert_same(&op::fadvise(f, offset, len, op::FileAdvice(advice)), &theirs!(file, |fd|
            opcode::Fadvise::new(fd, i64::from(len), advice.cast_signed())
                .offset(offset).build()))?;
        assert_same(&op::madvise(pointer(long), len, signed),
            &opcode::Madvise::new(pointer(long), i64::from(len), signed).build())?;
        assert_same(&op::close(fd), &opcode::Close::new(types::Fd(fd)).build())?;
        let slot = file.number;
        assert_same(&op::close_slot(slot), &opcode::Close::new(types::Fixed(slot)).build())?;
        let update = opcode::FilesUpdate::new(pointer(long), len).offset(fd).build();
        assert_same(&op::update_slots(pointer(long), len, fd.cast_unsigned()), &update)?;
        let pipe = op::pipe(pointer(long), signed);
        prop_assert_eq!((pipe.addr, pipe.op_flags, pipe.file_index), (long, bits, 0));
    }

    #[test]
    fn paths(
        from in 0..i32::MAX, to in 0..i32::MAX, bits in any::<u32>(), mode in any::<u32>(),
        address in any::<u64>(), slot in 0..100_u32,
    ) {
        let (a, b) = (CString::from(c"one"), CString::from(c"two"));
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let (df, dt, signed) = (types::Fd(from), types::Fd(to), bits.cast_signed());
        let destination = types::DestinationSlot::try_from_slot_target(slot).expect("a small slot");
        let open = opcode::OpenAt::new(df, pa).flags(signed).mode(mode);
        assert_same(&op::open(from, &a, signed, mode).with_slot(Slot::Index(slot)),
            &open.file_index(Some(destination)).build())?;
        assert_same(&op::open2(from, &a, pointer(address)),
            &opcode::OpenAt2::new(df, pa, pointer(address)).build())?;
        assert_same(&op::statx(from, &a, signed, mode, pointer(address)),
            &opcode::Statx::new(df, pa, pointer(address)).flags(signed).mask(mode).build())?;
        assert_same(&op::rename(from, &a, to, &b, bits),
            &opcode::RenameAt::new(df, pa, dt, pb).flags(bits).build())?;
        assert_same(&op::unlink(from, &a, signed),
            &opcode::UnlinkAt::new(df, pa).flags(signed).build())?;
        assert_same(&op::mkdir(from, &a, mode), &opcode::MkDirAt::new(df, pa).mode(mode).build())?;
        assert_same(&op::symlink(&a, to, &b), &opcode::SymlinkAt::new(dt, pa, pb).build())?;
        assert_same(&op::link(from, &a, to, &b, signed),
            &opcode::LinkAt::new(df, pa, dt, pb).flags(signed).build())?;
    }

    #[test]
    fn attributes(
        file in files(), address in any::<u64>(), len in any::<u32>(), bits in any::<i32>(),
    ) {
        let (path, name) = (CString::from(c"path"), CString::from(c"user.name"));
        let (p, n, f, value) = (path.as_ptr(), name.as_ptr(), file.ours(), pointer::<u8>(address));
        let (read, written) = (value.cast(), value.cast_const().cast());
        assert_same(&op::getxattr(&path, &name, value, len),
            &opcode::GetXattr::new(n, read, p, len).build())?;
        assert_same(&op::setxattr(&path, &name, value, len, bits),
            &opcode::SetXattr::new(n, written, p, len).flags(bits).build())?;
        assert_same(&op::fgetxattr(f, &name, value, len), &theirs!(file, |fd|
            opcode::FGetXattr::new(fd, n, read, len).build()))?;
        assert_same(&op::fsetxattr(f, &name, value, len, bits), &theirs!(file, |fd|
            opcode::FSetXattr::new(fd, n, written, len).flags(bits).build()))?;
    }

    #[test]
    fn waits_and_cancels(
        file in files(), user_data in any::<u64>(), other in any::<u64>(), count in any::<u32>(),
        result in any::<i32>(), events in any::<u16>(),
    ) {
        let (f, events) = (file.ours(), u32::from(events));
        let time = pointer::<KernelTimespec>(other);
        let (theirs_time, abs) = (pointer::<types::Timespec>(other), types::TimeoutFlags::ABS);
        assert_same(&op::timeout(time, count, TimeoutFlags::ABS),
            &opcode::Timeout::new(theirs_time).count(count).flags(abs).build())?;
        assert_same(&op::timeout_remove(user_data),
            &opcode::TimeoutRemove::new(user_data).build())?;
        assert_same(&op::timeout_update(user_data, time, TimeoutFlags::ABS),
            &opcode::TimeoutUpdate::new(user_data, theirs_time).flags(abs).build())?;
        assert_same(&op::link_timeout(time, TimeoutFlags::ABS),
            &opcode::LinkTimeout::new(theirs_time).flags(abs).build())?;
        assert_same(&op::poll(f, events, op::PollFlags::MULTI), &theirs!(file, |fd|
            opcode::PollAdd::new(fd, events).multi(true).build()))?;
        assert_same(&op::poll_remove(user_data), &opcode::PollRemove::new(user_data).build())?;
        assert_same(&op::cancel(Matching::user_data(user_data).all()), &opcode::AsyncCancel2::new(
            types::CancelBuilder::user_data(user_data).all()).build())?;
        assert_same(&op::cancel(Matching::any()),
            &opcode::AsyncCancel2::new(types::CancelBuilder::any()).build())?;
        assert_same(&op::cancel(Matching::file(f)), &theirs!(file, |fd|
            opcode::AsyncCancel2::new(types::CancelBuilder::fd(fd)).build()))?;
        // SAFETY: the number is only written into an entry that is never pushed.
        let ring = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
        assert_same(&op::message(ring, user_data, result, MessageFlags::empty()),
            &opcode::MsgRingData::new(types::Fd(3), result, user_data, None).build())?;
    }

    #[test]
    fn splices_and_futexes(
        from in files(), to in files(), offset in any::<u64>(), len in any::<u32>(),
        bits in any::<u32>(), word in any::<u64>(),
    ) {
        // The flag for a fixed source is the function's own.
        let bits = bits & !(1 << 31);
        let ours = op::splice(from.ours(), offset, to.ours(), 7, len, bits);
        let (a, b) = (offset.cast_signed(), 7);
        let theirs = theirs!(from, |from| theirs!(to, |to|
            opcode::Splice::new(from, a, to, b, len).flags(bits).build()));
        assert_same(&ours, &theirs)?;
        let theirs = theirs!(from, |from| theirs!(to, |to|
            opcode::Tee::new(from, to, len).flags(bits).build()));
        assert_same(&op::tee(from.ours(), to.ours(), len, bits), &theirs)?;
        assert_same(&op::futex_wait(pointer(word), offset, 1, bits),
            &opcode::FutexWait::new(pointer(word), offset, 1, bits).build())?;
        assert_same(&op::futex_wake(pointer(word), offset, 1, bits),
            &opcode::FutexWake::new(pointer(word), offset, 1, bits).build())?;
        assert_same(&op::futex_wait_any(pointer(word), len),
            &opcode::FutexWaitV::new(pointer(word), len).build())?;
    }

    #[test]
    fn messages_and_commands(
        file in files(), user_data in any::<u64>(), offset in any::<u64>(), len in any::<u64>(),
        bits in any::<u32>(), slot in 0..100_u32, low in any::<[u8; 16]>(), fill in any::<u8>(),
    ) {
        // SAFETY: the number is only written into an entry that is never pushed.
        let ring = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
        let destination = types::DestinationSlot::try_from_slot_target(slot).expect("a small slot");
        let flags = MessageFlags::from_bits_retain(bits);
        let (from, to) = (types::Fixed(file.number), Slot::Index(slot));
        assert_same(&op::message_file(ring, file.number, to, user_data, flags),
            &opcode::MsgRingSendFd::new(types::Fd(3), from, destination, user_data)
                .opcode_flags(bits).build())?;
        assert_same(&op::install_fd(file.number, op::InstallFlags::from_bits_retain(bits)),
            &opcode::FixedFdInstall::new(from, bits).build())?;
        let command = theirs!(file, |fd| opcode::UringCmd16::new(fd, bits).cmd(low).build());
        assert_same(&op::command(file.ours(), bits, low), &command)?;
        let mut bytes = [fill; op::COMMAND_LEN_BYTES];
        bytes[..16].copy_from_slice(&low);
        let (entry, tail) = op::command128(file.ours(), bits, &bytes);
        assert_same(&entry, &command)?;
        prop_assert_eq!(tail, [fill; 64]);
        let mut range = [0; 16];
        range[..8].copy_from_slice(&len.to_ne_bytes());
        assert_same(&op::block_discard(file.ours(), offset, len), &theirs!(file, |fd|
            opcode::UringCmd16::new(fd, 0x1200).cmd(range).addr(Some(offset)).build()))?;
    }

    /// What the other crate lacks, by the kernel's rules (`io_nop_prep`, `io_poll_remove_prep`).
    #[test]
    fn what_only_we_have(user_data in any::<u64>(), other in any::<u64>(), res in any::<i32>()) {
        let nop = op::nop_with_result(res);
        prop_assert_eq!(nop, Sqe { op_flags: 1, len: res.cast_unsigned(), ..op::nop() });
        let flags = op::PollFlags::UPDATE_USER_DATA;
        let update = op::poll_update(user_data, other, 5, flags);
        let expected = Sqe { off: other, len: 4, op_flags: 5, ..op::poll_remove(user_data) };
        prop_assert_eq!(update, expected);
    }

    #[test]
    fn what_is_common_to_all_entries(
        user_data in any::<u64>(), personality in any::<u16>(), bits in any::<u8>(),
    ) {
        let flags = SqeFlags::from_bits_retain(bits);
        let ours = op::nop().with_user_data(user_data).with_personality(personality);
        let theirs = opcode::Nop::new().build().user_data(user_data).personality(personality);
        assert_same(
            &ours.with_flags(flags),
            &theirs.flags(squeue::Flags::from_bits_retain(bits)),
        )?;
    }

    #[test]
    fn any_completion_can_be_asked(
        user_data in any::<u64>(), res in any::<i32>(), bits in any::<u32>(),
    ) {
        let cqe = Cqe { user_data, res, flags: CqeFlags::from_bits_retain(bits) };
        match cqe.result() {
            Ok(value) => prop_assert_eq!(i64::from(value), i64::from(res)),
            Err(errno) => prop_assert!(errno > 0 && i64::from(errno) <= -i64::from(res)),
        }
        prop_assert_eq!(cqe.buffer_id(), (bits & 1 == 1).then_some((bits >> 16) as u16));
        prop_assert_eq!(cqe.has_more(), bits & 2 == 2);
    }
}

/// An operation that somebody adds must come into one of the tests above.
#[test]
fn no_operation_is_left_out() {
    let sources = [
        include_str!("../src/op/cancel.rs"),
        include_str!("../src/op/command.rs"),
        include_str!("../src/op/file.rs"),
        include_str!("../src/op/futex.rs"),
        include_str!("../src/op/memory.rs"),
        include_str!("../src/op/message.rs"),
        include_str!("../src/op/nop.rs"),
        include_str!("../src/op/path.rs"),
        include_str!("../src/op/poll.rs"),
        include_str!("../src/op/splice.rs"),
        include_str!("../src/op/sync.rs"),
        include_str!("../src/op/time.rs"),
        include_str!("../src/op/transfer.rs"),
        include_str!("../src/op/xattr.rs"),
    ];
    let modules = include_str!("../src/op/mod.rs").lines().filter(|line| line.starts_with("mod "));
    // `target` holds no operation.
    assert_eq!(modules.count(), sources.len() + 1, "a file of src/op is not read here");
    let names = sources.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let rest = line.strip_prefix("pub ")?;
        rest.strip_prefix("const ").unwrap_or(rest).strip_prefix("fn ")?.split('(').next()
    });
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        let call = format!("op::{name}(");
        assert!(include_str!("entries.rs").contains(&call), "{name} is tested nowhere");
    }
}
