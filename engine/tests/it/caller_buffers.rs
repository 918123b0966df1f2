//! Memory of the caller's own in operations: it moves the same bytes as the pool's, comes back as
//! what it was, and is refused where it does not fit, before the kernel sees it.

use iomill_engine::{
    BackendChoice, Buffer, BufferList, Completion, Config, Engine, ErrorKind, File, Operation,
    OwnedMemory, Read, ReadVectored, Write, WriteVectored,
};
use std::cell::RefCell;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

/// A block that starts at a multiple of its length, as somebody's cache would have it.
#[repr(C, align(4096))]
struct Block([u8; 4096]);

struct Blocks(Box<[Block]>);

// SAFETY: the box owns its bytes, they stay on the heap, and nobody else has the value.
unsafe impl OwnedMemory for Blocks {
    fn memory(&mut self) -> (NonNull<u8>, usize) {
        let blocks: &mut [Block] = &mut self.0;
        (NonNull::from(&mut *blocks).cast(), size_of_val(blocks))
    }

    fn is_writable(&self) -> bool {
        true
    }
}

fn on_each_backend(test: impl Fn(&mut Engine, &Path)) {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        match Config::new().backend(backend).depth(4).start() {
            Ok(mut engine) => {
                // On a disk file system, unlike the usual folder on many machines.
                let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                test(&mut engine, folder.path());
            }
            Err(error) => eprintln!("skipped {backend:?}: {error}"),
        }
    }
}

fn run<O: Operation>(engine: &mut Engine, op: O) -> Completion<O> {
    let done = Rc::new(RefCell::new(None));
    let place = Rc::clone(&done);
    engine.submit(op, move |completion, _| *place.borrow_mut() = Some(completion)).unwrap();
    engine.drain().unwrap();
    done.take().expect("called back")
}

fn create(path: &Path) -> File {
    File::options().read(true).write(true).create(true).open(path).unwrap()
}

#[test]
fn vectors_are_written_and_read_into_and_come_back_without_a_copy() {
    on_each_backend(|engine, folder| {
        let file = create(&folder.join("file"));
        let bytes: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let place = bytes.as_ptr();
        let done = run(engine, Write { file: file.clone(), offset: 0, buffer: bytes.into() });
        assert_eq!(done.result.unwrap(), 10_000);
        let bytes = done.op.buffer.into_vec().unwrap();
        assert_eq!((bytes.as_ptr(), bytes.len()), (place, 10_000));

        let buffer = Buffer::from_capacity(Vec::with_capacity(16_384));
        let mut done = run(engine, Read { file, offset: 1, buffer });
        let brought = usize::try_from(done.result.unwrap()).unwrap();
        done.op.buffer.set_len(brought);
        assert_eq!(done.op.buffer.into_vec().unwrap(), bytes[1..]);
    });
}

#[test]
fn shared_memory_is_written_from_and_never_read_into() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        let file = create(&path);
        let shared: Arc<[u8]> = Arc::from(vec![7; 5000]);
        let buffer = Buffer::from(Arc::clone(&shared));
        let done = run(engine, Write { file: file.clone(), offset: 0, buffer });
        assert_eq!(done.result.unwrap(), 5000);
        let buffer = Buffer::from(b"end".as_slice());
        let end = run(engine, Write { file: file.clone(), offset: 5000, buffer });
        assert_eq!(end.result.unwrap(), 3);
        assert!(std::fs::read(&path).unwrap() == [&shared[..], b"end"].concat());

        let buffer = done.op.buffer;
        let refused = engine.submit(Read { file: file.clone(), offset: 1, buffer }, |_, _| ());
        let refused = refused.unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
        assert!(refused.error.to_string().contains("shared memory"), "{}", refused.error);
        let buffers = BufferList::from(vec![engine.buffer().unwrap(), refused.op.buffer]);
        let refused = engine.submit(ReadVectored { file, offset: 1, buffers }, |_, _| ());
        let mut buffers = refused.unwrap_err().op.buffers.into_vec();
        let back: Arc<[u8]> = buffers.pop().unwrap().into_memory().unwrap();
        assert!(Arc::ptr_eq(&back, &shared) && back.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn one_vectored_transfer_takes_memory_of_every_kind() {
    on_each_backend(|engine, folder| {
        let file = create(&folder.join("file"));
        let list = |fill: u8| {
            let mut pooled = engine.buffer().unwrap();
            pooled.set_len(100);
            pooled.fill(fill);
            let vector = vec![fill + 1; 10].into();
            let blocks = Blocks(Box::new([Block([fill + 2; 4096])]));
            BufferList::from(vec![pooled, vector, Buffer::from_memory(blocks)])
        };
        let (written, read) = (list(1), list(100));
        let op = WriteVectored { file: file.clone(), offset: 0, buffers: written };
        assert_eq!(run(engine, op).result.unwrap(), 4206);
        let done = run(engine, ReadVectored { file, offset: 0, buffers: read });
        assert_eq!(done.result.unwrap(), 4206);
        let mut buffers = done.op.buffers.into_vec();
        let blocks: Blocks = buffers.pop().unwrap().into_memory().unwrap();
        assert!(blocks.0[0].0 == [3; 4096]);
        assert_eq!(buffers.pop().unwrap().into_vec().unwrap(), [2; 10]);
        assert!(buffers[0].is_pooled() && buffers[0][..] == [1; 100]);
    });
}

#[test]
fn direct_transfers_take_aligned_memory_of_the_callers_and_name_the_alignment_else() {
    on_each_backend(|engine, folder| {
        let path = folder.join("file");
        std::fs::write(&path, vec![9; 8192]).unwrap();
        let file = match File::options().read(true).write(true).direct(true).open(&path) {
            Ok(file) => file,
            Err(error) => return eprintln!("skipped: no direct I/O here: {error}"),
        };
        let blocks = Blocks(Box::new([Block([1; 4096]), Block([2; 4096])]));
        let buffer = Buffer::from_memory(blocks);
        let done = run(engine, Write { file: file.clone(), offset: 0, buffer });
        assert_eq!(done.result.unwrap(), 8192);
        let op = Read { file: file.clone(), offset: 0, buffer: done.op.buffer };
        let blocks: Blocks = run(engine, op).op.buffer.into_memory().unwrap();
        assert!(blocks.0[0].0 == [1; 4096] && blocks.0[1].0 == [2; 4096]);

        // A box whose address is odd: a vector's may happen to be aligned.
        let required = file.alignment().unwrap().memory.to_string();
        let memory: &'static [u8] = Box::leak(vec![0_u8; 4097].into_boxed_slice());
        let odd =
            if memory.as_ptr().addr().is_multiple_of(2) { &memory[1..] } else { &memory[..4096] };
        let refused = engine.submit(Write { file, offset: 0, buffer: odd.into() }, |_, _| ());
        let refused = refused.unwrap_err();
        let text = refused.error.to_string();
        assert_eq!(refused.error.kind(), ErrorKind::Misaligned, "{text}");
        assert!(text.contains("address") && text.contains(&required), "{text}");
        assert_eq!(refused.op.buffer.into_memory::<&'static [u8]>().unwrap().len(), 4096);
    });
}
