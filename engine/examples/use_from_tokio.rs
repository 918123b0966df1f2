//! Reads many files at once from tokio tasks and prints the length of each; the engine itself knows
//! no runtime: `cargo run -p iomill-engine --example use_from_tokio -- Cargo.toml README.md`

#![allow(clippy::print_stdout, reason = "the result is the program's output")]

use iomill_engine::{Config, Error, File, Handle, Open, Read};
use tokio::sync::Semaphore;

/// Bytes per request, and how many requests have a buffer at once.
const BLOCK_LEN_BYTES: u32 = 64 * 1024;
const BUFFERS: u32 = 16;

/// Reads a file from its start to its end; answers how many bytes there were.
async fn length(engine: Handle, path: String, permits: &Semaphore) -> Result<u64, Error> {
    let open = Open::new(File::options().read(true), &path)?;
    let file = engine.run(open).await?.result?;
    // As many tasks go on from here as there are buffers.
    let _permit = permits.acquire().await.expect("nobody closes it");
    let buffer = engine.buffer().expect("a permit stands for a buffer");
    let mut op = Read { file, offset: 0, buffer };
    loop {
        // The operation comes back with its file and its buffer, for the next block.
        let done = engine.run(op).await?;
        let bytes = done.result?;
        if bytes == 0 {
            return Ok(done.op.offset);
        }
        let offset = done.op.offset + u64::from(bytes);
        op = Read { offset, ..done.op };
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    static PERMITS: Semaphore = Semaphore::const_new(BUFFERS as usize);
    let paths: Vec<String> = match std::env::args().skip(1).collect::<Vec<_>>() {
        none if none.is_empty() => vec![String::from("Cargo.toml")],
        paths => paths,
    };
    let (engine, owner) = Config::new().buffers(BUFFERS, BLOCK_LEN_BYTES).spawn()?;
    eprintln!("{}", engine.report());
    let tasks: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let task = tokio::spawn(length(engine.clone(), path.clone(), &PERMITS));
            (path, task)
        })
        .collect();
    for (path, task) in tasks {
        match task.await.expect("a task does not panic") {
            Ok(bytes) => println!("{path}: {bytes} bytes"),
            Err(error) => eprintln!("{error}"),
        }
    }
    // Joins the engine's thread: off the runtime's own threads, because it may take a moment.
    let end = move || owner.shutdown(std::time::Duration::from_secs(5));
    tokio::task::spawn_blocking(end).await.expect("the engine's thread does not panic");
    Ok(())
}
