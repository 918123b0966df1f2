//! The metrics as users get them: queue times, depth and given-up requests of a real engine, and
//! the text, read by a parser that takes nothing but Prometheus' format.

use iomill_engine::{BackendChoice, Config, Context, Engine, File, Metrics, Nop, Read, Wait};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What a text in the exposition format says: samples by their series.
type Samples = BTreeMap<String, f64>;

/// Reads a text in version 0.0.4 of the format: each family once, its HELP and TYPE before its
/// samples and nothing between them, no series twice, names and labels of the right letters.
fn parse(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind, mut helped) = (String::new(), String::new(), String::new());
    if !text.ends_with('\n') {
        return Err(String::from("the last line has no end"));
    }
    for line in text.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').ok_or("no text")?.0.to_owned();
            continue;
        }
        if let Some(of_type) = line.strip_prefix("# TYPE ") {
            (family, kind) = of_type
                .split_once(' ')
                .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
                .ok_or("no type")?;
            if helped != family || !families.insert(family.clone()) || !is_name(&family) {
                return wrong("a family without help, twice, or with a wrong name");
            }
            if !["counter", "gauge", "summary"].contains(&kind.as_str()) {
                return wrong("an unknown type");
            }
            if (kind == "counter") != family.ends_with("_total") {
                return wrong("counters end in _total, and nothing else does");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => {
                (name, parse_labels(labels.strip_suffix('}').ok_or("no end of the labels")?)?)
            }
            None => (series, BTreeMap::new()),
        };
        let suffix =
            name.strip_prefix(family.as_str()).ok_or(format!("not of {family}: {line}"))?;
        let fits = match (kind.as_str(), suffix) {
            ("summary", "") => labels.contains_key("quantile"),
            ("summary", "_sum" | "_count") | ("counter" | "gauge", "") => true,
            _ => false,
        };
        let value: f64 = value.parse().map_err(|error| format!("{error}: {line}"))?;
        if !fits || !value.is_finite() || value < 0.0 {
            return wrong("a sample that does not fit its family");
        }
        if samples.insert(series.to_owned(), value).is_some() {
            return wrong("a series twice");
        }
    }
    Ok(samples)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

/// `name="value",…` with values in which nothing needs an escape.
fn parse_labels(labels: &str) -> Result<BTreeMap<String, String>, String> {
    let mut parsed = BTreeMap::new();
    for label in labels.split(',') {
        let (name, value) = label.split_once("=\"").ok_or(format!("no value: {label}"))?;
        let value = value.strip_suffix('"').ok_or(format!("no end: {label}"))?;
        let plain = !value.contains(['"', '\\', '\n']);
        if !is_name(name) || !plain || parsed.insert(name.into(), value.into()).is_some() {
            return Err(format!("a wrong label: {label}"));
        }
    }
    Ok(parsed)
}

#[test]
fn the_parser_refuses_what_prometheus_would() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{k=\"v\"} 1\n";
    assert_eq!(parse(good).unwrap(), BTreeMap::from([(String::from("a_total{k=\"v\"}"), 1.0)]));
    for bad in [
        "a_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total x\n",
        "# HELP a_total A.\n# TYPE a_total counter\nb_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 1\n",
        "# HELP a A.\n# TYPE a summary\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{k=v} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{,k=\"v\"} 1\n",
    ] {
        parse(bad).unwrap_err();
    }
}

fn on_each_backend(test: impl Fn(Engine)) {
    for backend in [BackendChoice::IoUring, BackendChoice::Threads] {
        match Config::new().backend(backend).depth(2).capacity(8).start() {
            Ok(engine) => test(engine),
            Err(error) => eprintln!("skipped {backend:?}: {error}"),
        }
    }
}

#[test]
fn the_time_in_the_queue_is_told_from_the_time_with_the_kernel() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), [1; 4096]).unwrap();
    on_each_backend(|mut engine| {
        let file = File::open(temporary.path()).unwrap();
        let wait = Duration::from_millis(30);
        for _ in 0..4 {
            let buffer = engine.buffer().unwrap();
            let read = Read { file: file.clone(), offset: 0, buffer };
            engine.submit(read, |done, _| assert_eq!(done.result.unwrap(), 4096)).unwrap();
        }
        // They wait for the engine to be ticked, and two of them for the window besides.
        std::thread::sleep(wait);
        engine.drain().unwrap();
        let metrics = engine.metrics();
        let queue_ns = &metrics.read.queue_ns;
        assert_eq!((queue_ns.len(), metrics.read.latency_ns.len()), (4, 4));
        let wait_ns = u64::try_from(wait.as_nanos()).unwrap();
        // The histogram keeps 1 %.
        assert!(queue_ns.min() >= wait_ns * 99 / 100, "{} ns", queue_ns.min());
        assert!((1..=2).contains(&metrics.depth_max), "the window is {}", metrics.depth_max);
        assert!(metrics.depth_average() > 0.0 && metrics.depth_average() <= 2.0);

        // After a pause a request is not dated back to the turn before it, and what its callback
        // submits waits from then on.
        engine.reset_metrics();
        engine.submit(Nop, |done, _| done.result.unwrap()).unwrap();
        engine.drain().unwrap();
        std::thread::sleep(10 * wait);
        let begin = Instant::now();
        let read = || Read { file: file.clone(), offset: 0, buffer: engine.buffer().unwrap() };
        let (first, second) = (read(), read());
        let again = move |_, cx: &mut Context<'_>| {
            cx.submit(second, |done, _| drop(done)).unwrap();
        };
        engine.submit(first, again).unwrap();
        engine.tick(Wait::AtLeast(1)).unwrap();
        engine.drain().unwrap();
        let longest_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap();
        let queue_ns = &engine.metrics().read.queue_ns;
        assert_eq!(queue_ns.len(), 2);
        let max_ns = queue_ns.max();
        assert!(max_ns <= longest_ns / 100 * 102, "{max_ns} of {longest_ns} ns");
    });
}

#[test]
fn the_text_says_all_that_the_metrics_know() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), [1; 4096]).unwrap();
    on_each_backend(|mut engine| {
        let file = File::open(temporary.path()).unwrap();
        for _ in 0..3 {
            let buffer = engine.buffer().unwrap();
            let read = Read { file: file.clone(), offset: 0, buffer };
            let id = engine.submit(read, |done, _| drop(done)).unwrap();
            if engine.in_flight() == 3 {
                engine.cancel(id);
            }
        }
        engine.drain().unwrap();
        let metrics: &Metrics = engine.metrics();
        let samples = parse(&metrics.to_prometheus("engine=\"a b\"")).unwrap();
        let value = |series: &str| samples.get(series).copied();
        let of_read = |name: &str| value(&format!("iomill_{name}{{kind=\"read\",engine=\"a b\"}}"));
        assert_eq!(of_read("requests_total"), Some(2.0));
        assert_eq!(of_read("failures_total"), Some(1.0));
        assert_eq!(of_read("given_up_total"), Some(1.0));
        assert_eq!(of_read("bytes_total"), Some(8192.0));
        assert_eq!(of_read("queue_seconds_count"), Some(2.0));
        assert!(of_read("latency_seconds_sum").unwrap() > 0.0);
        let of_engine = |name: &str| value(&format!("iomill_{name}{{engine=\"a b\"}}"));
        assert_eq!(of_engine("overflows_total"), Some(0.0));
        assert_eq!(of_engine("staged_total"), Some(2.0));
        assert_eq!(of_engine("depth_sum"), Some(metrics.depth_sum as f64));
        assert_eq!(of_engine("depth_max"), Some(f64::from(metrics.depth_max)));
        // Six kinds of six counters, three lanes and two summaries of seven, and the engine's nine.
        assert_eq!(samples.len(), 6 * (6 + 3 + 2 * 7) + 9);
        assert_eq!(parse(&metrics.to_prometheus("")).unwrap().len(), samples.len());
    });
}

#[test]
fn a_handles_snapshot_counts_the_time_in_its_queue_and_its_wake_ups() {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    let file = File::open(temporary.path()).unwrap();
    crate::handle::on_each_backend(&Config::new(), |handle, _owner| {
        let read = || Read { file: file.clone(), offset: 0, buffer: handle.buffer().unwrap() };
        let begin = Instant::now();
        let mut count = 0;
        // The first ones may come before it sleeps.
        while handle.counters().wake_ups == 0 {
            assert!(begin.elapsed() < Duration::from_secs(60), "it sleeps when it is idle");
            std::thread::sleep(Duration::from_millis(1));
            pollster::block_on(handle.run(read())).unwrap().result.unwrap();
            count += 1;
        }
        let idle = handle.metrics().wait().unwrap();
        assert_eq!(idle.read.queue_ns.len(), count);
        assert!(idle.wake_ups >= 1);
        assert!(parse(&idle.to_prometheus("")).unwrap()["iomill_wake_ups_total"] >= 1.0);

        // Behind a callback that takes its time, requests wait in the handle's queue.
        let release = crate::handle::hold(handle);
        handle.try_submit(read(), |done, _| assert_eq!(done.result.unwrap(), 0)).unwrap();
        let wait = Duration::from_millis(30);
        std::thread::sleep(wait);
        drop(release);
        while handle.metrics().wait().unwrap().read.completed <= count {
            std::thread::yield_now();
        }
        let busy = handle.metrics().wait().unwrap();
        let queue_ns = &busy.read.queue_ns;
        assert_eq!(queue_ns.len(), count + 1);
        let wait_ns = u64::try_from(wait.as_nanos()).unwrap();
        assert!(queue_ns.max() >= wait_ns * 99 / 100, "{} ns", queue_ns.max());
    });
}
