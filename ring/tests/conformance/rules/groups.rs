//! Provided buffers: when one is taken, what an empty group means, and how a multishot read ends.

use super::ask::{self, PAGE_LEN_BYTES, finish, start};
use super::rule::{Answer, Rule, Stop};
use iomill_ring::{BufferRing, Builder, Cqe, Matching, Opcode, Ring, Target, op};
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;

const GROUP: u16 = 3;
const COUNT: u16 = 2;
const LEN_BYTES: u32 = 16;

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "a read into a group that has no buffer left",
        seen: &[((6, 18), "ENOBUFS")],
        pages: &[("provided_buffers(7)", "ENOBUFS"), ("enter(2)", "ENOBUFS")],
        ask: || from_empty(false),
    },
    Rule {
        name: "a read into a group that gets a buffer back before the data comes",
        seen: &[((6, 18), "ENOBUFS")],
        pages: &[("provided_buffers(7)", "1")],
        ask: || from_empty(true),
    },
    Rule {
        name: "buffers that the kernel holds while a read waits",
        seen: &[((6, 18), "2 of 2")],
        pages: &[("provided_buffers(7)", "2 of 2")],
        ask: left_while_waiting,
    },
    Rule {
        name: "multishot read: its last completion when the buffers run out",
        seen: &[((6, 18), "ENOBUFS without MORE")],
        pages: &[("multishot(7)", "ENOBUFS without MORE")],
        ask: || multishot(exhaust),
    },
    Rule {
        name: "multishot read: its last completion when the writer closes the pipe",
        seen: &[((6, 18), "0 without MORE")],
        pages: &[("multishot(7)", "0 without MORE")],
        ask: || multishot(close),
    },
    Rule {
        name: "multishot read: its last completion when it is cancelled",
        seen: &[((6, 18), "ECANCELED without MORE")],
        pages: &[("multishot(7)", "ECANCELED without MORE")],
        ask: || multishot(cancel),
    },
    Rule {
        name: "multishot read of a regular file",
        seen: &[((6, 18), "EBADFD")],
        pages: &[("prep_read_multishot(3)", "EBADFD")],
        ask: regular_file,
    },
    Rule {
        name: "multishot read without a group",
        seen: &[((6, 18), "EINVAL")],
        pages: &[("prep_read_multishot(3)", "EINVAL")],
        ask: without_group,
    },
];

fn ring() -> Result<(Ring, BufferRing), Stop> {
    let mut ring = ask::ring_with(&Builder::new(8), &[Opcode::READ_MULTISHOT])?;
    let group = ring.register_buffer_ring(GROUP, COUNT, LEN_BYTES, false)?;
    Ok((ring, group))
}

/// Takes every buffer, and lets a read of one byte come after that; gives one back before the byte
/// comes, if wished.
fn from_empty(give_back: bool) -> Answer {
    let (mut ring, mut group) = ring()?;
    let file = ask::file_of(b"xy")?;
    let mut tokens = Vec::new();
    for _ in 0..COUNT {
        start(&mut ring, &[op::read_into_group(Target::from(file.as_fd()), GROUP, 1, 0)])?;
        let cqe = finish(&mut ring, 1)?[0];
        // SAFETY: the completion is of this ring and group, and is taken once.
        tokens.extend(unsafe { group.take(&cqe) });
    }
    if tokens.len() != usize::from(COUNT) {
        return Err(Stop::broke("each read was to take a buffer"));
    }
    let (reader, mut writer) = std::io::pipe()?;
    start(&mut ring, &[op::read_into_group(Target::from(reader.as_fd()), GROUP, 1, 0)])?;
    if let Some(token) = tokens.pop().filter(|_| give_back) {
        group.give_back(token);
    }
    writer.write_all(b"x")?;
    Ok(ask::named(finish(&mut ring, 1)?[0].result()))
}

fn left_while_waiting() -> Answer {
    let (mut ring, group) = ring()?;
    let (reader, mut writer) = std::io::pipe()?;
    start(&mut ring, &[op::read_into_group(Target::from(reader.as_fd()), GROUP, 1, 0)])?;
    let left = ring.buffers_left(&group);
    writer.write_all(b"x")?;
    finish(&mut ring, 1)?;
    Ok(format!("{} of {COUNT}", left?))
}

/// What brings a multishot read on this pipe to its end.
type End = fn(&mut Ring, PipeWriter) -> Result<Option<PipeWriter>, Stop>;

fn exhaust(ring: &mut Ring, mut writer: PipeWriter) -> Result<Option<PipeWriter>, Stop> {
    for _ in 0..COUNT {
        writer.write_all(b"x")?;
        // Reaped one by one, because bytes that come together share a buffer.
        let cqe = finish(ring, 1)?[0];
        if !cqe.has_more() {
            return Err(Stop::broke(format!("it ended early: {cqe:?}")));
        }
    }
    writer.write_all(b"x")?;
    Ok(Some(writer))
}

fn close(_: &mut Ring, writer: PipeWriter) -> Result<Option<PipeWriter>, Stop> {
    drop(writer);
    Ok(None)
}

fn cancel(ring: &mut Ring, writer: PipeWriter) -> Result<Option<PipeWriter>, Stop> {
    ring.cancel_and_wait(Matching::user_data(0), None)?;
    Ok(Some(writer))
}

fn multishot(end: End) -> Answer {
    let (mut ring, group) = ring()?;
    let (reader, writer): (PipeReader, PipeWriter) = std::io::pipe()?;
    start(&mut ring, &[op::read_multishot(Target::from(reader.as_fd()), GROUP, 0)])?;
    let kept = end(&mut ring, writer)?;
    let last: Cqe = finish(&mut ring, 1)?[0];
    // Pipe and group stay until the last completion has come.
    drop((kept, group));
    let more = if last.has_more() { "with" } else { "without" };
    Ok(format!("{} {more} MORE", ask::named(last.result())))
}

fn regular_file() -> Answer {
    let (mut ring, _group) = ring()?;
    let file = ask::file_of(b"x")?;
    ask::one(&mut ring, op::read_multishot(Target::from(file.as_fd()), GROUP, 0))
}

fn without_group() -> Answer {
    let (mut ring, _group) = ring()?;
    let (reader, _writer) = std::io::pipe()?;
    let mut read = op::read_multishot(Target::from(reader.as_fd()), GROUP, 0);
    let plain = op::read(Target::from(reader.as_fd()), ask::scratch(), PAGE_LEN_BYTES, 0);
    read.flags = plain.flags;
    ask::one(&mut ring, read)
}
