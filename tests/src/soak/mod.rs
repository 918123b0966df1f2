//! A soak: several engines on one process's files for a while, with everything that may happen to
//! them happening, every block verified, and the process's own use of files, memory and threads
//! held flat. Run by the binary `soak`; the tests run that for a few seconds.
//!
//! ```text
//! epoch ─► workers: engines that come and go (io_uring, threads; here and elsewhere),
//!    ▲              one engine that stays, and one thread that cuts files underneath
//!    │     all joined: vitals (descriptors, memory, threads, kernel workers)
//!    └──── next; at the end: the last epoch's vitals beside the first's, idle engines' CPU time
//! ```

mod block;
mod ledger;
mod log;
mod names;
mod port;
mod tally;
mod vitals;
mod work;
mod worker;
mod world;

pub use tally::Tally;
pub use vitals::Vitals;

use crate::random::Random;
use iomill_engine::{BackendChoice, BufferClass, Config, Handle, Owner};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitals::cpu_times;
use worker::{Epoch, Kind, Steady};
use world::World;

/// So many epochs a run has.
const EPOCHS: u32 = 10;
/// How long what ends may take to be gone from /proc: the kernel's workers stay idle for five
/// seconds.
const GONE_LIMIT: Duration = Duration::from_secs(20);
/// What the resident memory may grow by between the second and the last epoch.
const RSS_GROWTH_MAX_BYTES: u64 = 24 << 20;
/// How long the threads of idle engines may run in an idle second, all together: less than one per
/// thousand.
const IDLE_CPU_MAX: Duration = Duration::from_millis(1);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long the workers work.
    pub duration: Duration,
    /// From which all chance follows, but for what threads and the kernel decide.
    pub seed: u64,
    /// Where the files are made, in a folder that is removed at the end.
    pub folder: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub struct Summary {
    /// Counts and violations.
    pub tally: Arc<Tally>,
    /// The seed.
    pub seed: u64,
    /// Most requests in flight of one engine.
    pub peak: u64,
    /// After the first epoch and after the last.
    pub vitals: [Vitals; 2],
    /// CPU time of the idle engines' threads in an idle second, before and after the work.
    pub idle: [Duration; 2],
    /// How long it took.
    pub elapsed: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [requests, blocks, given_up, engines] = self.tally.totals();
        let (violations, _) = self.tally.violations();
        let [first, last] = self.vitals;
        let mib = |bytes: u64| bytes >> 20;
        write!(
            f,
            "soak: seed {}, {:.1} s, {requests} requests ({given_up} given up), {blocks} blocks \
             verified, {engines} engines, {} in flight at most; first/last: fds {}/{}, threads \
             {}/{}, kernel workers {}/{}, RSS {}/{} MiB; idle CPU {:?}/{:?} per s; {violations} \
             violations",
            self.seed,
            self.elapsed.as_secs_f64(),
            self.peak,
            first.fds,
            last.fds,
            first.threads,
            last.threads,
            first.workers,
            last.workers,
            mib(first.rss_bytes),
            mib(last.rss_bytes),
            self.idle[0],
            self.idle[1],
        )
    }
}

/// The settings of an engine for this many requests in flight.
fn config(in_flight: u32) -> Config {
    let classes = [(in_flight * 2, 4096), (in_flight, 16_384)];
    let classes = classes.map(|(count, len_bytes)| BufferClass { count, len_bytes });
    // Steps of chains and durable writes count each.
    Config::new()
        .depth(in_flight / 2)
        .capacity(in_flight * 4)
        .queue(in_flight)
        .buffer_classes(classes)
}

/// Engines with nothing to do, one of each sort that there is.
fn idle_engines() -> Vec<(Handle, Owner)> {
    let spawn = |backend| Config::new().backend(backend).depth(8).threads(4).spawn().ok();
    [BackendChoice::IoUring, BackendChoice::Threads].into_iter().filter_map(spawn).collect()
}

/// How long the threads of this process run within a second in which none has anything to do.
fn idle_cpu() -> io::Result<Duration> {
    let me = std::fs::read_link("/proc/thread-self")?;
    let before = cpu_times()?;
    std::thread::sleep(Duration::from_secs(1));
    let after = cpu_times()?;
    let others = after.iter().filter(|(number, _)| !me.ends_with(number));
    let ran = others
        .map(|(number, time)| time.saturating_sub(before.get(number).copied().unwrap_or_default()));
    Ok(ran.sum())
}

/// Waits until as much is gone as there was before; answers what there is at last.
fn settle_to(before: Option<Vitals>) -> io::Result<Vitals> {
    let limit = Instant::now() + GONE_LIMIT;
    loop {
        let now = Vitals::now()?;
        if before.is_none_or(|before| now.is_within(before)) || Instant::now() > limit {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a soak.
///
/// # Errors
/// When the files cannot be made or /proc cannot be read. What engines do wrong is in the summary.
pub fn run(options: &Options) -> io::Result<Summary> {
    let begin = Instant::now();
    let tally: Arc<Tally> = Arc::default();
    let folder = options.folder.join(format!("soak-{}-{}", std::process::id(), options.seed));
    std::fs::create_dir_all(&folder)?;
    let outcome = run_in(&folder, options, &tally, begin);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn run_in(
    folder: &std::path::Path,
    options: &Options,
    tally: &Arc<Tally>,
    begin: Instant,
) -> io::Result<Summary> {
    let idle = idle_engines();
    let steady = Steady::start(World::new(folder, 0)?)?;
    let kinds = [Kind::HereRing, Kind::HereThreads, Kind::Elsewhere];
    let worlds: Vec<_> = (1..=kinds.len() as u64)
        .map(|number| World::new(folder, number))
        .collect::<io::Result<_>>()?;
    // Threads that have just started run a little.
    settle_to(None)?;
    let idle_before = idle_cpu()?;
    let mut random = Random::new(options.seed);
    let (mut first, mut last, mut peak) = (None, Vitals::default(), 0);
    // Memory is compared with the second epoch's: the first one fills caches.
    let mut warm_bytes = u64::MAX;
    for epoch in 0..EPOCHS {
        let until = Instant::now() + options.duration / EPOCHS;
        Epoch { until, seed: random.bits() }.run(&steady, &kinds, &worlds);
        for world in worlds.iter().chain([steady.world()]) {
            peak = peak.max(world.tally.peak());
            tally.add(&world.tally);
        }
        last = settle_to(first)?;
        if epoch <= 1 {
            warm_bytes = last.rss_bytes;
        }
        let first = *first.get_or_insert(last);
        if !last.is_within(first) {
            tally.violation(format!("epoch {epoch}: {last:?} after {first:?} at the beginning"));
        }
    }
    if last.rss_bytes > warm_bytes + RSS_GROWTH_MAX_BYTES {
        let (now, was) = (last.rss_bytes, warm_bytes);
        tally.violation(format!("memory has grown from {was} to {now} bytes"));
    }
    let idle_after = idle_cpu()?;
    for cpu in [idle_before, idle_after] {
        if cpu > IDLE_CPU_MAX {
            tally.violation(format!("idle engines ran for {cpu:?} in a second"));
        }
    }
    drop((steady, idle));
    let vitals = [first.unwrap_or(last), last];
    let (seed, elapsed) = (options.seed, begin.elapsed());
    let idle = [idle_before, idle_after];
    Ok(Summary { tally: Arc::clone(tally), seed, peak, vitals, idle, elapsed })
}
