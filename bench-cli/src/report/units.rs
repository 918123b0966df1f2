//! Numbers as fio writes them for people.
//!
//! Owns the choice of unit and of digits. Called by `report::human` and `progress`.

use std::time::Duration;

const IEC: [&str; 6] = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
const SI: [&str; 6] = ["", "k", "M", "G", "T", "P"];

/// A count with four digits at most: `9728`, `72.6k`, `1250k`, `12.5M`.
pub(crate) fn count(value: u64) -> String {
    scaled(value, 1000, &SI, 4)
}

/// A count with six digits at most, for latencies: `143854`, `2627.7k`.
pub(crate) fn count_long(value: u64) -> String {
    scaled(value, 1000, &SI, 6)
}

/// Bytes in powers of 1024: `1600KiB`, `284MiB`.
pub(crate) fn bytes_iec(bytes: u64) -> String {
    scaled(bytes, 1024, &IEC, 4) + "B"
}

/// Bytes in powers of 1000: `298MB`.
pub(crate) fn bytes_si(bytes: u64) -> String {
    scaled(bytes, 1000, &SI, 4) + "B"
}

/// Bytes per second in powers of 1024.
pub(crate) fn rate_iec(bytes: u64) -> String {
    bytes_iec(bytes) + "/s"
}

/// Bytes per second in powers of 1000.
pub(crate) fn rate_si(bytes: u64) -> String {
    bytes_si(bytes) + "/s"
}

/// A time left: `00m:06s`, `01h:00m:06s`.
pub(crate) fn clock(span: Duration) -> String {
    let seconds = (span + Duration::from_millis(500)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes:02}m:{seconds:02}s")
    } else {
        format!("{hours:02}h:{minutes:02}m:{seconds:02}s")
    }
}

/// Divides until at most `digits_max` digits are left before the point, and fills up with
/// decimals so far as they fit.
fn scaled(value: u64, base: u64, units: &[&str; 6], digits_max: u32) -> String {
    let mut whole = value;
    let mut divisor = 1_u64;
    let mut unit = 0;
    while whole >= 10_u64.pow(digits_max) && unit + 1 < units.len() {
        whole /= base;
        divisor = divisor.saturating_mul(base);
        unit += 1;
    }
    if unit == 0 {
        return value.to_string();
    }
    // Worked example: 72601 is 72 thousands; 2 digits and a point leave room for one decimal.
    let digits = whole.max(1).ilog10() + 1;
    let decimals = (digits_max - digits).saturating_sub(1) as usize;
    format!("{:.decimals$}{}", value as f64 / divisor as f64, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_fio_prints_them() {
        // Read off runs of fio 3.33: value and text stood side by side in JSON and in words.
        assert_eq!(count(72_613), "72.6k");
        assert_eq!(count(9_728), "9728");
        assert_eq!(count(250_432), "250k");
        assert_eq!(bytes_iec(1600 * 1024), "1600KiB");
        assert_eq!(bytes_iec(297_832_448), "284MiB");
        assert_eq!(bytes_iec(512), "512B");
        assert_eq!(bytes_iec(4096), "4096B");
        assert_eq!(rate_si(297_835_000), "298MB/s");
        assert_eq!(rate_si(99_990_000), "100.0MB/s");
        assert_eq!(rate_iec(100_000_000), "95.4MiB/s");
        assert_eq!(count_long(143_854), "143854");
        assert_eq!(count_long(2_627_700), "2627.7k");
    }

    #[test]
    fn clocks_show_hours_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(6)), "00m:06s");
        assert_eq!(clock(Duration::from_secs(3723)), "01h:02m:03s");
    }
}
