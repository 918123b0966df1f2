//! A short measurement of how a file's durable writes are made quickest. Extends `engine::Engine`.
//! Never writes to the file itself: it uses one without a name in the same directory, and so on the
//! same file system.

use crate::backend::{RequestKind, Wait};
use crate::buffer::Buffer;
use crate::callback::Completion;
use crate::durability::{Durability, DurableFigure, DurableMethod, Place};
use crate::durability::{choose, is_enough, recall, remember};
use crate::engine::Engine;
use crate::error::Error;
use crate::file::File;
use crate::intake::Context;
use crate::op::{DurableWrite, Operation, Sync};
use crate::platform;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Writes by each method, if there is time.
const ROUNDS: u32 = 8;
/// After this time no further round begins. One is always made.
const TIME_NS: u64 = 15_000_000;
/// Bytes per write, rounded down to whole blocks of a direct file.
const WRITE_LEN_BYTES: usize = 4096;

impl Engine {
    /// Finds out by which method this file's durable writes are made quickest, and lets
    /// [`DurableWrite`] use it from now on, on every engine. Answers the choice with its figures,
    /// which are also in the [`report`](Self::report) and with [`File::durability`].
    ///
    /// It overwrites one block of a new file without a name (`O_TMPFILE`) in the same directory, in
    /// turn by each method, eight times, for about 15 milliseconds or one round, whichever is
    /// longer. What it has measured holds for the whole process: for files of the same device,
    /// equally direct, under the same backend. On a device that is too slow for three writes by
    /// each method it takes the one with the fewest requests. Where it cannot measure at all, it
    /// says why and chooses [`DurableMethod::LinkedSync`], which is sound everywhere.
    ///
    /// It ticks: callbacks of other requests may run. Call it while there are none, because they
    /// disturb the measurement.
    ///
    /// # Errors
    /// As [`tick`](Self::tick). A failed measurement is none, but a reason for the choice.
    pub fn probe_durability(&mut self, file: &File) -> Result<Durability, Error> {
        if file.durability().is_none() {
            let durability = self.find_durability(file)?;
            file.set_durability(durability);
        }
        let unmeasured = || Durability {
            method: file.durable_method(),
            figures: Vec::new(),
            why: String::from("it was not probed"),
        };
        let durability = file.durability().cloned().unwrap_or_else(unmeasured);
        self.note_durability(file, &durability);
        Ok(durability)
    }

    fn find_durability(&mut self, file: &File) -> Result<Durability, Error> {
        let unmeasured = |why: String| {
            let why = format!("it could not be measured: {why}");
            Durability { method: DurableMethod::LinkedSync, figures: Vec::new(), why }
        };
        let device = match device_of(file) {
            Ok(device) => device,
            Err(why) => return Ok(unmeasured(why)),
        };
        let place = Place {
            device,
            direct: file.is_direct(),
            backend: self.report().backend,
            links: self.links_syncs(),
        };
        if let Some(known) = recall(place) {
            return Ok(known);
        }
        match self.measure(file, device)? {
            Ok(durability) => {
                if is_enough(&durability.figures) {
                    remember(place, &durability);
                }
                Ok(durability)
            }
            Err(why) => Ok(unmeasured(why)),
        }
    }

    /// Whether a sync behind a write is linked to it.
    fn links_syncs(&self) -> bool {
        self.intake.chains.may_link()
            && self.backend.links(RequestKind::Write, RequestKind::SyncData)
    }

    /// Measures on a file like this one; the inner error says why that cannot be done.
    fn measure(&mut self, file: &File, device: u64) -> Result<Result<Durability, String>, Error> {
        let scratch = match scratch_beside(file, device) {
            Ok(scratch) => scratch,
            Err(why) => return Ok(Err(why)),
        };
        let Some(mut buffer) = self.buffer() else {
            return Ok(Err(String::from("no buffer of the pool is free")));
        };
        let block = scratch.alignment().map_or(1, |alignment| alignment.offset as usize);
        let len = buffer.len().min(WRITE_LEN_BYTES) / block * block;
        if len == 0 {
            return Ok(Err(format!("a buffer of the pool is shorter than a block of {block}")));
        }
        buffer.set_len(len);
        buffer.fill(0);
        // The block is there before the measurement, so that each write of it does the same.
        let mut trial = Trial { scratch: scratch.clone(), buffer: Some(buffer) };
        let begun = trial.write(self, DurableMethod::LaterSync)?;
        let synced = complete(self, Sync { file: scratch, data_only: false })?;
        let ready = begun.and_then(|_| synced.and_then(|done| done.result));
        if let Err(error) = ready {
            return Ok(Err(error.to_string()));
        }
        trial.run(self)
    }

    fn note_durability(&mut self, file: &File, durability: &Durability) {
        self.report.note_durability(file.path(), durability);
    }
}

/// A measurement on its way.
struct Trial {
    scratch: File,
    buffer: Option<Buffer>,
}

impl Trial {
    /// Writes in turn by each method.
    fn run(&mut self, engine: &mut Engine) -> Result<Result<Durability, String>, Error> {
        let start_ns = engine.intake.clock.now_ns();
        let mut why = String::from("the quickest, or as good with fewer requests");
        let mut samples: Vec<(DurableMethod, Vec<u64>)> =
            DurableMethod::ALL.map(|method| (method, Vec::new())).into();
        if !engine.links_syncs() {
            samples.retain(|(method, _)| *method != DurableMethod::LinkedSync);
            why.push_str("; the backend does not link syncs");
        }
        for round in 0..ROUNDS {
            // In turn the first, so that none always comes behind the same other one.
            let first = round as usize % samples.len();
            samples.rotate_left(first);
            let mut refused = None;
            for (method, taken_ns) in &mut samples {
                match self.write(engine, *method)? {
                    Ok(_) if self.scratch.durable_method() != *method => refused = Some(*method),
                    Ok(ns) => taken_ns.push(ns),
                    Err(error) => return Ok(Err(error.to_string())),
                }
            }
            if let Some(refused) = refused {
                samples.retain(|(method, _)| *method != refused);
                why.push_str(&format!("; {refused} was refused"));
            }
            if round + 1 < ROUNDS && engine.intake.clock.now_ns() - start_ns > TIME_NS {
                break;
            }
        }
        let mut figures: Vec<_> =
            samples.into_iter().filter_map(|(method, ns)| figure(method, ns)).collect();
        figures.sort_by_key(|figure| DurableMethod::ALL.iter().position(|at| *at == figure.method));
        if !is_enough(&figures) {
            why = format!("the fewest requests, as there was no time to measure ({why})");
        }
        let method = choose(&figures);
        Ok(match method {
            Some(method) => Ok(Durability { method, figures, why }),
            None => Err(String::from("no method worked")),
        })
    }

    /// Writes the block once; answers how long it took in nanoseconds.
    fn write(
        &mut self,
        engine: &mut Engine,
        method: DurableMethod,
    ) -> Result<Result<u64, Error>, Error> {
        self.scratch.set_durable_method(method);
        let Some(buffer) = self.buffer.take() else {
            unreachable!("the buffer comes back with every completion");
        };
        let start_ns = engine.intake.clock.now_ns();
        let op = DurableWrite { file: self.scratch.clone(), offset: 0, buffer };
        let done = match complete(engine, op)? {
            Ok(done) => done,
            Err(error) => return Ok(Err(error)),
        };
        let taken_ns = engine.intake.clock.now_ns() - start_ns;
        self.buffer = Some(done.op.buffer);
        Ok(done.result.map(|_| taken_ns))
    }
}

/// Carries out one operation; the inner error is a refusal.
fn complete<O: Operation>(
    engine: &mut Engine,
    op: O,
) -> Result<Result<Completion<O>, Error>, Error> {
    let place = Rc::new(RefCell::new(None));
    let inside = Rc::clone(&place);
    let on_complete = move |done: Completion<O>, _: &mut Context<'_>| {
        *inside.borrow_mut() = Some(done);
    };
    if let Err(refused) = engine.submit(op, on_complete) {
        return Ok(Err(refused.error));
    }
    loop {
        engine.tick(Wait::AtLeast(1))?;
        if let Some(done) = place.borrow_mut().take() {
            return Ok(Ok(done));
        }
    }
}

fn figure(method: DurableMethod, mut taken_ns: Vec<u64>) -> Option<DurableFigure> {
    taken_ns.sort_unstable();
    let median_ns = *taken_ns.get(taken_ns.len() / 2)?;
    Some(DurableFigure { method, median_ns, writes: u32::try_from(taken_ns.len()).ok()? })
}

/// The number of the device that a regular file is on.
fn device_of(file: &File) -> Result<u64, String> {
    let status = rustix::fs::fstat(file).map_err(|errno| errno.to_string())?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok(status.st_dev),
        _ => Err(String::from("it is not a regular file")),
    }
}

/// A new file without a name in the directory of this one, as direct as this one.
fn scratch_beside(file: &File, device: u64) -> Result<File, String> {
    let parent = file.path().parent().unwrap_or(Path::new("/"));
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let say = |what: &str, errno: rustix::io::Errno| {
        let name = platform::errno_name(errno.raw_os_error()).unwrap_or("an unknown errno");
        format!("{what} {} gave {name}", parent.display())
    };
    let there = rustix::fs::stat(parent).map_err(|errno| say("a look at", errno))?;
    if there.st_dev != device {
        return Err(format!("the file is on another file system than {}", parent.display()));
    }
    let Some(unnamed) = platform::unnamed_file_flag() else {
        return Err(String::from("this system has no files without a name (O_TMPFILE)"));
    };
    let direct = platform::O_DIRECT.filter(|_| file.is_direct()).unwrap_or_default();
    let special = OFlags::from_bits_retain((unnamed | direct).cast_unsigned());
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | special;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::fs::openat(CWD, parent, flags, mode)
        .map_err(|errno| say("a file without a name (O_TMPFILE) in", errno))?;
    File::from_fd(fd, parent).map_err(|error| error.to_string())
}
