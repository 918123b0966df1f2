//! Chains through handles and as futures: all or none there, too, and none lost at the end.

use crate::handle::{hold, on_each_backend};
use iomill_engine::{Chain, Config, DurableWrite, ErrorKind, File, Nop, ReadWhole, Sync, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

#[test]
fn chains_and_single_requests_of_many_threads_all_come_back_though_there_is_hardly_room() {
    const EACH: u32 = 500;
    // Room for one chain, so that nearly each has to wait for the one before.
    let config = Config::new().depth(2).capacity(4).queue(4);
    on_each_backend(&config, |handle, owner| {
        let done = Arc::new(AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let done = &done;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let count = Arc::clone(done);
                        if (number + thread) % 3 > 0 {
                            let mut chain = Chain::new((Nop, Nop, Nop));
                            while let Err(refused) = handle.try_submit(chain, {
                                let count = Arc::clone(&count);
                                move |done, _| {
                                    assert_eq!(done.result.unwrap(), ((), (), ()));
                                    count.fetch_add(1, Ordering::Relaxed);
                                }
                            }) {
                                assert_eq!(refused.error.kind(), ErrorKind::Full);
                                chain = refused.op;
                                std::thread::yield_now();
                            }
                        } else {
                            pollster::block_on(handle.run(Nop)).unwrap().result.unwrap();
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let report = owner.shutdown(Duration::from_secs(60));
        assert_eq!((report.cancelled, report.leaked), (0, 0));
        assert_eq!(done.load(Ordering::Relaxed), 4 * EACH);
    });
}

#[test]
fn chains_are_futures_and_give_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    on_each_backend(&Config::new(), |handle, _owner| {
        let file = File::options().write(true).create(true).truncate(true).open(&path).unwrap();
        let mut buffer = handle.buffer().unwrap();
        buffer.set_len(1000);
        buffer.fill(4);
        let write = Write { file: file.clone(), offset: 0, buffer };
        let chain = Chain::new((write, Sync { file: file.clone(), data_only: true }));
        let done = pollster::block_on(handle.run(chain)).unwrap();
        assert_eq!(done.result.unwrap(), (1000, ()));
        let Write { file, buffer, .. } = done.op.steps.0;
        let op = DurableWrite { file, offset: 1000, buffer };
        let done = pollster::block_on(handle.run(op)).unwrap();
        assert_eq!(done.result.unwrap(), 1000);
        let op = ReadWhole::new(&path, handle.buffer().unwrap()).unwrap();
        let done = pollster::block_on(handle.run(op)).unwrap();
        assert_eq!(done.result.unwrap(), 2000);
        assert_eq!(done.op.buffer[..2000], [4; 2000]);
    });
}

#[test]
fn a_chain_that_can_never_fit_or_be_described_is_told_to_its_callback() {
    let config = Config::new().depth(2).capacity(2);
    on_each_backend(&config, |handle, _owner| {
        let done = pollster::block_on(handle.run(Chain::new((Nop, Nop, Nop)))).unwrap();
        let error = done.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        let file = File::options().write(true).open("/dev/null").unwrap();
        let write = Write { file, offset: u64::MAX, buffer: handle.buffer().unwrap() };
        let done = pollster::block_on(handle.run(Chain::new((Nop, write)))).unwrap();
        let error = done.result.unwrap_err();
        assert_eq!((error.kind(), error.failed_step()), (ErrorKind::Unsupported, Some(1)));
    });
}

#[test]
fn a_chain_that_waits_for_room_when_the_engine_ends_is_called_back() {
    let config = Config::new().depth(2).capacity(2).queue(8);
    on_each_backend(&config, |handle, owner| {
        // While the engine is in this callback, a chain gets behind one request in the queue.
        let release = hold(handle);
        let (tell, told) = channel();
        handle.try_submit(Nop, |_, _| ()).unwrap();
        for _ in 0..3 {
            let tell = tell.clone();
            let submitted = handle.try_submit(Chain::new((Nop, Nop)), move |done, _| {
                tell.send(done.result.map(drop).map_err(|error| error.kind())).unwrap();
            });
            submitted.unwrap();
        }
        drop((tell, release));
        let report = owner.shutdown(Duration::ZERO);
        let outcomes: Vec<_> = told.iter().collect();
        assert_eq!(outcomes.len(), 3, "each is called back: {report:?}");
        let fine =
            |outcome: &Result<(), ErrorKind>| matches!(outcome, Ok(()) | Err(ErrorKind::Cancelled));
        assert!(outcomes.iter().all(fine), "{outcomes:?}");
        assert_eq!(report.leaked, 0);
    });
}
