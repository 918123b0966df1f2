//! Patterns as fio writes them.
//!
//! Owns the syntax: `0xdeadbeef`, `305419896`, `"text"`, `'file'`, and several in a row. Called by
//! the tables of options.

/// The longest pattern.
const PATTERN_LEN_MAX: usize = 1 << 20;

/// Reads a pattern.
pub(crate) fn read_pattern(text: &str) -> Result<Vec<u8>, String> {
    let wrong =
        || format!("'{text}' is not a pattern; write 0xdeadbeef, 305419896, \"text\" or 'file'");
    let mut pattern = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (inside, behind) = rest[1..].split_once('"').ok_or_else(wrong)?;
            pattern.extend_from_slice(inside.as_bytes());
            rest = behind;
        } else if first == '\'' {
            let (path, behind) = rest[1..].split_once('\'').ok_or_else(wrong)?;
            let bytes = std::fs::read(path)
                .map_err(|error| format!("cannot read the pattern's file '{path}': {error}"))?;
            pattern.extend_from_slice(&bytes);
            rest = behind;
        } else {
            let end = rest[1..].find(['"', '\'', ' ']).map_or(rest.len(), |at| at + 1);
            let (number, behind) = rest.split_at(end);
            pattern.extend(bytes_of_number(number).ok_or_else(wrong)?);
            rest = behind;
        }
        rest = rest.trim_start();
    }
    match pattern.len() {
        0 => Err(wrong()),
        1..=PATTERN_LEN_MAX => Ok(pattern),
        len => Err(format!("the pattern has {len} bytes, at most {PATTERN_LEN_MAX} are possible")),
    }
}

/// Hexadecimal digits are bytes as they stand; a decimal number is little-endian, without the
/// zeros at its end, as in fio.
fn bytes_of_number(text: &str) -> Option<Vec<u8>> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(digits) = hex {
        let digits = if digits.len() % 2 == 0 { digits.to_owned() } else { format!("0{digits}") };
        let pairs = (0..digits.len() / 2).map(|pair| digits.get(pair * 2..pair * 2 + 2));
        return pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    }
    let number: i64 = text.parse().ok()?;
    let mut bytes = number.to_le_bytes().to_vec();
    while bytes.len() > 1 && bytes.last() == Some(&0) {
        bytes.pop();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_fio_writes_them() {
        assert_eq!(read_pattern("0xdeadbeef"), Ok(vec![0xDE, 0xAD, 0xBE, 0xEF]));
        assert_eq!(read_pattern("0xabc"), Ok(vec![0x0A, 0xBC]));
        assert_eq!(read_pattern("258"), Ok(vec![2, 1]));
        assert_eq!(read_pattern("0"), Ok(vec![0]));
        assert_eq!(read_pattern("\"abcd\"0xff"), Ok(b"abcd\xFF".to_vec()));
        assert_eq!(read_pattern("\"abcd\" 7"), Ok(b"abcd\x07".to_vec()));
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "contents").expect("written");
        let text = format!("'{}'", file.path().display());
        assert_eq!(read_pattern(&text), Ok(b"contents".to_vec()));
        for text in ["", "x", "0xg", "\"open", "'no/such'", "\"\""] {
            assert!(read_pattern(text).is_err(), "{text}");
        }
    }
}
