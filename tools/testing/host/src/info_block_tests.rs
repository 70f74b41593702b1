// SPDX-License-Identifier: GPL-2.0

//! Signatures of other personalities.

use crate::info_block::{
    Owner,
    OFFSETS, //
};
use proptest::prelude::*;

#[test]
fn each_personality_is_recognised_where_it_lives() {
    for offset in OFFSETS {
        assert_eq!(Owner::of(offset, b"BTT_ARENA_INFO\0\0"), Some(Owner::Btt));
    }
    assert_eq!(Owner::of(4096, b"NVDIMM_PFN_INFO\0"), Some(Owner::Pfn));
    assert_eq!(Owner::of(4096, b"NVDIMM_DAX_INFO\0"), Some(Owner::Dax));
    assert_eq!(Owner::of(0, b"NVDIMM_PFN_INFO\0"), None);
    assert_eq!(
        [Owner::Btt, Owner::Pfn, Owner::Dax].map(Owner::mode),
        ["sector", "fsdax", "devdax"]
    );
}

proptest! {
    #[test]
    fn data_is_not_mistaken_for_one(offset in prop::sample::select(&OFFSETS[..]), data: [u8; 16]) {
        let known = [b"BTT_ARENA_INFO\0\0", b"NVDIMM_PFN_INFO\0", b"NVDIMM_DAX_INFO\0"];
        prop_assume!(!known.contains(&&data));
        prop_assert_eq!(Owner::of(offset, &data), None);
    }
}
