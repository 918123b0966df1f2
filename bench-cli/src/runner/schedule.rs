//! Who starts when, who waits for whom, who ends whom.
//!
//! Owns the common start of a stage, the list of jobs that have ended, and the flags by which jobs
//! with `exitall` end others. Called by `runner` on the threads of the jobs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use crate::error::Error;
use crate::flow::{FlowGroup, FlowShare};
use crate::interrupt::{Ending, Interrupt};
use crate::job::ExitWhat;

use crate::plan::Plan;

/// The longest wait without a look at who wants to end the job.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// The common start: all threads and engines are up, or no job of the stage runs.
#[derive(Debug)]
pub(super) struct Start {
    /// Whether each job has a thread; held for writing until that is known.
    all_have_threads: RwLock<bool>,
    barrier: Barrier,
    aborted: AtomicBool,
}

impl Start {
    /// A start of `count` jobs.
    pub(super) fn new(count: usize) -> Start {
        Start {
            all_have_threads: RwLock::new(false),
            barrier: Barrier::new(count),
            aborted: AtomicBool::new(false),
        }
    }

    /// Keeps the jobs from starting until the answer goes; true in it lets them.
    pub(super) fn hold(&self) -> RwLockWriteGuard<'_, bool> {
        self.all_have_threads.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the job may start at all: nobody may wait where not all can come.
    pub(super) fn may_begin(&self) -> bool {
        *self.all_have_threads.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the others; `None` if another one was not ready.
    pub(super) fn wait<T>(&self, job: Result<T, Error>) -> Result<Option<T>, Error> {
        if job.is_err() {
            // Relaxed: the barrier orders this store before every load below.
            self.aborted.store(true, Ordering::Relaxed);
        }
        self.barrier.wait();
        let job = job?;
        // Relaxed: pairs with the store above, ordered by the barrier.
        Ok((!self.aborted.load(Ordering::Relaxed)).then_some(job))
    }
}

/// The state of all jobs of a plan.
#[derive(Debug)]
pub(super) struct Schedule {
    jobs: Vec<Entry>,
    ended: Mutex<Vec<bool>>,
    one_more: Condvar,
    /// Nothing that has not begun begins any more.
    over: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    group: u32,
    stage: u32,
    /// The jobs that have to end before this one begins.
    waits_for: Vec<usize>,
    exit_all: bool,
    exit_all_on_error: bool,
    exit_what: ExitWhat,
    ending: Interrupt,
    /// The flow that the job belongs to, and its weight in it.
    flow: Option<(Arc<FlowGroup>, u64)>,
}

impl Schedule {
    /// The state before the first job.
    pub(super) fn new(plan: &Plan) -> Schedule {
        let mut flows: BTreeMap<u64, Arc<FlowGroup>> = BTreeMap::new();
        let entry = |job: &crate::plan::PlannedJob| {
            let (schedule, pace) = (&job.spec.schedule, &job.spec.pace);
            let flow = (pace.flow > 0)
                .then(|| (Arc::clone(flows.entry(pace.flow_id).or_default()), pace.flow));
            let awaited = |name: &String| {
                let named = plan.jobs.iter().enumerate();
                let named = named.filter(|(_, other)| other.spec.name == *name);
                named.map(|(number, _)| number).collect::<Vec<_>>()
            };
            Entry {
                group: job.group,
                stage: job.stage,
                waits_for: schedule.wait_for.as_ref().map(awaited).unwrap_or_default(),
                exit_all: schedule.exit_all,
                exit_all_on_error: schedule.exit_all_on_error,
                exit_what: schedule.exit_what,
                ending: Interrupt::default(),
                flow,
            }
        };
        Schedule {
            jobs: plan.jobs.iter().map(entry).collect(),
            ended: Mutex::new(vec![false; plan.jobs.len()]),
            one_more: Condvar::new(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether no further job begins.
    pub(super) fn is_over(&self) -> bool {
        // Relaxed: the threads that set it have been joined when it is asked.
        self.over.load(Ordering::Relaxed)
    }

    /// What ends this job from outside.
    pub(super) fn ending_of(&self, number: usize) -> &Interrupt {
        &self.jobs[number].ending
    }

    /// The job's part in its flow, if it has one.
    pub(super) fn flow_of(&self, number: usize) -> Option<FlowShare> {
        let (group, weight) = self.jobs[number].flow.as_ref()?;
        Some(FlowShare::new(Arc::clone(group), *weight))
    }

    /// Tells the others that this job has ended, when the answer goes out of scope: after a panic,
    /// too, or they would wait for ever.
    pub(super) fn finish_of(&self, number: usize) -> Finish<'_> {
        Finish { schedule: self, number }
    }

    /// Waits for the jobs that have to end first; answers whether the job is still wanted.
    pub(super) fn wait_for_others(&self, number: usize, ending: Ending<'_>) -> bool {
        let awaited = &self.jobs[number].waits_for;
        let mut ended = self.lock();
        while !ending.is_near() {
            if awaited.iter().all(|other| ended[*other]) {
                return true;
            }
            let waited = self.one_more.wait_timeout(ended, WAIT_MAX);
            ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Ends the jobs that are to end with this one.
    pub(super) fn end_others(&self, number: usize, failed: bool) {
        let mine = &self.jobs[number];
        let on_error = failed && mine.exit_all_on_error;
        if !mine.exit_all && !on_error {
            return;
        }
        let what = if on_error { ExitWhat::All } else { mine.exit_what };
        for other in &self.jobs {
            let meant = match what {
                ExitWhat::Group => other.group == mine.group,
                ExitWhat::Stonewall => other.stage == mine.stage,
                ExitWhat::All => true,
            };
            if meant {
                other.ending.raise();
            }
        }
        if what == ExitWhat::All {
            // Relaxed: see `is_over`.
            self.over.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a job.
#[derive(Debug)]
pub(super) struct Finish<'a> {
    schedule: &'a Schedule,
    number: usize,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.schedule.lock()[self.number] = true;
        self.schedule.one_more.notify_all();
    }
}
