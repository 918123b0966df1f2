//! What the guest says while it writes: what it begins, and what has been acknowledged. One line of
//! text each, in the order of time among the writes of the disk.

use std::fmt;
use std::str::FromStr;

/// A part of a file, in whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first sector.
    pub place: u64,
    /// How many sectors.
    pub sectors: u64,
}

impl Extent {
    /// Its sectors.
    pub fn places(&self) -> std::ops::Range<u64> {
        self.place..self.place + self.sectors
    }
}

/// What a cell's file is to its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sectors that are written each for itself, through the page cache.
    Sectors,
    /// The same past the page cache.
    Direct,
    /// One value, which is replaced as a whole.
    Whole,
}

/// What the guest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A cell's file is there, its name and its contents are lasting.
    Made {
        /// Which.
        cell: String,
        /// How it is used.
        kind: Kind,
        /// Its length in sectors.
        sectors: u64,
        /// So many of them are of operation 1, the rest has not been written.
        filled: u64,
    },
    /// An operation is about to be submitted.
    Begun {
        /// Whose.
        cell: String,
        /// Its number, from 2.
        op: u32,
        /// What it writes. Each group is lasting before the next is written.
        groups: Vec<Vec<Extent>>,
    },
    /// An operation was acknowledged: its data are lasting.
    Acked {
        /// Whose.
        cell: String,
        /// Its number.
        op: u32,
    },
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.place, self.sectors)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made { cell, kind, sectors, filled } => {
                let kind = match kind {
                    Kind::Sectors => "sectors",
                    Kind::Direct => "direct",
                    Kind::Whole => "whole",
                };
                write!(f, "made {cell} {kind} {sectors} {filled}")
            }
            Self::Begun { cell, op, groups } => {
                let extents = |group: &Vec<Extent>| {
                    group.iter().map(Extent::to_string).collect::<Vec<_>>().join(",")
                };
                let groups: Vec<String> = groups.iter().map(extents).collect();
                write!(f, "begun {cell} {op} {}", groups.join("/"))
            }
            Self::Acked { cell, op } => write!(f, "acked {cell} {op}"),
        }
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let mark = match words.as_slice() {
            ["made", cell, kind, sectors, filled] => Some(Self::Made {
                cell: (*cell).to_owned(),
                kind: match *kind {
                    "sectors" => Kind::Sectors,
                    "direct" => Kind::Direct,
                    "whole" => Kind::Whole,
                    other => return Err(format!("no kind: {other}")),
                },
                sectors: number(sectors)?,
                filled: number(filled)?,
            }),
            ["begun", cell, op, groups] => Some(Self::Begun {
                cell: (*cell).to_owned(),
                op: number(op)?,
                groups: groups
                    .split('/')
                    .map(|group| group.split(',').map(extent).collect())
                    .collect::<Result<_, _>>()?,
            }),
            ["acked", cell, op] => Some(Self::Acked { cell: (*cell).to_owned(), op: number(op)? }),
            _ => None,
        };
        mark.ok_or_else(|| format!("no mark: {text}"))
    }
}

fn extent(text: &str) -> Result<Extent, String> {
    let (place, sectors) = text.split_once('+').ok_or_else(|| format!("no extent: {text}"))?;
    Ok(Extent { place: number(place)?, sectors: number(sectors)? })
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_written_and_other_text_is_refused() {
        for line in ["made a whole 8 8", "begun a 2 0+1,4+2/6+1", "begun b 3 9+1", "acked a 2"] {
            assert_eq!(line.parse::<Mark>().map(|mark| mark.to_string()).as_deref(), Ok(line));
        }
        for line in [
            "",
            "made a other 8 8",
            "made a direct 8",
            "begun a 2 x",
            "begun a 2 1",
            "acked a -1",
            "acked a",
        ] {
            assert!(line.parse::<Mark>().is_err(), "{line}");
        }
    }
}
