//! What a test puts on a simulated disk past all requests: durable files and directories, at once
//! and without faults. Extends `model::Model`; called by `disk`.

use super::content::Content;
use super::model::Model;
use super::names::{Change, Node, normalized};
use std::path::{Path, PathBuf};

impl Model {
    /// A new file whose name is durable, made by the test and not by a request. Directories on its
    /// way are made, too.
    pub(super) fn place_file(&mut self, path: &Path, content: Content) -> Result<u64, i32> {
        let path = self.free_name(path)?;
        let number = self.new_file(&path, content);
        self.change_names(Change::Add(path, Node::File(number)));
        self.names.promote(self.stamp);
        Ok(number)
    }

    /// A new directory whose name is durable, with those on its way.
    pub(super) fn place_directory(&mut self, path: &Path) -> Result<(), i32> {
        let path = self.free_name(path)?;
        self.change_names(Change::Add(path, Node::Directory));
        self.names.promote(self.stamp);
        Ok(())
    }

    /// Other bytes for a file, all of them durable; a new file if there is none.
    pub(super) fn replace_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), i32> {
        let number = match self.lookup(path) {
            Err(libc::ENOENT) => self.place_file(path, Content::zeros(0))?,
            found => found?,
        };
        let stamp = self.next_stamp();
        let file = self.files.get_mut(&number).ok_or(libc::EBADF)?;
        file.content.set_len(stamp, 0);
        file.content.write(stamp, 0, bytes);
        file.content.promote(stamp, None);
        file.tell_len();
        Ok(())
    }

    /// A path that nothing has yet, with the directories that it needs.
    fn free_name(&mut self, path: &Path) -> Result<PathBuf, i32> {
        let path = normalized(path.as_os_str().as_encoded_bytes())?;
        if self.names.get(&path).is_some() {
            return Err(libc::EEXIST);
        }
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for directory in above {
            match self.names.get(directory) {
                Some(Node::Directory) => {}
                Some(Node::File(_)) => return Err(libc::ENOTDIR),
                None => self.change_names(Change::Add(directory.into(), Node::Directory)),
            }
        }
        Ok(path)
    }

    /// The file behind a name.
    pub(super) fn lookup(&self, path: &Path) -> Result<u64, i32> {
        let path = normalized(path.as_os_str().as_encoded_bytes())?;
        match self.names.get(&path) {
            Some(Node::File(number)) => Ok(number),
            Some(Node::Directory) => Err(libc::EISDIR),
            None => Err(libc::ENOENT),
        }
    }
}
