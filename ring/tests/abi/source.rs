//! Reads our own source for what the tables must cover, so that a constant or a field that somebody
//! adds cannot be forgotten. Used by `constants` and `layout`; knows only the shapes that stand in
//! `src/abi` and `src/op`.

/// Every file with a definition of the ABI.
pub(crate) const FILES: [&str; 18] = [
    include_str!("../../src/abi/buffer_ring.rs"),
    include_str!("../../src/abi/cqe.rs"),
    include_str!("../../src/abi/enter.rs"),
    include_str!("../../src/abi/opcode.rs"),
    include_str!("../../src/abi/query.rs"),
    include_str!("../../src/abi/register.rs"),
    include_str!("../../src/abi/resource.rs"),
    include_str!("../../src/abi/restriction.rs"),
    include_str!("../../src/abi/setup.rs"),
    include_str!("../../src/abi/sqe.rs"),
    include_str!("../../src/op/cancel.rs"),
    include_str!("../../src/op/file.rs"),
    include_str!("../../src/op/message.rs"),
    include_str!("../../src/op/path.rs"),
    include_str!("../../src/op/poll.rs"),
    include_str!("../../src/op/sync.rs"),
    include_str!("../../src/op/time.rs"),
    include_str!("../../src/op/transfer.rs"),
];

/// The `pub const NAME: Self = Self(number);` of `RegisterOp`.
pub(crate) fn register_ops() -> Vec<(&'static str, u64)> {
    let lines = include_str!("../../src/abi/register.rs").lines();
    let number = |line: &'static str| {
        let (name, value) = line.trim().strip_prefix("pub const ")?.split_once(": Self = Self(")?;
        Some((name, value.strip_suffix(");")?.parse().ok()?))
    };
    lines.filter_map(number).collect()
}

/// The names of the bit sets.
pub(crate) fn flag_types() -> Vec<&'static str> {
    let lines = FILES.iter().flat_map(|text| text.lines());
    let name = |line: &'static str| {
        let (name, bits) = line.strip_prefix("    pub struct ")?.split_once(": u")?;
        bits.ends_with(" {").then_some(name)
    };
    lines.filter_map(name).collect()
}

/// Each `#[repr(C)]` structure with the names of its public fields.
pub(crate) fn structures() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found = Vec::new();
    for text in FILES {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.trim() != "#[repr(C)]" {
                continue;
            }
            let head = lines.next().expect("a structure follows its representation");
            let name = head.trim_start_matches("pub struct ").trim_end_matches(" {");
            let fields = lines.by_ref().take_while(|line| *line != "}");
            let fields = fields.filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
            found.push((name, fields.collect()));
        }
    }
    found
}

#[test]
fn the_source_is_understood() {
    assert!(register_ops().contains(&("RING_FDS", 20)));
    assert!(flag_types().contains(&"SetupFlags"));
    let structures = structures();
    let (_, cqe) = structures.iter().find(|(name, _)| *name == "Cqe").expect("a known structure");
    assert_eq!(*cqe, ["user_data", "res", "flags"]);
    assert!(structures.len() >= 20, "{structures:?}");
}
