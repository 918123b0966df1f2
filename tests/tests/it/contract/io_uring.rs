//! The contract on the io_uring backend; where the kernel has none, each test says so and skips.
//!
//! It never holds a case of its own: `cases` lists them for all backends.

use super::subject::Subject;

fn run(case: fn(&Subject)) {
    if let Some(subject) = Subject::io_uring() {
        subject.run(case);
    }
}

cases!(run);
