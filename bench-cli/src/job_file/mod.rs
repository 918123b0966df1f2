//! fio's job files: sections, options, comments, includes.
//!
//! Owns the syntax and the place of each line, for messages. It knows no option and applies
//! nothing; `plan` does. Called by `main` for each job file of the command line.

mod expand;

pub(crate) use expand::expand;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// How deep includes may be nested: deeper is a file that includes itself.
const INCLUDE_DEPTH_MAX: u32 = 8;

/// One line `name=value` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it stands: `job.fio:12`.
    pub(crate) place: String,
    pub(crate) name: String,
    /// What stands behind the `=`; variables and keywords are replaced by [`expand()`].
    pub(crate) value: Option<String>,
}

/// A section, or what stands in `[global]` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) lines: Vec<Line>,
}

impl Section {
    /// Whether its lines are for all sections that follow.
    pub(crate) fn is_global(&self) -> bool {
        self.name == "global"
    }
}

/// Reads a job file; `-` is the standard input.
///
/// # Errors
///
/// A usage error that begins with the file and the line.
pub(crate) fn read(path: &Path) -> Result<Vec<Section>, Error> {
    let mut reader = Reader { sections: Vec::new(), depth: 0 };
    reader.file(path)?;
    if reader.sections.iter().all(Section::is_global) {
        return Err(Error::usage(format!(
            "{}: there is no job in it; begin one with a name in brackets, e.g. [job]",
            path.display()
        )));
    }
    Ok(reader.sections)
}

struct Reader {
    sections: Vec<Section>,
    depth: u32,
}

impl Reader {
    fn file(&mut self, path: &Path) -> Result<(), Error> {
        let text = contents(path)?;
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), index + 1);
            let line = without_comment(line);
            if !line.is_empty() {
                self.line(path, place, line)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, path: &Path, place: String, line: &str) -> Result<(), Error> {
        if let Some(rest) = line.strip_prefix('[') {
            return self.section(place, rest);
        }
        if let Some(name) = line.strip_prefix("include ").or_else(|| line.strip_prefix("include\t"))
        {
            return self.include(path, &place, name.trim());
        }
        let Some(section) = self.sections.last_mut() else {
            return Err(Error::usage(format!(
                "{place}: '{line}' stands before the first section; begin one with \
                 [global] or [name]"
            )));
        };
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (line, None),
        };
        let value = value.map(str::to_owned);
        section.lines.push(Line { place, name: name.to_owned(), value });
        Ok(())
    }

    fn section(&mut self, place: String, rest: &str) -> Result<(), Error> {
        if self.depth > 0 {
            return Err(Error::usage(format!(
                "{place}: an included file has options and no sections; leave '[{rest}' out"
            )));
        }
        let name = rest.strip_suffix(']').map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(Error::usage(format!(
                "{place}: '[{rest}' is not a section; write its name in brackets, e.g. [job]"
            )));
        };
        self.sections.push(Section { name: name.to_owned(), place, lines: Vec::new() });
        Ok(())
    }

    fn include(&mut self, path: &Path, place: &str, name: &str) -> Result<(), Error> {
        if self.sections.is_empty() {
            return Err(Error::usage(format!(
                "{place}: 'include {name}' stands before the first section"
            )));
        }
        if self.depth == INCLUDE_DEPTH_MAX {
            return Err(Error::usage(format!(
                "{place}: 'include {name}' is nested more than {INCLUDE_DEPTH_MAX} deep; does a \
                 file include itself?"
            )));
        }
        // As in fio: seen from the working folder first, then from the file that includes it.
        let plain = PathBuf::from(name);
        let beside = path.parent().map(|folder| folder.join(name));
        let found = if plain.exists() { plain } else { beside.unwrap_or(plain) };
        self.depth += 1;
        let result = self.file(&found);
        self.depth -= 1;
        result.map_err(|error| Error::usage(format!("{place}: {error}")))
    }
}

fn contents(path: &Path) -> Result<String, Error> {
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let shown = path.display();
    let bytes = bytes.map_err(|error| {
        Error::usage(format!("cannot read the job file '{shown}': {error}; check the path"))
    })?;
    String::from_utf8(bytes)
        .map_err(|_| Error::usage(format!("the job file '{shown}' is not UTF-8; save it as UTF-8")))
}

/// fio cuts a line at the first `;` or `#`, wherever it stands.
fn without_comment(line: &str) -> &str {
    let end = line.find([';', '#']).unwrap_or(line.len());
    line[..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(text: &str) -> Result<Vec<Section>, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let shown = file.path().display().to_string();
        read(file.path()).map_err(|error| error.to_string().replace(&shown, "FILE"))
    }

    #[test]
    fn sections_have_their_options_and_comments_are_cut() {
        let text =
            "; a comment\n# another\n[global]\nbs = 4k ; block\n\n[a job]\n rw=read\ndirect\n";
        let sections = sections(text).expect("valid");
        assert_eq!(sections.len(), 2);
        assert!(sections[0].is_global());
        assert_eq!(sections[0].lines[0].value.as_deref(), Some("4k"));
        assert_eq!(sections[1].name, "a job");
        let names: Vec<_> = sections[1].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["rw", "direct"]);
        assert_eq!(sections[1].lines[1].value, None);
        assert!(sections[1].lines[0].place.ends_with(":7"));
    }

    #[test]
    fn includes_are_found_beside_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("part.inc"), "bs=8k\n").expect("written");
        let main = folder.path().join("main.fio");
        std::fs::write(&main, "[job]\ninclude part.inc\nrw=read\n").expect("written");
        let sections = read(&main).expect("valid");
        let names: Vec<_> = sections[0].lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["bs", "rw"]);
        assert!(sections[0].lines[0].place.ends_with("part.inc:1"));

        std::fs::write(folder.path().join("part.inc"), "include part.inc\n").expect("written");
        let error = read(&main).expect_err("endless").to_string();
        assert!(error.contains("include itself"), "{error}");
        std::fs::write(folder.path().join("part.inc"), "[x]\n").expect("written");
        let error = read(&main).expect_err("a section").to_string();
        assert!(error.contains("no sections"), "{error}");
    }

    #[test]
    fn errors_name_the_line_and_what_to_do() {
        for (text, words) in [
            ("bs=4k\n", "FILE:1: 'bs=4k' stands before the first section"),
            ("[a\n", "FILE:1: '[a' is not a section"),
            ("[]\n", "FILE:1: '[]' is not a section"),
            ("[global]\nbs=4k\n", "FILE: there is no job in it"),
            ("[a]\ninclude missing.inc\n", "FILE:2: cannot read the job file"),
            ("include x\n", "FILE:1: 'include x' stands before the first section"),
        ] {
            let error = sections(text).expect_err("refused");
            assert!(error.starts_with(words), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let error = read(Path::new("no/such.fio")).expect_err("refused").to_string();
        assert!(error.contains("'no/such.fio'") && error.contains("check the path"), "{error}");
    }
}
