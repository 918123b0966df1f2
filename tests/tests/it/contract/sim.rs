//! The contract on a simulated disk without faults, which runs everywhere.
//!
//! It never holds a case of its own: `cases` lists them for all backends.

use super::subject::Subject;

fn run(case: fn(&Subject)) {
    case(&Subject::sim());
}

cases!(run);
