//! The numbers that requests carry as flags: Linux's own, which go to the kernel as they are, and
//! which `unix` interprets. `linux` compares each with the system's headers when it is compiled.

/// A transfer goes to the file's end.
pub(crate) const RWF_APPEND: u32 = 0x10;
/// A write is durable when it completes.
pub(crate) const RWF_DSYNC: u32 = 0x02;
/// The file itself instead of a path.
pub(crate) const AT_EMPTY_PATH: u32 = 0x1000;
/// A rename replaces nothing.
pub(crate) const RENAME_NOREPLACE: u32 = 1;
/// Reserving space leaves the file's length.
pub(crate) const ALLOCATE_KEEP_SIZE: u32 = 0x01;
/// Space is given back.
pub(crate) const ALLOCATE_PUNCH_HOLE: u32 = 0x02;
/// A range is to read as zeros.
pub(crate) const ALLOCATE_ZERO_RANGE: u32 = 0x10;
/// No special use of a range.
pub(crate) const ADVICE_NORMAL: u32 = 0;
/// It is read in no order.
pub(crate) const ADVICE_RANDOM: u32 = 1;
/// It is read in order.
pub(crate) const ADVICE_SEQUENTIAL: u32 = 2;
/// It will be read soon.
pub(crate) const ADVICE_WILL_NEED: u32 = 3;
/// It will not be read soon.
pub(crate) const ADVICE_DONT_NEED: u32 = 4;
