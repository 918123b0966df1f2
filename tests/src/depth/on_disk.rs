//! A load on a real file, for a time: an engine that keeps a number of requests going, and what
//! came of it. Used by the binary `depth-on-disk`; decides no depth.

use super::random::Random;
use iomill_engine::depth::Decision;
use iomill_engine::{Buffer, Completion, Config, Context, Engine, File, Nop, Read, Wait, Write};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Whatever stops a measurement.
pub type Failure = Box<dyn std::error::Error>;

/// A kind of load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// As the tables print it.
    pub name: &'static str,
    /// Of each request.
    pub block_len_bytes: u32,
    /// The rest are writes.
    pub read_percent: u64,
}

/// What one run gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// Requests per second.
    pub iops: f64,
    /// Of reads. Units: nanoseconds.
    pub p99_ns: u64,
    /// The share of reads above the limit that was asked about.
    pub late: f64,
    /// The depth at the end, if it is adaptive.
    pub chosen: Option<u32>,
    /// Whether the engine says that its target cannot be met.
    pub is_out_of_reach: bool,
}

/// Where the next request goes, and whether there is to be one.
#[derive(Debug)]
struct Plan {
    random: Random,
    blocks: usize,
    load: Load,
    is_over: bool,
    /// Buffers without a request.
    idle: Vec<Buffer>,
    failed: Option<iomill_engine::Error>,
}

/// An engine that keeps a number of requests going while it runs.
#[derive(Debug)]
pub struct Runner {
    engine: Engine,
    file: File,
    plan: Rc<RefCell<Plan>>,
}

impl Runner {
    /// An engine with `count` buffers, each of which will carry a request.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn start(
        config: Config,
        count: u32,
        file: &File,
        size_bytes: u64,
        load: Load,
    ) -> Result<Self, Failure> {
        let config = config.capacity(count).buffers(count, load.block_len_bytes);
        let mut engine = config.start()?;
        let file = engine.register_file(file)?;
        let idle = (0..count).filter_map(|_| engine.buffer()).collect();
        let blocks = usize::try_from(size_bytes / u64::from(load.block_len_bytes))?;
        let random = Random::new(7);
        let plan = Plan { random, blocks, load, is_over: true, idle, failed: None };
        Ok(Self { engine, file, plan: Rc::new(RefCell::new(plan)) })
    }

    /// What the engine decided on its depth.
    pub fn decisions(&self) -> Vec<Decision> {
        self.engine.depth_trace()
    }

    /// Runs until an adaptive depth is chosen or the target is out of reach, but no longer than
    /// `limit`; answers the time that it took.
    ///
    /// # Errors
    /// Those of the engine and of its requests.
    pub fn settle(&mut self, limit: Duration) -> Result<Option<Duration>, Failure> {
        self.begin()?;
        let start = Instant::now();
        let mut settled = None;
        while settled.is_none() && start.elapsed() < limit {
            self.engine.tick(Wait::AtLeast(1))?;
            let status = self.engine.depth_status();
            let is_done = status.is_some_and(|s| s.chosen.is_some() || s.is_out_of_reach);
            settled = is_done.then(|| start.elapsed());
        }
        self.end()?;
        Ok(settled)
    }

    /// Runs for this long, and lets all requests end. Reads above `limit_ns` count as late.
    ///
    /// # Errors
    /// Those of the engine and of its requests.
    pub fn run(&mut self, time: Duration, limit_ns: u64) -> Result<Given, Failure> {
        self.engine.reset_metrics();
        self.begin()?;
        let start = Instant::now();
        while start.elapsed() < time {
            self.engine.tick(Wait::AtLeast(1))?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        let metrics = self.engine.metrics();
        let iops = (metrics.read.completed + metrics.write.completed) as f64 / elapsed;
        let latency = &metrics.read.latency_ns;
        let p99_ns = latency.value_at_quantile(0.99);
        let late = latency.count_between(limit_ns.saturating_add(1), u64::MAX) as f64;
        let late = late / metrics.read.completed.max(1) as f64;
        let status = self.engine.depth_status();
        let chosen = status.and_then(|status| status.chosen);
        let is_out_of_reach = status.is_some_and(|status| status.is_out_of_reach);
        self.end()?;
        Ok(Given { iops, p99_ns, late, chosen, is_out_of_reach })
    }

    /// Gives each buffer its first request.
    fn begin(&mut self) -> Result<(), Failure> {
        let idle = std::mem::take(&mut self.plan.borrow_mut().idle);
        self.plan.borrow_mut().is_over = false;
        for buffer in idle {
            let (file, plan) = (self.file.clone(), Rc::clone(&self.plan));
            let first =
                move |_: Completion<Nop>, cx: &mut Context<'_>| next(file, buffer, plan, cx);
            self.engine.submit(Nop, first).map_err(|refused| refused.error)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.plan.borrow_mut().is_over = true;
        self.engine.drain()?;
        match self.plan.borrow_mut().failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

/// A lane's next request.
fn next(file: File, buffer: Buffer, plan: Rc<RefCell<Plan>>, cx: &mut Context<'_>) {
    let (offset, is_read) = {
        let mut state = plan.borrow_mut();
        if state.is_over {
            state.idle.push(buffer);
            return;
        }
        let blocks = state.blocks;
        let block = state.random.below(blocks) as u64;
        let is_read = state.random.number() % 100 < state.load.read_percent;
        (block * u64::from(state.load.block_len_bytes), is_read)
    };
    let again = Rc::clone(&plan);
    let refused = if is_read {
        let then = move |done: Completion<Read>, cx: &mut Context<'_>| {
            go_on(done.op.file, done.op.buffer, done.result.err(), again, cx);
        };
        cx.submit(Read { file, offset, buffer }, then).map_err(|refused| refused.error).err()
    } else {
        let then = move |done: Completion<Write>, cx: &mut Context<'_>| {
            go_on(done.op.file, done.op.buffer, done.result.err(), again, cx);
        };
        cx.submit(Write { file, offset, buffer }, then).map_err(|refused| refused.error).err()
    };
    if refused.is_some() {
        plan.borrow_mut().failed = refused;
    }
}

fn go_on(
    file: File,
    buffer: Buffer,
    error: Option<iomill_engine::Error>,
    plan: Rc<RefCell<Plan>>,
    cx: &mut Context<'_>,
) {
    if error.is_some() {
        let mut state = plan.borrow_mut();
        (state.failed, state.is_over) = (error, true);
    }
    next(file, buffer, plan, cx);
}
