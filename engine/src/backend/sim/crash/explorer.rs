//! Runs a program once, and shows a checker what power failures may have left of its disk. Decides
//! how many images to make; what they look like is up to the disk's rules.

use super::recorder::Recorder;
use super::report::{Report, VIOLATIONS_KEPT_MAX, Violation};
use crate::backend::sim::choices::{Choices, Odometer};
use crate::backend::sim::disk::SimDisk;
use crate::backend::sim::faults::Faults;
use crate::backend::sim::options::SimOptions;
use crate::backend::sim::random::{Random, mix};
use crate::backend::sim::recording::Point;
use crate::backend::sim::snapshot::Snapshot;
use crate::error::Error;
use std::collections::HashSet;

/// What a power failure at one moment may have left.
#[derive(Debug)]
pub struct Image<'a, M> {
    /// The disk after the failure, at time 0 and without faults. The checker may run a recovery on
    /// it, change it, and let it [fail again](SimDisk::crash).
    pub disk: &'a SimDisk,
    /// What the program had marked by then.
    pub marks: &'a [M],
    /// The number of the moment, in the order of time from 0.
    pub point: u64,
    /// What had just happened.
    pub after: &'a str,
}

/// Finds what a program loses by a power failure.
#[derive(Clone, Debug)]
pub struct Explorer {
    options: SimOptions,
    points_max: usize,
    images_per_point_max: usize,
}

impl Explorer {
    /// On a disk with these settings, faults included; at most 4,096 moments, and 512 images of
    /// each.
    pub fn new(options: SimOptions) -> Self {
        Self { options, points_max: 4096, images_per_point_max: 512 }
    }

    /// How many moments to look at; at least 1. Of more, so many are taken by chance.
    #[must_use]
    pub fn points_max(mut self, points: usize) -> Self {
        self.points_max = points.max(1);
        self
    }

    /// How many images of one moment to look at; at least 1. If there are more, so many are made by
    /// chance.
    #[must_use]
    pub fn images_per_point_max(mut self, images: usize) -> Self {
        self.images_per_point_max = images.max(1);
        self
    }

    /// Runs the program, and then the checker on each image. The same seed, program and checker
    /// give the same report, if the program asks nothing but its disk.
    ///
    /// A checker answers why an image breaks what the program has promised by its marks. Images
    /// with the same names, bytes and marks are shown once.
    ///
    /// # Errors
    /// The program's own: then nothing is explored.
    pub fn explore<M, P, C>(&self, program: P, mut checker: C) -> Result<Report, Error>
    where
        P: FnOnce(&Recorder<M>) -> Result<(), Error>,
        C: FnMut(&Image<'_, M>) -> Result<(), Box<dyn std::error::Error>>,
    {
        let seed = self.options.seed;
        let disk = SimDisk::new(self.options.clone());
        disk.record(self.points_max);
        let recorder = Recorder::new(disk.clone());
        let outcome = program(&recorder);
        let (points, seen) = disk.recorded();
        outcome?;
        let marks = recorder.marks();
        let kept_all = seen == points.len() as u64;
        let mut report = Report { seed, points: seen, exhaustive: kept_all, ..Report::default() };
        let mut shown = HashSet::new();
        for point in &points {
            let images = self.images(point, &mut report);
            for (number, state) in (0..).zip(images) {
                if !shown.insert((state.print(), point.marks)) {
                    report.repeated += 1;
                    continue;
                }
                report.images += 1;
                let seed = mix(mix(seed, point.number), number);
                let faults = Faults::default();
                let options = SimOptions { seed, faults, ..self.options.clone() };
                let disk = SimDisk::from_model(state.into_model(options));
                let marks = &marks[..point.marks];
                let image = Image { disk: &disk, marks, point: point.number, after: &point.after };
                if let Err(why) = checker(&image) {
                    report.violation_count += 1;
                    if report.violations.len() < VIOLATIONS_KEPT_MAX {
                        let (point, after) = (point.number, point.after.clone());
                        report.violations.push(Violation {
                            point,
                            after,
                            why: why.to_string(),
                            disk,
                        });
                    }
                }
            }
        }
        report.explored_points = points.len() as u64;
        Ok(report)
    }

    /// All images of a moment, or as many by chance as there may be.
    fn images(&self, point: &Point, report: &mut Report) -> Vec<Snapshot> {
        let mut images = Vec::new();
        let mut each = Choices::Each(Odometer::default());
        while images.len() < self.images_per_point_max {
            images.push(point.state.after_power_failure(&mut each));
            if let Choices::Each(odometer) = &mut each
                && !odometer.turn()
            {
                return images;
            }
        }
        report.exhaustive = false;
        let mut random = Random::new(mix(self.options.seed, point.number));
        images.clear();
        for _ in 0..self.images_per_point_max {
            let mut chance = Choices::Chance(Random::new(random.bits()));
            images.push(point.state.after_power_failure(&mut chance));
        }
        images
    }
}
