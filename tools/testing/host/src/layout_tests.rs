// SPDX-License-Identifier: GPL-2.0

//! Ranges one after the other, against a plain list of page frames.

use crate::layout::{
    locate,
    page_of,
    total_pages,
    PhysRange,
    PAGE_SIZE,
    PMD_SIZE, //
};
use proptest::prelude::*;

/// Disjoint ranges with gaps between them, not in the order of their addresses.
fn ranges() -> impl Strategy<Value = Vec<PhysRange>> {
    (
        prop::collection::vec((1u64..40, 0u64..9), 1..6),
        any::<bool>(),
    )
        .prop_map(|(parts, reverse)| {
            let mut next = 100;
            let mut ranges: Vec<_> = parts
                .into_iter()
                .map(|(pages, gap)| {
                    let start = next + gap;
                    next = start + pages;
                    PhysRange {
                        start: start * PAGE_SIZE,
                        len: pages * PAGE_SIZE,
                    }
                })
                .collect();
            if reverse {
                ranges.reverse();
            }
            ranges
        })
}

/// Each page of the map, with its frame and how many follow linearly.
fn model(ranges: &[PhysRange]) -> Vec<(u64, u64)> {
    ranges
        .iter()
        .flat_map(|range| {
            let pages = range.len / PAGE_SIZE;
            (0..pages).map(move |page| (range.start / PAGE_SIZE + page, pages - page))
        })
        .collect()
}

proptest! {
    #[test]
    fn locate_agrees_with_the_model(ranges in ranges()) {
        let model = model(&ranges);
        prop_assert_eq!(total_pages(&ranges), model.len() as u64);
        for (pgoff, expected) in model.iter().enumerate() {
            prop_assert_eq!(locate(&ranges, pgoff as u64), Some(*expected));
        }
        prop_assert_eq!(locate(&ranges, model.len() as u64), None);
        prop_assert_eq!(locate(&ranges, u64::MAX), None);
    }

    #[test]
    fn page_of_is_the_inverse(ranges in ranges(), pfn in 0u64..400) {
        let expected = model(&ranges).iter().position(|&(frame, _)| frame == pfn);
        prop_assert_eq!(page_of(&ranges, pfn), expected.map(|page| page as u64));
    }
}

#[test]
fn ends_of_ranges() {
    let range = |start, len| PhysRange { start, len };
    assert_eq!(range(4096, 4096).end(), Some(8192));
    assert_eq!(range(0, 0).end(), None);
    assert_eq!(range(u64::MAX - 4095, 4096).end(), None);
    assert_eq!(range(u64::MAX - 4095, 4095).end(), Some(u64::MAX));
}

#[test]
fn alignment() {
    let range = |start, len| PhysRange { start, len };
    assert!(range(PMD_SIZE, 3 * PMD_SIZE).is_aligned(PMD_SIZE));
    assert!(!range(PMD_SIZE + 4096, PMD_SIZE).is_aligned(PMD_SIZE));
    assert!(!range(PMD_SIZE, PMD_SIZE - 4096).is_aligned(PMD_SIZE));
    assert!(!range(0, 3).is_aligned(3));
}
