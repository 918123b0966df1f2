//! Makes a new input from those of a corpus. Knows nothing of what they mean.

use crate::random::Random;

/// Inputs are not longer than this, in bytes.
const LEN_MAX: usize = 1 << 16;

/// Numbers at which programs change their minds.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "255",
    "4096",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "0.0000001",
];

/// An input like those of the corpus, which is not empty.
pub(super) fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.index(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let other = &corpus[random.index(corpus.len())];
        change(&mut bytes, other, random);
    }
    bytes.truncate(LEN_MAX);
    bytes
}

/// A piece of some bytes: where it begins and ends.
fn piece(bytes: &[u8], random: &mut Random) -> (usize, usize) {
    let from = random.index(bytes.len() + 1);
    let len = random.index((bytes.len() - from).min(64) + 1);
    (from, from + len)
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.index(bytes.len() + 1);
    let (from, to) = piece(bytes, random);
    match random.below(9) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = random.bits().to_le_bytes()[0],
        3 => drop(bytes.drain(from..to)),
        4 => {
            let copy = bytes[from..to].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let (from, to) = piece(other, random);
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        6 => replace_number(bytes, at, random),
        7 => replace_word(bytes, other, random),
        _ => bytes.insert(at, random.bits().to_le_bytes()[0]),
    }
}

/// Puts a number in the place of the one that begins at or after `at`.
fn replace_number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let number = NUMBERS[random.index(NUMBERS.len())].bytes();
    let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit) else { return };
    let from = at + from;
    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(from..from + digits, number);
}

/// Puts a word of another input in the place of one of this one.
fn replace_word(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\n' | b',' | b'=' | b':' | b'"');
    let words = |bytes: &[u8]| -> Vec<(usize, usize)> {
        let mut words = Vec::new();
        let mut from = 0;
        for (to, _) in bytes.iter().enumerate().filter(|(_, byte)| is_end(byte)) {
            words.push((from, to));
            from = to + 1;
        }
        words.push((from, bytes.len()));
        words
    };
    let (mine, theirs) = (words(bytes), words(other));
    let (from, to) = mine[random.index(mine.len())];
    let (first, last) = theirs[random.index(theirs.len())];
    bytes.splice(from..to, other[first..last].iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_most_differ_from_the_corpus() {
        let corpus = [b"--bs=4k --size=100".to_vec(), Vec::new(), vec![0; 40]];
        let make = |seed| -> Vec<Vec<u8>> {
            let mut random = Random::new(seed);
            (0..500).map(|_| mutate(&corpus, &mut random)).collect()
        };
        assert_eq!(make(1), make(1));
        let new = make(1).iter().filter(|input| !corpus.contains(input)).count();
        assert!(new > 400, "{new}");
    }
}
