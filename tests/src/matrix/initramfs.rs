//! Writes the archive that a guest boots from, in the kernel's "newc" form of cpio
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use super::Fault;
use super::archive::at;
use std::fs;
use std::io::Write;
use std::path::Path;

/// The end of an archive is a file of this name.
const TRAILER: &str = "TRAILER!!!";
/// Kinds of files, as in `st_mode`.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    entries: u32,
}

impl Initramfs {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an empty folder. Folders come before what lies in them.
    pub fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, &[]);
    }

    /// Adds an executable file.
    pub fn program(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, PROGRAM, contents);
    }

    /// Adds a copy of a file of the host, executable.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn copy(&mut self, name: &str, from: &Path) -> Result<(), Fault> {
        let contents = fs::read(from).map_err(at(from))?;
        self.program(name, &contents);
        Ok(())
    }

    /// Writes the whole archive.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(mut self, to: &Path) -> Result<(), Fault> {
        self.entry(TRAILER, 0, &[]);
        let mut file = fs::File::create(to).map_err(at(to))?;
        file.write_all(&self.bytes).map_err(at(to))
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.entries += 1;
        let len = u32::try_from(contents.len()).expect("the form has 32 bits for a file's length");
        let name_len = u32::try_from(name.len() + 1).expect("names are short");
        let links = 1;
        // Inode, mode, owner, group, links, time, length, four device numbers, name, check.
        let fields = [self.entries, mode, 0, 0, links, 0, len, 0, 0, 0, 0, name_len, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    /// Headers and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_header_its_name_and_its_contents_at_multiples_of_four() {
        let mut archive = Initramfs::new();
        archive.folder("bin");
        let begin = archive.bytes.len();
        archive.program("bin/x", b"hello");
        let entry = &archive.bytes[begin..];
        assert!(entry.starts_with(b"07070100000002000081ED"), "magic, second inode, mode");
        assert_eq!(&entry[54..62], b"00000005", "length of the contents");
        assert_eq!(&entry[94..102], b"00000006", "length of the name with its end");
        assert_eq!(&entry[110..116], b"bin/x\0");
        assert_eq!(&entry[116..121], b"hello");
        assert_eq!(entry.len(), 124);
    }
}
