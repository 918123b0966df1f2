//! The table of lanes: a route for each operation, file system, way of access and queue length, and
//! why it is this one. Read for each request, changed by `correction` and by the caller.

use super::rules::{Base, rule};
use super::{Figures, FileSystem, LaneOp, QueueLength, Route};
use std::fmt;

/// Ways to reach a file: buffered, direct.
const ACCESSES: usize = 2;
const CELLS: usize = LaneOp::ALL.len() * FileSystem::ALL.len() * ACCESSES * QueueLength::ALL.len();

/// Why a cell has its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule that comes with the engine.
    Rule,
    /// The caller set it.
    Caller,
    /// The kernel cannot do it through the ring, and inline calls are forbidden.
    Missing,
    /// Inline calls are forbidden.
    Forbidden,
    /// A probe measured both ways. Units: nanoseconds per request.
    Probed {
        /// On the engine's own thread.
        inline_ns: u32,
        /// By the backend.
        backend_ns: u32,
    },
    /// Requests were observed to take this long on average; 0 where none was. Units: nanoseconds.
    Observed {
        /// On the engine's own thread.
        inline_ns: u32,
        /// By the backend.
        backend_ns: u32,
    },
}

impl Reason {
    /// The two figures of a measured cell.
    fn figures(self) -> Option<(&'static str, u32, u32)> {
        match self {
            Self::Probed { inline_ns, backend_ns } => Some(("probed", inline_ns, backend_ns)),
            Self::Observed { inline_ns, backend_ns } => Some(("observed", inline_ns, backend_ns)),
            _ => None,
        }
    }
}

/// Where a cell is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellIndex(usize);

impl CellIndex {
    #[inline]
    pub(crate) fn new(
        op: LaneOp,
        file_system: FileSystem,
        direct: bool,
        queue: QueueLength,
    ) -> Self {
        let row = op as usize * FileSystem::ALL.len() + file_system as usize;
        Self((row * ACCESSES + usize::from(direct)) * QueueLength::ALL.len() + queue as usize)
    }

    /// For tables beside this one.
    pub(super) fn get(self) -> usize {
        self.0
    }

    /// All of them, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CELLS).map(Self)
    }

    /// The queue length that it is for.
    pub(super) fn queue(self) -> QueueLength {
        QueueLength::ALL[self.0 % QueueLength::ALL.len()]
    }
}

/// Which way each kind of request goes. Its [`Display`](fmt::Display) is one line per row of cells
/// that are alike: operation, file system, access, the routes at queue lengths 1, 2–3, 4–15 and
/// from 16 on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneTable {
    /// Beside the reasons, so that what each request looks at fits into few cache lines.
    routes: Box<[Route; CELLS]>,
    reasons: Box<[Reason; CELLS]>,
}

impl LaneTable {
    /// The rules for an engine on io_uring.
    pub fn for_io_uring() -> Self {
        Self::from_rules(Base::Ring)
    }

    /// The rules for an engine on the thread pool.
    pub fn for_threads() -> Self {
        Self::from_rules(Base::Pool)
    }

    /// Everything goes to the backend: to start from.
    pub fn backend_only() -> Self {
        Self {
            routes: Box::new([Route::Backend; CELLS]),
            reasons: Box::new([Reason::Caller; CELLS]),
        }
    }

    pub(crate) fn from_rules(base: Base) -> Self {
        let mut table = Self::backend_only();
        for (op, file_system, direct, queue) in all() {
            let route = rule(base, op, file_system, direct, queue);
            table.put(CellIndex::new(op, file_system, direct, queue), route, Reason::Rule);
        }
        table
    }

    /// The route of a cell. Operations on paths are found under [`FileSystem::Unknown`] and
    /// `direct` false, operations on whole files under `direct` false.
    pub fn route(
        &self,
        op: LaneOp,
        file_system: FileSystem,
        direct: bool,
        queue: QueueLength,
    ) -> Route {
        self.route_at(CellIndex::new(op, file_system, direct, queue))
    }

    /// Why it is this one.
    pub fn reason(
        &self,
        op: LaneOp,
        file_system: FileSystem,
        direct: bool,
        queue: QueueLength,
    ) -> Reason {
        self.reasons[CellIndex::new(op, file_system, direct, queue).0]
    }

    /// Sets the route of one cell.
    pub fn set(
        &mut self,
        op: LaneOp,
        file_system: FileSystem,
        direct: bool,
        queue: QueueLength,
        route: Route,
    ) {
        self.put(CellIndex::new(op, file_system, direct, queue), route, Reason::Caller);
    }

    /// Sets the route of an operation wherever and however it is done.
    pub fn set_everywhere(&mut self, op: LaneOp, route: Route) {
        for (_, file_system, direct, queue) in all().filter(|cell| cell.0 == op) {
            self.set(op, file_system, direct, queue, route);
        }
    }

    #[inline]
    pub(crate) fn route_at(&self, index: CellIndex) -> Route {
        self.routes[index.0]
    }

    /// Sets the route of one cell for this reason.
    pub(super) fn put(&mut self, index: CellIndex, route: Route, reason: Reason) {
        self.routes[index.0] = route;
        self.reasons[index.0] = reason;
    }

    /// What a probe measured decides. Units: nanoseconds per request.
    pub(crate) fn probed(&mut self, figures: &Figures) {
        for figure in &figures.measured {
            let backend_ns = figure.backend_ns;
            for queue in figure.queues {
                let index = CellIndex::new(figure.op, figures.file_system, false, *queue);
                let old = self.route_at(index);
                let reason = Reason::Probed { inline_ns: figure.inline_ns, backend_ns };
                // A tenth is noise.
                let inline_wins = u64::from(figure.inline_ns) * 11 < u64::from(backend_ns) * 10;
                let backend_wins = u64::from(backend_ns) * 11 < u64::from(figure.inline_ns) * 10;
                let route = match (inline_wins, backend_wins) {
                    (true, _) if old.may_be_inline() => old,
                    // A read that the cache does not have must not block those behind it.
                    (true, _) if figure.op == LaneOp::Read => Route::IfCached,
                    (true, _) => Route::Inline,
                    (_, true) => Route::Backend,
                    _ => old,
                };
                self.put(index, route, reason);
            }
        }
    }

    /// Takes every inline call out.
    pub(crate) fn forbid_inline(&mut self) {
        for index in CellIndex::all() {
            if self.route_at(index).may_be_inline() {
                self.put(index, Route::Backend, Reason::Forbidden);
            }
        }
    }

    /// Sends what the ring cannot do to helpers instead.
    pub(crate) fn avoid_ring(&mut self, op: LaneOp) {
        for (_, file_system, direct, queue) in all().filter(|cell| cell.0 == op) {
            let index = CellIndex::new(op, file_system, direct, queue);
            self.put(index, Route::Helpers, Reason::Missing);
        }
    }

    /// Sends what was for helpers to the backend.
    pub(crate) fn without_helpers(&mut self) {
        for route in self.routes.iter_mut().filter(|route| **route == Route::Helpers) {
            *route = Route::Backend;
        }
    }

    /// The cells of one row.
    fn row(&self, op: LaneOp, file_system: FileSystem, direct: bool) -> [(Route, Reason); 4] {
        QueueLength::ALL.map(|queue| {
            let index = CellIndex::new(op, file_system, direct, queue).0;
            (self.routes[index], self.reasons[index])
        })
    }
}

/// All cells that requests can lead to.
fn all() -> impl Iterator<Item = (LaneOp, FileSystem, bool, QueueLength)> {
    rows().flat_map(|(op, file_system, direct)| {
        QueueLength::ALL.into_iter().map(move |queue| (op, file_system, direct, queue))
    })
}

fn rows() -> impl Iterator<Item = (LaneOp, FileSystem, bool)> {
    LaneOp::ALL.into_iter().flat_map(|op| {
        let systems = FileSystem::ALL.into_iter().flat_map(move |file_system| {
            [false, true].into_iter().map(move |direct| (op, file_system, direct))
        });
        // What names a path or nothing has one row.
        systems.filter(move |(op, file_system, direct)| {
            (op.is_on_open_file() || *file_system == FileSystem::Unknown)
                && (op.is_transfer() || !direct)
        })
    })
}

impl fmt::Display for LaneTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["operation", "files", "access", "1", "2-3", "4-15", "16-", "why"];
        write_line(f, &head)?;
        for (op, file_system, direct) in rows().filter(|(op, ..)| *op != LaneOp::Nop) {
            let row = self.row(op, file_system, direct);
            let why = why(&row);
            let access = match (op.is_transfer(), direct) {
                (false, _) => "",
                (true, false) => "buffered",
                (true, true) => "direct",
            };
            let files = if op.is_on_open_file() && file_system == FileSystem::Unknown {
                "no file"
            } else {
                file_system.name()
            };
            let [one, few, some, many] = row.map(|(route, _)| route.name());
            write_line(f, &[op.name(), files, access, one, few, some, many, &why])?;
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, words: &[&str; 8]) -> fmt::Result {
    let [op, files, access, one, few, some, many, why] = words;
    writeln!(f, "{op:<14} {files:<8} {access:<8} {one:<10} {few:<10} {some:<10} {many:<10} {why}")
}

/// The reasons of a row, each once, with the figures.
fn why(row: &[(Route, Reason); 4]) -> String {
    let mut words: Vec<String> = Vec::new();
    for ((_, reason), queue) in row.iter().zip(["1", "2-3", "4-15", "16-"]) {
        let word = match (reason, reason.figures()) {
            (_, Some((how, inline_ns, backend_ns))) => {
                format!("{how} at {queue}: inline {inline_ns} ns, backend {backend_ns} ns")
            }
            (Reason::Caller, _) => String::from("caller"),
            (Reason::Missing, _) => String::from("the ring lacks it"),
            (Reason::Forbidden, _) => String::from("inline calls are forbidden"),
            _ => String::from("rule"),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_cell_has_a_place_of_its_own() {
        let mut seen = HashSet::new();
        for op in LaneOp::ALL {
            for file_system in FileSystem::ALL {
                for direct in [false, true] {
                    for queue in QueueLength::ALL {
                        let index = CellIndex::new(op, file_system, direct, queue);
                        assert_eq!(index.queue(), queue);
                        assert!(seen.insert(index.get()) && index.get() < CELLS);
                    }
                }
            }
        }
        assert_eq!(seen.len(), CELLS);
    }

    #[test]
    fn the_rules_are_those_that_were_measured() {
        use FileSystem::{Btrfs, Ext4, Remote, Tmpfs, Unknown, Xfs};
        use QueueLength::{Few, Many, One, Some};
        let (ring, pool) = (LaneTable::for_io_uring(), LaneTable::for_threads());
        for (op, file_system, direct, queue, on_ring, on_pool) in [
            (LaneOp::Read, Ext4, false, Few, Route::IfCached, Route::IfCached),
            (LaneOp::Read, Ext4, false, Many, Route::Backend, Route::IfCached),
            (LaneOp::Read, Ext4, true, One, Route::Backend, Route::IfAwaited),
            (LaneOp::Read, Ext4, true, Many, Route::Backend, Route::Backend),
            (LaneOp::Read, Tmpfs, false, Many, Route::Inline, Route::Inline),
            (LaneOp::Read, Unknown, false, One, Route::Backend, Route::Backend),
            (LaneOp::Write, Ext4, false, Many, Route::Inline, Route::Inline),
            (LaneOp::Write, Xfs, false, Some, Route::Backend, Route::Inline),
            (LaneOp::Write, Btrfs, true, Many, Route::Helpers, Route::Backend),
            (LaneOp::Write, Remote, false, One, Route::Backend, Route::Backend),
            (LaneOp::DurableWrite, Ext4, true, Many, Route::Backend, Route::Backend),
            (LaneOp::Sync, Ext4, false, One, Route::IfAwaited, Route::IfAwaited),
            (LaneOp::Sync, Ext4, false, Some, Route::Backend, Route::Backend),
            (LaneOp::Sync, Ext4, false, Many, Route::Helpers, Route::Helpers),
            (LaneOp::Stat, Unknown, false, Many, Route::Inline, Route::Inline),
            (LaneOp::Close, Unknown, false, Many, Route::Backend, Route::Inline),
            (LaneOp::Open, Unknown, false, One, Route::Backend, Route::IfAwaited),
        ] {
            let cell = (op, file_system, direct, queue);
            assert_eq!(ring.route(op, file_system, direct, queue), on_ring, "ring {cell:?}");
            assert_eq!(pool.route(op, file_system, direct, queue), on_pool, "pool {cell:?}");
        }
    }

    #[test]
    fn a_table_without_inline_calls_has_none_and_says_so() {
        let mut table = LaneTable::for_threads();
        table.forbid_inline();
        assert!(table.routes.iter().all(|route| !route.may_be_inline()));
        let text = table.to_string();
        assert!(text.contains("inline calls are forbidden"), "{text}");
    }

    #[test]
    fn the_printed_table_has_a_line_for_each_row_and_the_reasons() {
        let mut table = LaneTable::for_io_uring();
        let write = (LaneOp::Write, FileSystem::Ext4, false);
        let index = CellIndex::new(write.0, write.1, write.2, QueueLength::Few);
        let reason = Reason::Observed { inline_ns: 900_000, backend_ns: 7 };
        table.put(index, Route::Backend, reason);
        table.set(write.0, write.1, write.2, QueueLength::Many, Route::Helpers);
        let text = table.to_string();
        let line = text.lines().find(|line| line.starts_with("write          ext4     buffered"));
        let line = line.unwrap();
        assert!(line.contains("inline     backend    inline     helpers"), "{line}");
        let why = "rule; observed at 2-3: inline 900000 ns, backend 7 ns; caller";
        assert!(line.ends_with(why), "{line}");
        // Four transfers in two ways and five other operations on eight file systems, and eight
        // on names.
        assert_eq!(text.lines().count(), 1 + 4 * 2 * 8 + 5 * 8 + 8);
    }
}
