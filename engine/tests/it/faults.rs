//! Random programs on a backend that cuts transfers short, says EINTR and EAGAIN, and completes in
//! any order: the outcome must be that of a plain array of bytes.

use iomill_engine::backend::{Backend, Completion, Memory, Request, RequestFile, RequestKind};
use iomill_engine::{
    BufferList, Config, Engine, Error, File, Lane, Nop, Read, ReadVectored, Sync, Wait, Write,
    WriteVectored,
};
use proptest::prelude::*;
use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

/// Carries requests out one by one on this thread, badly.
#[derive(Debug)]
struct Faulty {
    staged: Vec<Request>,
    seed: u64,
    enters: u64,
}

impl Faulty {
    /// The next number below `bound`, from splitmix64.
    fn random(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn perform(&mut self, request: &Request) -> i32 {
        match self.random(8) {
            0 => return -libc::EINTR,
            1 => return -libc::EAGAIN,
            _ => {}
        }
        let RequestFile::Fd(fd) = request.file else { return 0 };
        if matches!(request.kind, RequestKind::ReadVectored | RequestKind::WriteVectored) {
            return self.perform_vectored(request, fd);
        }
        // At least one byte, so that the end of the file is not invented.
        let len = 1 + self.random(request.len.max(1) as usize);
        let len = len.min(request.len as usize);
        let offset = libc::off_t::try_from(request.offset).unwrap();
        let answer = match request.kind {
            // SAFETY: the engine vouches for the memory and the file until the completion.
            RequestKind::Read => unsafe { libc::pread(fd, request.address.cast(), len, offset) },
            // SAFETY: as above.
            RequestKind::Write => unsafe { libc::pwrite(fd, request.address.cast(), len, offset) },
            _ => 0,
        };
        assert!(answer >= 0, "{}", std::io::Error::last_os_error());
        i32::try_from(answer).unwrap()
    }

    /// Moves a random part of a vector, which ends anywhere in any of its pieces.
    fn perform_vectored(&mut self, request: &Request, fd: i32) -> i32 {
        let vector = request.address.cast_const().cast::<libc::iovec>();
        // SAFETY: the engine vouches for the vector until the completion.
        let pieces = unsafe { std::slice::from_raw_parts(vector, request.len as usize) };
        let total: usize = pieces.iter().map(|piece| piece.iov_len).sum();
        let mut left = (1 + self.random(total.max(1))).min(total);
        let mut cut = pieces.to_vec();
        for piece in &mut cut {
            piece.iov_len = piece.iov_len.min(left);
            left -= piece.iov_len;
        }
        let count = i32::try_from(cut.len()).unwrap();
        let offset = libc::off_t::try_from(request.offset).unwrap();
        let answer = match request.kind {
            // SAFETY: the pieces are parts of what the engine vouches for.
            RequestKind::ReadVectored => unsafe { libc::preadv(fd, cut.as_ptr(), count, offset) },
            // SAFETY: as above.
            _ => unsafe { libc::pwritev(fd, cut.as_ptr(), count, offset) },
        };
        assert!(answer >= 0, "{}", std::io::Error::last_os_error());
        i32::try_from(answer).unwrap()
    }
}

// SAFETY: memory is touched only inside `enter`, before the request's one completion.
unsafe impl Backend for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn enters(&self) -> u64 {
        self.enters
    }

    unsafe fn register_memory(&mut self, _pieces: &[Memory]) -> Result<(), Error> {
        Ok(())
    }

    fn register_slots(&mut self, _slots: u32) -> Result<(), Error> {
        Ok(())
    }

    fn set_slot(&mut self, _slot: u32, _file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn stage(&mut self, batch: &[Request]) -> usize {
        // Sometimes it takes only a part.
        let taken = batch.len() - self.random(batch.len() + 1) / 2;
        self.staged.extend(&batch[..taken]);
        taken
    }

    fn cancel(&mut self, _id: u64) -> bool {
        true
    }

    fn enter(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> Result<(), Error> {
        self.enters += 1;
        let mut count = self.random(self.staged.len() + 1);
        count = count.max(wait.at_least() as usize);
        for _ in 0..count {
            let index = self.random(self.staged.len());
            let request = self.staged.swap_remove(index);
            let result = self.perform(&request);
            completions.push(Completion { id: request.id, result, lane: Lane::Ring });
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Read {
        offset: u16,
        len: u16,
    },
    Write {
        offset: u16,
        len: u16,
        fill: u8,
    },
    /// The same as a vector of three buffers.
    WriteVectored {
        offset: u16,
        len: u16,
        fill: u8,
    },
    ReadVectored {
        offset: u16,
        len: u16,
    },
    Sync,
    Nop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u16..20_000, 0_u16..=4096).prop_map(|(offset, len)| Step::Read { offset, len }),
        (0_u16..20_000, 0_u16..=4096, any::<u8>()).prop_map(|(offset, len, fill)| Step::Write {
            offset,
            len,
            fill
        }),
        (0_u16..20_000, 0_u16..=4096).prop_map(|(offset, len)| Step::ReadVectored { offset, len }),
        (0_u16..20_000, 0_u16..=4096, any::<u8>())
            .prop_map(|(offset, len, fill)| Step::WriteVectored { offset, len, fill }),
        Just(Step::Sync),
        Just(Step::Nop),
    ]
}

/// Carries a step out on the array; answers what a read must bring.
fn model(bytes: &mut Vec<u8>, step: &Step) -> Vec<u8> {
    match *step {
        Step::Read { offset, len } | Step::ReadVectored { offset, len } => {
            let begin = usize::from(offset).min(bytes.len());
            let end = (begin + usize::from(len)).min(bytes.len());
            bytes[begin..end].to_vec()
        }
        Step::Write { offset, len, fill } | Step::WriteVectored { offset, len, fill }
            if len > 0 =>
        {
            let (begin, end) = (usize::from(offset), usize::from(offset) + usize::from(len));
            bytes.resize(bytes.len().max(end), 0);
            bytes[begin..end].fill(fill);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn submit(
    engine: &mut Engine,
    file: &File,
    step: &Step,
    expected: Vec<u8>,
    seen: &Rc<RefCell<u32>>,
) {
    let (file, seen) = (file.clone(), Rc::clone(seen));
    match *step {
        Step::Read { offset, len } => {
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(usize::from(len));
            engine
                .submit(Read { file, offset: u64::from(offset), buffer }, move |done, _| {
                    let bytes = done.result.unwrap() as usize;
                    assert_eq!(done.op.buffer[..bytes], expected);
                    *seen.borrow_mut() += 1;
                })
                .unwrap();
        }
        Step::Write { offset, len, fill } => {
            let mut buffer = engine.buffer().unwrap();
            buffer.set_len(usize::from(len));
            buffer.fill(fill);
            engine
                .submit(Write { file, offset: u64::from(offset), buffer }, move |done, _| {
                    assert_eq!(done.result.unwrap(), u32::from(len));
                    *seen.borrow_mut() += 1;
                })
                .unwrap();
        }
        Step::ReadVectored { offset, len } => {
            let buffers = thirds(engine, len, 0);
            engine
                .submit(
                    ReadVectored { file, offset: u64::from(offset), buffers },
                    move |done, _| {
                        let bytes = done.result.unwrap() as usize;
                        let read: Vec<u8> =
                            done.op.buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
                        assert_eq!(read[..bytes], expected);
                        *seen.borrow_mut() += 1;
                    },
                )
                .unwrap();
        }
        Step::WriteVectored { offset, len, fill } => {
            let buffers = thirds(engine, len, fill);
            engine
                .submit(
                    WriteVectored { file, offset: u64::from(offset), buffers },
                    move |done, _| {
                        assert_eq!(done.result.unwrap(), u32::from(len));
                        *seen.borrow_mut() += 1;
                    },
                )
                .unwrap();
        }
        Step::Sync => {
            let op = Sync { file, data_only: true };
            engine.submit(op, move |_, _| *seen.borrow_mut() += 1).unwrap();
        }
        Step::Nop => {
            engine.submit(Nop, move |_, _| *seen.borrow_mut() += 1).unwrap();
        }
    }
}

/// `len` bytes in three buffers of uneven length.
fn thirds(engine: &Engine, len: u16, fill: u8) -> BufferList {
    let len = usize::from(len);
    let lens = [len / 3, len / 5, len - len / 3 - len / 5];
    let buffers = lens.map(|len| {
        let mut buffer = engine.buffer().unwrap();
        buffer.set_len(len);
        buffer.fill(fill);
        buffer
    });
    Vec::from(buffers).into()
}

proptest! {
    #[test]
    fn a_misbehaving_backend_changes_nothing_for_the_caller(
        steps in prop::collection::vec(step(), 1..60), seed in any::<u64>(), depth in 1_u32..9
    ) {
        let config = Config::new().depth(depth).buffers(4, 4096);
        let backend = Faulty { staged: Vec::new(), seed, enters: 0 };
        let mut engine = Engine::with_backend(&config, Box::new(backend)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let (mut bytes, seen) = (Vec::new(), Rc::new(RefCell::new(0)));
        for step in &steps {
            let expected = model(&mut bytes, step);
            submit(&mut engine, &file, step, expected, &seen);
            // Overlapping requests have no order among themselves: one at a time decides.
            engine.drain().unwrap();
        }
        prop_assert_eq!(*seen.borrow() as usize, steps.len(), "each called back exactly once");
        prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn independent_requests_in_flight_together_do_not_disturb_each_other(
        seed in any::<u64>(), depth in 1_u32..17, count in 1_u32..33
    ) {
        let config = Config::new().depth(depth).capacity(64).buffers(64, 512);
        let backend = Faulty { staged: Vec::new(), seed, enters: 0 };
        let mut engine = Engine::with_backend(&config, Box::new(backend)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        for index in 0..count {
            let mut buffer = engine.buffer().unwrap();
            buffer.fill(u8::try_from(index).unwrap() + 1);
            let op = Write { file: file.clone(), offset: u64::from(index) * 512, buffer };
            engine.submit(op, |done, cx| {
                assert_eq!(done.result.unwrap(), 512);
                let Write { file, offset, mut buffer } = done.op;
                let expected = buffer[0];
                buffer.fill(0);
                cx.submit(Read { file, offset, buffer }, move |done, _| {
                    assert_eq!(done.result.unwrap(), 512);
                    assert!(done.op.buffer.iter().all(|byte| *byte == expected));
                }).unwrap();
            }).unwrap();
        }
        engine.drain().unwrap();
        prop_assert_eq!(engine.metrics().read.completed, u64::from(count));
        prop_assert_eq!(engine.metrics().write.bytes, u64::from(count) * 512);
    }
}
