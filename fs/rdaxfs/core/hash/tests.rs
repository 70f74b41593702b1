// SPDX-License-Identifier: GPL-2.0

//! The table against a set.

extern crate std;

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn table(ops in prop::collection::vec((0..3u8, 0..40u32, 0..60u32), 1..2000)) {
        let mut table = Table::new();
        let mut set = BTreeSet::new();
        for (op, hash, value) in ops {
            // Few hashes, so that there are long chains.
            let hash = hash.wrapping_mul(0x4000_0001);
            match op {
                0 if set.insert((hash, value)) => table.insert(hash, value).unwrap(),
                0 => {}
                1 => prop_assert_eq!(table.remove(hash, value), set.remove(&(hash, value))),
                _ => {
                    let found = table.find(hash, |other| Ok(other == value)).unwrap();
                    prop_assert_eq!(found.is_some(), set.contains(&(hash, value)));
                }
            }
            prop_assert_eq!(table.live, set.len());
            prop_assert!(table.live + table.removed <= table.entries.len() / 4 * 3);
            prop_assert!(table.entries.len() <= (set.len() * 8).max(64));
        }
        for (hash, value) in set {
            prop_assert_eq!(table.find(hash, |other| Ok(other == value)), Ok(Some(value)));
        }
    }

    #[test]
    fn names(names in prop::collection::btree_set("[a-z]{0,20}", 2..50), seed: u64) {
        let hashes: BTreeSet<u32> =
            names.iter().map(|name| hash_bytes(seed, name.as_bytes())).collect();
        prop_assert_eq!(hashes.len(), names.len());
    }
}
