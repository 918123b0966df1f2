//! The state of a simulated disk, and the life of a request in it: it begins, time passes, it
//! completes. Shared by the test's handle and by the backends; what the kinds of requests do is in
//! `perform` and `tree`. Touches no request's memory and never sleeps.

use super::choices::Choices;
use super::content::{Content, SECTOR_LEN_BYTES};
use super::faults::{Fate, FaultCounts, Faults};
use super::history::{Event, History};
use super::identity::{Anchor, Key};
use super::latency::{Class, Device};
use super::names::{Change, Names};
use super::options::SimOptions;
use super::order::{Answer, Flight, Order, Target};
use super::random::{Random, mix};
use super::recording::Recording;
use super::snapshot::Snapshot;
use crate::backend::{Clock, RequestKind};
use crate::clock::nanoseconds;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One simulated file. It stays until the disk goes, because nobody tells when its last descriptor
/// is closed.
#[derive(Debug)]
pub(super) struct SimFile {
    /// The name that it was made with.
    pub(super) label: Arc<str>,
    pub(super) content: Content,
    /// When its bytes or its length last changed, in virtual time.
    pub(super) modified_ns: u64,
    /// None before it was opened: most files of a disk after a power failure never are.
    anchor: Option<Anchor>,
}

impl SimFile {
    /// Tells the descriptors how long the file is now.
    pub(super) fn tell_len(&self) {
        if let Some(anchor) = &self.anchor {
            anchor.set_len(self.content.len());
        }
    }
}

/// A write on its way: a power failure may leave parts of it.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) file: u64,
    /// `None` for an append: wherever the end is then.
    pub(super) offset: Option<u64>,
    pub(super) bytes: Arc<Vec<u8>>,
    /// All or nothing.
    pub(super) is_atomic: bool,
}

/// A simulated disk.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) options: SimOptions,
    /// Virtual time, which the clocks of engines show.
    time_ns: Arc<AtomicU64>,
    pub(super) faults: Faults,
    pub(super) counts: FaultCounts,
    pub(super) history: History,
    pub(super) files: BTreeMap<u64, SimFile>,
    /// Looked up only, so that its order does not matter.
    numbers: HashMap<Key, u64>,
    pub(super) names: Names,
    pub(super) random: Random,
    device: Device,
    next_number: u64,
    /// The newest change of anything that can be lost.
    pub(super) stamp: u64,
    writing: BTreeMap<u64, Writing>,
    /// Requests that will never complete.
    stuck_count: u32,
    /// What `crash` wants to know of everything that happens.
    pub(super) recording: Option<Recording>,
    /// How often the disk was calmed.
    pub(super) calms: u64,
}

impl Model {
    /// An empty disk at time 0.
    pub(super) fn new(options: SimOptions) -> Self {
        Self::with(options, Names::default(), BTreeMap::new())
    }

    /// A disk with these names and files at time 0.
    pub(super) fn with(
        options: SimOptions,
        names: Names,
        files: BTreeMap<u64, (Arc<str>, Content)>,
    ) -> Self {
        let file = |(number, (label, content))| {
            (number, SimFile { label, content, modified_ns: 0, anchor: None })
        };
        let mut random = Random::new(options.seed);
        let models = [options.read, options.write, options.sync, options.other];
        let device = Device::new(models, options.stalls, &mut random);
        Self {
            time_ns: Arc::default(),
            faults: options.faults,
            counts: FaultCounts::default(),
            history: History::default(),
            files: files.into_iter().map(file).collect(),
            numbers: HashMap::new(),
            names,
            random,
            device,
            next_number: 0,
            stamp: 0,
            writing: BTreeMap::new(),
            stuck_count: 0,
            recording: None,
            calms: 0,
            options,
        }
    }

    /// What a power failure at this moment could touch.
    pub(super) fn snapshot(&self) -> Snapshot {
        let writing = (self.stamp + 1..).zip(self.writing.values().cloned());
        Snapshot::new(self.names.clone(), &self.files, writing)
    }

    /// The disk after a power failure and a restart, with an empty history at time 0.
    pub(super) fn after_power_failure(&self, seed: u64) -> Self {
        let mut random = Random::new(mix(self.options.seed, seed));
        let options = SimOptions { seed: random.bits(), ..self.options.clone() };
        let left = self.snapshot().after_power_failure(&mut Choices::Chance(random));
        left.into_model(options)
    }

    /// A power failure could come now: tells those who want to try them all.
    pub(super) fn cut(&mut self, after: impl FnOnce() -> String) {
        if let Some(mut recording) = self.recording.take() {
            recording.cut(after, || self.snapshot());
            self.recording = Some(recording);
        }
    }

    /// A new file without a name, under the next free number.
    pub(super) fn new_file(&mut self, label: &Path, content: Content) -> u64 {
        let number = self.files.last_key_value().map_or(1, |(last, _)| last + 1);
        let label = label.to_string_lossy().into();
        let modified_ns = self.now_ns();
        self.files.insert(number, SimFile { label, content, modified_ns, anchor: None });
        number
    }

    /// A descriptor of a file.
    pub(super) fn open_number(&mut self, number: u64, flags: i32) -> Result<OwnedFd, i32> {
        let file = self.files.get_mut(&number).ok_or(libc::EBADF)?;
        let anchor = match &mut file.anchor {
            Some(anchor) => anchor,
            none => {
                let anchor = Anchor::new(file.content.len())?;
                self.numbers.insert(anchor.key(), number);
                none.insert(anchor)
            }
        };
        anchor.open(flags)
    }

    /// The file behind a descriptor, if it is one of this disk's.
    pub(super) fn target(&self, (key, flags): (Key, i32)) -> Option<Target> {
        self.numbers.get(&key).map(|file| Target { file: *file, flags })
    }

    pub(super) fn now_ns(&self) -> u64 {
        // Relaxed: written under the lock of this disk only.
        self.time_ns.load(Ordering::Relaxed)
    }

    /// Lets virtual time pass.
    pub(super) fn pass(&mut self, time_ns: u64) {
        self.time_ns.store(self.now_ns().saturating_add(time_ns), Ordering::Relaxed);
    }

    /// Lets virtual time pass until a moment, if that is to come.
    pub(super) fn pass_to(&mut self, moment_ns: u64) {
        self.pass(moment_ns.saturating_sub(self.now_ns()));
    }

    /// A clock that shows this disk's time.
    pub(super) fn clock(&self) -> Clock {
        Clock::following(Arc::clone(&self.time_ns))
    }

    /// A stamp newer than all others.
    pub(super) fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    pub(super) fn change_names(&mut self, change: Change) {
        let stamp = self.next_stamp();
        self.names.change(stamp, change);
    }

    /// Sectors that are still free.
    pub(super) fn free_sectors(&self) -> u64 {
        if self.options.capacity_bytes == u64::MAX {
            return u64::MAX;
        }
        let named = self.files.iter().filter(|(number, _)| self.names.links(**number) > 0);
        let taken: u64 = named.map(|(_, file)| file.content.allocated_sectors()).sum();
        (self.options.capacity_bytes / SECTOR_LEN_BYTES).saturating_sub(taken)
    }

    /// Begins a request: decides what will become of it and when. Without a time it never
    /// completes.
    pub(super) fn begin(&mut self, order: Order) -> (Flight, Option<u64>) {
        let fate = self.faults.fate(order.kind, &mut self.random);
        let is_stuck = self.random.chance(self.faults.never)
            && self.stuck_count < self.faults.never_max
            && order.kind != RequestKind::Close;
        let number = self.next_number;
        self.next_number += 1;
        let choice = self.random.bits();
        let (start_ns, watermark) = (self.now_ns(), self.stamp);
        let flight = Flight { number, order, fate, start_ns, watermark, choice };
        let touches = !matches!(fate, Fate::Errno(errno) if errno != libc::EIO);
        if !flight.order.bytes.is_empty()
            && let Ok((target, offset)) = self.check_write(&flight.order)
        {
            let (file, bytes) = (target.file, Arc::clone(&flight.order.bytes));
            let is_atomic = flight.order.is_atomic();
            if let (true, false, Some(offset)) = (touches, is_atomic, offset) {
                // Parts of it can be read before it completes.
                self.write_some(file, offset, &bytes, choice);
            }
            self.writing.insert(number, Writing { file, offset, bytes, is_atomic });
            self.cut(|| format!("#{number} begins"));
        }
        if is_stuck {
            self.stuck_count += 1;
            self.counts.never += 1;
            return (flight, None);
        }
        let end_ns = self.plan_end(flight.order.kind);
        (flight, Some(end_ns))
    }

    /// When a request that begins or goes on now completes.
    fn plan_end(&mut self, kind: RequestKind) -> u64 {
        let mut extra_ns = 0;
        let spike_ns = self.random.exponential_ns(nanoseconds(self.faults.spike_length));
        if self.random.chance(self.faults.spike) {
            self.counts.spike += 1;
            extra_ns = spike_ns;
        }
        let in_order = !self.random.chance(self.faults.reorder);
        let class = match kind {
            RequestKind::Read | RequestKind::ReadVectored => Class::Read,
            RequestKind::Write | RequestKind::WriteVectored => Class::Write,
            RequestKind::Sync | RequestKind::SyncData | RequestKind::SyncRange => Class::Sync,
            _ => Class::Other,
        };
        let (end_ns, overtakes) =
            self.device.end_ns(class, self.now_ns(), extra_ns, in_order, &mut self.random);
        self.counts.reorder += u64::from(overtakes);
        end_ns
    }

    /// When a request that was stuck completes after all.
    pub(super) fn unstick(&mut self, kind: RequestKind) -> u64 {
        self.stuck_count -= 1;
        self.plan_end(kind)
    }

    /// Completes a request now.
    pub(super) fn complete(&mut self, flight: &Flight) -> Answer {
        self.writing.remove(&flight.number);
        let answer = match flight.fate {
            Fate::Errno(errno) => {
                self.counts.errno(errno);
                self.fail(flight, errno);
                Answer::of(Err(errno))
            }
            Fate::Normal | Fate::Short(_) => self.perform(flight),
        };
        if answer.result >= 0 && flight.order.changes_file() {
            let now_ns = self.now_ns();
            let file = flight.order.target.and_then(|target| self.files.get_mut(&target.file));
            if let Some(file) = file {
                file.modified_ns = now_ns;
            }
        }
        self.record(flight, answer.result);
        answer
    }

    /// Stops a request in the middle; `is_stuck` if it would never have completed.
    pub(super) fn stop(&mut self, flight: &Flight, is_stuck: bool) -> Answer {
        self.writing.remove(&flight.number);
        self.stuck_count -= u32::from(is_stuck);
        self.record(flight, -libc::EINTR);
        Answer::of(Err(libc::EINTR))
    }

    /// Whether the disk takes only a part of a batch, and how much of it.
    pub(super) fn admit(&mut self, count: usize) -> usize {
        let part = self.random.index(count.max(1));
        if self.random.chance(self.faults.partial_stage) && part < count {
            self.counts.partial_stage += 1;
            return part;
        }
        count
    }

    /// Whether a run breaks before one of its requests begins.
    pub(super) fn cuts_run(&mut self) -> bool {
        let cuts = self.random.chance(self.faults.cut_run);
        self.counts.cut_run += u64::from(cuts);
        cuts
    }

    /// No faults any more, and no stalls.
    pub(super) fn calm(&mut self) {
        self.calms += 1;
        self.faults = Faults::default();
        self.device.calm();
    }

    /// What a failure leaves behind.
    fn fail(&mut self, flight: &Flight, errno: i32) {
        if errno != libc::EIO {
            return;
        }
        let order = &flight.order;
        if let Ok((target, Some(offset))) = self.check_write(order) {
            if order.is_atomic() {
                if mix(flight.choice, 1).is_multiple_of(2) {
                    let stamp = self.next_stamp();
                    if let Some(file) = self.files.get_mut(&target.file) {
                        file.content.write_atomic(stamp, offset, &order.bytes);
                        file.tell_len();
                    }
                }
                return;
            }
            // Another choice than at the beginning, so that more of it is there now.
            self.write_some(target.file, offset, &order.bytes, mix(flight.choice, 1));
        }
        if matches!(order.kind, RequestKind::Sync | RequestKind::SyncData)
            && let Some(file) = order.target.and_then(|target| self.files.get_mut(&target.file))
        {
            file.content.forget(flight.watermark, &mut Random::new(flight.choice));
        }
    }

    fn write_some(&mut self, file: u64, offset: u64, bytes: &[u8], choice: u64) {
        let stamp = self.next_stamp();
        if let Some(file) = self.files.get_mut(&file) {
            file.content.write_some(stamp, offset, bytes, &mut Random::new(choice));
        }
    }

    fn record(&mut self, flight: &Flight, result: i32) {
        let Order { kind, target, offset, len, flags, paths, .. } = &flight.order;
        let file = target.and_then(|target| self.files.get(&target.file));
        let name = file.map_or_else(
            || String::from_utf8_lossy(&paths[0]).into(),
            |file| Arc::clone(&file.label),
        );
        // A descriptor, a mode and a mask are no lengths.
        let len_bytes = if file.is_some() { *len } else { 0 };
        let event = Event {
            number: flight.number,
            start_ns: flight.start_ns,
            end_ns: self.now_ns(),
            kind: *kind,
            name,
            offset: *offset,
            len_bytes,
            flags: *flags,
            result,
        };
        if !kind.is_read() {
            self.cut(|| event.to_string());
        }
        self.history.push(event);
    }
}
