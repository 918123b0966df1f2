//! The files of a job: how many, how large, what they are called, how they are made.
//!
//! Owns the settings and the forming of names. It opens nothing; `target` does. Filled in by
//! `options`.

use std::path::{Path, PathBuf};

use super::JobSpec;
use crate::options::value;

/// An amount of bytes, or a part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Bytes(u64),
    Percent(u8),
}

impl Amount {
    /// Reads `1g` or `20%`.
    pub(crate) fn read(text: &str, kb_base: u64) -> Result<Amount, String> {
        match value::percent(text) {
            Some(percent) => percent.map(Amount::Percent),
            None => value::size_bytes(text, kb_base).map(Amount::Bytes),
        }
    }

    /// The same where nothing at all makes no sense.
    pub(crate) fn read_some(text: &str, kb_base: u64) -> Result<Amount, String> {
        match Amount::read(text, kb_base)? {
            Amount::Bytes(0) => Err("0 is out of range, at least 1 is possible".to_owned()),
            amount => Ok(amount),
        }
    }

    /// The bytes, where the whole has `whole_bytes`.
    pub(crate) fn of(self, whole_bytes: u64) -> u64 {
        match self {
            Amount::Bytes(bytes) => bytes,
            Amount::Percent(percent) => {
                let product = u128::from(whole_bytes) * u128::from(percent) / 100;
                u64::try_from(product).unwrap_or(u64::MAX)
            }
        }
    }

    /// The bytes, where they are known without a file.
    pub(crate) fn bytes(self) -> Option<u64> {
        match self {
            Amount::Bytes(bytes) => Some(bytes),
            Amount::Percent(_) => None,
        }
    }
}

/// Which file the next request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum FileService {
    /// One after the other, this many requests each.
    #[default]
    RoundRobin,
    /// Any.
    Random,
    /// The next one when one is done.
    Sequential,
    /// Some more often than others.
    Skewed(Skew),
}

/// How unevenly things are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Skew {
    Zipf(f64),
    Pareto(f64),
    /// Standard deviation in percent of the whole.
    Normal(f64),
}

impl Skew {
    /// Reads the number of a distribution called `name`; `None` if there is no such distribution.
    pub(crate) fn read(name: &str, number: &str) -> Option<Result<Skew, String>> {
        let (default, low, high): (f64, f64, f64) = match name {
            "zipf" => (1.1, 0.0, 100.0),
            "pareto" => (0.2, 0.0, 1.0),
            "normal" | "gauss" => (50.0, 0.0, 100.0),
            _ => return None,
        };
        let value = if number.is_empty() { Ok(default) } else { number.parse::<f64>() };
        let value = match value {
            Ok(value) if value > low && (value < high || name == "normal" && value <= high) => {
                value
            }
            _ => {
                return Some(Err(format!("'{number}' is not between {low} and {high} for {name}")));
            }
        };
        // The formula of zipf has a pole there.
        if name == "zipf" && value == 1.0 {
            return Some(Err("theta must not be 1.0; write e.g. zipf:1.01".to_owned()));
        }
        Some(Ok(match name {
            "zipf" => Skew::Zipf(value),
            "pareto" => Skew::Pareto(value),
            _ => Skew::Normal(value),
        }))
    }
}

impl FileService {
    /// Reads `random`, `roundrobin:8`, `zipf:1.2`, .. and how many requests a file gets in a row.
    pub(crate) fn read(text: &str) -> Result<(FileService, u64), String> {
        let (name, number) = text.split_once(':').unwrap_or((text, ""));
        let plain = match name {
            "roundrobin" => FileService::RoundRobin,
            "random" => FileService::Random,
            "sequential" => FileService::Sequential,
            _ => {
                let words = "random, roundrobin, sequential, zipf, pareto, normal";
                let skew = Skew::read(name, number)
                    .unwrap_or_else(|| Err(format!("'{name}' is none of {words}")))?;
                return Ok((FileService::Skewed(skew), 1));
            }
        };
        let in_a_row = if number.is_empty() { 1 } else { value::integer(number)?.max(1) };
        Ok((plain, in_a_row))
    }
}

/// What happens to the space of a file that is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fallocate {
    /// Nothing.
    None,
    /// It is reserved where the file system can.
    #[default]
    Native,
    /// The same, but the file's length stays.
    Keep,
    /// The file gets its length and holes.
    Truncate,
}

impl Fallocate {
    /// The accepted words.
    pub(crate) const NAMES: &'static [&'static str] =
        &["none", "native", "posix", "keep", "truncate", "0", "1"];

    /// What is called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Fallocate> {
        match name {
            "none" | "0" => Some(Fallocate::None),
            "native" | "posix" | "1" => Some(Fallocate::Native),
            "keep" => Some(Fallocate::Keep),
            "truncate" => Some(Fallocate::Truncate),
            _ => None,
        }
    }
}

/// The files of a job.
#[derive(Clone, Debug)]
pub(crate) struct FilesSpec {
    /// How many; more names in `filename` than this count all the same.
    pub(crate) count: u32,
    pub(crate) format: Option<String>,
    /// The size of each file, drawn from this range.
    pub(crate) size_bytes: Option<(u64, u64)>,
    pub(crate) service: FileService,
    /// Requests in a row to one file.
    pub(crate) in_a_row: u64,
    pub(crate) fallocate: Fallocate,
    pub(crate) pre_read: bool,
    pub(crate) create_on_open: bool,
    pub(crate) allow_create: bool,
    /// Write until the device or the file system is full.
    pub(crate) fill_device: bool,
}

impl Default for FilesSpec {
    fn default() -> FilesSpec {
        FilesSpec {
            count: 1,
            format: None,
            size_bytes: None,
            service: FileService::RoundRobin,
            in_a_row: 1,
            fallocate: Fallocate::Native,
            pre_read: false,
            create_on_open: false,
            allow_create: true,
            fill_device: false,
        }
    }
}

impl JobSpec {
    /// The names in `filename`: fio separates several by colons, and `\:` is a colon.
    pub(crate) fn named_files(&self) -> Vec<PathBuf> {
        let Some(text) = &self.filename else { return Vec::new() };
        let mut names = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if characters.peek() == Some(&':') => {
                    characters.next();
                    names.last_mut().into_iter().for_each(|name| name.push(':'));
                }
                ':' => names.push(String::new()),
                _ => names.last_mut().into_iter().for_each(|name| name.push(character)),
            }
        }
        names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
    }

    /// The paths of the files of copy number `copy`.
    pub(crate) fn paths(&self, copy: u32) -> Vec<PathBuf> {
        let directory = self.directory.clone().unwrap_or_default();
        let named = self.named_files();
        if !named.is_empty() {
            return named.iter().map(|name| directory.join(name)).collect();
        }
        let start = if self.directory.is_none() { Path::new(".") } else { &directory };
        (0..self.files.count).map(|file| start.join(self.file_name(copy, file))).collect()
    }

    fn file_name(&self, copy: u32, file: u32) -> String {
        let format = self.files.format.as_deref().unwrap_or("$jobname.$jobnum.$filenum");
        format
            .replace("$jobname", &self.name)
            .replace("$jobnum", &copy.to_string())
            .replace("$filenum", &file.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JobSpec {
        JobSpec { name: "x".to_owned(), ..JobSpec::default() }
    }

    #[test]
    fn several_names_are_separated_by_colons() {
        let text = |filename: &str| {
            let spec = JobSpec { filename: Some(filename.to_owned()), ..spec() };
            spec.paths(0).iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(text("a:b"), ["a", "b"]);
        assert_eq!(text(r"a\:b:c"), ["a:b", "c"]);
        assert_eq!(text("/dev/sda"), ["/dev/sda"]);
    }

    #[test]
    fn formats_know_job_copy_and_file() {
        let files = FilesSpec {
            count: 2,
            format: Some("$jobname-$filenum-$jobnum".to_owned()),
            ..FilesSpec::default()
        };
        let spec = JobSpec { directory: Some("/d".into()), files, ..spec() };
        assert_eq!(spec.paths(3), [Path::new("/d/x-0-3"), Path::new("/d/x-1-3")]);
    }

    #[test]
    fn skews_are_checked() {
        assert_eq!(FileService::read("zipf:1.2"), Ok((FileService::Skewed(Skew::Zipf(1.2)), 1)));
        assert_eq!(FileService::read("roundrobin:8"), Ok((FileService::RoundRobin, 8)));
        for text in ["zipf:1.0", "zipf:-1", "pareto:1.5", "nearest", "normal:0", "zipf:x"] {
            assert!(FileService::read(text).is_err(), "{text}");
        }
    }
}
