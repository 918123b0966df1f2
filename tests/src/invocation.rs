//! The command line of `without-io-uring`: what is to be taken away, and from which program. Parses
//! only; `denial` does it.

use super::denial::{Answer, Call, Denial, Limit};
use std::ffi::OsString;

const NO_COMMAND: &str = "no command given: put it after `--`, as in `-- COMMAND ARGS...`";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What the program has to do without.
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
        let mut denial = Denial::by(Answer::Errno(libc::EPERM));
        let mut calls = Vec::new();
        loop {
            let argument = arguments.next().ok_or(NO_COMMAND)?;
            let mut value = || {
                let value = arguments.next().unwrap_or_default();
                value.to_string_lossy().into_owned()
            };
            match argument.to_str() {
                Some("--") => break,
                Some("--allow") => denial.answer = Answer::Allow,
                Some("--kill") => denial.answer = Answer::Kill,
                Some("--kill-thread") => denial.answer = Answer::KillThread,
                Some("--errno") => denial.answer = errno(&value())?,
                Some("--call") => calls.push(call(&value())?),
                Some("--limit") => denial.limits.push(limit(&value())?),
                Some("--user") => denial.user = Some(user(&value())?),
                _ => {
                    return Err(format!(
                        "{argument:?} is not an option: use --errno NAME, --kill, --kill-thread, \
                         --allow, --call NAME, --limit NAME=VALUE or --user NUMBER, and put the \
                         command after `--`"
                    ));
                }
            }
        }
        if !calls.is_empty() {
            denial.calls = calls;
        }
        let program = arguments.next().ok_or(NO_COMMAND)?;
        Ok(Invocation { denial, program, arguments: arguments.collect() })
    }
}

fn errno(name: &str) -> Result<Answer, String> {
    let known = || Denial::errno_names().collect::<Vec<_>>().join(", ");
    Denial::errno(name).ok_or_else(|| format!("--errno {name:?}: use one of {}", known()))
}

fn call(name: &str) -> Result<Call, String> {
    let known = || Call::ALL.map(Call::name).join(", ");
    Call::of_name(name).ok_or_else(|| format!("--call {name:?}: use one of {}", known()))
}

fn limit(text: &str) -> Result<(Limit, u64), String> {
    let parsed = text.split_once('=').and_then(|(name, value)| {
        let limit = Limit::ALL.into_iter().find(|limit| limit.name() == name)?;
        Some((limit, value.parse().ok()?))
    });
    let known = || Limit::ALL.map(Limit::name).join(", ");
    parsed.ok_or_else(|| format!("--limit {text:?}: use NAME=NUMBER with one of {}", known()))
}

fn user(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("--user {text:?}: use a number, as `id -u` prints it"))
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
        assert_eq!(invocation.denial, Denial::by(Answer::Errno(libc::EPERM)));
        assert_eq!(invocation.program, "true");
        assert_eq!(invocation.arguments, ["--errno"], "what follows `--` belongs to the command");
    }

    #[test]
    fn every_errno_name_and_kill_are_understood() {
        for (name, errno) in
            [("EPERM", 1), ("ENOMEM", 12), ("EACCES", 13), ("ENOSYS", 38), ("EOPNOTSUPP", 95)]
        {
            let invocation = parse(&["--errno", name, "--", "true"]).expect("a known errno");
            assert_eq!(invocation.denial, Denial::by(Answer::Errno(errno)));
        }
        let kill = parse(&["--kill", "--", "true"]).map(|it| it.denial);
        assert_eq!(kill, Ok(Denial::by(Answer::Kill)));
    }

    #[test]
    fn a_command_says_all_that_its_denial_takes_away() {
        let plain = Denial::by(Answer::KillThread);
        let all = [
            plain.clone(),
            Denial::by(Answer::Errno(libc::ENOMEM)).only(Call::Register),
            Denial::nothing().limit(Limit::Memlock, 65_536).limit(Limit::Threads, 3).user(65_534),
        ];
        for denial in all {
            let command = denial.command("without-io-uring".as_ref(), "true".as_ref());
            let invocation = Invocation::parse(command.get_args().map(OsString::from));
            assert_eq!(invocation.map(|it| it.denial), Ok(denial));
        }
        assert_eq!(plain.calls, Call::ALL);
    }

    #[test]
    fn bad_usage_names_the_argument_at_fault() {
        for (arguments, culprit) in [
            (&["--errno", "EWHAT", "--", "true"][..], "EWHAT"),
            (&["--errno"], "use one of EPERM"),
            (&["--quiet", "--", "true"], "--quiet"),
            (&["--call", "read", "--", "true"], "use one of setup, enter, register"),
            (&["--limit", "nofile", "--", "true"], "nofile"),
            (&["--limit", "cpu=1", "--", "true"], "memlock, nofile, nproc"),
            (&["--user", "nobody", "--", "true"], "nobody"),
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
