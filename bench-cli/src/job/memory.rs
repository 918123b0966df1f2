//! The memory that a job's buffers take, and whether the machine has it.
//!
//! Owns the reading of `/proc/meminfo`. It reserves nothing: memory that others take between the
//! check and the run is not its matter. Called by `check`.

use std::fs;

/// Where Linux says how much memory can be taken without swapping.
const MEMINFO_PATH: &str = "/proc/meminfo";

/// Why buffers of `len_bytes` in all cannot be had on this machine; `None` if they can, or if the
/// machine does not tell.
pub(super) fn refusal(len_bytes: u64) -> Option<String> {
    refusal_beyond(len_bytes, available()?)
}

/// Why what a verification remembers cannot be had on this machine.
pub(super) fn refusal_to_remember(len_bytes: u64) -> Option<String> {
    let available_bytes = available()?;
    (len_bytes > available_bytes).then(|| {
        format!(
            "--verify needs {len_bytes} bytes to remember what was written, but only \
             {available_bytes} bytes of memory are available; lower --size, or raise --bs or \
             --verify_interval"
        )
    })
}

fn available() -> Option<u64> {
    available_bytes(&fs::read_to_string(MEMINFO_PATH).ok()?)
}

fn refusal_beyond(len_bytes: u64, available_bytes: u64) -> Option<String> {
    (len_bytes > available_bytes).then(|| {
        format!(
            "--bs x --iodepth x --numjobs needs {len_bytes} bytes of buffers, but only \
             {available_bytes} bytes of memory are available; lower one of them"
        )
    })
}

/// The line reads `MemAvailable:   16252928 kB`, where kB are 1024 bytes.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let meminfo = "MemTotal:       32 kB\nMemAvailable:       16 kB\nBuffers:    8 kB\n";
        assert_eq!(available_bytes(meminfo), Some(16_384));
        assert_eq!(available_bytes("MemTotal: 32 kB\n"), None);
        assert_eq!(available_bytes("MemAvailable: many kB\n"), None);
    }

    #[test]
    fn buffers_beyond_the_available_memory_are_refused_with_both_numbers() {
        assert_eq!(refusal_beyond(4096, 4096), None);
        let refusal = refusal_beyond(8192, 4096).expect("refused");
        assert!(refusal.contains("8192") && refusal.contains("4096"), "{refusal}");
        assert!(refusal.contains("--iodepth") && !refusal.contains('\n'), "{refusal}");
    }

    #[test]
    fn this_machine_has_room_for_a_page_and_not_for_everything() {
        assert_eq!(refusal(4096), None);
        if fs::read_to_string(MEMINFO_PATH).is_ok() {
            assert!(refusal(u64::MAX).is_some());
            assert!(refusal_to_remember(u64::MAX).is_some_and(|why| why.contains("--verify")));
        } else {
            println!("skipped: {MEMINFO_PATH} cannot be read");
        }
    }
}
