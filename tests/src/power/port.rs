//! The line between guest and host: a disk of its own. What the guest writes to its beginning is a
//! message, and what it reads there the answer to the last one. A message has arrived when its
//! write is answered, and so has its place among the writes of the other disk.

use super::SECTOR_LEN;
use super::nbd::{Disk, Errno};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The length of the disk.
const LEN_BYTES: u64 = 1 << 20;
/// Longer messages might come in parts.
pub const MESSAGE_LEN_MAX: usize = 60 << 10;
/// The length of an answer with what fills it up.
const ANSWER_LEN: usize = 4096;
/// What direct transfers may ask of memory.
const ALIGNMENT: usize = 4096;

/// The host's end.
pub struct Port {
    answer: String,
    on_message: Box<dyn FnMut(&str) -> String + Send>,
}

impl Port {
    /// With who is called for each message, and answers it.
    pub fn new(on_message: impl FnMut(&str) -> String + Send + 'static) -> Self {
        Self { answer: String::new(), on_message: Box::new(on_message) }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl Disk for Port {
    fn len_bytes(&self) -> u64 {
        LEN_BYTES
    }

    /// The kernel reads also at other places, when it looks for partitions.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        into.fill(0);
        let answer = self.answer.as_bytes();
        if offset == 0 && answer.len() <= into.len() {
            into[..answer.len()].copy_from_slice(answer);
        }
        Ok(())
    }

    fn write(&mut self, _offset: u64, bytes: Vec<u8>, _is_lasting: bool) -> Result<u64, Errno> {
        let text = String::from_utf8_lossy(&bytes);
        self.answer = (self.on_message)(text.trim_end_matches('\0'));
        Ok(0)
    }

    fn answered(&mut self, _write: u64) {}

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

/// The guest's end.
#[derive(Debug)]
pub struct Line {
    file: File,
    memory: Vec<u8>,
}

impl Line {
    /// By this device.
    ///
    /// # Errors
    /// What the system says of it.
    pub fn open(device: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(device)?;
        Ok(Self { file, memory: vec![0; MESSAGE_LEN_MAX + ALIGNMENT] })
    }

    fn aligned(&mut self, len: usize) -> &mut [u8] {
        let begin = self.memory.as_ptr().align_offset(ALIGNMENT);
        &mut self.memory[begin..begin + len]
    }

    /// Tells the host, which has heard it when this comes back.
    ///
    /// # Panics
    /// When the message is too long, or the host is gone: then there is nobody to tell.
    pub fn say(&mut self, text: &str) {
        let len = text.len().max(1).next_multiple_of(SECTOR_LEN);
        assert!(len <= MESSAGE_LEN_MAX, "a message of {len} bytes: {}", &text[..80]);
        let bytes = self.aligned(len);
        bytes.fill(0);
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let begin = self.memory.as_ptr().align_offset(ALIGNMENT);
        let sent = self.file.write_all_at(&self.memory[begin..begin + len], 0);
        sent.expect("the host listens as long as the guest lives");
    }

    /// Tells the host and takes its answer.
    ///
    /// # Panics
    /// As [`say`](Self::say).
    pub fn ask(&mut self, text: &str) -> String {
        self.say(text);
        let begin = self.memory.as_ptr().align_offset(ALIGNMENT);
        let Self { file, memory } = self;
        let bytes = &mut memory[begin..begin + ANSWER_LEN];
        file.read_exact_at(bytes, 0).expect("the host answers as long as the guest lives");
        String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_heard_without_what_fills_it_up_and_its_answer_can_be_read_again() {
        let mut port = Port::new(|text| format!("heard {text}"));
        let mut bytes = b"hello".to_vec();
        bytes.resize(SECTOR_LEN, 0);
        assert_eq!(port.write(0, bytes, false), Ok(0));
        let mut answer = [7; SECTOR_LEN];
        for _ in 0..2 {
            assert_eq!(port.read(0, &mut answer), Ok(()));
            assert!(answer.starts_with(b"heard hello\0"));
        }
        assert_eq!(port.read(4096, &mut answer), Ok(()));
        assert_eq!(answer, [0; SECTOR_LEN]);
    }
}
