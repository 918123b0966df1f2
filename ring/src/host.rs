//! What this machine's limits and policies say at the moment, in words for a message. Asked by
//! `error` only when something has failed already; never decides anything.

use crate::abi::RegisterOp;
use crate::probe;
use rustix::process::{Resource, Rlimit, getrlimit};

/// The kernel's version, as uname(2) says.
pub(crate) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The limit of locked memory.
pub(crate) fn memlock() -> String {
    match getrlimit(Resource::Memlock) {
        Rlimit { current: Some(bytes), .. } => format!(
            "the limit of locked memory is {} KiB for this process: raise it (ulimit -l, memlock)",
            bytes / 1024
        ),
        Rlimit { current: None, .. } => {
            String::from("locked memory (memlock) is not limited, so the machine is out of memory")
        }
    }
}

/// The limit of open files, the process's or for ENFILE the machine's.
pub(crate) fn open_files(errno: i32) -> String {
    if errno == libc::ENFILE {
        let all = read_line("/proc/sys/fs/file-max");
        return format!("the machine may open {all} files: raise sysctl fs.file-max");
    }
    match getrlimit(Resource::Nofile).current {
        Some(files) => format!(
            "the limit is {files} open files for this process: raise it (ulimit -n) or close some"
        ),
        None => String::from("open files are not limited (ulimit -n)"),
    }
}

/// The switch that turns io_uring off, Linux 6.6.
pub(crate) fn io_uring_disabled() -> String {
    let value = read_line("/proc/sys/kernel/io_uring_disabled");
    let meaning = match value.as_str() {
        "0" => "allowed for all",
        "1" => "only for CAP_SYS_ADMIN and the group of sysctl kernel.io_uring_group",
        "2" => "off for all",
        _ => "not known to this kernel",
    };
    format!("sysctl kernel.io_uring_disabled is {value} ({meaning})")
}

/// Whether a seccomp filter is at work.
pub(crate) fn seccomp() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    let meaning = match mode {
        Some("0") => "no seccomp filter is at work",
        Some("2") => {
            "a seccomp filter is at work: let the container's profile allow io_uring_setup, \
             io_uring_enter and io_uring_register"
        }
        _ => "whether a seccomp filter is at work is not known",
    };
    String::from(meaning)
}

/// Free huge pages of the default size.
pub(crate) fn huge_pages_free() -> Option<u64> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("HugePages_Free:"))?;
    line.trim().parse().ok()
}

/// Whether the kernel is known not to have a registration. One that cannot be asked (before Linux
/// 6.18) is not known to lack it.
pub(crate) fn lacks(op: RegisterOp) -> bool {
    // A question about the question would ask itself.
    op != RegisterOp::QUERY && probe::query().is_ok_and(|known| op.0 >= known.register_ops)
}

fn read_line(path: &str) -> String {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => String::from("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_one_line_with_its_remedy_or_meaning() {
        for text in [memlock(), open_files(libc::EMFILE), io_uring_disabled(), seccomp()] {
            assert!(!text.is_empty() && !text.contains('\n'), "{text}");
        }
        assert!(release().starts_with(|letter: char| letter.is_ascii_digit()), "{}", release());
        assert!(io_uring_disabled().contains("kernel.io_uring_disabled"));
    }
}
