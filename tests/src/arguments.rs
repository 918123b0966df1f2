//! The command lines of this package's programs: names with values, and words. Knows no program's
//! options but by the names that it is given.

use std::collections::BTreeMap;

/// What a command line says.
#[derive(Debug, Default)]
pub struct Arguments {
    values: BTreeMap<String, String>,
    words: Vec<String>,
    wrong: Option<String>,
}

impl Arguments {
    /// This process's, with these names.
    pub fn of_process(names: &[&str]) -> Self {
        Self::new(std::env::args().skip(1), names)
    }

    /// Of these words.
    pub fn new(words: impl IntoIterator<Item = String>, names: &[&str]) -> Self {
        let mut this = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if names.contains(&word.as_str()) {
                match words.next() {
                    Some(value) => _ = this.values.insert(word, value),
                    None => this.complain(format!("{word} needs a value")),
                }
            } else if word.starts_with("--") {
                this.complain(format!("unknown option {word}: known are {}", names.join(", ")));
            } else {
                this.words.push(word);
            }
        }
        this
    }

    fn complain(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// The whole number of an option, or a default.
    pub fn number(&mut self, name: &str, default: u64) -> u64 {
        let Some(text) = self.values.get(name) else { return default };
        match text.parse() {
            Ok(number) => number,
            Err(_) => {
                self.complain(format!("{name} {text}: not a whole number"));
                default
            }
        }
    }

    /// The text of an option, or a default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.values.get(name).map_or_else(|| default.to_owned(), String::clone)
    }

    /// What is no option.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The first thing that is wrong.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_values_and_what_is_wrong_is_named() {
        let read = |line: &str| Arguments::new(line.split(' ').map(String::from), &["--a", "--b"]);
        let mut arguments = read("--a 7 word --b text");
        assert_eq!((arguments.number("--a", 1), arguments.number("--c", 2)), (7, 2));
        assert_eq!(
            (arguments.text("--b", ""), arguments.words()),
            ("text".into(), &["word".into()][..])
        );
        assert_eq!(arguments.wrong(), None);
        for (line, wrong) in [("--a", "--a needs"), ("--x 1", "unknown option --x")] {
            assert!(read(line).wrong().unwrap().contains(wrong));
        }
        let mut arguments = read("--a x");
        arguments.number("--a", 1);
        assert_eq!(arguments.wrong(), Some("--a x: not a whole number"));
    }
}
