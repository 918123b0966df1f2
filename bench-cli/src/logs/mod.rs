//! fio's log files: bandwidth, IOPS, latency and latency histograms over time.
//!
//! Owns names and lines of the files. They are written while the job runs and never kept in
//! memory; a log that cannot be written to its end is given up with a warning, the job goes on.
//! Opened by `job_thread`, fed by `recorder`.
//!
//! A line is `time in ms, value, direction (0 read, 1 write, 2 trim), block size, priority`. As in
//! fio's averaged logs, block size and priority are 0. One line stands for one window, never for
//! one request: latencies are known per window.

mod file;

use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::job::JobSpec;
use crate::stats::Tally;
use file::LogFile;

/// The window of a log where `--log_avg_msec` or `--log_hist_msec` give none.
const WINDOW_DEFAULT: Duration = Duration::from_millis(500);
/// fio's numbers of the directions, in the order that windows are handed over in.
const DIRECTIONS: [u8; 3] = [0, 1, 2];

/// Which logs a job writes. Each name is a file's beginning; an empty one means the job's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogSpec {
    pub(crate) bw: Option<String>,
    pub(crate) iops: Option<String>,
    pub(crate) lat: Option<String>,
    pub(crate) hist: Option<String>,
    pub(crate) avg_msec: u64,
    pub(crate) hist_msec: u64,
    pub(crate) unix_epoch: bool,
    pub(crate) per_job: bool,
}

impl Default for LogSpec {
    fn default() -> LogSpec {
        LogSpec {
            bw: None,
            iops: None,
            lat: None,
            hist: None,
            avg_msec: 0,
            hist_msec: 0,
            unix_epoch: false,
            per_job: true,
        }
    }
}

impl LogSpec {
    /// The window of the averaged logs, if there are any.
    pub(crate) fn window(&self) -> Option<Duration> {
        let wanted = self.bw.is_some() || self.iops.is_some() || self.lat.is_some();
        wanted.then(|| window_of(self.avg_msec))
    }

    /// The window of the histogram log, if there is one.
    pub(crate) fn hist_window(&self) -> Option<Duration> {
        self.hist.is_some().then(|| window_of(self.hist_msec))
    }

    /// What the user should know about the logs of this job.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.window().is_some() && self.avg_msec == 0 {
            notes.push(format!(
                "the logs have one line per {} ms, not one per request; --log_avg_msec sets it",
                WINDOW_DEFAULT.as_millis()
            ));
        }
        if self.hist.is_some() && self.hist_msec == 0 {
            notes.push(format!(
                "the histogram log has one line per {} ms; --log_hist_msec sets it",
                WINDOW_DEFAULT.as_millis()
            ));
        }
        notes
    }
}

fn window_of(msec: u64) -> Duration {
    if msec == 0 { WINDOW_DEFAULT } else { Duration::from_millis(msec) }
}

/// The open logs of one job.
#[derive(Debug)]
pub(crate) struct JobLogs {
    bw: Option<LogFile>,
    iops: Option<LogFile>,
    lat: Vec<LogFile>,
    hist: Option<LogFile>,
    block_len_bytes: u64,
    /// Milliseconds to add to every time, 0 unless times count from 1970.
    epoch_ms: u64,
}

/// What one direction did in a window that was `span` long.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    pub(crate) end: Duration,
    pub(crate) span: Duration,
    /// Reads, writes and trims.
    pub(crate) done: [&'a Tally; 3],
    /// The mean latency of each direction. Units: nanoseconds.
    pub(crate) mean_ns: [u64; 3],
}

impl JobLogs {
    /// Opens the logs of job `number` of the run, counted from 0.
    ///
    /// # Errors
    ///
    /// A usage error that names the file.
    pub(crate) fn open(spec: &JobSpec, number: usize) -> Result<JobLogs, Error> {
        let logs = &spec.reporting.logs;
        let open = |name: &Option<String>, kind: &str| {
            let Some(name) = name else { return Ok(None) };
            let name = if name.is_empty() { &spec.name } else { name };
            // fio counts jobs from 1 here.
            let path = match logs.per_job {
                true => format!("{name}_{kind}.{}.log", number + 1),
                false => format!("{name}_{kind}.log"),
            };
            LogFile::open(path.into(), !logs.per_job).map(Some)
        };
        let lat = ["clat", "lat"].map(|kind| open(&logs.lat, kind));
        Ok(JobLogs {
            bw: open(&logs.bw, "bw")?,
            iops: open(&logs.iops, "iops")?,
            lat: lat.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?,
            hist: open(&logs.hist, "clat_hist")?,
            block_len_bytes: spec.block_bounds().1,
            epoch_ms: if logs.unix_epoch { unix_ms() } else { 0 },
        })
    }

    /// Times count from now on: the measurement begins.
    pub(crate) fn begin(&mut self) {
        if self.epoch_ms > 0 {
            self.epoch_ms = unix_ms();
        }
    }

    /// Writes the averages of a window.
    pub(crate) fn write_averages(&mut self, window: &Window<'_>) {
        let time_ms = self.time_ms(window.end);
        let span_ms = window.span.as_millis().max(1);
        for (at, done) in window.done.iter().enumerate().filter(|(_, done)| done.io_count > 0) {
            let per_second = |amount: u64| u128::from(amount) * 1000 / span_ms;
            let line = |value: u128| format!("{time_ms}, {value}, {}, 0, 0\n", DIRECTIONS[at]);
            if let Some(bw) = &mut self.bw {
                bw.write(&line(per_second(done.bytes) / 1024));
            }
            if let Some(iops) = &mut self.iops {
                iops.write(&line(per_second(done.io_count)));
            }
            for lat in &mut self.lat {
                lat.write(&line(u128::from(window.mean_ns[at])));
            }
        }
    }

    /// Writes the histograms of a window.
    pub(crate) fn write_histograms(&mut self, window: &Window<'_>) {
        let time_ms = self.time_ms(window.end);
        let Some(hist) = &mut self.hist else { return };
        for (at, done) in window.done.iter().enumerate().filter(|(_, done)| done.io_count > 0) {
            let mut line = format!("{time_ms}, {}, {}", DIRECTIONS[at], self.block_len_bytes);
            for count in done.bins.table() {
                line.push_str(", ");
                line.push_str(&count.to_string());
            }
            line.push('\n');
            hist.write(&line);
        }
    }

    /// Writes what is still in memory.
    pub(crate) fn finish(&mut self) {
        for log in self.bw.iter_mut().chain(&mut self.iops).chain(&mut self.lat) {
            log.finish();
        }
        self.hist.iter_mut().for_each(LogFile::finish);
    }

    fn time_ms(&self, end: Duration) -> u64 {
        self.epoch_ms + u64::try_from(end.as_millis()).unwrap_or(u64::MAX - self.epoch_ms)
    }
}

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Reporting;
    use std::fs;

    fn job(logs: LogSpec) -> JobSpec {
        let reporting = Reporting { logs, ..Reporting::default() };
        JobSpec { reporting, ..JobSpec::default() }
    }

    fn written(logs: LogSpec, folder: &std::path::Path, kind: &str) -> String {
        let spec = job(logs);
        let mut logs = JobLogs::open(&spec, 0).expect("opened");
        let read = Tally {
            io_count: 100,
            bytes: 409_600,
            bins: [(84, 99), (130, 1)].into_iter().collect(),
        };
        let write = Tally::default();
        let window = Window {
            end: Duration::from_millis(200),
            span: Duration::from_millis(200),
            done: [&read, &write, &Tally::default()],
            mean_ns: [90, 0, 0],
        };
        logs.begin();
        logs.write_averages(&window);
        logs.write_histograms(&window);
        logs.finish();
        fs::read_to_string(folder.join(format!("a_{kind}.1.log"))).expect("written")
    }

    #[test]
    fn lines_are_those_of_fio() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = Some(folder.path().join("a").display().to_string());
        let logs = LogSpec {
            bw: name.clone(),
            iops: name.clone(),
            lat: name.clone(),
            hist: name,
            ..LogSpec::default()
        };
        // 100 requests of 4 KiB in 200 ms; writes, of which there were none, have no line.
        for (kind, line) in [
            ("bw", "200, 2000, 0, 0, 0\n"),
            ("iops", "200, 500, 0, 0, 0\n"),
            ("clat", "200, 90, 0, 0, 0\n"),
            ("lat", "200, 90, 0, 0, 0\n"),
        ] {
            assert_eq!(written(logs.clone(), folder.path(), kind), line);
        }
        let hist = written(logs, folder.path(), "clat_hist");
        let fields: Vec<&str> = hist.trim_end().split(", ").collect();
        assert_eq!((fields.len(), &fields[..3]), (1859, &["200", "0", "4096"][..]));
        assert_eq!((fields[3 + 84], fields[3 + 129]), ("99", "1"));
    }

    #[test]
    fn times_count_from_1970_if_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let bw = Some(folder.path().join("a").display().to_string());
        let line =
            written(LogSpec { bw, unix_epoch: true, ..LogSpec::default() }, folder.path(), "bw");
        let time_ms: u64 = line.split(',').next().expect("a field").parse().expect("a number");
        assert!(time_ms.abs_diff(unix_ms()) < 3_600_000, "{line}");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_refused_by_name() {
        let spec = job(LogSpec { bw: Some("no/such/folder/x".into()), ..LogSpec::default() });
        let error = JobLogs::open(&spec, 2).expect_err("refused");
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(message.contains("'no/such/folder/x_bw.3.log'"), "{message}");
        assert!(message.contains("choose another"), "{message}");
    }
}
