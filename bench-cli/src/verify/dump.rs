//! Damaged blocks, saved for a look at them.
//!
//! Owns the names of the files, which are fio's, and how many there are at most. Called by `lane`
//! through `Problems`.

use std::fs;
use std::path::Path;

/// The most blocks that one job saves: a disk that is damaged all over must not fill another one.
const COUNT_MAX: u32 = 16;

/// Saves blocks into the current folder.
#[derive(Debug, Default)]
pub(crate) struct Dumps {
    saved: u32,
}

impl Dumps {
    /// Saves what was read at `offset` of the file `of`, and what should have been there; tells
    /// where, in words for a message.
    pub(crate) fn save(
        &mut self,
        of: &Path,
        offset: u64,
        received: &[u8],
        expected: Option<&[u8]>,
    ) -> String {
        if self.saved == COUNT_MAX {
            return format!("not saved, as {COUNT_MAX} blocks were");
        }
        self.saved += 1;
        let name = of.file_name().map_or("file".into(), |name| name.to_string_lossy());
        let start = format!("{name}.{offset}");
        let mut saved = Vec::new();
        for (ending, bytes) in [("received", Some(received)), ("expected", expected)] {
            let Some(bytes) = bytes else { continue };
            let path = format!("{start}.{ending}");
            match fs::write(&path, bytes) {
                Ok(()) => saved.push(format!("'{path}'")),
                Err(error) => return format!("cannot be saved as '{path}': {error}"),
            }
        }
        format!("saved as {}", saved.join(" and "))
    }
}
