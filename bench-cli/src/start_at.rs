//! A start at a time on the clock, so that many hosts begin together.
//!
//! Owns how the time is written and the waiting for it. It keeps no clock in step: that is the
//! hosts' part. Read by `options`, waited for by `runner`.

use std::thread;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::notice;

/// The longest sleep between two looks at the flag of Ctrl-C.
const NAP: Duration = Duration::from_millis(50);

/// Reads a time as a distance from 1970: `@1795191125` in seconds, also with a fraction, or
/// RFC 3339 with its zone, `2026-11-20T14:30:00Z`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "'{text}' is not a time; write 2026-11-20T14:30:00Z or @SECONDS (date -d '+1 min' +@%s)"
        )
    };
    let since = match text.strip_prefix('@') {
        Some(seconds) => {
            let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
            Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?
        }
        None => {
            let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
            Duration::try_from(time.duration_since(jiff::Timestamp::UNIX_EPOCH))
                .map_err(|_| wrong())?
        }
    };
    Ok(since)
}

/// Sleeps until the time has come.
///
/// # Errors
///
/// A usage error if it is over already, `Interrupted` after Ctrl-C.
pub(crate) fn wait(start_at: Duration, interrupt: &Interrupt) -> Result<(), Error> {
    let mut left = left_until(start_at)?;
    notice::line(&format!("bench-cli: waiting {} s for --start_at", left.as_secs() + 1));
    while !left.is_zero() {
        if interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        thread::sleep(left.min(NAP));
        left = left_until(start_at).unwrap_or_default();
    }
    Ok(())
}

fn left_until(start_at: Duration) -> Result<Duration, Error> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    start_at.checked_sub(now).ok_or_else(|| {
        let late = (now - start_at).as_secs();
        Error::usage(format!(
            "--start_at is {late} s in the past; make the files ready first, with an existing \
             --filename, and give the hosts more time"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_moment() {
        let moment = Duration::from_secs(1_795_185_000);
        for text in ["@1795185000", "2026-11-20T14:30:00Z", "2026-11-20T15:30:00+01:00"] {
            assert_eq!(parse(text), Ok(moment), "{text}");
        }
        assert_eq!(parse("@1.5"), Ok(Duration::from_millis(1500)));
        for text in ["", "@", "@x", "@-1", "14:30", "2026-11-20", "tomorrow"] {
            let refusal = parse(text).expect_err("refused");
            assert!(refusal.contains("is not a time; write"), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_time_that_is_over_is_refused_and_ctrl_c_ends_the_waiting() {
        let interrupt = Interrupt::default();
        let error = wait(Duration::from_secs(1), &interrupt).expect_err("refused");
        assert!(error.to_string().contains("in the past"), "{error}");
        interrupt.raise();
        let error = wait(Duration::from_secs(1 << 40), &interrupt).expect_err("interrupted");
        assert_eq!(error.exit_code(), 130);
    }
}
