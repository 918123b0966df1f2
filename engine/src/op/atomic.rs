//! What an atomic write must be like, checked before it is submitted: the kernel would answer every
//! violation with the same EINVAL. Called by `transfer`; a pure function of its arguments.

use crate::error::{Error, ErrorKind};
use crate::metadata::AtomicLimits;

/// Refuses an atomic write that the file does not take, and names the limit.
pub(super) fn check(
    limits: Option<AtomicLimits>,
    is_direct: bool,
    offset: u64,
    len: u32,
) -> Result<(), Error> {
    let refuse = |kind, what: String| {
        let why = format!("an atomic write of {len} bytes: {what}");
        Err(Error::refused(kind, "write", why))
    };
    if !len.is_power_of_two() {
        let what = "the length must be a power of two";
        return refuse(ErrorKind::Misaligned, what.to_owned());
    }
    if !offset.is_multiple_of(u64::from(len)) {
        let what = "the offset must be a multiple of the length";
        return refuse(ErrorKind::Misaligned, what.to_owned());
    }
    if !is_direct {
        let what = "only direct writes can be atomic: open the file for direct I/O";
        return refuse(ErrorKind::Unsupported, what.to_owned());
    }
    let Some(AtomicLimits { min, max, .. }) = limits else {
        let what = "the file takes none: it needs Linux 6.11 and a block device with atomic \
                    writes, or Linux 6.13 and ext4 or XFS on one, or Linux 6.16 and XFS";
        return refuse(ErrorKind::Unsupported, what.to_owned());
    };
    if len < min {
        let what = format!("the file's shortest has {min} bytes (unit_min)");
        return refuse(ErrorKind::Unsupported, what);
    }
    if len > max {
        let what = format!("the file's longest has {max} bytes (unit_max)");
        return refuse(ErrorKind::Unsupported, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: AtomicLimits = AtomicLimits { min: 4096, max: 65_536, segments_max: 1 };

    #[test]
    fn each_violation_is_named_with_its_limit() {
        let (misaligned, unsupported) = (ErrorKind::Misaligned, ErrorKind::Unsupported);
        for (limits, is_direct, offset, len, kind, message) in [
            (Some(LIMITS), true, 0, 12_288, misaligned, "a power of two"),
            (Some(LIMITS), true, 4096, 8192, misaligned, "a multiple of the length"),
            (None, false, 0, 4096, unsupported, "open the file for direct I/O"),
            (None, true, 0, 4096, unsupported, "a block device with atomic writes"),
            (Some(LIMITS), true, 0, 2048, unsupported, "shortest has 4096 bytes"),
            (Some(LIMITS), true, 0, 131_072, unsupported, "longest has 65536 bytes"),
            (Some(LIMITS), true, 0, 0, misaligned, "a power of two"),
        ] {
            let error = check(limits, is_direct, offset, len).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    proptest! {
        #[test]
        fn exactly_what_the_kernel_takes_is_let_through(
            len in prop_oneof![0_u32..200_000, (0_u32..20).prop_map(|bit| 1 << bit)],
            offset in prop_oneof![0_u64..100_000, (0_u64..100).prop_map(|block| block * 4096)]
        ) {
            // As fs/read_write.c and the file systems have it, one condition at a time.
            let kernel = [4096, 8192, 16_384, 32_768, 65_536].contains(&len)
                && offset % u64::from(len) == 0;
            prop_assert_eq!(check(Some(LIMITS), true, offset, len).is_ok(), kernel);
        }
    }
}
