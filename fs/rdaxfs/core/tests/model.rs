// SPDX-License-Identifier: GPL-2.0

//! Random operations on the data of two files, against vectors of bytes.

use crate::common::{
    pm::Pm,
    script::{
        file,
        look,
        options,
        write_piece,
        SIZE, //
    },
    tree::{
        check,
        ends_with_zeroes,
        past_end,
        walk,
        JUNK,
        PATTERN, //
    }, //
};
use proptest::prelude::*;
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    Error,
    FormatOptions,
    Node,
    Volume, //
};

/// No file grows past this.
const MAX: u64 = 400_000;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u64, u8),
    Truncate(u64),
    Punch(u64, u64),
    Collapse(u64, u64),
    Insert(u64, u64),
    Allocate(u64, u64, bool, bool),
    Zero(u64, u64, bool, bool),
    WriteZeroes(u64, u64),
    Fill(u64, u64),
    StorePastEnd,
    Reread,
    Remount(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let pos = prop_oneof![0..MAX, (0..MAX / 4096).prop_map(|block| block * 4096)];
    let len = prop_oneof![1..200u64, 1..60_000u64, (1..12u64).prop_map(|n| n * 4096)];
    let range = (pos, len);
    let blocks = (0..90u64, 1..20u64);
    prop_oneof![
        8 => (range.clone(), 1..100u8).prop_map(|((pos, len), seed)| Op::Write(pos, len, seed)),
        2 => range.clone().prop_map(|(pos, _)| Op::Truncate(pos)),
        3 => range.clone().prop_map(|(pos, len)| Op::Punch(pos, len)),
        2 => blocks.clone().prop_map(|(pos, len)| Op::Collapse(pos * 4096, len * 4096)),
        2 => blocks.clone().prop_map(|(pos, len)| Op::Insert(pos * 4096, len * 4096)),
        2 => (range.clone(), any::<bool>(), any::<bool>())
            .prop_map(|((pos, len), keep, ahead)| Op::Allocate(pos, len, keep, ahead)),
        2 => (range.clone(), any::<bool>(), any::<bool>())
            .prop_map(|((pos, len), keep, ahead)| Op::Zero(pos, len, keep, ahead)),
        2 => range.prop_map(|(pos, len)| Op::WriteZeroes(pos, len)),
        2 => blocks.prop_map(|(pos, len)| Op::Fill(pos, len)),
        3 => Just(Op::StorePastEnd),
        1 => Just(Op::Reread),
        1 => any::<bool>().prop_map(Op::Remount),
    ]
}

const NOW: fn() -> DiskTime = || DiskTime::new(3, 0);

struct World {
    pm: Pm,
    volume: Volume<Pm>,
    nodes: [Node; 2],
    models: [Vec<u8>; 2],
    fresh: u64,
}

fn fill_zero(model: &mut [u8], pos: u64, end: u64) {
    let len = model.len();
    model[(pos as usize).min(len)..(end as usize).min(len)].fill(0);
}

/// What a mapping can store: anything that follows the end in the last block.
fn store_past_end(pm: &Pm, volume: &Volume<Pm>, node: &mut Node) {
    if let Some(end) = past_end(volume, node) {
        pm.put(end.start, &vec![JUNK; (end.end - end.start) as usize]);
        node.set_loose_end();
    }
}

/// Whether an operation that succeeded leaves zeroes past the end, whatever was there.
fn leaves_zeroes(op: &Op, before: u64, after: u64) -> bool {
    match *op {
        Op::Punch(pos, len) | Op::Zero(pos, len, ..) => pos + len >= before || after != before,
        Op::Truncate(_) => true,
        _ => after != before,
    }
}

impl World {
    fn new() -> Self {
        let pm = Pm::new(vec![PATTERN; SIZE]);
        format(&pm, &FormatOptions::default(), |_, _| {}).unwrap();
        let volume = Volume::mount(pm.clone(), &options()).unwrap();
        let mut root = volume.iget(volume.root()).unwrap();
        let nodes =
            [b"a", b"b"].map(|name| volume.create(&mut root, name, &file(), NOW()).unwrap());
        let fresh = volume.usage().free;
        Self {
            pm,
            volume,
            nodes,
            models: [Vec::new(), Vec::new()],
            fresh,
        }
    }

    fn apply(&mut self, which: usize, op: &Op) -> Result<(), Error> {
        let (v, node, model) = (
            &self.volume,
            &mut self.nodes[which],
            &mut self.models[which],
        );
        let len = model.len() as u64;
        match *op {
            Op::Write(pos, len, seed) => {
                let data: Vec<u8> = (0..len).map(|i| (i as u8 & 0x7f) ^ seed).collect();
                let mut done = 0;
                while done < data.len() {
                    let at = pos + done as u64;
                    let n = write_piece(v, node, at, &data[done..], NOW())?;
                    let end = at as usize + n;
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].copy_from_slice(&data[done..done + n]);
                    done += n;
                }
            }
            Op::Truncate(size) => {
                v.set_size(node, size, NOW())?;
                model.resize(size as usize, 0);
            }
            Op::Punch(pos, count) => {
                v.punch(node, pos, count, NOW())?;
                fill_zero(model, pos, pos + count);
            }
            Op::Collapse(pos, count) => {
                let result = v.collapse(node, pos, count, NOW());
                if pos + count >= len {
                    assert_eq!(result, Err(Error::Invalid));
                    return Ok(());
                }
                result?;
                model.drain(pos as usize..(pos + count) as usize);
            }
            Op::Insert(pos, count) => {
                if len + count > MAX {
                    return Ok(());
                }
                let result = v.insert(node, pos, count, NOW());
                if pos >= len {
                    assert_eq!(result, Err(Error::Invalid));
                    return Ok(());
                }
                result?;
                let at = pos as usize;
                model.splice(at..at, vec![0; count as usize]);
            }
            Op::Allocate(pos, count, keep, ahead) => {
                let ahead = if ahead { 1 << 20 } else { 0 };
                v.allocate(node, pos, count, keep, ahead, NOW())?;
                if !keep {
                    model.resize(model.len().max((pos + count) as usize), 0);
                }
            }
            Op::Zero(pos, count, keep, ahead) => {
                let ahead = if ahead { 1 << 20 } else { 0 };
                v.zero_range(node, pos, count, keep, ahead, NOW())?;
                fill_zero(model, pos, pos + count);
                if !keep {
                    model.resize(model.len().max((pos + count) as usize), 0);
                }
            }
            Op::WriteZeroes(pos, count) => {
                v.write_zeroes(node, pos, count, NOW())?;
                fill_zero(model, pos, pos + count);
                model.resize(model.len().max((pos + count) as usize), 0);
            }
            Op::Fill(block, count) => {
                // As a fault: within the file.
                if block * 4096 < len {
                    let inside = len.div_ceil(4096) - block;
                    v.fill(node, block, count.min(inside), false)?;
                }
            }
            Op::StorePastEnd => store_past_end(&self.pm, v, node),
            Op::Reread => *node = v.iget(node.ino())?,
            Op::Remount(clean) => {
                if clean {
                    v.deactivate()?;
                    for node in &mut self.nodes {
                        v.set_size(node, 1, NOW()).unwrap_err();
                    }
                }
                let volume = Volume::mount(self.pm.clone(), &options())?;
                self.nodes = [0, 1].map(|i| volume.iget(self.nodes[i].ino()).unwrap());
                self.volume = volume;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        check(&self.pm).map_err(TestCaseError::fail)?;
        let copy = Pm::new(self.pm.image());
        let tree = look(&copy).map_err(TestCaseError::fail)?;
        for (i, path) in ["/a", "/b"].into_iter().enumerate() {
            prop_assert_eq!(tree[path].size, self.models[i].len() as u64);
            prop_assert!(tree[path].data == self.models[i], "{path} has other data");
            let again = self.volume.iget(self.nodes[i].ino()).unwrap();
            prop_assert!(again.iter_extents().eq(self.nodes[i].iter_extents()));
            prop_assert_eq!(again.blocks(), self.nodes[i].blocks());
        }
        let used: u64 = self.nodes.iter().map(Node::blocks).sum();
        prop_assert_eq!(self.volume.usage().free + used, self.fresh);
        Ok(())
    }

    fn run(mut self, ops: &[(usize, Op)]) -> Result<(), TestCaseError> {
        for (which, op) in ops {
            let before = self.nodes[*which].size();
            match self.apply(*which, op) {
                Ok(()) => {
                    let node = &self.nodes[*which];
                    if leaves_zeroes(op, before, node.size()) {
                        prop_assert!(ends_with_zeroes(&self.pm, &self.volume, node), "{op:?}");
                    }
                }
                Err(error) => {
                    return Err(TestCaseError::fail(format!("{op:?}: {error:?}")));
                }
            }
            walk(&self.volume).map_err(TestCaseError::fail)?;
            self.check()?;
        }
        for node in &mut self.nodes {
            self.volume.set_size(node, 0, NOW()).unwrap();
        }
        prop_assert_eq!(self.volume.usage().free, self.fresh);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn data(ops in prop::collection::vec((0..2usize, op()), 1..60)) {
        World::new().run(&ops)?;
    }
}
