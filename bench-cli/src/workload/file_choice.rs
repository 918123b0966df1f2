//! Which file of a job comes next.
//!
//! Owns fio's `file_service_type`. Jobs with one file do not ask. Called by `workload`.

use super::distribution::Chooser;
use super::place::Place;
use super::random::Random;
use crate::job::{FileService, FilesSpec};

/// The choice among several files.
#[derive(Clone, Debug)]
pub(super) struct FileChoice {
    service: Service,
    in_a_row: u64,
    /// The file that was chosen last, and how many requests it still gets.
    current: usize,
    left: u64,
}

#[derive(Clone, Debug)]
enum Service {
    RoundRobin,
    Sequential,
    Random,
    Skewed(Chooser),
}

impl FileChoice {
    /// A choice among `count` files.
    pub(super) fn new(files: &FilesSpec, count: usize) -> FileChoice {
        let service = match files.service {
            FileService::RoundRobin => Service::RoundRobin,
            FileService::Sequential => Service::Sequential,
            FileService::Random => Service::Random,
            FileService::Skewed(skew) => Service::Skewed(Chooser::new(skew, count as u64)),
        };
        FileChoice { service, in_a_row: files.in_a_row, current: 0, left: files.in_a_row }
    }

    /// The next file that has blocks left in this pass; one always has.
    pub(super) fn next(&mut self, places: &[Place], random: &mut Random) -> usize {
        let count = places.len() as u64;
        let stays = match &self.service {
            Service::Sequential => true,
            Service::RoundRobin | Service::Random => self.left > 0,
            Service::Skewed(_) => false,
        };
        if !stays || places[self.current].is_passed() {
            let next = match &self.service {
                Service::RoundRobin => self.current as u64 + 1,
                Service::Sequential => self.current as u64,
                Service::Random => random.below(count),
                Service::Skewed(chooser) => chooser.choose(random, count),
            };
            self.left = self.in_a_row;
            let open = (0..count)
                .map(|step| usize::try_from((next + step) % count).unwrap_or(0))
                .find(|file| !places[*file].is_passed());
            self.current = open.unwrap_or(0);
        }
        self.left = self.left.saturating_sub(1);
        self.current
    }
}
