//! A file-I/O engine for storage software: io_uring, or a thread pool behind the same trait where
//! io_uring is missing or forbidden.
//!
//! This crate owns a request's life from [`Engine::submit`] to its callback: buffers, admission,
//! batching, backends, completions and metrics. It has no async runtime, it issues no io_uring
//! system call itself (that is `iomill-ring`), and it never frees memory that the kernel may still
//! write.
//!
//! ```
//! use iomill_engine::{Config, File, Read};
//!
//! fn main() -> Result<(), iomill_engine::Error> {
//!     let mut engine = Config::new().depth(8).start()?;
//!     let file = File::open("Cargo.toml")?;
//!     let buffer = engine.buffer().expect("nobody has taken one yet");
//!     engine.submit(Read { file, offset: 0, buffer }, |done, _| match done.result {
//!         Ok(bytes) => println!("{}", String::from_utf8_lossy(&done.op.buffer[..bytes as usize])),
//!         Err(error) => eprintln!("{error}"),
//!     })?;
//!     engine.drain()
//! }
//! ```

#![deny(unsafe_code)]

mod buffer_class;
mod choices;
mod config;
pub mod depth;
mod durability;
mod environment;
mod errno;
mod error;
#[expect(unsafe_code, reason = "takes ownership of descriptors, and gives it up")]
mod file;
#[expect(unsafe_code, reason = "owns the memory of the kernel's answer")]
mod metadata;
mod op;
mod open_options;
#[expect(unsafe_code, reason = "makes system calls on the memory of requests")]
mod platform;
mod polling;
mod ranges;
mod report;
mod variables;

#[cfg(target_os = "linux")]
mod kernel;

mod answers;
#[expect(unsafe_code, reason = "owns the memory that the kernel writes")]
mod buffer;
#[expect(unsafe_code, reason = "stores callbacks inline, without a heap allocation")]
mod callback;
mod chain;
mod file_table;
mod inflight;
mod schedule;
mod settle;
#[expect(unsafe_code, reason = "moves a vector on after a short transfer")]
mod slot;
mod steps;
mod whole_run;

#[expect(unsafe_code, reason = "hands memory to the kernel")]
pub mod backend;
mod lanes;
mod select;

mod clock;
mod dispatch;
mod engine;
mod handle;
mod intake;
mod metrics;
mod metrics_text;
#[expect(unsafe_code, reason = "registers memory that it owns")]
mod pool;
mod probe;
#[expect(unsafe_code, reason = "drops the backend, or keeps it from being dropped")]
mod shutdown;
#[expect(unsafe_code, reason = "vouches for the memory of what is in flight")]
mod turn;

pub use backend::Wait;
pub use buffer::{BUFFER_LIST_LEN_MAX, Buffer, BufferList, OwnedMemory};
pub use buffer_class::{BUFFER_CLASSES_MAX, BUFFER_LEN_MAX_BYTES, BUFFERS_MAX, BufferClass};
pub use callback::{CALLBACK_LEN_MAX_BYTES, Completion};
pub use chain::CHAIN_LEN_MAX;
pub use choices::{Required, TaskWork};
pub use config::{BackendChoice, Config, SqPoll};
pub use durability::{Durability, DurableFigure, DurableMethod};
pub use engine::{Engine, Tick};
pub use error::{Error, ErrorKind, Ran};
pub use file::{DirectAlignment, File};
pub use handle::{
    Answer, Handle, HandleCounters, OpFuture, Owner, Runner, Stopper, Ticket, Unfinished,
};
pub use inflight::OpId;
pub use intake::{Context, Refused};
#[cfg(target_os = "linux")]
pub use kernel::KernelSupport;
pub use lanes::{
    FileSystem, Lane, LaneCounts, LaneOp, LaneTable, Lanes, QueueLength, Reason, Route,
};
pub use metadata::{AtomicLimits, FileKind, Metadata};
pub use metrics::{Metrics, OpMetrics};
pub use op::{
    Advice, Advise, Allocate, AllocateMode, Append, Chain, ChainStep, ChainSteps, Close, CopyParts,
    CopyRange, DurableAppend, DurableWrite, Link, MakeDirectory, Nop, Open, Operation, Read,
    ReadVectored, ReadWhole, Rename, Stat, Sync, SyncRange, Truncate, Unlink, Write, WriteFlags,
    WriteVectored, WriteWith,
};
pub use open_options::OpenOptions;
pub use ranges::{
    CAPACITY_MAX, DEPTH_MAX, FIXED_FILES_MAX, QUEUE_MAX, RING_ENTRIES_MAX, THREADS_MAX,
};
pub use report::{Fallback, HugePages, PoolClass, Report};
pub use schedule::DepthStatus;
pub use shutdown::ShutdownReport;

/// Compiles and runs the program in the workspace's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles and runs the program in the guide to lanes.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/lanes.md")]
struct LanesGuide;

/// Compiles and runs the program in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/adaptive-depth.md")]
struct AdaptiveDepth;

/// Compiles and runs the programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/threads-and-futures.md")]
struct ThreadsAndFutures;

/// Compiles and runs the programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/chains-and-durability.md")]
struct ChainsAndDurability;

/// Compiles and runs the programs in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/buffers.md")]
struct Buffers;

/// Compiles and runs the program in the guide.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../../docs/guides/simulated-disk.md")]
struct SimulatedDisk;

/// Compiles and runs the program in the guide.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../../docs/guides/crash-testing.md")]
struct CrashTesting;
