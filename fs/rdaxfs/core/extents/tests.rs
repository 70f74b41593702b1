// SPDX-License-Identifier: GPL-2.0

//! The extent map and its edits against a map of blocks.

extern crate std;

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What each block of a file maps to.
type Model = BTreeMap<u64, (u64, bool)>;

fn check(map: &ExtentMap, model: &Model) -> std::result::Result<(), TestCaseError> {
    let mut blocks = Model::new();
    let mut last: Option<Extent> = None;
    for entry in map.iter() {
        let extent = entry.extent;
        prop_assert!(last.is_none_or(|last| last.end() <= extent.lblk));
        for i in 0..extent.len {
            blocks.insert(extent.lblk + i, (extent.pblk + i, extent.unwritten));
        }
        last = Some(extent);
    }
    prop_assert_eq!(&blocks, model);
    prop_assert_eq!(map.len(), map.iter().count());
    prop_assert_eq!(map.blocks(), model.len() as u64);
    for lblk in 0..420 {
        let found = map.at_or_after(lblk);
        let next = model.range(lblk..).next().map(|entry| *entry.0);
        prop_assert_eq!(found.map(|entry| entry.extent.lblk.max(lblk)), next);
        let before = model.range(..lblk).next_back().map(|entry| *entry.0);
        let found = map.before(lblk).map(|entry| entry.extent);
        prop_assert_eq!(
            found.map(|extent| (extent.end() - 1).min(lblk.wrapping_sub(1))),
            before
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn edits(ops in prop::collection::vec((0..400u64, 1..20u64, 0..3u8, 0..4u64), 1..300)) {
        let mut map = ExtentMap::default();
        let mut model = Model::new();
        for (number, (lblk, len, kind, shift)) in ops.into_iter().enumerate() {
            let hi = lblk + len;
            // Often what continues the neighbours on the volume.
            let pblk = 1000 + lblk + shift * 10_000;
            let unwritten = kind == 1;
            let with = Extent { lblk, pblk, len, unwritten };
            let with: &[Extent] = if kind == 2 { &[] } else { &[with] };
            let plan = Plan::replace(&map, lblk, hi, with).unwrap();
            for entry in plan.removed.iter() {
                prop_assert_eq!(map.remove(entry.extent.lblk), Some(*entry));
            }
            for extent in plan.added.iter() {
                map.insert(Entry { extent: *extent, slot: number as u32 }).unwrap();
            }
            for block in lblk..hi {
                model.remove(&block);
            }
            for extent in with {
                for i in 0..extent.len {
                    model.insert(extent.lblk + i, (extent.pblk + i, extent.unwritten));
                }
            }
            check(&map, &model)?;
        }
    }
}
