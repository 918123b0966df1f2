//! An engine that polls devices for completions (IOPOLL), on a device that can be polled: the
//! kernel matrix has one. Elsewhere each test says what is missing, and skips.

use iomill_engine::{
    BackendChoice, Chain, Completion, Config, DurableMethod, DurableWrite, Engine, Error, File,
    Lanes, Nop, Operation, Read, SqPoll, Sync, Write,
};
use rustix::fs::{major, minor, stat};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

const BLOCK_LEN: usize = 4096;
const BLOCKS: u64 = 64;

fn folder() -> PathBuf {
    std::env::var_os("IOMILL_TEST_FOLDER")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

/// A new file for direct transfers on a device with queues to poll.
fn file() -> Option<(tempfile::NamedTempFile, File)> {
    let device = stat(folder()).unwrap().st_dev;
    let sys = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let queues = ["queue/io_poll", "../queue/io_poll"].map(|queue| Path::new(&sys).join(queue));
    let answer = queues.iter().find_map(|queue| std::fs::read_to_string(queue).ok());
    if answer.as_deref().map(str::trim) != Some("1") {
        println!("skipped: the device below {} has no queues to poll", folder().display());
        return None;
    }
    let kept = tempfile::NamedTempFile::new_in(folder()).unwrap();
    kept.as_file().set_len(BLOCKS * BLOCK_LEN as u64).unwrap();
    let options = File::options().read(true).write(true).direct(true);
    let file = options.open(kept.path()).unwrap();
    Some((kept, file))
}

/// Every transfer goes to the ring.
fn config() -> Config {
    Config::new()
        .backend(BackendChoice::IoUring)
        .iopoll(true)
        .lanes(Lanes::Off)
        .depth(16)
        .capacity(16)
}

fn perform<O: Operation + 'static>(engine: &mut Engine, op: O) -> Result<O::Output, Error> {
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    engine.submit(op, move |done, _| *inside.borrow_mut() = Some(done.result))?;
    engine.drain()?;
    place.take().expect("a drained engine has called back")
}

/// Writes every block and reads it back, up to 16 at once.
fn write_and_read(config: Config) {
    let Some((_kept, file)) = file() else { return };
    let mut engine = config.buffers(16, 4096).start().unwrap();
    assert!(engine.report().iopoll, "{}", engine.report());
    for block in 0..BLOCKS {
        engine.wait_for_room(1, BLOCK_LEN as u64).unwrap();
        let mut buffer = engine.buffer().unwrap();
        buffer.fill(u8::try_from(block).unwrap());
        let offset = block * BLOCK_LEN as u64;
        let write = Write { file: file.clone(), offset, buffer };
        engine.submit(write, |done, _| assert_eq!(done.result.unwrap(), 4096)).unwrap();
    }
    engine.drain().unwrap();
    let seen = Rc::new(RefCell::new(0));
    for block in 0..BLOCKS {
        engine.wait_for_room(1, BLOCK_LEN as u64).unwrap();
        let (buffer, offset) = (engine.buffer().unwrap(), block * BLOCK_LEN as u64);
        let (read, seen) = (Read { file: file.clone(), offset, buffer }, Rc::clone(&seen));
        engine
            .submit(read, move |done, _| {
                assert_eq!(done.result.unwrap(), 4096);
                assert!(done.op.buffer.iter().all(|byte| u64::from(*byte) == block));
                *seen.borrow_mut() += 1;
            })
            .unwrap();
    }
    engine.drain().unwrap();
    assert_eq!(*seen.borrow(), BLOCKS);
    let metrics = engine.metrics();
    assert_eq!((metrics.read.lanes.ring, metrics.write.lanes.ring), (BLOCKS, BLOCKS));
}

#[test]
fn direct_writes_and_reads_are_polled_for() {
    write_and_read(config());
}

#[test]
fn buffers_need_not_be_registered() {
    write_and_read(config().fixed_buffers(false));
}

#[test]
fn a_thread_of_the_kernel_may_do_the_polling() {
    write_and_read(config().sqpoll(Some(SqPoll { idle: Duration::from_millis(20), cpu: None })));
}

#[test]
fn what_cannot_be_polled_goes_on_beside_what_can() {
    let Some((kept, file)) = file() else { return };
    let mut engine = config().start().unwrap();
    let buffered = File::options().read(true).write(true).open(kept.path()).unwrap();
    for round in 1..=5_u8 {
        let mut buffer = engine.buffer().unwrap();
        buffer.fill(round);
        let write = Write { file: file.clone(), offset: 0, buffer };
        engine.submit(write, |done, _| assert_eq!(done.result.unwrap(), 4096)).unwrap();
        engine.submit(Nop, |done, _| done.result.unwrap()).unwrap();
        let sync = Sync { file: buffered.clone(), data_only: false };
        engine.submit(sync, |done, _| done.result.unwrap()).unwrap();
        engine.drain().unwrap();
        let read = Read { file: buffered.clone(), offset: 0, buffer: engine.buffer().unwrap() };
        engine.submit(read, move |done, _| assert_eq!(done.op.buffer[0], round)).unwrap();
        engine.drain().unwrap();
    }
}

#[test]
fn durable_writes_and_chains_come_to_their_end() {
    let Some((_kept, file)) = file() else { return };
    let mut engine = config().start().unwrap();
    for method in [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync] {
        file.set_durable_method(method);
        let buffer = engine.buffer().unwrap();
        let write = DurableWrite { file: file.clone(), offset: 4096, buffer };
        assert_eq!(perform(&mut engine, write).unwrap(), 4096, "{method}");
    }
    let buffers = [engine.buffer().unwrap(), engine.buffer().unwrap()];
    let mut offset = 0;
    let writes = buffers.map(|buffer| {
        offset += 4096;
        Write { file: file.clone(), offset, buffer }
    });
    let [one, other] = writes;
    let chain = Chain::new((one, other, Sync { file: file.clone(), data_only: true }));
    assert_eq!(perform(&mut engine, chain).unwrap(), (4096, 4096, ()));
}

#[test]
fn an_engine_on_a_thread_polls_for_others() {
    let Some((_kept, file)) = file() else { return };
    let (handle, owner) = config().spawn().unwrap();
    for number in 0..20_u64 {
        let (buffer, offset) = (handle.buffer().unwrap(), number * 4096);
        let read = Read { file: file.clone(), offset, buffer };
        let (send, answer) = std::sync::mpsc::channel();
        let submitted =
            handle.submit(read, Duration::from_secs(60), move |done: Completion<Read>, _| {
                // The test may have given up.
                let _ = send.send(done.result.map_err(|error| error.to_string()));
            });
        submitted.unwrap();
        assert_eq!(answer.recv_timeout(Duration::from_secs(60)), Ok(Ok(4096)));
    }
    drop(handle);
    assert_eq!(owner.shutdown(Duration::from_secs(60)).leaked, 0);
}
