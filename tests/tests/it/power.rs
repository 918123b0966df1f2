//! The power-off run's judge beside the simulated disk's power failures: the same programs, the
//! same promises. What the simulated disk may leave the judge accepts, and it refuses what programs
//! leave that take unsynced writes for lasting. On real file systems the binary `power-off` runs
//! the same.

use iomill_engine::backend::sim::crash::{Explorer, Image, Recorder, Report};
use iomill_engine::backend::sim::{SimDisk, SimOptions};
use iomill_engine::{Config, Error, File};
use iomill_tests::power::cells::{self, Beginning};
use iomill_tests::power::dump::Dump;
use iomill_tests::power::judge::History;
use iomill_tests::power::mark::Mark;
use std::path::PathBuf;
use std::rc::Rc;

fn make(disk: &SimDisk, beginning: &Beginning) -> Result<File, Error> {
    let mut bytes = beginning.bytes.clone();
    bytes.resize(usize::try_from(beginning.len_bytes).unwrap(), 0);
    disk.create_with(&beginning.name, &bytes)?;
    let options = File::options().read(true).write(true).direct(beginning.is_direct);
    disk.open(&beginning.name, &options)
}

/// A few rounds of the cells that do right, or of those that do wrong.
fn explore(does_wrong: bool, seed: u64) -> Report {
    let program = |recorder: &Recorder<Mark>| {
        let disk = recorder.disk().clone();
        let mut engine =
            Config::new().buffers(16, cells::BUFFER_LEN_BYTES).simulated(&disk).start()?;
        let cells = cells::all("sim", seed, |beginning| make(&disk, beginning)).unwrap();
        let right = |cell: &cells::Cell| cells::is_wrong(cell.name()) == does_wrong;
        let mut cells: Vec<_> = cells.into_iter().filter(right).collect();
        let recorder = recorder.clone();
        let host: cells::Host = Rc::new(move |mark| recorder.mark(mark));
        cells.iter().for_each(|cell| host(cell.made()));
        for _ in 0..3 {
            for cell in &mut cells {
                cell.round(&mut engine, &host)?;
            }
        }
        Ok(())
    };
    let checker = |image: &Image<'_, Mark>| -> Result<(), Box<dyn std::error::Error>> {
        let history = History::of(image.marks.iter())?;
        let names = image.disk.names();
        let dump = |path: &PathBuf| {
            let cell = path.strip_prefix("/").unwrap_or(path).to_str()?;
            Some(Dump::of(cell, &image.disk.contents(path)?))
        };
        let dumps: Vec<Dump> = names.iter().filter_map(dump).collect();
        match history.violations(&dumps).first() {
            None => Ok(()),
            Some(violation) => Err(format!("{}: {}", violation.cell, violation.why).into()),
        }
    };
    let explorer = Explorer::new(SimOptions::new(seed)).points_max(150).images_per_point_max(4);
    explorer.explore(program, checker).unwrap()
}

#[test]
fn the_judge_accepts_whatever_the_simulated_disk_may_leave() {
    let report = explore(false, 1);
    assert!(report.images > 300, "{report}");
    report.assert_sound();
}

#[test]
fn the_judge_refuses_unsynced_writes_that_were_taken_for_lasting() {
    let report = explore(true, 2);
    assert!(report.violation_count > 100, "{report}");
    let whys: Vec<&str> = report.violations.iter().map(|violation| &*violation.why).collect();
    assert!(whys.iter().any(|why| why.contains("sim-wrong-plain")), "{whys:?}");
}
