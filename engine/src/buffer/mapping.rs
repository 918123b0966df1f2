//! One private mapping: zero at first, kept out of forked children, on huge pages where they are
//! asked for and can be had. Owned by `class`; knows nothing of buffers and never touches its own
//! memory.

use crate::error::{Error, ErrorKind};
use crate::report::HugePages;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ptr::NonNull;

/// The size of the huge pages that are asked for, in bytes: the smallest one of x86-64 and arm64.
pub(super) const HUGE_PAGE_LEN_BYTES: usize = 2 << 20;

/// Where transparent huge pages can be switched off.
const TRANSPARENT_SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// A mapping that is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    len_bytes: usize,
    kind: Kind,
    /// The process that has it. A forked child has the value and not the memory.
    process: u32,
}

/// What pages it asked for and got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// From the system's reserve, all of it.
    Reserved,
    /// Made huge by the kernel when they are first touched, if it can.
    Transparent,
    /// The kernel has no transparent huge pages, and answered this.
    Refused(Errno),
}

impl Mapping {
    /// Maps `len_bytes`, or with huge pages as many of these as hold them.
    pub(super) fn new(len_bytes: usize, huge: bool) -> Result<Self, Error> {
        let mapped = if huge {
            let len_bytes = len_bytes.next_multiple_of(HUGE_PAGE_LEN_BYTES);
            Self::reserved(len_bytes).map_or_else(|| Self::transparent(len_bytes), Ok)
        } else {
            Self::map(len_bytes, MapFlags::PRIVATE, Kind::Plain)
        };
        let kept_out = mapped.and_then(|mapping| {
            // The kernel may write into these pages at any time. In a forked child copy-on-write
            // would move our side to other pages than the kernel's; so children do not get them.
            mapping.advise(Advice::LinuxDontFork).map(|()| mapping)
        });
        kept_out.map_err(|errno| {
            let why =
                format!("{len_bytes} bytes are not to be had: ask for fewer or smaller buffers");
            Error::from_errno("map the buffer pool", errno.raw_os_error())
                .with_advice(ErrorKind::OutOfMemory, why)
        })
    }

    /// Where it starts.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Whether this process has the memory: a forked child has not.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Whether it is on huge pages, and if not or not wholly, why. The kernel makes transparent
    /// ones when memory is first touched, so how many there are is known only of memory that is
    /// `populated`: for the rest the answer is not waited for.
    pub(super) fn huge_pages(&self, populated: bool) -> (HugePages, Option<String>) {
        let none = HugePages::Transparent { had_bytes: None };
        match self.kind {
            Kind::Plain => (HugePages::No, None),
            Kind::Reserved => (HugePages::Reserved, None),
            Kind::Refused(errno) => (HugePages::No, Some(explain(errno))),
            Kind::Transparent if !populated => (none, None),
            Kind::Transparent => {
                let (had_bytes, errno) = self.collapse();
                if errno == Some(Errno::INVAL) && had_bytes == 0 {
                    // Before Linux 6.1 there is no way to ask, so nothing is claimed.
                    let why = "asked for, but the kernel does not tell whether there are any";
                    return (none, Some(why.to_owned()));
                }
                let why = errno.map(|errno| {
                    let why = explain(errno);
                    format!("{had_bytes} of {} bytes are on them: {why}", self.len_bytes)
                });
                (HugePages::Transparent { had_bytes: Some(had_bytes) }, why)
            }
        }
    }

    /// Pages from the system's reserve. Populated at once, because an error is an answer here and a
    /// signal later.
    fn reserved(len_bytes: usize) -> Option<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
        let mapping = Self::map(len_bytes, flags, Kind::Reserved).ok()?;
        mapping.advise(Advice::LinuxPopulateWrite).ok()?;
        Some(mapping)
    }

    /// Memory that begins where a huge page can, and the wish for these.
    fn transparent(len_bytes: usize) -> Result<Self, Errno> {
        let room = len_bytes + HUGE_PAGE_LEN_BYTES;
        let wide = Self::map(room, MapFlags::PRIVATE, Kind::Transparent)?;
        let mut mapping = wide.cut_to_aligned(len_bytes)?;
        if let Err(errno) = mapping.advise(Advice::LinuxHugepage) {
            mapping.kind = Kind::Refused(errno);
        }
        Ok(mapping)
    }

    /// Unmaps what lies before the first multiple of a huge page and behind `len_bytes` from there.
    fn cut_to_aligned(self, len_bytes: usize) -> Result<Self, Errno> {
        let address = self.base.addr().get();
        let head = address.next_multiple_of(HUGE_PAGE_LEN_BYTES) - address;
        let tail = self.len_bytes - head - len_bytes;
        let wide = std::mem::ManuallyDrop::new(self);
        // SAFETY: the head is less than a huge page, by which the mapping is longer than what is
        // kept.
        let base = unsafe { wide.base.byte_add(head) };
        // SAFETY: this is the end of what is kept, inside the mapping or just behind it.
        let end = unsafe { base.byte_add(len_bytes) };
        for (start, len_bytes) in [(wide.base, head), (end, tail)] {
            if len_bytes > 0 {
                // SAFETY: a part of our own mapping that nobody has seen.
                unsafe { munmap(start.as_ptr().cast(), len_bytes) }?;
            }
        }
        Ok(Self { base, len_bytes, kind: wide.kind, process: wide.process })
    }

    fn map(len_bytes: usize, flags: MapFlags, kind: Kind) -> Result<Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh address is asked for, so no existing memory is replaced, and only our
        // drop releases it.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len_bytes, protection, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, len_bytes, kind, process: std::process::id() })
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the range is exactly our mapping, and none of the advices that we give changes
        // what it contains.
        unsafe { madvise(self.base.as_ptr().cast(), self.len_bytes, advice) }
    }

    /// Asks for each huge page by itself: how many bytes are on them now, and the first refusal.
    ///
    /// Kernel: `MADV_COLLAPSE`, Linux 6.1. It is a success for what is on a huge page already.
    fn collapse(&self) -> (u64, Option<Errno>) {
        let (mut had_bytes, mut refusal) = (0, None);
        for offset in (0..self.len_bytes).step_by(HUGE_PAGE_LEN_BYTES) {
            // SAFETY: the offset lies below the length.
            let start = unsafe { self.base.byte_add(offset) };
            // SAFETY: the range is a part of our mapping, and what it contains stays.
            let answer = unsafe {
                libc::madvise(start.as_ptr().cast(), HUGE_PAGE_LEN_BYTES, libc::MADV_COLLAPSE)
            };
            if answer == 0 {
                had_bytes += HUGE_PAGE_LEN_BYTES as u64;
            } else if refusal.is_none() {
                let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
                refusal = Some(Errno::from_raw_os_error(errno));
            }
        }
        (had_bytes, refusal)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.is_ours() {
            // Something else may be mapped there by now.
            return;
        }
        // SAFETY: base and length are those of our mapping. Whoever uses the memory keeps the
        // mapping alive, so nobody is left.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping fails only on a bad address");
    }
}

/// Why there are no transparent huge pages: the operator's setting, or else the kernel's answer.
#[cold]
fn explain(errno: Errno) -> String {
    let setting = std::fs::read_to_string(TRANSPARENT_SETTING).unwrap_or_default();
    if setting.is_empty() {
        return String::from("the kernel is built without transparent huge pages");
    }
    if setting.contains("[never]") {
        return format!("transparent huge pages are off: write madvise to {TRANSPARENT_SETTING}");
    }
    let name = crate::platform::errno_name(errno.raw_os_error()).unwrap_or("an unknown errno");
    format!("the kernel found none free ({name}): reserve some (sysctl vm.nr_hugepages)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_for_huge_pages_is_aligned_to_them_and_whole() {
        for len_bytes in [1, HUGE_PAGE_LEN_BYTES, HUGE_PAGE_LEN_BYTES + 1] {
            let mapping = Mapping::new(len_bytes, true).unwrap();
            assert_eq!(mapping.base().addr().get() % HUGE_PAGE_LEN_BYTES, 0);
            assert_eq!(mapping.len_bytes, len_bytes.next_multiple_of(HUGE_PAGE_LEN_BYTES));
            for offset in [0, mapping.len_bytes - 1] {
                // SAFETY: both lie inside the mapping.
                let place = unsafe { mapping.base().byte_add(offset) };
                // SAFETY: the place is valid and ours.
                assert_eq!(unsafe { place.read() }, 0);
                // SAFETY: as above.
                unsafe { place.write(1) };
            }
        }
    }

    #[test]
    fn a_plain_mapping_asks_for_no_huge_pages() {
        let mapping = Mapping::new(4096, false).unwrap();
        assert_eq!((mapping.kind, mapping.len_bytes), (Kind::Plain, 4096));
        assert_eq!(mapping.huge_pages(true), (HugePages::No, None));
    }

    #[test]
    fn what_is_claimed_of_huge_pages_is_what_the_kernel_shows() {
        let mapping = Mapping::new(4 * HUGE_PAGE_LEN_BYTES, true).unwrap();
        // Nobody else does this, so the kernel keeps it apart from the other tests' mappings.
        mapping.advise(Advice::LinuxDontDump).unwrap();
        // SAFETY: the whole mapping, which nobody else uses.
        unsafe { mapping.base().write_bytes(1, mapping.len_bytes) };
        let (had, why) = mapping.huge_pages(true);
        let entry = smaps_entry(mapping.base().addr().get());
        let shown_bytes = huge_bytes(&entry);
        let flags: Vec<&str> = entry.lines().last().unwrap().split_whitespace().collect();
        assert!(flags.contains(&"dc"), "kept out of children: {flags:?}");
        if mapping.kind == Kind::Transparent {
            assert!(flags.contains(&"hg"), "huge pages are asked for: {flags:?}");
        }
        match had {
            HugePages::Transparent { had_bytes: Some(had_bytes) } => {
                assert_eq!(had_bytes, shown_bytes, "{why:?}");
                assert_eq!(why.is_some(), had_bytes < mapping.len_bytes as u64, "{why:?}");
            }
            HugePages::Reserved => assert_eq!(shown_bytes, mapping.len_bytes as u64),
            _ => eprintln!("skipped: no huge pages here: {why:?}"),
        }
        if shown_bytes == 0 {
            eprintln!("skipped the positive half: {why:?}");
        }
    }

    /// The kernel's entry for the mapping that starts there, to its flags, which come last.
    fn smaps_entry(start: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let begin = smaps.find(&format!("\n{start:x}-")).expect("it is mapped");
        let flags = begin + smaps[begin..].find("VmFlags").unwrap();
        let end = smaps[flags..].find('\n').map_or(smaps.len(), |line| flags + line);
        smaps[begin..end].to_owned()
    }

    /// Huge pages of either kind.
    fn huge_bytes(entry: &str) -> u64 {
        let huge = entry.lines().filter(|line| {
            line.starts_with("AnonHugePages:") || line.starts_with("Private_Hugetlb:")
        });
        let kib = huge.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap());
        kib.sum::<u64>() * 1024
    }
}
