//! Whether what a power failure has left breaks a promise. The rules are those that `sim` states
//! for its disk (`What survives a power failure`), put down once more and independently, for what
//! the cells do: a sector shows the newest acknowledged operation or one that may have come after
//! it; a length lies between what was acknowledged and what was begun; what is replaced as a whole
//! is one of its values; and what a chain wrote behind a sync is there only with what is before it.

use super::SECTOR_LEN_BYTES;
use super::block::Seen;
use super::dump::Dump;
use super::mark::{Extent, Kind, Mark};
use std::collections::BTreeMap;

/// What one cell had begun and was promised.
#[derive(Debug)]
struct Cell {
    kind: Kind,
    sectors: u64,
    filled: u64,
    ops: BTreeMap<u32, Op>,
}

#[derive(Debug)]
struct Op {
    groups: Vec<Vec<Extent>>,
    /// When, in marks.
    begun: usize,
    acked: Option<usize>,
}

/// All that was said up to a moment.
#[derive(Debug, Default)]
pub struct History {
    cells: BTreeMap<String, Cell>,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// To which cell.
    pub cell: String,
    /// What is wrong.
    pub why: String,
}

impl History {
    /// Out of what the guest said.
    ///
    /// # Errors
    /// When that makes no sense.
    pub fn of<'a>(marks: impl Iterator<Item = &'a Mark>) -> Result<Self, String> {
        let mut this = Self::default();
        for (time, mark) in marks.enumerate() {
            let senseless = || format!("mark {time} makes no sense: {mark}");
            match mark {
                Mark::Made { cell, kind, sectors, filled } => {
                    let (kind, sectors, filled) = (*kind, *sectors, *filled);
                    let made = Cell { kind, sectors, filled, ops: BTreeMap::new() };
                    if this.cells.insert(cell.clone(), made).is_some() {
                        return Err(senseless());
                    }
                }
                Mark::Begun { cell, op, groups } => {
                    let cell = this.cells.get_mut(cell).ok_or_else(senseless)?;
                    let begun = Op { groups: groups.clone(), begun: time, acked: None };
                    if cell.ops.insert(*op, begun).is_some() {
                        return Err(senseless());
                    }
                }
                Mark::Acked { cell, op } => {
                    let cell = this.cells.get_mut(cell).ok_or_else(senseless)?;
                    cell.ops.get_mut(op).ok_or_else(senseless)?.acked = Some(time);
                }
            }
        }
        Ok(this)
    }

    /// How many operations were acknowledged.
    pub fn acked(&self) -> usize {
        let ops = self.cells.values().flat_map(|cell| cell.ops.values());
        ops.filter(|op| op.acked.is_some()).count()
    }

    /// What is wrong with these files, each cell at most once.
    pub fn violations(&self, dumps: &[Dump]) -> Vec<Violation> {
        let judge = |(name, cell): (&String, &Cell)| {
            let why = match dumps.iter().find(|dump| dump.cell == *name) {
                Some(dump) => cell.judge(dump).err()?,
                None => "the file is gone".to_owned(),
            };
            Some(Violation { cell: name.clone(), why })
        };
        self.cells.iter().filter_map(judge).collect()
    }
}

/// The newest operation that must show at each place, and when it began: it or a later one.
type Floors = BTreeMap<u64, (u32, usize)>;

impl Cell {
    fn judge(&self, dump: &Dump) -> Result<(), String> {
        self.judge_length(dump.len)?;
        match self.kind {
            Kind::Sectors | Kind::Direct => {
                let floors = self.floors(dump);
                for (place, seen) in (0..).zip(&dump.sectors) {
                    self.judge_sector(place, *seen, floors.get(&place).copied())?;
                }
                Ok(())
            }
            Kind::Whole => self.judge_whole(dump),
        }
    }

    fn judge_length(&self, len: u64) -> Result<(), String> {
        let end_of = |op: &Op| {
            let extents = op.groups.iter().flatten();
            extents.map(|extent| extent.place + extent.sectors).max().unwrap_or(0)
        };
        let acked = self.ops.values().filter(|op| op.acked.is_some()).map(end_of);
        let least = acked.max().unwrap_or(0).max(self.sectors) * SECTOR_LEN_BYTES;
        let most = self.ops.values().map(end_of).max().unwrap_or(0).max(self.sectors);
        let most = most * SECTOR_LEN_BYTES;
        match (least..=most).contains(&len) {
            true => Ok(()),
            false => Err(format!("{len} bytes long, not {least} to {most}")),
        }
    }

    fn floors(&self, dump: &Dump) -> Floors {
        let mut floors = Floors::new();
        for (number, op) in &self.ops {
            let lasting = match op.acked {
                Some(_) => op.groups.len(),
                // The last group that shows was begun when those before it were lasting.
                None => {
                    op.groups.iter().rposition(|group| shows(*number, group, dump)).unwrap_or(0)
                }
            };
            for place in op.groups[..lasting].iter().flatten().flat_map(Extent::places) {
                let floor = floors.entry(place).or_insert((*number, op.begun));
                if floor.1 < op.begun {
                    *floor = (*number, op.begun);
                }
            }
        }
        floors
    }

    fn judge_sector(
        &self,
        place: u64,
        seen: Seen,
        floor: Option<(u32, usize)>,
    ) -> Result<(), String> {
        let what = match seen {
            Seen::Torn { front, back } => {
                // What is written through the page cache while it is on its way to the disk comes
                // there in part. That is nobody's promise until the write is acknowledged.
                let in_flight = |number| {
                    let op = self.ops.get(number);
                    op.is_some_and(|op| op.acked.is_none() && op.writes(place))
                };
                let parts = [front, back];
                let is_right = |number| self.judge_sector(place, Seen::Op(number), floor).is_ok();
                if self.kind == Kind::Sectors
                    && parts.iter().any(in_flight)
                    && parts.into_iter().all(is_right)
                {
                    return Ok(());
                }
                format!("a mixture of operations {front} and {back}")
            }
            Seen::Foreign => "what nobody wrote there".to_owned(),
            Seen::Zeros if floor.is_none() && place >= self.filled => return Ok(()),
            Seen::Zeros => "zeros".to_owned(),
            Seen::Op(1) if floor.is_none() && place < self.filled => return Ok(()),
            Seen::Op(number) => match self.ops.get(&number) {
                // Unless it was over before the other one began.
                Some(op) if op.writes(place) && !op.is_over_before(floor) => return Ok(()),
                Some(_) | None => format!("operation {number}"),
            },
        };
        let needed = floor.map_or("nothing".to_owned(), |(op, _)| format!("operation {op}"));
        Err(format!("sector {place} shows {what}; acknowledged: {needed}"))
    }

    fn judge_whole(&self, dump: &Dump) -> Result<(), String> {
        let first = dump.sectors.first().copied().unwrap_or(Seen::Zeros);
        if dump.sectors.iter().any(|seen| *seen != first) {
            return Err(format!("a mixture: {}", dump.line()));
        }
        let Seen::Op(number) = first else { return Err(format!("no value: {}", dump.line())) };
        let newest = self.ops.iter().filter(|(_, op)| op.acked.is_some()).map(|(op, _)| *op).max();
        let least = newest.unwrap_or(1);
        let is_known = number == 1 || self.ops.contains_key(&number);
        match is_known && number >= least {
            true => Ok(()),
            false => Err(format!("value {number}, and {least} was acknowledged")),
        }
    }
}

/// Whether any sector shows what an operation wrote there.
fn shows(number: u32, group: &[Extent], dump: &Dump) -> bool {
    group.iter().flat_map(Extent::places).any(|place| {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        dump.sectors.get(place) == Some(&Seen::Op(number))
    })
}

impl Op {
    fn writes(&self, place: u64) -> bool {
        self.groups.iter().flatten().any(|extent| extent.places().contains(&place))
    }

    fn is_over_before(&self, floor: Option<(u32, usize)>) -> bool {
        floor.is_some_and(|(_, begun)| self.acked.is_some_and(|acked| acked < begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(marks: &str, dump: &str) -> String {
        let marks: Vec<Mark> = marks.lines().map(|line| line.trim().parse().unwrap()).collect();
        let history = History::of(marks.iter()).unwrap();
        let violations = history.violations(&[Dump::from_line(dump).unwrap()]);
        violations.into_iter().map(|violation| violation.why).collect::<Vec<_>>().join(" | ")
    }

    const SECTORS: &str = "made a sectors 4 2\nbegun a 2 0+2\nacked a 2\nbegun a 3 1+2";

    #[test]
    fn a_sector_shows_what_was_acknowledged_or_something_that_may_be_later() {
        for good in ["2*2 -*2", "2*1 3*2 -*1", "2*2 3*1 -*1"] {
            assert_eq!(judged(SECTORS, &format!("a 2048 {good}")), "");
        }
        for (bad, why) in [
            ("1*1 2*1 -*2", "sector 0 shows operation 1; acknowledged: operation 2"),
            ("-*1 2*1 -*2", "sector 0 shows zeros; acknowledged: operation 2"),
            ("2*2 -*1 3*1", "sector 3 shows operation 3; acknowledged: nothing"),
            ("2*1 !*1 -*2", "sector 1 shows what nobody wrote there"),
            ("2*2 4*1 -*1", "sector 2 shows operation 4; acknowledged: nothing"),
        ] {
            assert!(judged(SECTORS, &format!("a 2048 {bad}")).contains(why), "{bad}");
        }
        // Both at once: either may be the last.
        let both = "made a sectors 4 2\nbegun a 2 0+1\nbegun a 3 0+1\nacked a 3\nacked a 2";
        assert_eq!(judged(both, "a 2048 2*1 1*1 -*2"), "");
        let later = format!("{both}\nbegun a 4 0+1\nacked a 4");
        assert!(judged(&later, "a 2048 2*1 1*1 -*2").contains("operation 2; acknowledged"));
    }

    #[test]
    fn a_torn_sector_is_right_only_while_one_of_both_is_written_through_the_page_cache() {
        assert_eq!(judged(SECTORS, "a 2048 2*1 3|2*1 -*2"), "");
        assert_eq!(judged(SECTORS, "a 2048 2*1 2|3*1 -*2"), "");
        let wrong = "sector 1 shows a mixture of operations 3 and";
        assert!(judged(SECTORS, "a 2048 2*1 3|1*1 -*2").contains(wrong), "1 is replaced");
        let acked = format!("{SECTORS}\nacked a 3");
        assert!(judged(&acked, "a 2048 2*1 3|2*1 3*1 -*1").contains(wrong), "3 is over");
        let direct = SECTORS.replace("sectors", "direct");
        assert!(judged(&direct, "a 2048 2*1 3|2*1 -*2").contains(wrong), "no page cache");
    }

    #[test]
    fn a_length_lies_between_what_was_acknowledged_and_what_was_begun() {
        let marks = "made a sectors 0 0\nbegun a 2 0+2\nacked a 2\nbegun a 3 2+2";
        assert_eq!(judged(marks, "a 1536 2*2 -*1"), "");
        assert!(judged(marks, "a 512 2*1").contains("512 bytes long, not 1024 to 2048"));
        assert!(judged(marks, "a 2560 2*2 3*2 -*1").contains("not 1024 to 2048"));
    }

    #[test]
    fn what_stands_behind_a_sync_is_there_only_with_what_is_before_it() {
        let marks = "made a sectors 4 4\nbegun a 2 0+1/3+1";
        for good in ["1*4", "2*1 1*3", "2*1 1*2 2*1"] {
            assert_eq!(judged(marks, &format!("a 2048 {good}")), "");
        }
        assert!(judged(marks, "a 2048 1*3 2*1").contains("sector 0 shows operation 1"));
    }

    #[test]
    fn a_whole_value_is_one_of_those_that_may_be_there() {
        let marks = "made a whole 2 2\nbegun a 2 0+2\nacked a 2\nbegun a 3 0+2";
        for good in ["2*2", "3*2"] {
            assert_eq!(judged(marks, &format!("a 1024 {good}")), "");
        }
        for (bad, why) in
            [("1*2", "value 1, and 2"), ("2*1 3*1", "a mixture"), ("-*2", "no"), ("4*2", "value 4")]
        {
            assert!(judged(marks, &format!("a 1024 {bad}")).contains(why), "{bad}");
        }
        let history = History::of(["made a whole 2 2".parse().unwrap()].iter()).unwrap();
        assert_eq!(history.violations(&[])[0].why, "the file is gone");
    }

    #[test]
    fn marks_that_make_no_sense_are_refused() {
        for wrong in ["acked a 2", "made a whole 1 1\nacked a 2", "begun a 2 0+1"] {
            let marks: Vec<Mark> = wrong.lines().map(|line| line.parse().unwrap()).collect();
            assert!(History::of(marks.iter()).is_err(), "{wrong}");
        }
    }
}
