//! Values as fio writes them: sizes, times, booleans, percentile lists.
//!
//! Owns the syntax of values, and no option's meaning or range. Called by `options` and its tables,
//! so that the same rules serve the command line and job files.

use super::arithmetic;
use std::num::IntErrorKind;
use std::time::Duration;

/// fio's default `kb_base`.
pub(crate) const KB_BASE_DEFAULT: u64 = 1024;

/// Reads a size in bytes as fio does with this `kb_base`, 1024 or 1000.
///
/// With 1024, `4k`, `4K`, `4kb` and `4KB` are 4096. `4KiB` is 4000: with that base fio takes the
/// IEC names for powers of 1000, and the same command line has to mean the same here.
/// [`is_decimal_unit`] tells when to warn about it. With 1000 it is the other way round.
pub(crate) fn size_bytes(text: &str, kb_base: u64) -> Result<u64, String> {
    if text.starts_with('(') {
        return arithmetic::evaluate(text, kb_base);
    }
    let (digits, suffix) = split_number(text);
    let number = integer(digits).map_err(|_| size_syntax(text))?;
    let suffix = suffix.to_ascii_lowercase();
    let other_base = if kb_base == KB_BASE_DEFAULT { 1000 } else { 1024 };
    let base = if is_decimal_unit(&suffix) { other_base } else { kb_base };
    let exponent = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(size_syntax(text)),
    };
    number
        .checked_mul(base.pow(exponent))
        .ok_or_else(|| format!("'{text}' does not fit into 64 bits"))
}

/// Whether a size is written with a unit (`KiB`, `MiB`) that fio takes as a power of 1000.
pub(crate) fn is_decimal_unit(text: &str) -> bool {
    text.to_ascii_lowercase().ends_with("ib")
}

/// Reads a time as fio does: `90`, `90s`, `500ms`, `100us`, `2m`, `1h`, `1d`; plain = seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    time_in(text, 1_000_000, "seconds")
}

/// The same where a plain number is microseconds.
pub(crate) fn time_us(text: &str) -> Result<Duration, String> {
    time_in(text, 1, "microseconds")
}

fn time_in(text: &str, plain_us: u64, plain: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time; write e.g. 5s, 500ms, 2m, 1h (plain: {plain})");
    let (digits, suffix) = split_number(text);
    let number = integer(digits).map_err(|_| wrong())?;
    let unit_us: u64 = match suffix.to_ascii_lowercase().as_str() {
        "us" | "usec" => 1,
        "ms" | "msec" => 1_000,
        "" => plain_us,
        "s" | "sec" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return Err(wrong()),
    };
    let micros = number.checked_mul(unit_us).ok_or_else(|| format!("'{text}' is too long"))?;
    Ok(Duration::from_micros(micros))
}

/// Reads an integer: decimal, or hexadecimal after `0x`.
pub(crate) fn integer(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        // `parse` takes a leading `+`, which fio and this program do not.
        None if text.starts_with('+') => return Err(format!("'{text}' is not a whole number")),
        None => text.parse(),
    };
    parsed.map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => format!("'{text}' is too large"),
        _ => format!("'{text}' is not a whole number"),
    })
}

/// Reads a boolean: `1` or `0`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(format!("'{text}' is neither 0 nor 1")),
    }
}

/// Reads up to twenty percentiles, separated by colons, and sorts them.
pub(crate) fn percentiles(text: &str) -> Result<Vec<f64>, String> {
    const COUNT_MAX: usize = 20;
    let mut list = Vec::new();
    for part in text.split(':') {
        let value: f64 =
            part.parse().map_err(|_| format!("'{part}' is not a percentile; write e.g. 50:99"))?;
        if !(value > 0.0 && value <= 100.0) {
            return Err(format!("percentile '{part}' is outside 0 < p <= 100"));
        }
        list.push(value);
    }
    if list.len() > COUNT_MAX {
        return Err(format!("{} percentiles given, at most {COUNT_MAX} are possible", list.len()));
    }
    list.sort_by(f64::total_cmp);
    list.dedup();
    Ok(list)
}

/// Reads a whole percentage, `20%`; `None` if there is no percent sign.
pub(crate) fn percent(text: &str) -> Option<Result<u8, String>> {
    let digits = text.strip_suffix('%')?;
    let wrong = || format!("'{text}' is not a percentage between 1% and 100%");
    Some(digits.parse().ok().filter(|value| (1..=100).contains(value)).ok_or_else(wrong))
}

/// Reads a pair `low-high`, or one value for both.
pub(crate) fn range<T: Copy + PartialOrd>(
    text: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(T, T), String> {
    let (low, high) = match text.split_once('-').or_else(|| text.split_once(':')) {
        None => (read(text)?, read(text)?),
        Some((low, high)) => (read(low)?, read(high)?),
    };
    if low > high { Err(format!("'{text}' begins above its end")) } else { Ok((low, high)) }
}

/// Sets up to three values, for reads, writes and trims, from a list with commas. As in fio, an
/// empty place leaves its value alone, and the last value is also that of the places after it,
/// unless a comma follows.
pub(crate) fn per_direction<T: Clone>(
    text: &str,
    into: &mut [T; 3],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > into.len() || parts.iter().all(|part| part.is_empty()) {
        return Err(format!("'{text}' is not a list of up to three: reads,writes,trims"));
    }
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let value = read(part.trim())?;
        let end = if index + 1 == parts.len() { into.len() } else { index + 1 };
        into[index..end].fill(value);
    }
    Ok(())
}

fn split_number(text: &str) -> (&str, &str) {
    let hex = text.starts_with("0x") || text.starts_with("0X");
    let end = if hex {
        text[2..].find(|c: char| !c.is_ascii_hexdigit()).map_or(text.len(), |at| at + 2)
    } else {
        text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
    };
    text.split_at(end)
}

fn size_syntax(text: &str) -> String {
    format!("'{text}' is not a size; write e.g. 4096, 4k, 1m, 1g, 1t (k = 1024)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_mean_what_fio_makes_of_them() {
        // Each pair was read off the header that fio 3.33 prints for `--bs=<text>`.
        for (text, bytes) in [
            ("512", 512),
            ("512b", 512),
            ("0x200", 512),
            ("4k", 4096),
            ("4K", 4096),
            ("4kb", 4096),
            ("4KB", 4096),
            ("4KiB", 4000),
            ("4kib", 4000),
            ("1m", 1 << 20),
            ("1MiB", 1_000_000),
            ("1g", 1 << 30),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(size_bytes(text, KB_BASE_DEFAULT), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn the_base_of_1000_swaps_the_names() {
        for (text, bytes) in [("4k", 4000), ("4kb", 4000), ("4KiB", 4096), ("1m", 1_000_000)] {
            assert_eq!(size_bytes(text, 1000), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn lists_per_direction_follow_the_commas() {
        let read = |text: &str| integer(text);
        for (text, expected) in [
            ("7", [7, 7, 7]),
            ("7,8", [7, 8, 8]),
            ("7,8,9", [7, 8, 9]),
            ("7,8,", [7, 8, 3]),
            ("7,", [7, 2, 3]),
            (",8", [1, 8, 8]),
            (",8,", [1, 8, 3]),
            ("7,,9", [7, 2, 9]),
        ] {
            let mut values = [1, 2, 3];
            assert_eq!(per_direction(text, &mut values, read), Ok(()), "{text}");
            assert_eq!(values, expected, "{text}");
        }
        for text in ["", ",", "1,2,3,4", "x"] {
            assert!(per_direction(text, &mut [1, 2, 3], read).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_and_ranges_are_checked() {
        assert_eq!(percent("20%"), Some(Ok(20)));
        assert_eq!(percent("20"), None);
        for text in ["0%", "101%", "x%", "%"] {
            assert!(percent(text).is_some_and(|read| read.is_err()), "{text}");
        }
        assert_eq!(range("1-5", integer), Ok((1, 5)));
        assert_eq!(range("4", integer), Ok((4, 4)));
        assert!(range("5-1", integer).is_err());
    }

    #[test]
    fn malformed_sizes_are_refused() {
        for text in ["", "k", "4q", "4kk", "1.5k", "-5", "+5", "4 k", "0x", "20000000t"] {
            assert!(size_bytes(text, KB_BASE_DEFAULT).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_are_decimal_or_hexadecimal() {
        assert_eq!(integer("32"), Ok(32));
        assert_eq!(integer("0x20"), Ok(32));
        for text in ["", "+5", "-5", "5.0", "0x", "ten"] {
            assert!(integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_iec_names_are_decimal() {
        assert!(is_decimal_unit("4KiB") && is_decimal_unit("1mib"));
        assert!(!is_decimal_unit("4k") && !is_decimal_unit("4kb") && !is_decimal_unit("512b"));
    }

    #[test]
    fn times_take_suffixes_and_default_to_seconds() {
        for (text, millis) in
            [("5", 5_000), ("5s", 5_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(time("100us"), Ok(Duration::from_micros(100)));
        for text in ["", "s", "1.5s", "5x", "-1", "99999999999999d"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentile_lists_are_sorted_and_checked() {
        assert_eq!(percentiles("99:50:99.9:50"), Ok(vec![50.0, 99.0, 99.9]));
        for text in ["", "0", "101", "50,99", "nan"] {
            assert!(percentiles(text).is_err(), "{text}");
        }
        let many = vec!["50"; 21].join(":");
        assert!(percentiles(&many).is_err());
    }
}
