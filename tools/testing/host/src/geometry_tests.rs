// SPDX-License-Identifier: GPL-2.0

//! What can be accessed directly, against a device modelled sector by sector.

use crate::geometry::{
    accessible,
    parse_range,
    sectors_of,
    whole_pages,
    Access,
    SECTORS_PER_PAGE, //
};
use proptest::prelude::*;

const PAGES: u64 = 24;

fn bad_sectors() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(
        prop::bool::weighted(0.02),
        (PAGES * SECTORS_PER_PAGE) as usize,
    )
}

fn page_is_bad(bad: &[bool], page: u64) -> bool {
    let first = (page * SECTORS_PER_PAGE) as usize;
    bad[first..first + SECTORS_PER_PAGE as usize].contains(&true)
}

proptest! {
    #[test]
    fn no_answer_covers_poison(
        bad in bad_sectors(),
        pgoff in 0..PAGES + 4,
        wanted in 0..PAGES * 2,
        recover: bool,
    ) {
        let answer = accessible(PAGES, pgoff, wanted, recover, |sector, len| {
            assert!(sector + len <= PAGES * SECTORS_PER_PAGE);
            (sector..sector + len).find(|&s| bad[s as usize])
        });
        match answer {
            Access::Outside => prop_assert!(pgoff >= PAGES),
            Access::Poisoned => prop_assert!(page_is_bad(&bad, pgoff) && !recover),
            Access::Pages(len) => {
                prop_assert!(len >= 1 && pgoff + len <= PAGES);
                let looked_at = len.min(wanted.max(1));
                if page_is_bad(&bad, pgoff) {
                    prop_assert!(recover && len == 1);
                } else {
                    for page in pgoff..pgoff + looked_at {
                        prop_assert!(!page_is_bad(&bad, page));
                    }
                    // Never shorter than need be.
                    let end = pgoff + looked_at;
                    let stopped_early = looked_at < wanted && end < PAGES;
                    prop_assert!(!stopped_early || page_is_bad(&bad, end));
                }
            }
        }
    }

    #[test]
    fn a_good_device_is_linear_to_its_end(pgoff in 0..PAGES, wanted in any::<u64>()) {
        let answer = accessible(PAGES, pgoff, wanted, false, |_, _| None);
        prop_assert_eq!(answer, Access::Pages(PAGES - pgoff));
    }

    #[test]
    fn sectors_never_overflow(total: u64, pgoff: u64, nr_pages: u64) {
        if let Some((sector, len)) = sectors_of(total, pgoff, nr_pages) {
            prop_assert!(pgoff + nr_pages <= total);
            prop_assert_eq!((sector / 8, len / 8), (pgoff, nr_pages));
        }
    }

    #[test]
    fn whole_pages_cover_the_bytes(offset: u64, len in 1u64..1 << 40) {
        match whole_pages(offset, len) {
            Some((first, whole)) => {
                prop_assert!(first % 4096 == 0 && whole % 4096 == 0);
                prop_assert!(first <= offset && offset - first < 4096);
                prop_assert!(first + whole >= offset + len);
                prop_assert!(first + whole - (offset + len) < 4096);
            }
            None => prop_assert!(offset > u64::MAX - len - 4096),
        }
    }

    #[test]
    fn ranges_parse_back(sector: u64, count in 1u64..) {
        prop_assert_eq!(parse_range(&format!(" {sector}\t{count}\n")), Some((sector, count)));
    }
}

#[test]
fn malformed_ranges() {
    for text in [
        "",
        "1",
        "1 0",
        "1 2 3",
        "-1 2",
        "0x10 1",
        "1 99999999999999999999",
        "a b",
    ] {
        assert_eq!(parse_range(text), None, "{text:?}");
    }
}
