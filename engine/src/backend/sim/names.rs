//! The simulated disk's tree of names: what is there, and what a power failure may leave of it.
//! Changes are kept in order, as in a journal: those that no sync has covered are lost from some
//! point on. Knows nothing of contents; used by `model`.

use super::choices::Choices;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A file, by its number.
    File(u64),
    Directory,
}

/// One change of the tree, already checked.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Add(PathBuf, Node),
    Remove(PathBuf),
    /// What lies under the name moves along.
    Move {
        from: PathBuf,
        to: PathBuf,
    },
}

type Tree = BTreeMap<PathBuf, Node>;

/// All names. The root is always there and has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    current: Tree,
    durable: Tree,
    /// Changes since `durable`, with their stamps.
    journal: Vec<(u64, Change)>,
}

/// The most changes that wait for a sync; then the oldest become durable, as after the commit
/// interval of a journal.
const JOURNAL_LEN_MAX: usize = 4096;

impl Names {
    /// What a name stands for.
    pub(super) fn get(&self, path: &Path) -> Option<Node> {
        if path.as_os_str().is_empty() {
            return Some(Node::Directory);
        }
        self.current.get(path).copied()
    }

    /// Whether a new name can be put here, or why not.
    pub(super) fn check_parent(&self, path: &Path) -> Result<(), i32> {
        match path.parent().map(|parent| self.get(parent)) {
            Some(Some(Node::Directory)) => Ok(()),
            Some(Some(Node::File(_))) => Err(libc::ENOTDIR),
            Some(None) => Err(libc::ENOENT),
            // Only the root has no parent.
            None => Err(libc::EEXIST),
        }
    }

    /// Whether a directory has nothing in it.
    pub(super) fn is_empty(&self, path: &Path) -> bool {
        !self.current.keys().any(|other| other.parent() == Some(path))
    }

    /// How many names a file has.
    pub(super) fn links(&self, file: u64) -> u32 {
        let count = self.current.values().filter(|node| **node == Node::File(file)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// All names with what they stand for, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, Node)> {
        self.current.iter().map(|(path, node)| (path.as_path(), *node))
    }

    /// Carries a change out.
    pub(super) fn change(&mut self, stamp: u64, change: Change) {
        apply(&mut self.current, &change);
        self.journal.push((stamp, change));
        if self.journal.len() > JOURNAL_LEN_MAX {
            let (_, oldest) = self.journal.remove(0);
            apply(&mut self.durable, &oldest);
        }
    }

    /// After a sync: changes up to `stamp` are durable.
    pub(super) fn promote(&mut self, stamp: u64) {
        let covered = self.journal.partition_point(|(other, _)| *other <= stamp);
        for (_, change) in self.journal.drain(..covered) {
            apply(&mut self.durable, &change);
        }
    }

    /// One of the states that a power failure may leave.
    pub(super) fn after_power_failure(&self, choices: &mut Choices) -> Self {
        let kept = choices.index(self.journal.len() + 1);
        let mut tree = self.durable.clone();
        for (_, change) in &self.journal[..kept] {
            apply(&mut tree, change);
        }
        Self { current: tree.clone(), durable: tree, journal: Vec::new() }
    }
}

fn apply(tree: &mut Tree, change: &Change) {
    match change {
        Change::Add(path, node) => {
            tree.insert(path.clone(), *node);
        }
        Change::Remove(path) => {
            tree.remove(path);
        }
        Change::Move { from, to } => {
            let moved: Vec<PathBuf> =
                tree.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for old in moved {
                let (Some(node), Ok(rest)) = (tree.remove(&old), old.strip_prefix(from)) else {
                    continue;
                };
                // Joining an empty rest would add a separator.
                let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                tree.insert(new, node);
            }
        }
    }
}

/// A path as the tree knows it: from the root, without `.` and `..`; the root itself is the empty
/// path. What stands before a `..` is not looked at: there are no symbolic links.
pub(super) fn normalized(path: &[u8]) -> Result<PathBuf, i32> {
    if path.is_empty() {
        return Err(libc::ENOENT);
    }
    let mut normal = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(path)).components() {
        match component {
            Component::Normal(name) if name.len() > 255 => return Err(libc::ENAMETOOLONG),
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sim::random::Random;
    use std::collections::HashSet;

    #[test]
    fn a_rename_is_lost_or_kept_as_a_whole_and_in_order() {
        let mut names = Names::default();
        names.change(1, Change::Add("log".into(), Node::File(1)));
        names.promote(1);
        names.change(2, Change::Add("new".into(), Node::File(2)));
        names.change(3, Change::Move { from: "new".into(), to: "log".into() });
        let mut random = Choices::Chance(Random::new(1));
        let states: HashSet<String> = (0..100)
            .map(|_| format!("{:?}", names.after_power_failure(&mut random).current))
            .collect();
        let expected =
            [r#"{"log": File(1)}"#, r#"{"log": File(1), "new": File(2)}"#, r#"{"log": File(2)}"#];
        assert_eq!(states, expected.map(String::from).into());
        names.promote(3);
        let left = names.after_power_failure(&mut random);
        assert_eq!(left.get(Path::new("log")), Some(Node::File(2)));
        assert_eq!((names.links(1), names.links(2)), (0, 1));
    }

    #[test]
    fn a_directory_takes_what_lies_in_it_along() {
        let mut names = Names::default();
        names.change(1, Change::Add("a".into(), Node::Directory));
        names.change(2, Change::Add("a/file".into(), Node::File(1)));
        names.change(3, Change::Add("ab".into(), Node::File(2)));
        names.change(4, Change::Move { from: "a".into(), to: "b".into() });
        let all: Vec<_> = names.iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(all, ["ab", "b", "b/file"]);
        assert!(!names.is_empty(Path::new("b")));
        assert_eq!(names.check_parent(Path::new("ab/c")), Err(libc::ENOTDIR));
        assert_eq!(names.check_parent(Path::new("c/d")), Err(libc::ENOENT));
    }

    #[test]
    fn paths_are_taken_from_the_root() {
        for path in ["/a/b", "a/b", "./a//b/"] {
            assert_eq!(normalized(path.as_bytes()), Ok(PathBuf::from("a/b")));
        }
        assert_eq!(normalized(b"/"), Ok(PathBuf::new()));
        assert_eq!(normalized(b""), Err(libc::ENOENT));
        assert_eq!(normalized(b"../a/../b"), Ok(PathBuf::from("b")));
    }
}
