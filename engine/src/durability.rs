//! By which method a file's durable writes are made, what a probe has found of it, and what the
//! process remembers of earlier probes. Decisions and memory; `probe` measures.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How a durable write is made. All are sound; which is quickest depends on the file system, the
/// device and the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurableMethod {
    /// One write with `RWF_DSYNC`.
    Dsync,
    /// A write, and fdatasync(2) linked behind it where the backend can.
    LinkedSync,
    /// A write, and fdatasync(2) handed over when the write has completed.
    LaterSync,
}

impl DurableMethod {
    /// From the one with the fewest requests to the one with the most.
    pub(crate) const ALL: [Self; 3] = [Self::Dsync, Self::LinkedSync, Self::LaterSync];
}

impl std::fmt::Display for DurableMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dsync => "RWF_DSYNC",
            Self::LinkedSync => "a linked fdatasync",
            Self::LaterSync => "a later fdatasync",
        })
    }
}

/// What a probe measured of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurableFigure {
    /// Which.
    pub method: DurableMethod,
    /// Median time of a durable write of one block, one at a time. Units: nanoseconds.
    pub median_ns: u64,
    /// How many writes that was.
    pub writes: u32,
}

/// What a probe has chosen for a file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The choice.
    pub method: DurableMethod,
    /// What was measured; empty if nothing could be.
    pub figures: Vec<DurableFigure>,
    /// Why this one, and why some could not be measured.
    pub why: String,
}

impl std::fmt::Display for Durability {
    /// One line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "by {}: {}", self.method, self.why)?;
        for (index, figure) in self.figures.iter().enumerate() {
            let separator = if index == 0 { "; medians: " } else { ", " };
            let micros = figure.median_ns / 1000;
            write!(f, "{separator}{} {micros} µs of {}", figure.method, figure.writes)?;
        }
        Ok(())
    }
}

/// A method with more requests has to be quicker than the choice by more than this: one tenth.
const WORTH_IT: u64 = 10;

/// Fewer writes than this by a method tell nothing of it.
const WRITES_MIN: u32 = 3;

/// Whether there are enough writes by each method to tell them apart.
pub(crate) fn is_enough(figures: &[DurableFigure]) -> bool {
    figures.iter().all(|figure| figure.writes >= WRITES_MIN)
}

/// The method to use: the quickest, but the one with the fewest requests among those that are
/// nearly as quick, or among all if they cannot be told apart.
pub(crate) fn choose(figures: &[DurableFigure]) -> Option<DurableMethod> {
    if !is_enough(figures) {
        return figures.first().map(|figure| figure.method);
    }
    let best_ns = figures.iter().map(|figure| figure.median_ns).min()?;
    let limit_ns = best_ns.saturating_add(best_ns / WORTH_IT);
    let good = |method: &DurableMethod| {
        figures.iter().any(|figure| figure.method == *method && figure.median_ns <= limit_ns)
    };
    DurableMethod::ALL.into_iter().find(good)
}

/// What a file knows of its durable writes.
#[derive(Debug)]
pub(crate) struct FileDurability {
    /// An index into `DurableMethod::ALL`.
    method: AtomicU8,
    probed: OnceLock<Durability>,
}

impl FileDurability {
    /// Of a file that nobody has probed: by the method that is sound everywhere.
    pub(crate) fn unknown() -> Self {
        let durability = Self { method: AtomicU8::new(0), probed: OnceLock::new() };
        durability.set_method(DurableMethod::LinkedSync);
        durability
    }

    #[inline]
    pub(crate) fn method(&self) -> DurableMethod {
        // Relaxed: nothing else is read on the strength of it.
        let index = usize::from(self.method.load(Ordering::Relaxed));
        DurableMethod::ALL.get(index).copied().unwrap_or(DurableMethod::LinkedSync)
    }

    pub(crate) fn set_method(&self, method: DurableMethod) {
        let index = (0..).zip(DurableMethod::ALL).find(|(_, known)| *known == method);
        self.method.store(index.map_or(0, |(index, _)| index), Ordering::Relaxed);
    }

    pub(crate) fn probed(&self) -> Option<&Durability> {
        self.probed.get()
    }

    /// Takes the first probe's result in; later ones change nothing.
    pub(crate) fn set_probed(&self, durability: Durability) {
        let method = durability.method;
        if self.probed.set(durability).is_ok() {
            self.set_method(method);
        }
    }
}

/// Where a measurement holds: a device, whether the files on it are direct, and the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) device: u64,
    pub(crate) direct: bool,
    pub(crate) backend: &'static str,
    pub(crate) links: bool,
}

/// What earlier probes of this process have measured.
static KNOWN: Mutex<Vec<(Place, Durability)>> = Mutex::new(Vec::new());

/// What an earlier probe has measured there.
pub(crate) fn recall(place: Place) -> Option<Durability> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.iter().find(|(there, _)| *there == place).map(|(_, durability)| durability.clone())
}

/// Remembers what was measured there.
pub(crate) fn remember(place: Place, durability: &Durability) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.push((place, durability.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(medians_ns: [Option<u64>; 3]) -> Vec<DurableFigure> {
        let all = DurableMethod::ALL.into_iter().zip(medians_ns);
        all.filter_map(|(method, median_ns)| {
            median_ns.map(|median_ns| DurableFigure { method, median_ns, writes: 8 })
        })
        .collect()
    }

    #[test]
    fn the_quickest_method_is_chosen_and_among_equals_the_one_with_the_fewest_requests() {
        let chosen = |medians_ns| choose(&figures(medians_ns));
        assert_eq!(chosen([Some(100), Some(100), Some(100)]), Some(DurableMethod::Dsync));
        assert_eq!(chosen([Some(110), Some(105), Some(100)]), Some(DurableMethod::Dsync));
        assert_eq!(chosen([Some(111), Some(105), Some(100)]), Some(DurableMethod::LinkedSync));
        assert_eq!(chosen([Some(300), Some(200), Some(100)]), Some(DurableMethod::LaterSync));
        assert_eq!(chosen([None, Some(200), Some(190)]), Some(DurableMethod::LinkedSync));
        assert_eq!(chosen([None, None, None]), None);
        let mut few = figures([Some(300), Some(200), Some(100)]);
        few[1].writes = 2;
        assert_eq!(choose(&few), Some(DurableMethod::Dsync), "too few writes to tell");
    }

    #[test]
    fn a_file_keeps_its_first_probe_and_the_method_may_be_set_after_it() {
        let file = FileDurability::unknown();
        assert_eq!((file.method(), file.probed()), (DurableMethod::LinkedSync, None));
        let probe = |method| Durability { method, figures: Vec::new(), why: String::new() };
        file.set_probed(probe(DurableMethod::Dsync));
        file.set_probed(probe(DurableMethod::LaterSync));
        assert_eq!(file.method(), DurableMethod::Dsync);
        assert_eq!(file.probed().map(|probed| probed.method), Some(DurableMethod::Dsync));
        for method in DurableMethod::ALL {
            file.set_method(method);
            assert_eq!(file.method(), method);
        }
    }

    #[test]
    fn a_probe_is_told_in_one_line() {
        let durability = Durability {
            method: DurableMethod::Dsync,
            figures: figures([Some(120_400), None, Some(180_000)]),
            why: String::from("the quickest"),
        };
        assert_eq!(
            durability.to_string(),
            "by RWF_DSYNC: the quickest; medians: RWF_DSYNC 120 µs of 8, a later fdatasync 180 µs \
             of 8"
        );
    }
}
