//! Options of fio that do nothing here, and those that are refused.
//!
//! Owns the reasons. An option that changes nothing is passed over with a note, one that would
//! change the job is an error unless `--ignore_unsupported` is given. Asked by `plan` and `cli` for
//! names that the table does not have.

/// What is known of an option that the table does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// It may be passed over.
    NoEffect(&'static str),
    /// The job would be another one without it.
    Unsupported(&'static str),
}

const TERSE: &str = "that layout is not written; use --output-format=json";
const HOSTS: &str = "start it on each host with --start_at, and add the results up with merge";
const TRIGGER: &str = "there are no triggers; kill the run, or the machine, from outside";
const SAMPLES: &str = "bandwidth and IOPS are sampled every 500 ms";
const WINDOWS: &str = "logs have one short line per window, never one per request";
const CLOCKS: &str = "the clock is read once per batch, so there is nothing to save";
const METADATA: &str = "it belongs to engines that do not read or write";
const ZONES: &str = "zoned devices are not supported";
const NUMA: &str = "memory is not placed by node; pin the job with --cpus_allowed";
const REPLAY: &str = "traces are not replayed";
const PRIORITY: &str = "I/O priorities are not set; start the whole program with ionice";
const COMMANDS: &str = "the engines io_uring and threads send no device commands";
const LAYOUT: &str = "files are made one after the other, before the first job";
const RANDOM: &str = "the generator is fixed: every block once per pass, without a map in memory";

/// Names, and why nothing is lost without them.
const NO_EFFECT: &[(&str, &str)] = &[
    ("gtod_reduce", CLOCKS),
    ("gtod_cpu", CLOCKS),
    ("clocksource", CLOCKS),
    ("disable_lat", CLOCKS),
    ("disable_clat", CLOCKS),
    ("disable_slat", CLOCKS),
    ("disable_bw_measurement", CLOCKS),
    ("random_generator", RANDOM),
    ("softrandommap", RANDOM),
    ("create_serialize", LAYOUT),
    ("create_fsync", LAYOUT),
    ("overwrite", "created files have their blocks reserved before the job"),
    ("openfiles", "all files of a job are open at once"),
    ("io_submit_mode", "submission never blocks the job's thread"),
    ("iodepth_batch", "the engine decides on the size of batches"),
    ("iodepth_batch_submit", "the engine decides on the size of batches"),
    ("iodepth_batch_complete_max", "everything that has completed is taken at once"),
    ("iodepth_low", "the queue is filled up whenever something has completed"),
    ("mem", "buffers are one aligned mapping"),
    ("iomem", "buffers are one aligned mapping"),
    ("iomem_align", "buffers are aligned to pages"),
    ("mem_align", "buffers are aligned to pages"),
    ("scramble_buffers", "buffers are random from the beginning; see --refill_buffers"),
    ("verify_async", "blocks are checked on the job's own thread"),
    ("verify_async_cpus", "blocks are checked on the job's own thread"),
    ("verifysort", "what was written is read back in the order of the file"),
    ("verifysort_nr", "what was written is read back in the order of the file"),
    ("verify_write_sequence", "each block carries the number of the pass that wrote it"),
    ("verify_header_seed", "each block carries the seed of the run"),
    ("experimental_verify", "there is one way of verifying, without a list of what was written"),
    ("serialize_overlap", "with --verify no two requests for one place are in flight"),
    ("error_dump", "see --verify_dump"),
    ("nonvectored", "transfers are never vectored"),
    ("group_id", "groups come from --new_group and --stonewall"),
    ("log_prio", PRIORITY),
    ("dedupe_mode", "a write repeats the one before it"),
    ("dedupe_global", "a write repeats one of its own job"),
    ("dedupe_working_set_percentage", "a write repeats the one before it"),
    ("buffer_compress_chunk", "zeros stand at the end of each block"),
    ("unit_base", "the report shows bytes"),
    ("fadvise_hint", "the kernel gets no advice on the order of requests"),
    ("force_async", "the engine decides what the kernel hands to its workers"),
    ("rate_ignore_thinktime", "a pause counts as time in which requests were due"),
    ("thinktime_blocks_type", "blocks count when they are issued"),
    ("significant_figures", "latencies are kept to three digits"),
    ("disk_util", "the report always has the disks"),
    ("block_error_percentiles", "the report has no such lines"),
    ("write_barrier", "see --fsync"),
    ("lockfile", "jobs on one file do not exclude each other"),
    ("comm", "threads keep the program's name"),
    ("eta_newline", "see --status-interval"),
    ("eta_interval", "see --status-interval"),
    ("debug", "there is nothing to see but what the report has"),
    ("max_jobs", "jobs take no shared table"),
    ("alloc_size", "jobs take no shared table"),
    ("warnings_fatal", "what would be wrong is an error anyway"),
    ("latency_window", "the adaptive depth looks as often as it has seen enough"),
    ("latency_run", "the adaptive depth is kept to the latency for the whole run"),
    ("bwavgtime", SAMPLES),
    ("iopsavgtime", SAMPLES),
    ("log_offset", WINDOWS),
    ("log_entries", WINDOWS),
    ("log_compression", WINDOWS),
    ("log_compression_cpus", WINDOWS),
    ("log_hist_coarseness", "histograms are logged with all their bins"),
    ("slat_percentiles", "there is no submission latency: requests go out in batches"),
];

/// Names, and why they are refused.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("verify_state_save", "what was written is not saved; --verify_only needs no such file"),
    ("verify_state_load", "what was written is not saved; --verify_only needs no such file"),
    ("verify_offset", "the header stands at the start of each block"),
    ("verify_policy", "blocks are checked after they completed"),
    ("numa_cpu_nodes", NUMA),
    ("numa_mem_policy", NUMA),
    ("cpumask", "write a list instead: --cpus_allowed=0,2-3"),
    ("nowait", "a request that would block is never refused"),
    ("zonecapacity", ZONES),
    ("read_beyond_wp", ZONES),
    ("max_open_zones", ZONES),
    ("job_max_open_zones", ZONES),
    ("ignore_zone_limits", ZONES),
    ("zone_reset_threshold", ZONES),
    ("zone_reset_frequency", ZONES),
    ("prio", PRIORITY),
    ("prioclass", PRIORITY),
    ("priohint", PRIORITY),
    ("nice", "start the whole program with nice"),
    ("cmdprio", PRIORITY),
    ("cmdprio_percentage", PRIORITY),
    ("cmdprio_class", PRIORITY),
    ("cmdprio_bssplit", PRIORITY),
    ("read_iolog", REPLAY),
    ("write_iolog", REPLAY),
    ("replay_no_stall", REPLAY),
    ("replay_redirect", REPLAY),
    ("replay_scale", REPLAY),
    ("replay_align", REPLAY),
    ("merge_blktrace_file", REPLAY),
    ("ioscheduler", "write it to /sys/block/<disk>/queue/scheduler before the run"),
    ("cgroup", "start the program inside the group"),
    ("cgroup_weight", "start the program inside the group"),
    ("uid", "start the program as that user"),
    ("gid", "start the program as that user"),
    ("thinktime_spin", "a pause never burns CPU; use --thinktime"),
    ("thinktime_iotime", "use --thinktime with --thinktime_blocks"),
    ("sync_file_range", "use --fsync or --fdatasync"),
    ("fsync_on_close", "use --end_fsync"),
    ("end_syncfs", "use --end_fsync"),
    ("file_append", "blocks are written at offsets; use --offset"),
    ("opendir", "name the files with --filename"),
    ("unique_filename", "give --directory, then each copy has its own files"),
    ("rw_sequencer", "runs of a random job are sequential: --rw=randread:8"),
    ("bs_unaligned", "use --blockalign"),
    ("bs_is_seq_rand", "give the two kinds of requests a job each"),
    ("num_range", "each trim is one range"),
    ("sprandom", "this preconditioning is not supported; write the device twice at random"),
    ("random_sequence_stride", "use --rw=read:8k for a distance between blocks"),
    ("create_only", "run a job with --rw=write --unlink=0 instead"),
    ("unlink_each_loop", "files are removed at the end of the run"),
    ("ramp_size", "use --ramp_time"),
    ("minimal", TERSE),
    ("append_terse", TERSE),
    ("terse_version", TERSE),
    ("client", HOSTS),
    ("server", HOSTS),
    ("remote_config", HOSTS),
    ("daemonize", "start it with nohup or systemd-run"),
    ("showcmd", "--parse-only checks a job file, and the report lists its options"),
    ("cmdhelp", "see 'bench-cli run --help'"),
    ("enghelp", "see --ioengine in 'bench-cli run --help'"),
    ("bandwidth_log", "use --write_bw_log in the job"),
    ("latency_log", "use --write_lat_log in the job"),
    ("idle_prof", "the report has the CPU time per request"),
    ("aux_path", "write the folder into the names of --output and of the logs"),
    ("trigger_file", TRIGGER),
    ("trigger_timeout", TRIGGER),
    ("trigger", TRIGGER),
    ("trigger_remote", TRIGGER),
    ("inflate_log", "logs are plain text"),
    ("log_max_value", "logs have means; --write_hist_log has the longest latencies as well"),
    ("log_store_compressed", "logs are plain text; compress them when the run is over"),
    ("log_alternate_epoch", "use --log_unix_epoch"),
    ("log_alternate_epoch_clock_id", "use --log_unix_epoch"),
    ("stats", "every job is in the report; leave out what you do not want to see"),
    ("read_iolog_chunked", REPLAY),
    ("replay_time_scale", REPLAY),
    ("replay_skip", REPLAY),
    ("merge_blktrace_scalars", REPLAY),
    ("merge_blktrace_iters", REPLAY),
    ("cgroup_nodelete", "start the program inside the group"),
    ("unified_rw_reporting", "reads and writes are reported apart"),
    ("profile", "profiles of fio are not supported"),
    ("lockmem", "start the program inside a cgroup with a memory limit"),
    ("hugepage-size", "buffers are in pages of the usual size"),
    ("write_hint", "lifetime hints are not given"),
    ("dataplacement", "data placement is not controlled"),
    ("cmd_type", COMMANDS),
    ("inplace", METADATA),
    ("donorname", METADATA),
    ("cpuload", METADATA),
    ("program", METADATA),
    ("allow_mounted_write", "use --allow_overwrite"),
    ("ignore_zone", ZONES),
];

/// What is known of `name`, which the table does not have.
pub(crate) fn foreign(name: &str) -> Option<(&'static str, Foreign)> {
    let wanted = name.replace('-', "_");
    let of = |list: &'static [(&'static str, &'static str)]| {
        list.iter().find(|(known, _)| known.replace('-', "_") == wanted)
    };
    if let Some((name, why)) = of(NO_EFFECT) {
        return Some((name, Foreign::NoEffect(why)));
    }
    of(UNSUPPORTED).map(|(name, why)| (*name, Foreign::Unsupported(why)))
}

/// All names with what is known of them, for the reference.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Foreign)> {
    let passed_over = NO_EFFECT.iter().map(|(name, why)| (*name, Foreign::NoEffect(why)));
    passed_over.chain(UNSUPPORTED.iter().map(|(name, why)| (*name, Foreign::Unsupported(why))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_known_twice() {
        let mut seen = std::collections::HashSet::new();
        for (name, _) in all() {
            assert!(seen.insert(name), "{name} is in both lists or twice in one");
            assert!(super::super::find(name).is_none(), "{name} is supported after all");
        }
    }

    #[test]
    fn what_fio_jobs_use_most_is_here_or_does_nothing() {
        // The options of fio's own examples and of published benchmarks, by frequency.
        const FREQUENT: &str = "rw rwmixread percentage_random filename directory size io_size \
            filesize nrfiles offset offset_increment bs bssplit bsrange ioengine iodepth \
            iodepth_batch iodepth_batch_complete_min iodepth_batch_complete_max direct sync \
            random_distribution norandommap randseed numjobs thread stonewall startdelay runtime \
            time_based ramp_time rate rate_iops thinktime latency_target latency_window \
            latency_percentile max_latency steadystate fsync fdatasync end_fsync verify do_verify \
            verify_backlog refill_buffers buffer_pattern fallocate cpus_allowed group_reporting \
            percentile_list write_bw_log write_lat_log write_iops_log write_hist_log log_avg_msec \
            continue_on_error output-format status-interval parse-only";
        let names: Vec<&str> = FREQUENT.split_whitespace().collect();
        assert_eq!(names.len(), 60);
        for name in names {
            let passed_over = matches!(foreign(name), Some((_, Foreign::NoEffect(_))));
            assert!(super::super::find(name).is_some() || passed_over, "{name} is refused");
        }
    }

    #[test]
    fn names_are_found_with_hyphens_too() {
        assert!(matches!(foreign("gtod-reduce"), Some((_, Foreign::NoEffect(_)))));
        assert!(matches!(foreign("numa_cpu_nodes"), Some((_, Foreign::Unsupported(_)))));
        assert_eq!(foreign("iodepth"), None);
    }
}
