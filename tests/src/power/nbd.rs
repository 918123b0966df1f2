//! A guest's disk as a server: the network block device's protocol, of which QEMU is the client.
//! Fixed newstyle negotiation, simple replies; see doc/proto.md of the NBD project. What a disk
//! does with a request is the `Disk`'s; here is only how it is asked and when it is answered.
//!
//! A write is answered after a short while, chosen by seed, in which other requests may come: so a
//! flush that did not wait for the write comes before its answer, and does not cover it.

use crate::random::Random;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const EXPORT_NAME: u32 = 1;
const ABORT: u32 = 2;
const GO: u32 = 7;
const ACK: u32 = 1;
const INFO: u32 = 3;
const UNSUPPORTED: u32 = 0x8000_0001;
/// There are flags; flushes and lasting writes are known.
const EXPORT_FLAGS: u16 = 1 | 1 << 2 | 1 << 3;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
const FUA: u16 = 1;
/// More than any guest asks for at once, so that a broken length takes no memory.
const LEN_MAX: u32 = 64 << 20;
/// How long an option of the negotiation may be.
const OPTION_LEN_MAX: u32 = 4096;
/// The longest that a write waits for its answer. Units: microseconds.
const WRITE_WAIT_US_MAX: u64 = 300;

/// The number of an error, as the protocol has it (that of Linux).
pub type Errno = u32;

/// What is behind a server. Offsets and lengths are in bytes, and within the disk.
pub trait Disk: Send {
    /// The disk's length.
    fn len_bytes(&self) -> u64;
    /// Reads what was written last, lasting or not.
    ///
    /// # Errors
    /// What the guest gets.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Errno>;
    /// A write has come; answers its number.
    ///
    /// # Errors
    /// What the guest gets.
    fn write(&mut self, offset: u64, bytes: Vec<u8>, is_lasting: bool) -> Result<u64, Errno>;
    /// The guest is about to be told that this write is done.
    fn answered(&mut self, write: u64);
    /// A flush has come, and covers what was answered.
    ///
    /// # Errors
    /// What the guest gets.
    fn flush(&mut self) -> Result<(), Errno>;
}

/// A disk that several threads know.
pub type Shared = Arc<Mutex<dyn Disk>>;

/// Serves a disk to one client, on threads that end with the client. Those who are still there
/// when it goes are not answered.
pub fn serve(listener: UnixListener, disk: Shared, seed: u64) {
    thread::spawn(move || {
        // A client that breaks off leaves nothing to be done: the machine notices that it is gone.
        let _ = listener.accept().and_then(|(stream, _)| attend(&stream, &disk, seed));
    });
}

enum Asked {
    Read { handle: u64, offset: u64, len: usize },
    Write { handle: u64, offset: u64, bytes: Vec<u8>, is_lasting: bool },
    Flush { handle: u64 },
    Unknown { handle: u64 },
}

fn attend(stream: &UnixStream, disk: &Shared, seed: u64) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let len_bytes = lock(disk).len_bytes();
    if !negotiate(&mut reader, &mut &*stream, len_bytes)? {
        return Ok(());
    }
    let (send, requests) = channel();
    thread::spawn(move || {
        while let Ok(Some(asked)) = request(&mut reader) {
            if send.send(asked).is_err() {
                return;
            }
        }
    });
    answer_all(stream, disk, &requests, seed)
}

fn lock(disk: &Shared) -> std::sync::MutexGuard<'_, dyn Disk + 'static> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the client wants to go on.
fn negotiate(from: &mut impl Read, to: &mut impl Write, len_bytes: u64) -> io::Result<bool> {
    to.write_all(&GREETING.to_be_bytes())?;
    to.write_all(&OPTION.to_be_bytes())?;
    to.write_all(&FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
    let _client_flags = u32::from_be_bytes(take(from)?);
    loop {
        expect(u64::from_be_bytes(take(from)?) == OPTION, "an option")?;
        let option = u32::from_be_bytes(take(from)?);
        let len = u32::from_be_bytes(take(from)?);
        expect(len <= OPTION_LEN_MAX, "a short option")?;
        io::copy(&mut from.by_ref().take(u64::from(len)), &mut io::sink())?;
        let mut reply = |kind: u32, data: &[u8]| -> io::Result<()> {
            let len = u32::try_from(data.len()).unwrap_or(0);
            let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
            for number in [option, kind, len] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            bytes.extend_from_slice(data);
            to.write_all(&bytes)
        };
        let size = [&len_bytes.to_be_bytes()[..], &EXPORT_FLAGS.to_be_bytes()].concat();
        match option {
            EXPORT_NAME => return to.write_all(&size).map(|()| true),
            GO => {
                // The kind of information, 0: the size of the export.
                reply(INFO, &[&[0, 0], &size[..]].concat())?;
                return reply(ACK, &[]).map(|()| true);
            }
            ABORT => return reply(ACK, &[]).map(|()| false),
            _ => reply(UNSUPPORTED, &[])?,
        }
    }
}

/// The next request; none if the client says that it goes.
fn request(from: &mut impl Read) -> io::Result<Option<Asked>> {
    expect(u32::from_be_bytes(take(from)?) == REQUEST, "a request")?;
    let flags = u16::from_be_bytes(take(from)?);
    let kind = u16::from_be_bytes(take(from)?);
    let handle = u64::from_be_bytes(take(from)?);
    let offset = u64::from_be_bytes(take(from)?);
    let len = u32::from_be_bytes(take(from)?);
    expect(len <= LEN_MAX, "a bounded length")?;
    let len = usize::try_from(len).unwrap_or(0);
    Ok(match kind {
        0 => Some(Asked::Read { handle, offset, len }),
        1 => {
            let mut bytes = vec![0; len];
            from.read_exact(&mut bytes)?;
            Some(Asked::Write { handle, offset, bytes, is_lasting: flags & FUA != 0 })
        }
        2 => None,
        3 => Some(Asked::Flush { handle }),
        _ => Some(Asked::Unknown { handle }),
    })
}

fn answer_all(
    stream: &UnixStream,
    disk: &Shared,
    requests: &Receiver<Asked>,
    seed: u64,
) -> io::Result<()> {
    let mut random = Random::new(seed);
    // Writes that wait for their answer: when, which, and by which handle.
    let mut waiting: Vec<(Instant, u64, u64)> = Vec::new();
    loop {
        let now = Instant::now();
        for (_, write, handle) in waiting.extract_if(.., |(due, ..)| *due <= now) {
            lock(disk).answered(write);
            reply(stream, handle, 0, &[])?;
        }
        let next = waiting.iter().map(|(due, ..)| *due).min();
        let asked = match next {
            Some(due) => match requests.recv_timeout(due.saturating_duration_since(now)) {
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(asked) => asked,
            },
            None => match requests.recv() {
                Ok(asked) => asked,
                Err(_) => return Ok(()),
            },
        };
        match asked {
            Asked::Read { handle, offset, len } => {
                let mut bytes = vec![0; len];
                match lock(disk).read(offset, &mut bytes) {
                    Ok(()) => reply(stream, handle, 0, &bytes)?,
                    Err(errno) => reply(stream, handle, errno, &[])?,
                }
            }
            Asked::Write { handle, offset, bytes, is_lasting } => {
                match lock(disk).write(offset, bytes, is_lasting) {
                    Ok(write) => {
                        let wait = Duration::from_micros(random.below(WRITE_WAIT_US_MAX));
                        waiting.push((Instant::now() + wait, write, handle));
                    }
                    Err(errno) => reply(stream, handle, errno, &[])?,
                }
            }
            Asked::Flush { handle } => {
                let errno = lock(disk).flush().err().unwrap_or(0);
                reply(stream, handle, errno, &[])?;
            }
            Asked::Unknown { handle } => reply(stream, handle, EINVAL, &[])?,
        }
    }
}

const EINVAL: Errno = 22;

fn reply(mut stream: &UnixStream, handle: u64, errno: Errno, data: &[u8]) -> io::Result<()> {
    let mut bytes = REPLY.to_be_bytes().to_vec();
    bytes.extend_from_slice(&errno.to_be_bytes());
    bytes.extend_from_slice(&handle.to_be_bytes());
    bytes.extend_from_slice(data);
    stream.write_all(&bytes)
}

fn take<const LEN: usize>(from: &mut impl Read) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn expect(is_so: bool, what: &str) -> io::Result<()> {
    if is_so {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("the client sent no {what}")))
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::disk;
    use super::*;

    fn send(to: &mut UnixStream, parts: &[&[u8]]) {
        to.write_all(&parts.concat()).expect("the server reads");
    }

    fn ask(to: &mut UnixStream, flags: u16, kind: u16, handle: u64, (offset, len): (u64, u32)) {
        let numbers = [flags.to_be_bytes(), kind.to_be_bytes()].concat();
        send(to, &[&REQUEST.to_be_bytes(), &numbers, &handle.to_be_bytes()]);
        send(to, &[&offset.to_be_bytes(), &len.to_be_bytes()]);
    }

    #[test]
    fn a_client_negotiates_writes_flushes_reads_and_is_refused_what_is_not_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let disk = disk();
        let listener = UnixListener::bind(&socket).expect("a short path");
        serve(listener, Arc::new(Mutex::new(disk.clone())), 1);
        let mut client = UnixStream::connect(&socket).expect("it listens");
        let greeting: [u8; 18] = take(&mut client).expect("a greeting");
        assert!(greeting.starts_with(b"NBDMAGICIHAVEOPT"));
        send(&mut client, &[&3_u32.to_be_bytes()]);
        // Structured replies are not had.
        send(&mut client, &[b"IHAVEOPT", &8_u32.to_be_bytes(), &0_u32.to_be_bytes()]);
        let refusal: [u8; 20] = take(&mut client).expect("an answer");
        assert_eq!(refusal[12..16], UNSUPPORTED.to_be_bytes());
        send(&mut client, &[b"IHAVEOPT", &GO.to_be_bytes(), &2_u32.to_be_bytes(), &[0, 0]]);
        let size: [u8; 32] = take(&mut client).expect("its size");
        assert_eq!(size[22..30], (64 * 512_u64).to_be_bytes());
        let _ack: [u8; 20] = take(&mut client).expect("an acknowledgement");

        ask(&mut client, FUA, 1, 70, (512, 512));
        send(&mut client, &[&[9; 512]]);
        let done: [u8; 16] = take(&mut client).expect("an answer");
        assert_eq!((&done[4..8], done[15]), (&[0, 0, 0, 0][..], 70));
        ask(&mut client, 0, 3, 71, (0, 0));
        let _flushed: [u8; 16] = take(&mut client).expect("an answer");
        ask(&mut client, 0, 4, 72, (0, 512));
        let refused: [u8; 16] = take(&mut client).expect("an answer");
        assert_eq!(refused[4..8], EINVAL.to_be_bytes());
        ask(&mut client, 0, 0, 73, (0, 1024));
        let read: [u8; 16 + 1024] = take(&mut client).expect("an answer");
        assert_eq!((read[16], read[16 + 512]), (0, 9));
        let recording = disk.lock();
        assert_eq!((recording.writes.len(), recording.flushes), (1, 1));
    }
}
