//! Back-pressure of an engine on a thread of its own, in bytes: what does not fit waits in its
//! order, fills the queue behind it, and is called back in the end whatever happens.

use iomill_engine::{BackendChoice, Config, ErrorKind, File, Handle, Nop, Owner, Read};
use std::io::{PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What became of a request: its number, and the bytes or the kind of its error.
type Told = (u32, Result<u32, ErrorKind>);

/// A pipe of which 60 bytes are read when they come.
struct Pipe {
    op: Option<Read>,
    writing: PipeWriter,
}

impl Pipe {
    fn new() -> Self {
        let (reading, writing) = std::io::pipe().unwrap();
        let file = File::from_fd(OwnedFd::from(reading), "a pipe").unwrap();
        Self { op: Some(Read { file, offset: 0, buffer: vec![0; 60].into() }), writing }
    }

    fn feed(&mut self) {
        self.writing.write_all(&[7; 60]).unwrap();
    }
}

/// An engine that takes 100 bytes at once and has room for one request before itself.
fn start(backend: BackendChoice) -> Option<(Handle, Owner)> {
    let config = Config::new().backend(backend).depth(4).capacity_bytes(100).queue(1);
    match config.spawn() {
        Ok(pair) => Some(pair),
        Err(error) => {
            eprintln!("skipped {backend:?}: {error}");
            None
        }
    }
}

fn teller(number: u32, tell: &Sender<Told>) -> impl FnOnce(Result<u32, ErrorKind>) + Send + use<> {
    let tell = tell.clone();
    move |result| tell.send((number, result)).unwrap()
}

/// Hands three reads over: the first is in flight, the second waits for its bytes, and the third
/// fills the queue.
fn fill(handle: &Handle, pipes: &mut [Pipe], tell: &Sender<Told>) {
    for (number, pipe) in (0..).zip(pipes) {
        let tell = teller(number, tell);
        let answer = |result: Result<u32, iomill_engine::Error>| result.map_err(|it| it.kind());
        let op = pipe.op.take().unwrap();
        handle.submit(op, Duration::MAX, move |done, _| tell(answer(done.result))).unwrap();
    }
}

fn three() -> (Vec<Pipe>, Sender<Told>, Receiver<Told>) {
    let (tell, told) = channel();
    ((0..3).map(|_| Pipe::new()).collect(), tell, told)
}

#[test]
fn what_has_no_room_for_its_bytes_waits_in_its_order_and_holds_the_queue() {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        let Some((handle, owner)) = start(backend) else { continue };
        let (mut pipes, tell, told) = three();
        fill(&handle, &mut pipes, &tell);
        let refused = handle.try_submit(Pipe::new().op.unwrap(), |_, _| panic!("it was refused"));
        assert_eq!(refused.unwrap_err().error.kind(), ErrorKind::Full);
        // The second and third are not even with the kernel: their bytes wait in the pipes.
        pipes[2].feed();
        pipes[1].feed();
        assert!(told.try_recv().is_err(), "120 bytes of 100 are in flight on {backend:?}");
        pipes[0].feed();
        for number in 0..3 {
            assert_eq!(told.recv().unwrap(), (number, Ok(60)), "on {backend:?}");
        }
        // By itself too much: told at once, and nobody waits behind it.
        let (tell, told) = channel();
        let op = Read { buffer: vec![0; 101].into(), ..Pipe::new().op.unwrap() };
        let answer = handle.submit(op, Duration::MAX, move |done, _| {
            tell.send(done.result.unwrap_err().kind()).unwrap();
        });
        answer.unwrap();
        assert_eq!(told.recv().unwrap(), ErrorKind::TooLarge);
        assert_eq!(owner.shutdown(Duration::from_secs(5)).drained, 0);
    }
}

#[test]
fn what_waits_for_room_when_the_engine_ends_is_called_back() {
    // Only the ring can stop a read that has begun.
    let Some((handle, owner)) = start(BackendChoice::IoUring) else { return };
    let (mut pipes, tell, told) = three();
    fill(&handle, &mut pipes, &tell);
    let report = owner.shutdown(Duration::ZERO);
    assert_eq!((report.cancelled, report.leaked), (3, 0));
    let mut ended: Vec<Told> = (0..3).map(|_| told.recv().unwrap()).collect();
    ended.sort_by_key(|(number, _)| *number);
    assert!(ended.iter().all(|(_, result)| *result == Err(ErrorKind::Cancelled)), "{ended:?}");
}

#[test]
fn what_waits_for_room_runs_during_a_shutdown_with_time() {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        // With one more in the queue, and without.
        for requests in [2, 3] {
            let Some((handle, owner)) = start(backend) else { continue };
            let (mut pipes, tell, told) = three();
            fill(&handle, &mut pipes[..requests], &tell);
            let ending = std::thread::spawn(move || owner.shutdown(Duration::from_secs(60)));
            // When no more is accepted, the shutdown has begun.
            while handle.try_submit(Nop, |_, _| ()).map_err(|it| it.error.kind())
                != Err(ErrorKind::Closing)
            {
                std::thread::yield_now();
            }
            pipes.iter_mut().for_each(Pipe::feed);
            let report = ending.join().unwrap();
            assert_eq!((report.cancelled, report.leaked), (0, 0), "on {backend:?}");
            let mut ended: Vec<Told> = (0..requests).map(|_| told.recv().unwrap()).collect();
            ended.sort_by_key(|(number, _)| *number);
            assert!(ended.iter().all(|(_, result)| *result == Ok(60)), "{ended:?}");
        }
    }
}
