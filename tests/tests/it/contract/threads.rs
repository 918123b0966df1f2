//! The contract on the thread-pool backend, which runs everywhere.
//!
//! It never holds a case of its own: `cases` lists them for all backends.

use super::subject::Subject;

fn run(case: fn(&Subject)) {
    Subject::threads().run(case);
}

cases!(run);
