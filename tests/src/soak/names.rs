//! Files with short lives, in a folder of their own: each is opened, written, renamed, looked at,
//! opened anew, read, closed and removed, one request after the other.

use super::block::{BLOCK_LEN_BYTES, Stamp};
use super::work::Work;
use super::world::{World, lock};
use iomill_engine::{Close, File, Open, Operation, Read, Rename, Stat, Unlink, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One name, and how far its life has come.
#[derive(Debug)]
pub(super) struct Actor {
    number: u64,
    generation: u32,
    step: Step,
    is_busy: bool,
    file: Option<File>,
    paths: [PathBuf; 2],
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    CloseNew,
    Rename,
    Look,
    Open,
    Read,
    Close,
    Remove,
}

impl Actor {
    pub(super) fn new(folder: &Path, number: usize) -> Self {
        let path = |name| folder.join(format!("{name}-{number}"));
        let paths = [path("new"), path("old")];
        let number = number as u64;
        Self { number, generation: 1, step: Step::Create, is_busy: false, file: None, paths }
    }

    /// Begins its life anew, with nothing open: its engine ends.
    pub(super) fn forget(&mut self) {
        (self.file, self.step, self.is_busy) = (None, Step::Create, false);
    }

    fn stamp(&self, world: &World) -> Stamp {
        let file = world.number | 1 << 33;
        Stamp { file, block: self.number, generation: self.generation }
    }

    /// Submits the next step, unless one is in flight.
    pub(super) fn act(actor: &Arc<Mutex<Self>>, work: &mut Work) {
        let mut this = lock(actor);
        if this.is_busy {
            return;
        }
        this.is_busy = true;
        let (step, file, paths) = (this.step, this.file.clone(), this.paths.clone());
        let [new, old] = &paths;
        let stamp = this.stamp(&work.world);
        if matches!(step, Step::Close | Step::CloseNew) {
            this.file = None;
        }
        drop(this);
        let options = File::options().read(true).write(true);
        let is_accepted = match (step, file) {
            (Step::Create, _) => Open::new(options.create(true).truncate(true), new)
                .is_ok_and(|op| submit(actor, work, op, |this, _, _, file| this.opened(file))),
            (Step::Write, Some(file)) => work.port.buffer(BLOCK_LEN_BYTES).is_some_and(|buffer| {
                let mut op = Write { file, offset: 0, buffer };
                stamp.fill(&mut op.buffer);
                submit(actor, work, op, |this, _, _, _| this.step = Step::CloseNew)
            }),
            (Step::CloseNew, Some(file)) => {
                submit(actor, work, Close::new(file), |this, _, _, _| this.step = Step::Rename)
            }
            (Step::Rename, _) => Rename::new(new, old)
                .is_ok_and(|op| submit(actor, work, op, |this, _, _, _| this.step = Step::Look)),
            (Step::Look, _) => Stat::path(old).is_ok_and(|op| {
                submit(actor, work, op, |this, world, _, metadata| {
                    if metadata.len_bytes != BLOCK_LEN_BYTES as u64 {
                        world.tally.violation("a short-lived file has a wrong length".to_owned());
                    }
                    this.step = Step::Open;
                })
            }),
            (Step::Open, _) => Open::new(options, old)
                .is_ok_and(|op| submit(actor, work, op, |this, _, _, file| this.opened(file))),
            (Step::Read, Some(file)) => work.port.buffer(BLOCK_LEN_BYTES).is_some_and(|buffer| {
                submit(actor, work, Read { file, offset: 0, buffer }, Self::was_read)
            }),
            (Step::Close, Some(file)) => {
                submit(actor, work, Close::new(file), |this, _, _, _| this.step = Step::Remove)
            }
            (Step::Remove, _) => Unlink::file(old).is_ok_and(|op| {
                submit(actor, work, op, |this, _, _, ()| {
                    (this.step, this.generation) = (Step::Create, this.generation + 1);
                })
            }),
            (_, None) => false,
        };
        if !is_accepted {
            let mut this = lock(actor);
            this.is_busy = false;
            if matches!(step, Step::Close | Step::CloseNew) {
                // The handle is gone with the request that was refused, and the file closed.
                this.step = if step == Step::Close { Step::Remove } else { Step::Rename };
            }
        }
    }

    fn opened(&mut self, file: File) {
        self.file = Some(file);
        self.step = if self.step == Step::Create { Step::Write } else { Step::Read };
    }

    fn was_read(&mut self, world: &World, op: Read, _bytes: u32) {
        let wanted = self.stamp(world);
        if !wanted.is_in(&op.buffer) {
            let said = Stamp::said_by(&op.buffer);
            world.tally.violation(format!("names: {wanted:?} wanted, and there is {said}"));
        }
        world.tally.verified(1);
        self.step = Step::Close;
    }
}

/// Submits a step; when it has succeeded `after` decides what comes next.
fn submit<O: Operation + Send>(
    actor: &Arc<Mutex<Actor>>,
    work: &mut Work,
    op: O,
    after: fn(&mut Actor, &World, O, O::Output),
) -> bool {
    let (inside, world) = (Arc::clone(actor), Arc::clone(&work.world));
    work.port.submit(&work.world.tally, op, None, move |done, _| {
        let mut this = lock(&inside);
        this.is_busy = false;
        match world.judge("names", done.result) {
            Some(output) => after(&mut this, &world, done.op, output),
            None => this.forget(),
        }
        drop(this);
        world.tally.called();
    })
}
