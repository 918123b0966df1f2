//! What requests on paths do to the simulated disk: opening, asking, renaming, removing. Each is
//! one system call with its usual answers. There are no permissions, no symbolic links and no `..`.
//! Extends `model::Model`.

use super::content::Content;
use super::model::Model;
use super::names::{Change, Node, normalized};
use super::order::{Answer, Order};
use crate::backend::RequestKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

impl Model {
    /// Carries an order on a path out.
    pub(super) fn perform_on_path(&mut self, order: &Order) -> Answer {
        let done = match order.kind {
            RequestKind::Open => {
                return match self.open(&order.paths[0], order.flags.cast_signed()) {
                    Ok(opened) => Answer { opened: Some(opened), ..Answer::default() },
                    Err(errno) => Answer::of(Err(errno)),
                };
            }
            RequestKind::Stat => {
                return match self.stat(order) {
                    Ok(status) => Answer { status: Some(status), ..Answer::default() },
                    Err(errno) => Answer::of(Err(errno)),
                };
            }
            RequestKind::Rename => self.rename(order),
            RequestKind::Unlink => self.unlink(order),
            RequestKind::MakeDirectory => self.make_directory(order),
            _ => self.link(order),
        };
        Answer::of(done.map(|()| 0))
    }

    /// A descriptor of the file at a path, which may have to be made.
    pub(super) fn open(&mut self, path: &[u8], flags: i32) -> Result<OwnedFd, i32> {
        // O_TMPFILE holds the bit of O_DIRECTORY.
        let wants_directory = flags & libc::O_DIRECTORY != 0;
        if flags & libc::O_PATH != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE {
            return Err(libc::EOPNOTSUPP);
        }
        let path = normalized(path)?;
        let creates = flags & libc::O_CREAT != 0;
        let number = match self.names.get(&path) {
            Some(_) if creates && flags & libc::O_EXCL != 0 => return Err(libc::EEXIST),
            Some(Node::Directory) => return Err(libc::EISDIR),
            Some(Node::File(_)) if wants_directory => return Err(libc::ENOTDIR),
            Some(Node::File(number)) => number,
            None if !creates => return Err(libc::ENOENT),
            None => {
                self.names.check_parent(&path)?;
                let number = self.new_file(&path, Content::zeros(0));
                self.change_names(Change::Add(path, Node::File(number)));
                number
            }
        };
        let (stamp, now_ns) = (self.next_stamp(), self.now_ns());
        let opened = self.open_number(number, flags)?;
        let file = self.files.get_mut(&number).ok_or(libc::EBADF)?;
        let may_write = flags & libc::O_ACCMODE != libc::O_RDONLY;
        if flags & libc::O_TRUNC != 0 && may_write && file.content.len() > 0 {
            file.content.set_len(stamp, 0);
            file.modified_ns = now_ns;
            file.tell_len();
        }
        Ok(opened)
    }

    fn stat(&self, order: &Order) -> Result<libc::statx, i32> {
        if order.paths[0].is_empty() {
            let target = order.target.ok_or(libc::EBADF)?;
            return self.status(Node::File(target.file));
        }
        let (_, node) = self.existing(&order.paths[0])?;
        self.status(node)
    }

    fn rename(&mut self, order: &Order) -> Result<(), i32> {
        let (from, node) = self.existing(&order.paths[0])?;
        let to = normalized(&order.paths[1])?;
        if order.flags & !libc::RENAME_NOREPLACE != 0 {
            return Err(libc::EINVAL);
        }
        if from == Path::new("") || to == Path::new("") {
            return Err(libc::EBUSY);
        }
        if to != from && to.starts_with(&from) {
            return Err(libc::EINVAL);
        }
        match (node, self.names.get(&to)) {
            (_, None) => self.names.check_parent(&to)?,
            (_, Some(_)) if order.flags & libc::RENAME_NOREPLACE != 0 => return Err(libc::EEXIST),
            // Two names of one file stay, as POSIX wants it.
            (_, Some(other)) if to == from || (other == node && node != Node::Directory) => {
                return Ok(());
            }
            (Node::File(_), Some(Node::Directory)) => return Err(libc::EISDIR),
            (Node::Directory, Some(Node::File(_))) => return Err(libc::ENOTDIR),
            (Node::Directory, Some(Node::Directory)) if !self.names.is_empty(&to) => {
                return Err(libc::ENOTEMPTY);
            }
            (_, Some(_)) => {}
        }
        self.change_names(Change::Move { from, to });
        Ok(())
    }

    fn unlink(&mut self, order: &Order) -> Result<(), i32> {
        let (path, node) = self.existing(&order.paths[0])?;
        let removes_directory = order.flags.cast_signed() & libc::AT_REMOVEDIR != 0;
        match (node, removes_directory) {
            (Node::Directory, false) => return Err(libc::EISDIR),
            (Node::File(_), true) => return Err(libc::ENOTDIR),
            (Node::Directory, true) if path == Path::new("") => return Err(libc::EBUSY),
            (Node::Directory, true) if !self.names.is_empty(&path) => return Err(libc::ENOTEMPTY),
            _ => {}
        }
        self.change_names(Change::Remove(path));
        Ok(())
    }

    fn make_directory(&mut self, order: &Order) -> Result<(), i32> {
        let path = normalized(&order.paths[0])?;
        if self.names.get(&path).is_some() {
            return Err(libc::EEXIST);
        }
        self.names.check_parent(&path)?;
        self.change_names(Change::Add(path, Node::Directory));
        Ok(())
    }

    fn link(&mut self, order: &Order) -> Result<(), i32> {
        let (_, node) = self.existing(&order.paths[0])?;
        let new = normalized(&order.paths[1])?;
        if node == Node::Directory {
            return Err(libc::EPERM);
        }
        if self.names.get(&new).is_some() {
            return Err(libc::EEXIST);
        }
        self.names.check_parent(&new)?;
        self.change_names(Change::Add(new, node));
        Ok(())
    }

    fn existing(&self, path: &[u8]) -> Result<(PathBuf, Node), i32> {
        let path = normalized(path)?;
        match self.names.get(&path) {
            Some(node) => Ok((path, node)),
            None => {
                // A file in the middle of the path is another mistake than a missing name.
                self.names.check_parent(&path)?;
                Err(libc::ENOENT)
            }
        }
    }
}
