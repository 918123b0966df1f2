//! fio-plot draws our files: opt-in, because it comes from PyPI with a large tail.
//!
//! `pip install fio-plot`, then `IOMILL_FIO_PLOT=fio-plot cargo test -p iomill-tests fio_plot`. It
//! never looks at the pictures but for their being there.

use std::fs;
use std::process::Command;

use super::program::Place;

const DEPTHS: [&str; 2] = ["1", "4"];

#[test]
fn fio_plot_draws_our_json_and_our_logs() {
    let Some(program) = std::env::var_os("IOMILL_FIO_PLOT") else {
        println!("skipped: IOMILL_FIO_PLOT does not name fio-plot");
        return;
    };
    let place = Place::new();
    place.file("data", 1 << 20);
    fs::create_dir(place.path("json")).expect("a folder");
    fs::create_dir(place.path("logs")).expect("a folder");
    for depth in DEPTHS {
        let log = format!("logs/randread-iodepth-{depth}-numjobs-1");
        let said = place.run(&[
            "--filename=data",
            "--rw=randread",
            // fio-plot looks for these four among the options of the job.
            "--bs=4k",
            "--numjobs=1",
            "--time_based",
            "--runtime=700ms",
            &format!("--iodepth={depth}"),
            &format!("--write_bw_log={log}"),
            &format!("--write_iops_log={log}"),
            &format!("--write_lat_log={log}"),
            "--log_avg_msec=100",
            "--output-format=json",
            &format!("--output=json/{depth}.json"),
        ]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    for (name, arguments) in [
        ("bars.png", vec!["-i", "json", "-l", "-d", "1", "4"]),
        ("cube.png", vec!["-i", "json", "-L", "-t", "iops", "-d", "1", "4"]),
        ("histogram.png", vec!["-i", "json", "-H", "-d", "4"]),
        ("lines.png", vec!["-i", "logs", "-g", "-t", "iops", "lat", "bw", "-d", "1", "4"]),
    ] {
        let output = Command::new(&program)
            .args(&arguments)
            .args(["-T", "x", "-n", "1", "-r", "randread", "-o", name])
            .current_dir(place.folder())
            .output()
            .expect("IOMILL_FIO_PLOT starts");
        let drawn = fs::metadata(place.path(name)).is_ok_and(|picture| picture.len() > 1000);
        assert!(output.status.success() && drawn, "{name}: {output:?}");
    }
}
