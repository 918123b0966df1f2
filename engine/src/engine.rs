//! The engine: what a caller starts, submits to and ticks. One thread drives it; callbacks run only
//! inside [`Engine::tick`], one after another. `intake` accepts the requests, `turn` is the loop's
//! body, `shutdown` ends the engine.

use crate::backend::{Backend, Completion as RawCompletion, Request, Wait};
use crate::buffer::Buffer;
use crate::callback::Completion;
use crate::chain::Chains;
use crate::choices::Required;
use crate::config::Config;
use crate::depth::Decision;
use crate::error::Error;
use crate::file::{File, Slot};
use crate::file_table;
use crate::inflight::{InFlight, OpId};
use crate::intake::{Context, Intake, Refused};
use crate::lanes::LaneTable;
use crate::metrics::Metrics;
use crate::op::Operation;
use crate::polling;
use crate::pool;
use crate::report::Report;
use crate::schedule::{Batch, Deadlines, DepthStatus, Patience, Window};
use crate::select::select;
use crate::slot::GivenUp;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Tells engines of one process apart, so that a file's slot is used only by the engine that gave
/// it.
static NEXT_ENGINE: AtomicU32 = AtomicU32::new(0);

/// What one tick did. Units: requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Handed to the backend.
    pub submitted: u32,
    /// Called back.
    pub completed: u32,
}

/// A file-I/O engine on one thread.
///
/// Dropping it finishes what was accepted, for up to five seconds, and then leaks what the kernel
/// still holds rather than free memory that it may write to. [`shutdown`](Self::shutdown) says what
/// happened.
#[derive(Debug)]
pub struct Engine {
    pub(crate) intake: Intake,
    pub(crate) window: Window,
    pub(crate) batch_rule: Batch,
    pub(crate) patience: Patience,
    pub(crate) report: Report,
    required: Required,
    /// The batch under construction: empty outside of `stage`.
    pub(crate) batch: Vec<Request>,
    /// What the last `enter` brought: empty outside of `tick`, and of a sleep of `handle`.
    pub(crate) completions: Vec<RawCompletion>,
    /// Slots of registered files, by index; each keeps its file open.
    pub(crate) files: Vec<File>,
    /// The backend's count of system calls at the last reset of the metrics.
    pub(crate) enters_before: u64,
    /// The same of overflows.
    pub(crate) overflows_before: u64,
    /// Whether a turn has panicked: its backend broke the contract, and is not asked any more.
    pub(crate) is_broken: bool,
    /// Dropped by `shutdown` only, when nothing is in flight.
    pub(crate) backend: ManuallyDrop<Box<dyn Backend>>,
}

impl Engine {
    /// Checks the settings and starts an engine on this thread.
    pub(crate) fn start(config: &Config) -> Result<Self, Error> {
        config.check()?;
        let (backend, report) = select(config)?;
        Self::assemble(config, backend, report)
    }

    /// An engine on a backend of the caller's: for tests that inject faults, or backends of one's
    /// own.
    ///
    /// # Errors
    /// As [`Config::start`].
    pub fn with_backend(config: &Config, backend: Box<dyn Backend>) -> Result<Self, Error> {
        config.check()?;
        let report = Report::new(backend.name(), "given by the caller");
        let mut engine = Self::assemble(config, backend, report)?;
        // Its files need not be files of this machine: its device is its own.
        engine.window.attach(None);
        Ok(engine)
    }

    fn assemble(
        config: &Config,
        mut backend: Box<dyn Backend>,
        mut report: Report,
    ) -> Result<Self, Error> {
        let arena = pool::set_up(config, &mut *backend, &mut report)?;
        let file_slots = file_table::set_up(config, &mut *backend, &mut report)?;
        let capacity = config.capacity_or_default();
        let fixed_arena = arena.clone().filter(|_| report.fixed_buffers);
        let enters_before = backend.enters();
        let number = NEXT_ENGINE.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            intake: Intake {
                number,
                inflight: InFlight::new(capacity, number)
                    .with_bytes_max(config.capacity_bytes.unwrap_or(u64::MAX)),
                chains: Chains::new(capacity, config.link, file_slots),
                queue: VecDeque::with_capacity(capacity as usize),
                arena,
                fixed_arena,
                cancels: VecDeque::with_capacity(capacity as usize),
                deadlines: Deadlines::new(capacity),
                clock: backend.clock(),
                looked_ns: 0,
                has_real_files: backend.has_real_files(),
                metrics: Metrics::new(),
                closing: false,
            },
            required: config.require,
            window: Window::new(config.depth_rule(), capacity),
            batch_rule: Batch::new(config.adaptive.map_or(config.depth, |(min, _)| min)),
            patience: Patience::START,
            report,
            batch: Vec::with_capacity(config.depth as usize),
            completions: Vec::with_capacity(config.depth as usize),
            files: Vec::new(),
            enters_before,
            overflows_before: 0,
            is_broken: false,
            backend: ManuallyDrop::new(backend),
        })
    }

    /// Accepts a request. Its callback runs exactly once, from a later [`tick`](Self::tick); never
    /// from here. Makes no system call and does not block.
    ///
    /// # Errors
    /// Everything that was handed in comes back: with `Full` when the engine holds as many requests
    /// or bytes as its capacity, with `Misaligned` when a direct transfer cannot work, with
    /// `TooLarge` when it exceeds the capacity in bytes by itself, with `Closing` during a
    /// shutdown.
    #[inline]
    pub fn submit<O, F>(&mut self, op: O, on_complete: F) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.intake.submit(op, on_complete)
    }

    /// As [`submit`](Self::submit), and gives the request up when `limit` has passed since now:
    /// then its error is `DeadlineExceeded`. A transfer that the device has begun cannot be
    /// stopped: the callback comes, with its success or its error, when the kernel has let go of
    /// the buffer.
    ///
    /// # Errors
    /// As `submit`.
    pub fn submit_within<O, F>(
        &mut self,
        op: O,
        limit: Duration,
        on_complete: F,
    ) -> Result<OpId, Refused<O, F>>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.intake.submit_within(op, limit, on_complete)
    }

    /// Asks for a request to be given up; answers whether it was still in flight. Its callback
    /// comes all the same: with its success if it was too late, with an error of kind `Cancelled`
    /// otherwise, and always when the kernel has let go of the buffer. Takes effect at the next
    /// tick.
    pub fn cancel(&mut self, id: OpId) -> bool {
        self.intake.cancel(id, GivenUp::Cancelled)
    }

    /// One turn of the loop: hands a batch of waiting requests to the backend as far as the window
    /// allows, waits as asked (for no more than is in flight, and not at all while another batch is
    /// ready), and runs the callbacks of what has completed. At most one `io_uring_enter(2)`.
    ///
    /// # Errors
    /// When the backend as a whole has failed: nothing will complete any more.
    ///
    /// # Panics
    /// When callbacks panicked: after all callbacks of this turn have run, the first panic goes on.
    /// At once when a backend breaks its contract: it completes what it does not have, or moves
    /// more bytes than it was asked for. From then on every tick is an error of the kind
    /// `Backend`, and what was in flight is leaked.
    pub fn tick(&mut self, wait: Wait) -> Result<Tick, Error> {
        let turn = self.turn(wait)?;
        match turn.panic {
            Some(payload) => resume_unwind(payload),
            None => Ok(turn.tick),
        }
    }

    /// Ticks until every accepted request was called back, those that callbacks submit included.
    /// While the window is full, completions that come within some microseconds of each other are
    /// waited for together.
    ///
    /// # Errors
    /// As [`tick`](Self::tick).
    pub fn drain(&mut self) -> Result<(), Error> {
        while self.in_flight() > 0 {
            self.tick(self.patient_wait())?;
        }
        Ok(())
    }

    /// Ticks until there is room for so many more requests, and transfers of so many bytes
    /// together. Callbacks run meanwhile; what they submit takes its part of the room.
    ///
    /// # Errors
    /// `TooLarge` if there is not so much room even in an idle engine; else as
    /// [`tick`](Self::tick).
    pub fn wait_for_room(&mut self, requests: u32, bytes: u64) -> Result<(), Error> {
        while !self.intake.inflight.has_room(requests, bytes)? {
            self.tick(self.patient_wait())?;
        }
        Ok(())
    }

    /// Accepted requests that were not called back yet; each step of a chain is one.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.intake.inflight.len()
    }

    /// A buffer of the pool's smallest class, or `None` when all are in use. It holds whatever its
    /// last use left.
    pub fn buffer(&self) -> Option<Buffer> {
        self.intake.buffer()
    }

    /// A buffer that stands for `len_bytes`, of the smallest class that holds as many; `None` when
    /// all buffers of this class are in use. It does not go on to a larger class then: small
    /// requests would take the buffers that large ones cannot do without.
    ///
    /// # Errors
    /// `TooLarge` when no class has such buffers, so that waiting would not help.
    pub fn buffer_of(&self, len_bytes: usize) -> Result<Option<Buffer>, Error> {
        self.intake.buffer_of(len_bytes)
    }

    /// Registers a file with the kernel, which then looks it up once instead of per request: use
    /// the file that comes back. It stays open until the engine ends. A backend without such slots,
    /// or one whose slots are used up, gives the same file back, which works as well.
    ///
    /// # Errors
    /// When the kernel refuses the file; and for want of a slot, if those are
    /// [required](crate::Required).
    pub fn register_file(&mut self, file: &File) -> Result<File, Error> {
        let name = file.path().display();
        if let Some(why) = polling::refusal(file).filter(|_| self.report.iopoll) {
            self.report.note(format!("IOPOLL on {name}"), why);
        }
        let index = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        if index >= self.report.fixed_files {
            let why = format!("all {} slots are in use", self.report.fixed_files);
            let required = self.required.contains(Required::FIXED_FILES);
            self.report.note_unless(required, format!("a registered slot for {name}"), why)?;
            return Ok(file.clone());
        }
        use std::os::fd::AsFd;
        self.backend
            .set_slot(index, Some(file.as_fd()))
            .map_err(|error| error.with_path(file.path()))?;
        let registered = file.with_slot(Slot { engine: self.intake.number, index });
        self.files.push(registered.clone());
        Ok(registered)
    }

    /// What the depth has come to, if it is [adaptive](Config::adaptive).
    pub fn depth_status(&self) -> Option<DepthStatus> {
        self.window.status()
    }

    /// The last decisions on the depth, the oldest first; none if it is fixed. Their times count
    /// from the start of the first engine of the process.
    pub fn depth_trace(&self) -> Vec<Decision> {
        self.window.decisions()
    }

    /// What the engine runs on and why.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Which way each kind of request goes now and why, or `None` where everything goes to the
    /// backend. [`LaneTable`] prints itself.
    pub fn lanes(&self) -> Option<&LaneTable> {
        self.backend.lanes()
    }

    /// What it has done since its start or the last reset. Costs nothing; a clone is a snapshot.
    pub fn metrics(&self) -> &Metrics {
        &self.intake.metrics
    }

    /// Starts counting anew.
    pub fn reset_metrics(&mut self) {
        self.intake.metrics = Metrics::new();
        self.enters_before = self.backend.enters();
        self.overflows_before = self.backend.overflows();
    }
}
