//! The threads of an epoch: engines that come and go, the client of the one that stays, and the one
//! that cuts files underneath the others.

use super::block::BLOCK_LEN_BYTES;
use super::config;
use super::port::Port;
use super::work::Work;
use super::world::{CUT_BLOCKS, World};
use crate::random::Random;
use iomill_engine::{BackendChoice, DurableMethod, Error, Handle, Lanes, Owner};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests in flight of an engine that comes and goes.
const IN_FLIGHT: u32 = 128;
/// Requests in flight of the engine that stays.
const STEADY_IN_FLIGHT: u32 = 1200;
/// The longest life of an engine that comes and goes.
const LIFE_MAX: Duration = Duration::from_secs(2);
/// What a shutdown gets, far beyond what it needs.
const END_LIMIT: Duration = Duration::from_secs(60);

const METHODS: [DurableMethod; 3] =
    [DurableMethod::Dsync, DurableMethod::LinkedSync, DurableMethod::LaterSync];

/// Which engine a worker starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On its own thread, whatever backend can be had.
    HereRing,
    /// On its own thread, without a ring.
    HereThreads,
    /// On another thread.
    Elsewhere,
}

/// The engine that stays, with its files.
#[derive(Debug)]
pub(super) struct Steady {
    handle: Handle,
    _owner: Owner,
    world: Arc<World>,
}

impl Steady {
    pub(super) fn start(world: Arc<World>) -> io::Result<Self> {
        let config = config(STEADY_IN_FLIGHT).depth(256).threads(8);
        let (handle, owner) = config.spawn().map_err(io::Error::other)?;
        world.tally.engine_started();
        Ok(Self { handle, _owner: owner, world })
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.world
    }

    fn work(&self, until: Instant, random: &mut Random) -> Result<(), Error> {
        let files = self.world.open(false, METHODS[random.index(3)])?;
        let port = Port::elsewhere(self.handle.clone());
        let mut work = Work::new(port, &self.world, files, Random::new(random.bits()));
        work.run(until, u64::from(STEADY_IN_FLIGHT));
        Ok(())
    }
}

/// A part of a run, in which all threads start and end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) until: Instant,
    pub(super) seed: u64,
}

impl Epoch {
    /// Returns when all threads have been joined.
    pub(super) fn run(self, steady: &Steady, kinds: &[Kind], worlds: &[Arc<World>]) {
        let mut random = Random::new(self.seed);
        std::thread::scope(|scope| {
            for (kind, world) in kinds.iter().zip(worlds) {
                let mut random = Random::new(random.bits());
                scope.spawn(move || self.engines(*kind, world, &mut random));
            }
            let mut others = Random::new(random.bits());
            scope.spawn(move || {
                if let Err(error) = steady.work(self.until, &mut others) {
                    steady.world.tally.violation(format!("the engine that stays: {error}"));
                }
            });
            scope.spawn(|| self.cut(steady, worlds, &mut random));
        });
    }

    /// Starts one engine after the other.
    fn engines(self, kind: Kind, world: &Arc<World>, random: &mut Random) {
        while Instant::now() < self.until {
            let life = LIFE_MAX.mul_f64(random.below(100) as f64 / 100.0);
            let until = self.until.min(Instant::now() + life);
            if let Err(error) = engine(kind, world, random, until) {
                world.tally.violation(format!("{kind:?}: {error}"));
                return;
            }
        }
    }

    /// Cuts the files that are there for it, and makes them long again.
    fn cut(self, steady: &Steady, worlds: &[Arc<World>], random: &mut Random) {
        let worlds: Vec<_> = worlds.iter().chain([&steady.world]).collect();
        while Instant::now() < self.until {
            let world = worlds[random.index(worlds.len())];
            let blocks = random.below(u64::from(CUT_BLOCKS) + 1);
            let path = world.folder.join("cut");
            let cut = std::fs::OpenOptions::new().write(true).open(path).and_then(|file| {
                file.set_len(blocks * BLOCK_LEN_BYTES as u64)?;
                std::thread::sleep(Duration::from_micros(random.below(500)));
                file.set_len(u64::from(CUT_BLOCKS) * BLOCK_LEN_BYTES as u64)
            });
            if let Err(error) = cut {
                world.tally.violation(format!("cutting a file: {error}"));
            }
            std::thread::sleep(Duration::from_micros(random.below(2000)));
        }
    }
}

/// The life of one engine.
fn engine(
    kind: Kind,
    world: &Arc<World>,
    random: &mut Random,
    until: Instant,
) -> Result<(), Error> {
    let files = world.open(random.one_in(2), METHODS[random.index(3)])?;
    let lanes = [Lanes::Auto, Lanes::Off];
    let config = config(IN_FLIGHT)
        .link(!random.one_in(4))
        .inline_calls(!random.one_in(4))
        .lanes(lanes[random.index(2)].clone())
        .zero_buffers(random.one_in(4))
        .threads(4);
    let seed = Random::new(random.bits());
    world.tally.engine_started();
    if kind == Kind::Elsewhere {
        let (handle, owner) = config.spawn()?;
        let mut work = Work::new(Port::elsewhere(handle), world, files, seed);
        work.run(until, u64::from(IN_FLIGHT));
        let report = owner.shutdown(END_LIMIT);
        if report.leaked > 0 {
            world.tally.violation(format!("an engine leaked: {report:?}"));
        }
        return Ok(());
    }
    let backend = match kind {
        Kind::HereThreads => BackendChoice::Threads,
        _ => BackendChoice::Auto,
    };
    let mut engine = config.backend(backend).start()?;
    let mut files = files;
    if random.one_in(2) {
        files.blocks = engine.register_file(&files.blocks)?;
    }
    let mut work = Work::new(Port::here(engine), world, files, seed);
    work.run(until, u64::from(IN_FLIGHT));
    // Dropped or shut down, which ought to come to the same.
    if let (Port::Here { engine, .. }, true) = (work.port, random.one_in(2)) {
        let report = engine.shutdown(END_LIMIT);
        if report.leaked > 0 {
            world.tally.violation(format!("an engine leaked: {report:?}"));
        }
    }
    Ok(())
}
