//! The state of a disk at one moment, as far as a power failure can touch it, and what one may
//! leave of it. Taken by `model`; used at once for a single power failure, and kept by `crash` for
//! many.

use super::choices::Choices;
use super::content::Content;
use super::model::{Model, SimFile, Writing};
use super::names::{Names, Node};
use super::options::SimOptions;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Names, files, and writes on their way.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    names: Names,
    files: BTreeMap<u64, (Arc<str>, Content)>,
}

impl Snapshot {
    pub(super) fn new(
        names: Names,
        files: &BTreeMap<u64, SimFile>,
        writing: impl Iterator<Item = (u64, Writing)>,
    ) -> Self {
        let copy = |(number, file): (&u64, &SimFile)| {
            (*number, (Arc::clone(&file.label), file.content.clone()))
        };
        let mut files: BTreeMap<_, _> = files.iter().map(copy).collect();
        for (stamp, Writing { file, offset, bytes, is_atomic }) in writing {
            let Some((_, content)) = files.get_mut(&file) else { continue };
            let offset = offset.unwrap_or(content.len());
            if is_atomic {
                content.write_atomic(stamp, offset, &bytes);
            } else {
                content.write(stamp, offset, &bytes);
            }
        }
        Self { names, files }
    }

    /// One of the states that a power failure may leave.
    pub(super) fn after_power_failure(&self, choices: &mut Choices) -> Self {
        let names = self.names.after_power_failure(choices);
        let nodes: Vec<Node> = names.iter().map(|(_, node)| node).collect();
        let named = self.files.iter().filter(|(number, _)| nodes.contains(&Node::File(**number)));
        let files = named.map(|(number, (label, content))| {
            (*number, (Arc::clone(label), content.after_power_failure(choices)))
        });
        Self { files: files.collect(), names }
    }

    /// A disk in this state at time 0, with an empty history.
    pub(super) fn into_model(self, options: SimOptions) -> Model {
        Model::with(options, self.names, self.files)
    }

    /// Two states with the same names and bytes have the same print.
    pub(super) fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (path, node) in self.names.iter() {
            path.hash(&mut hasher);
            match node {
                Node::Directory => u64::MAX.hash(&mut hasher),
                Node::File(number) => number.hash(&mut hasher),
            }
        }
        for (number, (_, content)) in &self.files {
            number.hash(&mut hasher);
            content.print(&mut hasher);
        }
        hasher.finish()
    }
}
