//! Crash consistency of code that stores things: every moment of a program's run at which a power
//! failure makes a difference, every state that it may leave then, each shown to a checker. For
//! tests; the program and the checker are the user's. Nothing here knows what they store.
//!
//! A program runs once on a simulated disk, and [marks](Recorder::mark) what it has begun and what
//! it has promised. The disk notes its state at each write that begins and at each request that
//! completes, and with each mark. Afterwards the [`Explorer`] takes each of these moments, and
//! makes out of it what a power failure may leave, by the rules of [`sim`](super): what was not
//! synced is dropped, reordered and torn. Where there are few such states it makes all of them;
//! where there are too many, as many as it may by chance, from the disk's seed. The [`Report`] says
//! which it was.
//!
//! ```
//! use iomill_engine::backend::sim::{SimOptions, crash::Explorer};
//! use iomill_engine::{Append, Config, Error, Sync};
//!
//! let explorer = Explorer::new(SimOptions::new(7));
//! let report = explorer.explore(
//!     |recorder| {
//!         let file = recorder.disk().create("log", 0)?;
//!         let mut engine = Config::new().simulated(recorder.disk()).start()?;
//!         let mut buffer = engine.buffer().expect("the first one");
//!         buffer.fill(7);
//!         engine.submit(Append { file: file.clone(), buffer }, |_, _| ())?;
//!         engine.drain()?;
//!         let recorder = recorder.clone();
//!         engine.submit(Sync { file, data_only: true }, move |done, _| {
//!             if done.result.is_ok() {
//!                 recorder.mark("stored");
//!             }
//!         })?;
//!         engine.drain()
//!     },
//!     |image| {
//!         let bytes = image.disk.contents("log").unwrap_or_default();
//!         match image.marks {
//!             ["stored"] if bytes != [7; 4096] => Err("it was promised".into()),
//!             _ => Ok(()),
//!         }
//!     },
//! )?;
//! assert!(report.exhaustive && report.images > 256, "{report}");
//! report.assert_sound();
//! # Ok::<(), Error>(())
//! ```

mod explorer;
mod recorder;
mod report;

pub use explorer::{Explorer, Image};
pub use recorder::Recorder;
pub use report::{Report, VIOLATIONS_KEPT_MAX, Violation};
