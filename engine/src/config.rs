//! What an engine is asked to be: one value with documented defaults and ranges. Checked here,
//! once, before anything is set up; read by `select` and `engine`.

#[cfg(feature = "sim")]
use crate::backend::sim::SimDisk;
use crate::buffer_class::BufferClass;
use crate::choices::{Required, TaskWork};
use crate::depth::{Depth, Target};
use crate::engine::Engine;
use crate::error::Error;
use crate::lanes::Lanes;
use std::path::PathBuf;
use std::time::Duration;

/// Which backend carries the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// io_uring, and the thread pool if io_uring cannot be set up for any reason but a wrong
    /// setting.
    #[default]
    Auto,
    /// io_uring or an error.
    IoUring,
    /// The thread pool.
    Threads,
}

/// A kernel thread that takes submissions, so that they need no system call; it costs a CPU while
/// there is work and for `idle` after it.
///
/// Kernel: Linux 5.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqPoll {
    /// How long it looks for work before it sleeps, at most an hour. Units: whole milliseconds
    /// count; 0 is the kernel's default of a second.
    pub idle: Duration,
    /// The CPU to bind it to.
    pub cpu: Option<u32>,
}

/// Settings of an engine.
///
/// | setting | default | range |
/// |---|---|---|
/// | `backend` | `Auto` | |
/// | `depth` | 32 | 1 to 4,096 |
/// | `adaptive` | off | depths as `depth`; a target of its own |
/// | `capacity` | twice the depth | the depth to 65,536 |
/// | `adaptive` | off | 1 to 4,096, see [`Target`] |
/// | `threads` | the depth, at most 64, or 256 if it is adaptive | 1 to 1,024 |
/// | `capacity_bytes` | no limit | 1 to 2^64 - 1 |
/// | `buffers` | see [`BufferClass`] | 16 classes of 0 to 65,536, of 1 byte to 1 GiB |
/// | `huge_pages` | true | |
/// | `zero_buffers` | false | |
/// | `fixed_buffers` | true | |
/// | `fixed_files` | 16 | 0 to 32,768 |
/// | `ring_entries` | four times the depth, as a power of two | 1 to 32,768 |
/// | `task_work` | `Defer` | |
/// | `sqpoll` | none | up to an hour |
/// | `iopoll` | false | |
/// | `link` | true | |
/// | `lanes` | `Auto` | |
/// | `inline_calls` | true | |
/// | `probe_lanes` | none | a directory |
/// | `require` | nothing | |
/// | `queue` (with handles) | 256 | 1 to 65,536 |
/// | `pin` (with handles) | none | 0 to 1,023 |
/// | `busy_poll` (with handles) | 0 | 0 to 1 second |
///
/// Those with handles count for [`spawn`](Config::spawn) and
/// [`on_this_thread`](Config::on_this_thread) only; those of a ring for io_uring only. Each can be
/// set from outside of the program: see [`with_environment`](Config::with_environment). Displayed,
/// a configuration is one line per setting with the value that counts.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) backend: BackendChoice,
    /// The largest depth, for which everything is made.
    pub(crate) depth: u32,
    /// The least depth and the aim, if the depth is to follow the device.
    pub(crate) adaptive: Option<(u32, Target)>,
    pub(crate) capacity: Option<u32>,
    pub(crate) threads: Option<u32>,
    pub(crate) capacity_bytes: Option<u64>,
    pub(crate) classes: Option<Vec<BufferClass>>,
    pub(crate) huge_pages: bool,
    pub(crate) zero_buffers: bool,
    pub(crate) fixed_buffers: bool,
    pub(crate) fixed_files: u32,
    pub(crate) ring_entries: Option<u32>,
    pub(crate) task_work: TaskWork,
    pub(crate) sqpoll: Option<SqPoll>,
    pub(crate) iopoll: bool,
    pub(crate) link: bool,
    pub(crate) lanes: Lanes,
    pub(crate) inline_calls: bool,
    pub(crate) probe_lanes: Option<PathBuf>,
    pub(crate) require: Required,
    pub(crate) queue: u32,
    pub(crate) pin: Option<u32>,
    pub(crate) busy_poll: Duration,
    /// Instead of any backend.
    #[cfg(feature = "sim")]
    pub(crate) simulated: Option<SimDisk>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: BackendChoice::Auto,
            depth: 32,
            adaptive: None,
            capacity: None,
            threads: None,
            capacity_bytes: None,
            classes: None,
            huge_pages: true,
            zero_buffers: false,
            fixed_buffers: true,
            fixed_files: 16,
            ring_entries: None,
            task_work: TaskWork::Defer,
            sqpoll: None,
            iopoll: false,
            link: true,
            lanes: Lanes::Auto,
            inline_calls: true,
            probe_lanes: None,
            require: Required::empty(),
            queue: 256,
            pin: None,
            busy_poll: Duration::ZERO,
            #[cfg(feature = "sim")]
            simulated: None,
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which backend carries the requests.
    #[must_use]
    pub fn backend(mut self, backend: BackendChoice) -> Self {
        self.backend = backend;
        self
    }

    /// The window: how many requests are with the backend at once. More wait in the engine.
    #[must_use]
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self.adaptive = None;
        self
    }

    /// A window that follows the device instead of a fixed number: between these depths, with this
    /// aim. Engines of one process that use the same device share one window; the device is that of
    /// the first file that is read or written, so an engine is best used for one device.
    ///
    /// Some requests have to wait for the window, else there is nothing to learn: keep more in
    /// flight than the window takes. The default capacity of twice the largest depth has the room.
    ///
    /// ```
    /// use iomill_engine::{Config, depth::Target};
    ///
    /// let p99 = Target::Percentile { percent: 99.0, limit_ns: 2_000_000 };
    /// let engine = Config::new().adaptive(1..=256, p99).start()?;
    /// assert_eq!(engine.depth_status().map(|status| status.in_force), Some(1));
    /// # Ok::<(), iomill_engine::Error>(())
    /// ```
    #[must_use]
    pub fn adaptive(mut self, range: std::ops::RangeInclusive<u32>, target: Target) -> Self {
        self.depth = *range.end();
        self.adaptive = Some((*range.start(), target));
        self
    }

    /// How many requests may be accepted at once, with the backend or waiting for the window. One
    /// more is answered with `Full`.
    #[must_use]
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// How many bytes the transfers that are accepted at once may move together. One more is
    /// answered with `Full`, and one that alone exceeds it with `TooLarge`. Requests that wait in
    /// the queue of a [`Handle`](crate::Handle) do not count yet: they wait there for the room.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = Some(bytes);
        self
    }

    /// How many helper threads the `threads` backend has. They start with the first request that
    /// needs them: what the page cache serves does not.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many buffers the pool holds and how long each is in bytes: a pool of one class. A count
    /// of 0 makes an engine without a pool.
    #[must_use]
    pub fn buffers(self, count: u32, len_bytes: u32) -> Self {
        self.buffer_classes([BufferClass { count, len_bytes }])
    }

    /// The pool's buffers, in classes of one length each. Every buffer starts at a multiple of
    /// 4,096 bytes. Their memory is taken when it is first used, or at the start where it is
    /// registered with the kernel.
    #[must_use]
    pub fn buffer_classes(mut self, classes: impl Into<Vec<BufferClass>>) -> Self {
        self.classes = Some(classes.into());
        self
    }

    /// Whether buffers of 64 KiB and more are to lie on huge pages: of the system's reserve
    /// (`vm.nr_hugepages`) if it has any left, else transparent ones. Such a class takes whole huge
    /// pages of 2 MiB. The report says what was had.
    #[must_use]
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// Whether each buffer of the pool is filled with zeros when it comes back. Without it a buffer
    /// is handed out with the bytes that its last use in this engine left.
    #[must_use]
    pub fn zero_buffers(mut self, zero_buffers: bool) -> Self {
        self.zero_buffers = zero_buffers;
        self
    }

    /// Whether to register the pool with the kernel, which then pins it once instead of per
    /// request. Where the kernel refuses, the buffers stay plain and the report says why.
    #[must_use]
    pub fn fixed_buffers(mut self, fixed_buffers: bool) -> Self {
        self.fixed_buffers = fixed_buffers;
        self
    }

    /// How many files can be registered with the kernel, which then looks each up once instead of
    /// per request.
    #[must_use]
    pub fn fixed_files(mut self, slots: u32) -> Self {
        self.fixed_files = slots;
        self
    }

    /// Entries of the ring's submission queue, rounded up to a power of two: how many requests one
    /// system call can hand over. With fewer than a batch has, it takes several calls; with fewer
    /// than 16 chains are not linked.
    #[must_use]
    pub fn ring_entries(mut self, entries: u32) -> Self {
        self.ring_entries = Some(entries);
        self
    }

    /// When the kernel does its part of finishing a request.
    #[must_use]
    pub fn task_work(mut self, task_work: TaskWork) -> Self {
        self.task_work = task_work;
        self
    }

    /// Whether steps of a chain may be handed to the backend together, linked. Without it each step
    /// waits for the completion of the one before: slower, with the same outcome.
    #[must_use]
    pub fn link(mut self, link: bool) -> Self {
        self.link = link;
        self
    }

    /// Whether a kernel thread takes submissions. It excludes `task_work`.
    #[must_use]
    pub fn sqpoll(mut self, sqpoll: Option<SqPoll>) -> Self {
        self.sqpoll = sqpoll;
        self
    }

    /// Whether the device is polled for completions instead of waiting for its interrupt: quicker
    /// by some microseconds, at the price of a whole CPU while requests are in flight. Only direct
    /// transfers can be polled, and only on devices with queues for it; elsewhere they fail with
    /// `Unsupported`. All other operations are made as plain system calls on the engine's thread,
    /// which they block, and there are no registered files. What has begun cannot be cancelled.
    #[must_use]
    pub fn iopoll(mut self, iopoll: bool) -> Self {
        self.iopoll = iopoll;
        self
    }

    /// What the engine must not do without.
    #[must_use]
    pub fn require(mut self, required: Required) -> Self {
        self.require = required;
        self
    }

    /// Who chooses, for each request, between the backend, a plain system call on the engine's own
    /// thread, and helper threads. [`Engine::lanes`] shows the choices.
    #[must_use]
    pub fn lanes(mut self, lanes: Lanes) -> Self {
        self.lanes = lanes;
        self
    }

    /// Whether the engine's own thread may make system calls that carry requests. Where they are
    /// forbidden, a tick never waits for a device, a lock of the kernel or another machine unless
    /// it is asked to wait; that costs a hand-over for each request that the ring cannot do alone.
    /// What the kernel cannot do through the ring goes to helper threads then.
    #[must_use]
    pub fn inline_calls(mut self, allowed: bool) -> Self {
        self.inline_calls = allowed;
        self
    }

    /// Measures, at the start and for at most 50 ms, what the choice of lanes depends on, on the
    /// file system of `directory`: by a file without a name there (`O_TMPFILE`), and no other. With
    /// [`Lanes::Auto`] only. Where it is not possible, the rules hold and the report says why.
    #[must_use]
    pub fn probe_lanes(mut self, directory: impl Into<PathBuf>) -> Self {
        self.probe_lanes = Some(directory.into());
        self
    }

    /// How many requests wait between the threads that submit and an engine on a thread of its own.
    /// One more is answered with `Full`.
    #[must_use]
    pub fn queue(mut self, entries: u32) -> Self {
        self.queue = entries;
        self
    }

    /// The CPU that an engine on a thread of its own is bound to. Helper threads are not.
    #[must_use]
    pub fn pin(mut self, cpu: u32) -> Self {
        self.pin = Some(cpu);
        self
    }

    /// How long an engine that others feed looks for work before it sleeps. It costs a whole CPU
    /// for so long after each request, and spares those that come meanwhile the wake-up of a
    /// sleeping thread. With 0 it sleeps at once.
    #[must_use]
    pub fn busy_poll(mut self, time: Duration) -> Self {
        self.busy_poll = time;
        self
    }

    /// Runs on a simulated disk, whatever [`backend`](Self::backend) says: code that starts its own
    /// engine from a `Config` is tested as it is. The feature `sim` has this.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn simulated(mut self, disk: &SimDisk) -> Self {
        self.simulated = Some(disk.clone());
        self
    }

    /// Checks the settings and starts an engine on this thread.
    ///
    /// # Errors
    /// `InvalidConfig` with the setting, its value and its range; else why no backend can be had.
    pub fn start(self) -> Result<Engine, Error> {
        Engine::start(&self)
    }

    pub(crate) fn capacity_or_default(&self) -> u32 {
        self.capacity.unwrap_or(self.depth.saturating_mul(2))
    }

    pub(crate) fn threads_or_default(&self) -> u32 {
        let most = if self.adaptive.is_some() { 256 } else { 64 };
        self.threads.unwrap_or(self.depth.min(most))
    }

    /// A request in flight and its cancel can complete before anybody looks, and with SQPOLL those
    /// of their predecessors lie beside them: so room for four times the depth.
    pub(crate) fn ring_entries_or_default(&self) -> u32 {
        self.ring_entries.unwrap_or(4 * self.depth).next_power_of_two()
    }

    /// The depth as a rule.
    pub(crate) fn depth_rule(&self) -> Depth {
        match self.adaptive {
            None => Depth::Fixed(self.depth),
            Some((min, target)) => Depth::Adaptive { min, max: self.depth, target },
        }
    }

    pub(crate) fn classes_or_default(&self) -> Vec<BufferClass> {
        self.classes.clone().unwrap_or_else(|| BufferClass::defaults(self.capacity_or_default()))
    }
}
