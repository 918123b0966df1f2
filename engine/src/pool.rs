//! Sets an engine's pool up: maps it, registers with the backend what that takes, and reports what
//! was had. Called by `engine` once, at the start.

use crate::backend::{Backend, Memory};
use crate::buffer::{Arena, Class, PoolSettings};
use crate::buffer_class::BufferClass;
use crate::choices::Required;
use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::report::{PoolClass, Report};
use std::sync::Arc;

/// Maps the pool that `config` asks for, registers it with the backend class by class, and fills
/// that part of the report. `None` if there is to be no pool.
///
/// The arena has to live as long as the backend.
pub(crate) fn set_up(
    config: &Config,
    backend: &mut dyn Backend,
    report: &mut Report,
) -> Result<Option<Arc<Arena>>, Error> {
    let classes = BufferClass::in_order(config.classes_or_default());
    if classes.is_empty() {
        return Ok(None);
    }
    let settings =
        PoolSettings { huge_pages: config.huge_pages, zero_on_return: config.zero_buffers };
    let arena = Arena::new(&classes, settings)?;
    if config.fixed_buffers {
        let required = config.require.contains(Required::FIXED_BUFFERS);
        register(&arena, backend, report, required)?;
    }
    for class in arena.classes() {
        let (huge_pages, why) = class.huge_pages();
        let (count, len_bytes) = (class.count(), class.buffer_len_bytes());
        if let Some(why) = why {
            report.note(format!("huge pages for buffers of {len_bytes} bytes"), why);
        }
        let fixed = class.is_registered();
        report.fixed_buffers |= fixed;
        report.pool.push(PoolClass { count, len_bytes, fixed, huge_pages });
    }
    Ok(Some(arena))
}

/// Registers as many classes as the backend takes, beginning with those that need the least memory:
/// what may be locked can be enough for them and not for all.
fn register(
    arena: &Arena,
    backend: &mut dyn Backend,
    report: &mut Report,
    required: bool,
) -> Result<(), Error> {
    let mut classes: Vec<&Arc<Class>> = arena.classes().iter().collect();
    classes.sort_by_key(|class| class.total_bytes());
    let mut refusal: Option<Error> = None;
    let mut taken = classes.len();
    while taken > 0 {
        let pieces: Vec<Memory> =
            classes[..taken].iter().flat_map(|class| class.chunks()).collect();
        // SAFETY: the engine holds the arena for as long as the backend, and forgets both together
        // if anything is in flight at the end.
        match unsafe { backend.register_memory(&pieces) } {
            Ok(()) => break,
            Err(error) => {
                // A backend that has no use for them takes no fewer either.
                let useless = error.kind() == ErrorKind::Unsupported;
                taken = if useless { 0 } else { taken - 1 };
                refusal = Some(error);
            }
        }
    }
    let mut first_chunk = 0;
    for class in &classes[..taken] {
        class.set_registered(first_chunk);
        first_chunk += u32::try_from(class.chunks().count()).unwrap_or(u32::MAX);
    }
    let Some(why) = refusal.map(|error| error.to_string()) else { return Ok(()) };
    if taken == 0 {
        return report.note_unless(required, "registered buffers", why);
    }
    for class in &classes[taken..] {
        let what = format!("registered buffers of {} bytes", class.buffer_len_bytes());
        report.note_unless(required, what, why.clone())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Completion, Request, Wait};
    use std::os::fd::BorrowedFd;

    /// A backend that lets so many bytes be locked, and says so in its own way.
    #[derive(Debug)]
    struct Lockable {
        limit_bytes: usize,
        kind: ErrorKind,
        asked: u32,
        pieces: Vec<Memory>,
    }

    // SAFETY: it takes no requests.
    unsafe impl Backend for Lockable {
        fn name(&self) -> &'static str {
            "lockable"
        }

        fn enters(&self) -> u64 {
            0
        }

        unsafe fn register_memory(&mut self, pieces: &[Memory]) -> Result<(), Error> {
            self.asked += 1;
            if pieces.iter().map(|(_, len_bytes)| len_bytes).sum::<usize>() > self.limit_bytes {
                return Err(Error::refused(self.kind, "register", "beyond the limit"));
            }
            self.pieces = pieces.to_vec();
            Ok(())
        }

        fn register_slots(&mut self, _slots: u32) -> Result<(), Error> {
            Ok(())
        }

        fn set_slot(&mut self, _slot: u32, _file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
            Ok(())
        }

        unsafe fn stage(&mut self, _batch: &[Request]) -> usize {
            0
        }

        fn cancel(&mut self, _id: u64) -> bool {
            true
        }

        fn enter(&mut self, _wait: Wait, _completions: &mut Vec<Completion>) -> Result<(), Error> {
            Ok(())
        }
    }

    fn set_up_with(limit_bytes: usize, kind: ErrorKind) -> (Lockable, Report, Arc<Arena>) {
        let mut backend = Lockable { limit_bytes, kind, asked: 0, pieces: Vec::new() };
        let mut report = Report::new("lockable", "for this test");
        // The middle class needs the least memory.
        let classes = [(64, 512), (1, 8192), (2, 65_536)];
        let classes = classes.map(|(count, len_bytes)| BufferClass { count, len_bytes });
        let config = Config::new().buffer_classes(classes);
        let arena = set_up(&config, &mut backend, &mut report).unwrap().unwrap();
        (backend, report, arena)
    }

    #[test]
    fn as_many_classes_are_registered_as_fit_the_smallest_first() {
        let sizes = [8192, 2 * 65_536, 64 * 4096];
        for fitting in 0..=3 {
            let limit_bytes = sizes[..fitting].iter().sum();
            let (backend, report, arena) = set_up_with(limit_bytes, ErrorKind::Backend);
            assert_eq!(backend.pieces.len(), fitting);
            let fixed: Vec<bool> = report.pool.iter().map(|class| class.fixed).collect();
            assert_eq!(fixed, [fitting >= 3, fitting >= 1, fitting >= 2], "by length");
            assert_eq!(report.fixed_buffers, fitting > 0);
            let noted = report.fallbacks.iter().filter(|it| it.what.starts_with("registered"));
            assert_eq!(noted.count(), if fitting == 0 { 1 } else { 3 - fitting });
            for len in [512, 8192, 65_536] {
                let buffer = arena.take_len(len).unwrap().unwrap();
                let Some(chunk) = buffer.chunk_of(&arena) else { continue };
                let (start, len_bytes) = backend.pieces[usize::from(chunk)];
                let inside = start..start.map_addr(|address| address.saturating_add(len_bytes));
                assert!(inside.contains(&buffer.start()), "the piece holds the buffer");
            }
        }
    }

    #[test]
    fn a_backend_without_a_use_for_them_is_asked_once() {
        let (backend, report, _) = set_up_with(0, ErrorKind::Unsupported);
        assert_eq!((backend.asked, report.fixed_buffers), (1, false));
    }
}
