//! Colours on a terminal, and nowhere else.
//!
//! Owns when there are any: stdout is a terminal, `NO_COLOR` is not set (no-color.org) and `TERM`
//! is not `dumb`. It never colours JSON. Used by the tables of `doctor`, `compare` and `tune`.

use std::env;
use std::io::IsTerminal;

/// What a word means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Quiet,
    Strong,
}

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    coloured: bool,
}

impl Paint {
    /// For text that goes to stdout.
    pub(crate) fn for_stdout() -> Paint {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Paint { coloured: std::io::stdout().is_terminal() && !refused && !dumb }
    }

    /// For text that stays plain.
    #[cfg(test)]
    pub(crate) fn plain() -> Paint {
        Paint { coloured: false }
    }

    /// The word in its tone.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Quiet => 2,
            Tone::Strong => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_plain_and_painted_text_ends_its_colour() {
        assert_eq!(Paint::plain().tone(Tone::Bad, "no"), "no");
        assert_eq!(Paint { coloured: true }.tone(Tone::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
