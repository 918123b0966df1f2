//! What went wrong in a job, and whether it goes on.
//!
//! Owns the count of errors and of damaged blocks. Filled in by `lane`, read by `job_thread` at the
//! end.

use iomill_engine::{Error, File};

use crate::job::JobSpec;
use crate::notice;
use crate::verify::{Damage, Dumps, Verifier};
use crate::workload::Direction;

/// The most damaged blocks that are listed, on stderr and in the report.
const LISTED_MAX: usize = 1000;

/// Why a lane ended early.
#[derive(Debug)]
pub(crate) enum LaneFailure {
    /// A request failed.
    Request(Error),
    /// A read found nothing at this offset.
    EndOfFile { file: File, offset: u64 },
    /// What was read is not what was written, and that is fatal.
    Damaged,
}

/// The errors that a job lives with.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// Requests that failed and were passed over.
    pub(crate) error_count: u64,
    /// The number of the first one.
    pub(crate) first_errno: i32,
    pub(crate) first_error: Option<String>,
    /// Units that were looked at, and those that were damaged.
    pub(crate) damaged_count: u64,
    /// The first of those, as lines for people.
    pub(crate) damaged: Vec<String>,
    dumps: Dumps,
}

/// What becomes of a job after a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on as if nothing had happened.
    Ignore,
    /// It goes on, and the error is counted.
    Count,
    /// It is done, and well: the device is full, as was wanted.
    Full,
    Fail,
}

impl Problems {
    /// What to do about an error in this direction.
    pub(super) fn verdict(spec: &JobSpec, direction: Direction, errno: Option<i32>) -> Verdict {
        const NO_SPACE: i32 = rustix::io::Errno::NOSPC.raw_os_error();
        let read = direction == Direction::Read;
        let ignored = &spec.ignored_errors[usize::from(!read)];
        if errno.is_some_and(|errno| ignored.contains(&errno)) {
            return Verdict::Ignore;
        }
        if spec.files.fill_device && !read && errno == Some(NO_SPACE) {
            return Verdict::Full;
        }
        let goes_on = if read { spec.continue_on.read } else { spec.continue_on.write };
        if goes_on { Verdict::Count } else { Verdict::Fail }
    }

    /// Counts a request that failed.
    pub(super) fn count(&mut self, error: &Error) {
        self.error_count += 1;
        if self.first_error.is_none() {
            self.first_errno = error.errno().unwrap_or(0);
            self.first_error = Some(error.to_string());
        }
    }

    /// Tells of a damaged block, and saves it if that is wanted.
    pub(super) fn damage(
        &mut self,
        verifier: &Verifier,
        file: &File,
        index: u32,
        damage: &Damage,
        received: Option<&[u8]>,
    ) {
        self.damaged_count += 1;
        if self.damaged.len() == LISTED_MAX {
            return;
        }
        let path = file.path();
        let mut line = format!(
            "'{}': the {} bytes at offset {} are damaged: {}",
            path.display(),
            damage.len_bytes,
            damage.offset,
            damage.problem
        );
        if let Some(received) = received {
            let expected = verifier.expected(index, damage.offset, received);
            let saved = self.dumps.save(path, damage.offset, received, expected.as_deref());
            line.push_str(&format!("; {saved}"));
        }
        notice::line(&format!("bench-cli: verify: {line}"));
        self.damaged.push(line);
        if self.damaged.len() == LISTED_MAX {
            notice::line("bench-cli: verify: further damaged blocks are counted, not listed");
        }
    }
}
