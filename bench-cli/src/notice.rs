//! What the program says beside the report: one line on stderr at a time.
//!
//! Owns the rule that a line that cannot be written is lost and nothing else: no panic, no error.
//! A closed or full stderr must not keep the created files from being removed. Used everywhere
//! instead of `eprintln!`, which panics then; the live progress line is `progress`'s own.

use std::io::{self, Write};

/// Writes one line.
pub(crate) fn line(text: &str) {
    write_line(&mut io::stderr().lock(), text);
}

fn write_line(out: &mut impl Write, text: &str) {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    for character in text.chars() {
        // A path with a line break in it would look like two messages.
        if character.is_control() {
            bytes.extend(character.escape_default().map(|escaped| escaped as u8));
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    bytes.push(b'\n');
    // In one piece, so that lines of several threads do not mix. There is no place left to
    // complain at if it fails.
    let _ = out.write_all(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        let mut out = Vec::new();
        write_line(&mut out, "cannot open 'a\nb\u{1b}[2J' für dich");
        let expected = "cannot open 'a\\nb\\u{1b}[2J' für dich\n";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_no_more() {
        let mut full: &mut [u8] = &mut [0; 3];
        write_line(&mut full, "longer than that");
        assert!(full.is_empty(), "it was tried");
    }
}
