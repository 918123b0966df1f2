//! What a process uses: open files, memory, threads, kernel workers, and the CPU time of threads.
//! As /proc tells it; changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// At one moment. Units: counts and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Open file descriptors.
    pub fds: u64,
    /// Threads of the process, without the kernel's workers.
    pub threads: u64,
    /// Kernel workers of its rings.
    pub workers: u64,
    /// Memory that is resident.
    pub rss_bytes: u64,
}

impl Vitals {
    /// Now.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn now() -> io::Result<Self> {
        // One is the descriptor of the folder that is being read.
        let fds = fs::read_dir("/proc/self/fd")?.count() as u64 - 1;
        let (mut threads, mut workers) = (0, 0);
        for task in fs::read_dir("/proc/self/task")? {
            // A thread may end between its name and its file.
            let name = fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
            if name.starts_with("iou-wrk") {
                workers += 1;
            } else if !name.is_empty() {
                threads += 1;
            }
        }
        let memory = fs::read_to_string("/proc/self/status")?;
        let resident = memory.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let rss_bytes = 1024 * kib.ok_or_else(|| io::Error::other("no VmRSS in status"))?;
        Ok(Self { fds, threads, workers, rss_bytes })
    }

    /// Whether files, threads and workers are no more than they were.
    pub fn is_within(self, before: Self) -> bool {
        self.fds <= before.fds && self.threads <= before.threads && self.workers <= before.workers
    }
}

/// How long each thread of this process has run on a CPU so far, by its number.
///
/// # Errors
/// When /proc cannot be read, or the kernel keeps no such statistics.
pub(super) fn cpu_times() -> io::Result<BTreeMap<String, Duration>> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        if let Some(run_ns) = text.split_whitespace().next().and_then(|word| word.parse().ok()) {
            let number = task.file_name().to_string_lossy().into_owned();
            times.insert(number, Duration::from_nanos(run_ns));
        }
    }
    if times.is_empty() {
        return Err(io::Error::other("no thread has a schedstat"));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_open_counts_and_this_thread_has_run() {
        let before = Vitals::now().unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let now = Vitals::now().unwrap();
        assert!(now.fds >= before.fds + 40, "{before:?}, {now:?}");
        assert!(now.threads >= 1 && now.rss_bytes > 100_000);
        drop(files);
        assert!(cpu_times().unwrap().values().any(|time| !time.is_zero()));
    }
}
