//! Takes io_uring, files, threads or privileges away from a process: by a seccomp filter, as
//! container runtimes do, by resource limits, and by another user.
//!
//! It never undoes any of that: the kernel does not allow it, so only a process that is about to
//! become another program does it. The binary `without-io-uring` is that process; tests reach it
//! through [`Denial::command`].

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// The errnos by which kernels, container runtimes and memory limits are known to refuse io_uring.
const ERRNOS: [(&str, i32); 5] = [
    ("EPERM", libc::EPERM),
    ("ENOSYS", libc::ENOSYS),
    ("EACCES", libc::EACCES),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("ENOMEM", libc::ENOMEM),
];

/// One of the three system calls of io_uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `io_uring_setup(2)`.
    Setup,
    /// `io_uring_enter(2)`.
    Enter,
    /// `io_uring_register(2)`.
    Register,
}

impl Call {
    /// All three.
    pub const ALL: [Call; 3] = [Call::Setup, Call::Enter, Call::Register];

    /// Its name without the `io_uring_` in front.
    pub fn name(self) -> &'static str {
        match self {
            Call::Setup => "setup",
            Call::Enter => "enter",
            Call::Register => "register",
        }
    }

    /// The call of this name.
    pub fn of_name(name: &str) -> Option<Call> {
        Call::ALL.into_iter().find(|call| call.name() == name)
    }

    /// The same on every architecture, because they are younger than the common numbering of 2019.
    fn number(self) -> i64 {
        match self {
            Call::Setup => libc::SYS_io_uring_setup,
            Call::Enter => libc::SYS_io_uring_enter,
            Call::Register => libc::SYS_io_uring_register,
        }
    }
}

/// How the filter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call works.
    Allow,
    /// The call fails with this errno, one of those that [`Denial::errno`] knows.
    Errno(i32),
    /// The process dies by `SIGSYS`: proof that a program does not even try.
    Kill,
    /// The thread that calls dies, the others live on.
    KillThread,
}

/// A limit that the program gets, soft and hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `RLIMIT_MEMLOCK`. Units: bytes.
    Memlock,
    /// `RLIMIT_NOFILE`: one more than the highest descriptor.
    OpenFiles,
    /// `RLIMIT_NPROC`: threads of the user, who must not be root.
    Threads,
}

impl Limit {
    /// All that can be set.
    pub const ALL: [Limit; 3] = [Limit::Memlock, Limit::OpenFiles, Limit::Threads];

    /// As setrlimit(2) calls it, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Memlock => "memlock",
            Limit::OpenFiles => "nofile",
            Limit::Threads => "nproc",
        }
    }

    fn resource(self) -> Resource {
        match self {
            Limit::Memlock => Resource::Memlock,
            Limit::OpenFiles => Resource::Nofile,
            Limit::Threads => Resource::Nproc,
        }
    }
}

/// What a program has to do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// How the filter answers each of `calls`.
    pub answer: Answer,
    /// The system calls that it answers so.
    pub calls: Vec<Call>,
    /// Limits, each with its value.
    pub limits: Vec<(Limit, u64)>,
    /// The user that the program runs as, if not this one.
    pub user: Option<u32>,
}

impl Denial {
    /// Nothing is taken away yet.
    pub fn nothing() -> Denial {
        Denial { answer: Answer::Allow, calls: Call::ALL.to_vec(), limits: Vec::new(), user: None }
    }

    /// All three calls are answered so.
    pub fn by(answer: Answer) -> Denial {
        Denial { answer, ..Denial::nothing() }
    }

    /// The answer with the errno of this name, or `None` for a name that is not known here.
    pub fn errno(name: &str) -> Option<Answer> {
        ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, errno)| Answer::Errno(*errno))
    }

    /// The names that [`Denial::errno`] knows.
    pub fn errno_names() -> impl Iterator<Item = &'static str> {
        ERRNOS.iter().map(|(name, _)| *name)
    }

    /// Only this call is answered so.
    #[must_use]
    pub fn only(mut self, call: Call) -> Denial {
        self.calls = vec![call];
        self
    }

    /// With this limit as well.
    #[must_use]
    pub fn limit(mut self, limit: Limit, value: u64) -> Denial {
        self.limits.push((limit, value));
        self
    }

    /// As this user, which only root can become.
    #[must_use]
    pub fn user(mut self, user: u32) -> Denial {
        self.user = Some(user);
        self
    }

    /// Sets the limits of this process, and installs the filter on this thread, for good and
    /// together with `no_new_privs`. Changing the user is left to whoever starts the program.
    ///
    /// # Errors
    ///
    /// A limit that is to be raised above the hard one, an architecture that the filter compiler
    /// does not know, or a kernel without seccomp.
    pub fn install(&self) -> Result<(), Box<dyn Error>> {
        for (limit, value) in &self.limits {
            let resource = limit.resource();
            let hard = getrlimit(resource).maximum.map_or(*value, |hard| hard.min(*value));
            setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
        }
        let answer = match self.answer {
            Answer::Allow => return Ok(()),
            Answer::Errno(errno) => SeccompAction::Errno(errno.unsigned_abs()),
            Answer::Kill => SeccompAction::KillProcess,
            Answer::KillThread => SeccompAction::KillThread,
        };
        // A system call with an empty list of conditions matches whatever its arguments are.
        let calls: BTreeMap<i64, Vec<_>> =
            self.calls.iter().map(|call| (call.number(), Vec::new())).collect();
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
    pub fn command(&self, filter_program: &Path, program: &Path) -> Command {
        let mut command = Command::new(filter_program);
        match self.answer {
            Answer::Errno(errno) => {
                let name = ERRNOS.iter().find(|(_, known)| *known == errno).map(|(name, _)| *name);
                // An unknown number goes on as digits, and the program refuses it by name.
                command.arg("--errno").arg(name.map_or_else(|| errno.to_string(), String::from));
            }
            Answer::Kill => {
                command.arg("--kill");
            }
            Answer::KillThread => {
                command.arg("--kill-thread");
            }
            Answer::Allow => {
                command.arg("--allow");
            }
        }
        if self.calls.len() < Call::ALL.len() {
            for call in &self.calls {
                command.args(["--call", call.name()]);
            }
        }
        for (limit, value) in &self.limits {
            command.arg("--limit").arg(format!("{}={value}", limit.name()));
        }
        if let Some(user) = self.user {
            command.arg("--user").arg(user.to_string());
        }
        command.arg("--").arg(program);
        command
    }
}
