//! Takes io_uring away from a process by a seccomp filter, as container runtimes do.
//!
//! It never undoes a filter: the kernel does not allow it, so only a process that is about to
//! become another program installs one. The binary `without-io-uring` does that; tests reach it
//! through [`Denial::command`].

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`: the same numbers on every
/// architecture, because they are younger than the common numbering of 2019.
const IO_URING_CALLS: std::ops::RangeInclusive<i64> = 425..=427;

/// The errnos by which kernels, container runtimes and memory limits are known to refuse io_uring.
const ERRNOS: [(&str, i32); 5] = [
    ("EPERM", libc::EPERM),
    ("ENOSYS", libc::ENOSYS),
    ("EACCES", libc::EACCES),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("ENOMEM", libc::ENOMEM),
];

/// How the filter answers the three io_uring system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The call fails with this errno, one of those that [`Denial::errno`] knows.
    Errno(i32),
    /// The process dies by `SIGSYS`: proof that a program does not even try.
    Kill,
}

impl Denial {
    /// The denial that answers with the errno of this name, or `None` for a name it does not know.
    pub fn errno(name: &str) -> Option<Denial> {
        ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, errno)| Denial::Errno(*errno))
    }

    /// The names that [`Denial::errno`] knows.
    pub fn errno_names() -> impl Iterator<Item = &'static str> {
        ERRNOS.iter().map(|(name, _)| *name)
    }

    /// Installs the filter on this thread for good, together with `no_new_privs`.
    ///
    /// # Errors
    ///
    /// The architecture is one that the filter compiler does not know, or the kernel has no
    /// seccomp.
    pub fn install(self) -> Result<(), Box<dyn Error>> {
        let answer = match self {
            Denial::Errno(errno) => SeccompAction::Errno(errno.unsigned_abs()),
            Denial::Kill => SeccompAction::KillProcess,
        };
        // A system call with an empty list of conditions matches whatever its arguments are.
        let calls: BTreeMap<i64, Vec<_>> = IO_URING_CALLS.map(|call| (call, Vec::new())).collect();
        let architecture = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(calls, SeccompAction::Allow, answer, architecture)?;
        seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
        Ok(())
    }

    /// A command that runs `program` under this denial; arguments, directory and pipes are added
    /// by the caller as usual.
    ///
    /// `filter_program` is the path of `without-io-uring`: only Cargo knows it, and it tells only
    /// the integration tests (`CARGO_BIN_EXE_without-io-uring`).
    pub fn command(self, filter_program: &Path, program: &Path) -> Command {
        let mut command = Command::new(filter_program);
        match self {
            Denial::Errno(errno) => {
                let name = ERRNOS.iter().find(|(_, known)| *known == errno).map(|(name, _)| *name);
                // An unknown number goes on as digits, and the program refuses it by name.
                command.arg("--errno").arg(name.map_or_else(|| errno.to_string(), String::from));
            }
            Denial::Kill => {
                command.arg("--kill");
            }
        }
        command.arg("--").arg(program);
        command
    }
}

/// What the command line of `without-io-uring` asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    /// How io_uring is refused.
    pub denial: Denial,
    /// The program to become.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// Reads the arguments that follow the program's own name.
    ///
    /// # Errors
    ///
    /// One line that names the argument at fault and what is expected in its place.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
        let mut arguments = arguments.into_iter();
        let mut denial = Denial::Errno(libc::EPERM);
        loop {
            let Some(argument) = arguments.next() else {
                return Err(
                    "no command given: put it after `--`, as in `-- COMMAND ARGS...`".into()
                );
            };
            match argument.to_str() {
                Some("--") => break,
                Some("--kill") => denial = Denial::Kill,
                Some("--errno") => {
                    let name = arguments.next().unwrap_or_default();
                    let name = name.to_string_lossy();
                    denial = Denial::errno(&name).ok_or_else(|| {
                        let known: Vec<_> = Denial::errno_names().collect();
                        format!("--errno {name:?}: use one of {}", known.join(", "))
                    })?;
                }
                _ => {
                    return Err(format!(
                        "{argument:?} is not an option: use --errno NAME or --kill, and put the \
                         command after `--`"
                    ));
                }
            }
        }
        let program = arguments
            .next()
            .ok_or("no command given: put it after `--`, as in `-- COMMAND ARGS...`")?;
        Ok(Invocation { denial, program, arguments: arguments.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Invocation, String> {
        Invocation::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn eperm_is_what_is_answered_unless_told_otherwise() {
        let invocation = parse(&["--", "true", "--errno"]).expect("a good command line");
        assert_eq!(invocation.denial, Denial::Errno(libc::EPERM));
        assert_eq!(invocation.program, "true");
        assert_eq!(invocation.arguments, ["--errno"], "what follows `--` belongs to the command");
    }

    #[test]
    fn every_errno_name_and_kill_are_understood() {
        for (name, errno) in
            [("EPERM", 1), ("ENOMEM", 12), ("EACCES", 13), ("ENOSYS", 38), ("EOPNOTSUPP", 95)]
        {
            let invocation = parse(&["--errno", name, "--", "true"]).expect("a known errno");
            assert_eq!(invocation.denial, Denial::Errno(errno));
        }
        assert_eq!(parse(&["--kill", "--", "true"]).map(|it| it.denial), Ok(Denial::Kill));
    }

    #[test]
    fn bad_usage_names_the_argument_at_fault() {
        for (arguments, culprit) in [
            (&["--errno", "EWHAT", "--", "true"][..], "EWHAT"),
            (&["--errno"], "use one of EPERM"),
            (&["--quiet", "--", "true"], "--quiet"),
            (&["true"], "true"),
            (&["--kill"], "no command given"),
            (&["--"], "no command given"),
        ] {
            let error = parse(arguments).expect_err("a bad command line");
            assert!(error.contains(culprit), "{error:?} does not name {culprit:?}");
            assert!(!error.contains('\n'), "{error:?} is more than one line");
        }
    }
}
