//! What the files of the cells hold on one image, as the guest reads it and tells the host.

use super::SECTOR_LEN;
use super::block::{self, Seen};
use std::path::Path;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Whose.
    pub cell: String,
    /// Its length. Units: bytes.
    pub len: u64,
    /// What its sectors show; a last one that is not whole counts as one.
    pub sectors: Vec<Seen>,
}

impl Dump {
    /// Reads the file of a cell, which has its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(folder: &Path, cell: &str) -> std::io::Result<Self> {
        let bytes = std::fs::read(folder.join(cell))?;
        Ok(Self::of(cell, &bytes))
    }

    /// Of these contents.
    pub fn of(cell: &str, bytes: &[u8]) -> Self {
        let parts = (0..).zip(bytes.chunks(SECTOR_LEN));
        let sectors = parts.map(|(place, part)| block::seen(cell, place, part)).collect();
        Self { cell: cell.to_owned(), len: bytes.len() as u64, sectors }
    }

    /// As one line: name, length, and runs of equal sectors.
    pub fn line(&self) -> String {
        let mut line = format!("{} {}", self.cell, self.len);
        for run in self.sectors.chunk_by(|one, other| one == other) {
            let what = match run.first() {
                Some(Seen::Op(op)) => op.to_string(),
                Some(Seen::Torn { front, back }) => format!("{front}|{back}"),
                Some(Seen::Foreign) => "!".to_owned(),
                Some(Seen::Zeros) | None => "-".to_owned(),
            };
            line.push_str(&format!(" {what}*{}", run.len()));
        }
        line
    }

    /// Reads such a line.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_line(line: &str) -> Result<Self, String> {
        let wrong = || format!("no dump: {line}");
        let mut words = line.split(' ');
        let cell = words.next().ok_or_else(wrong)?.to_owned();
        let len = words.next().and_then(|len| len.parse().ok()).ok_or_else(wrong)?;
        let mut sectors = Vec::new();
        for word in words {
            let (what, count) = word.split_once('*').ok_or_else(wrong)?;
            let what = match what {
                "-" => Seen::Zeros,
                "!" => Seen::Foreign,
                op => match op.split_once('|') {
                    Some((front, back)) => Seen::Torn {
                        front: front.parse().map_err(|_| wrong())?,
                        back: back.parse().map_err(|_| wrong())?,
                    },
                    None => Seen::Op(op.parse().map_err(|_| wrong())?),
                },
            };
            let count: usize = count.parse().map_err(|_| wrong())?;
            sectors.resize(sectors.len() + count, what);
        }
        Ok(Self { cell, len, sectors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_from_its_line_run_by_run() {
        let mut bytes = vec![0; 5 * SECTOR_LEN + 10];
        block::fill("a", 3, 1, &mut bytes[SECTOR_LEN..3 * SECTOR_LEN]);
        bytes[4 * SECTOR_LEN] = 9;
        let dump = Dump::of("a", &bytes);
        assert_eq!(dump.line(), "a 2570 -*1 3*2 -*1 !*1 -*1");
        assert_eq!(Dump::from_line(&dump.line()), Ok(dump));
        assert_eq!(Dump::from_line("a 0").map(|dump| dump.sectors.len()), Ok(0));
        let torn = Dump::from_line("a 512 7|8*1").expect("a dump");
        assert_eq!(torn.sectors, [Seen::Torn { front: 7, back: 8 }]);
        assert_eq!(torn.line(), "a 512 7|8*1");
        assert!(Dump::from_line("a b").is_err() && Dump::from_line("a 1 x").is_err());
    }
}
