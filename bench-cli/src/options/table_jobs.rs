//! Options of jobs among each other: copies, order, groups, ends, errors.
//!
//! A part of the table; see `table`.

use super::table::{job, set};
use super::{OptionDef, Setting, value};
use crate::job::{ContinueOn, ExitWhat};

/// The options of this subject, in the order of the help.
pub(super) static OPTIONS: &[OptionDef] = &[
    job(
        "description",
        &[],
        Setting::Text(|s, v| {
            s.job.description = Some(v.to_owned());
            Ok(())
        }),
        "What the job is for; stands in the report",
    ),
    job(
        "numjobs",
        &[],
        Setting::Int(1..=256, |s, v| {
            s.job.numjobs = u32::try_from(v).map_err(|_| "too many")?;
            Ok(())
        }),
        "Copies of the job that run at the same time [1]",
    ),
    job(
        "thread",
        &["threads"],
        Setting::Bool(|_, v| {
            if v { Ok(()) } else { Err("jobs are always threads here; leave it out".to_owned()) }
        }),
        "Run jobs as threads, not processes: always so [1]",
    ),
    job(
        "group_reporting",
        &[],
        Setting::Bool(set!(job.group_reporting)),
        "Report all jobs of a group as one [0]",
    ),
    job(
        "stonewall",
        &["wait_for_previous"],
        Setting::Bool(set!(job.schedule.stonewall)),
        "Begin when all jobs before this one have ended; also begins a new group [0]",
    ),
    job(
        "new_group",
        &[],
        Setting::Bool(set!(job.schedule.new_group)),
        "Begin a new group of the report [0]",
    ),
    job(
        "wait_for",
        &[],
        Setting::Text(|s, v| {
            s.job.schedule.wait_for = Some(v.to_owned());
            Ok(())
        }),
        "Begin when all copies of the job of this name have ended",
    ),
    job(
        "exitall",
        &[],
        Setting::Bool(set!(job.schedule.exit_all)),
        "When this job ends, end others too; --exit_what says which [0]",
    ),
    job(
        "exitall_on_error",
        &[],
        Setting::Bool(set!(job.schedule.exit_all_on_error)),
        "When this job fails, end all others too [0]",
    ),
    job(
        "exit_what",
        &[],
        Setting::Choice(ExitWhat::NAMES, |s, v| {
            s.job.schedule.exit_what = ExitWhat::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Which jobs --exitall ends: group, stonewall, all [group]",
    ),
    job(
        "cpus_allowed",
        &[],
        Setting::Form("CPU,CPU-CPU", "0", |s, v| {
            s.job.cpus_allowed = cpus(v)?;
            Ok(())
        }),
        "CPUs that the job's threads may run on, e.g. 0,2-3",
    ),
    job(
        "cpus_allowed_policy",
        &[],
        Setting::Choice(&["shared", "split"], |s, v| {
            s.job.cpus_split = v == "split";
            Ok(())
        }),
        "All copies on all these CPUs (shared), or each copy on its own (split) [shared]",
    ),
    job(
        "exec_prerun",
        &[],
        Setting::Text(|s, v| {
            s.job.schedule.exec_prerun = Some(v.to_owned());
            Ok(())
        }),
        "Shell command to run before the job",
    ),
    job(
        "exec_postrun",
        &[],
        Setting::Text(|s, v| {
            s.job.schedule.exec_postrun = Some(v.to_owned());
            Ok(())
        }),
        "Shell command to run after the job",
    ),
    job(
        "continue_on_error",
        &[],
        Setting::Choice(ContinueOn::NAMES, |s, v| {
            s.job.continue_on = ContinueOn::from_name(v).ok_or("unknown")?;
            Ok(())
        }),
        "Count these errors and go on: none, read, write, io, verify, all [none]",
    ),
    job(
        "ignore_error",
        &[],
        Setting::Form("ERRNO:..,..", "EIO", |s, v| {
            let errors = v.split(',').map(errnos).collect::<Result<Vec<_>, _>>()?;
            if errors.len() > 3 {
                return Err(format!("'{v}' has more than three lists: reads,writes,verify"));
            }
            for (list, errors) in s.job.ignored_errors.iter_mut().zip(errors) {
                *list = errors;
            }
            Ok(())
        }),
        "Errors that do not count, for reads, writes and verification: EIO:ENOSPC,ENOSPC",
    ),
];

fn cpus(text: &str) -> Result<Vec<u32>, String> {
    let mut list = Vec::new();
    for part in text.split([',', ':']).filter(|part| !part.is_empty()) {
        let (low, high) = value::range(part, value::integer)?;
        if high > 4095 {
            return Err(format!("there is no CPU {high}"));
        }
        list.extend((low..=high).filter_map(|cpu| u32::try_from(cpu).ok()));
    }
    if list.is_empty() { Err(format!("'{text}' names no CPU")) } else { Ok(list) }
}

fn errnos(text: &str) -> Result<Vec<i32>, String> {
    let known = [
        ("EPERM", rustix::io::Errno::PERM),
        ("EIO", rustix::io::Errno::IO),
        ("ENXIO", rustix::io::Errno::NXIO),
        ("EAGAIN", rustix::io::Errno::AGAIN),
        ("ENOMEM", rustix::io::Errno::NOMEM),
        ("EACCES", rustix::io::Errno::ACCESS),
        ("EINVAL", rustix::io::Errno::INVAL),
        ("EFBIG", rustix::io::Errno::FBIG),
        ("ENOSPC", rustix::io::Errno::NOSPC),
        ("EROFS", rustix::io::Errno::ROFS),
        ("EILSEQ", rustix::io::Errno::ILSEQ),
        ("EOPNOTSUPP", rustix::io::Errno::OPNOTSUPP),
        ("EDQUOT", rustix::io::Errno::DQUOT),
        ("ETIMEDOUT", rustix::io::Errno::TIMEDOUT),
    ];
    let one = |word: &str| {
        let by_name = known.iter().find(|(name, _)| *name == word);
        let number = by_name.map(|(_, errno)| errno.raw_os_error()).or_else(|| word.parse().ok());
        number.filter(|errno| *errno > 0).ok_or_else(|| {
            format!("'{word}' is not an error; write its number or a name such as EIO, ENOSPC")
        })
    };
    text.split(':').filter(|word| !word.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_numbers_and_ranges() {
        assert_eq!(cpus("0,2-4"), Ok(vec![0, 2, 3, 4]));
        assert_eq!(cpus("1:3"), Ok(vec![1, 3]));
        assert!(cpus("").is_err() && cpus("x").is_err() && cpus("9999").is_err());
    }

    #[test]
    fn errors_have_names_or_numbers() {
        assert_eq!(errnos("EIO:28"), Ok(vec![5, 28]));
        assert_eq!(errnos(""), Ok(vec![]));
        assert!(errnos("EWHAT").is_err_and(|why| why.contains("EWHAT")));
    }
}
