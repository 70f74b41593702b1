// SPDX-License-Identifier: GPL-2.0

//! What is encoded decodes to the same, what is damaged does not, and any bytes are safe.

extern crate std;

use super::*;
use proptest::prelude::*;
use std::{
    vec,
    vec::Vec, //
};

fn extent() -> impl Strategy<Value = Extent> {
    let lblk = prop_oneof![0..1000u64, 0..(1 << 52) - EXTENT_MAX_BLOCKS];
    let pblk = prop_oneof![1..1000u64, 1..MAX_BLOCKS - EXTENT_MAX_BLOCKS];
    (lblk, pblk, 1..=EXTENT_MAX_BLOCKS, any::<bool>()).prop_map(|(lblk, pblk, len, unwritten)| {
        Extent {
            lblk,
            pblk,
            len,
            unwritten,
        }
    })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..=NAME_MAX).prop_filter("valid names only", |name| {
        !name.iter().any(|&byte| byte == 0 || byte == b'/') && name != b"." && name != b".."
    })
}

/// `bytes` with one bit flipped.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let bit = at % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn extents(extent in extent(), logical: u64, physical: u64) {
        prop_assert_eq!(RawExtent::new(&extent).get(), Ok(Some(extent)));
        let mut inode = DiskInode::free(1, 1);
        inode.inline[..8].copy_from_slice(&logical.to_le_bytes());
        inode.inline[8..16].copy_from_slice(&physical.to_le_bytes());
        if let Ok(Some(extent)) = inode.extent(0).get() {
            prop_assert!(extent.len > 0 && extent.end() <= 1 << 52 && extent.pend() <= MAX_BLOCKS);
            inode.set_extent(1, RawExtent::new(&extent));
            prop_assert_eq!(&inode.inline[..16], &inode.inline[16..32]);
        }
    }

    #[test]
    fn groups(list in prop::collection::vec(extent(), 0..=GROUP_EXTENTS), flip: usize) {
        let mut group = ExtentGroup::new(7, 3, 0, 99);
        for (place, extent) in group.extents.iter_mut().zip(&list) {
            *place = RawExtent::new(extent);
        }
        let bytes = group.encode().to_vec();
        let again = ExtentGroup::decode(&bytes, 7, 3, 0).unwrap();
        prop_assert_eq!(again.next(), 99);
        for (place, extent) in again.extents.iter().zip(&list) {
            prop_assert_eq!(place.get(), Ok(Some(*extent)));
        }
        prop_assert!(ExtentGroup::decode(&bytes, 8, 3, 0).is_err());
        prop_assert!(ExtentGroup::decode(&bytes, 7, 4, 0).is_err());
        prop_assert!(ExtentGroup::decode(&bytes, 7, 3, 1).is_err());
        prop_assert!(ExtentGroup::decode(&flipped(&bytes, flip), 7, 3, 0).is_err());
    }

    #[test]
    fn inodes(mode in 0..0o7777u16, size in 0..=MAX_FILE_SIZE, flip: usize, inline: [u8; 32]) {
        let mut inode = DiskInode::free(42, 5);
        inode.mode.set(MODE_REG | mode);
        inode.size.set(size);
        inode.mtime = DiskTime::new(-1, 999_999_999);
        inode.inline[..32].copy_from_slice(&inline);
        let bytes = inode.encode().to_vec();
        let again = DiskInode::decode(&bytes, 42).unwrap();
        prop_assert!(again.in_use() && again.is_reg() && again.has_extents());
        prop_assert_eq!(again.size.get(), size);
        prop_assert_eq!(again.mtime, inode.mtime);
        prop_assert_eq!(again.inline, inode.inline);
        prop_assert!(DiskInode::decode(&bytes, 43).is_err());
        prop_assert!(DiskInode::decode(&flipped(&bytes, flip), 42).is_err());
        inode.size.set(MAX_FILE_SIZE + 1);
        prop_assert!(DiskInode::decode(inode.encode(), 42).is_err());
    }

    #[test]
    fn dirents(name in name(), ino in 1..u64::MAX, slot in 0..59usize, flip: usize) {
        let mut block = vec![0; 4096];
        let dirent = Dirent::new(ino, 8, &name);
        let len = dirent.encode(77, &mut block[slot * DIR_SLOT..]).unwrap();
        prop_assert_eq!(Dirent::decode(&block, slot, 77), Ok(dirent));
        prop_assert!(Dirent::decode(&block, slot, 78).is_err());
        let entry = &block[slot * DIR_SLOT..slot * DIR_SLOT + len];
        prop_assert!(Dirent::decode(&flipped(entry, flip), 0, 77).is_err());
        prop_assert_eq!(dirent.encode(77, &mut vec![0; len - 1]), None);
    }

    #[test]
    fn blobs(payload in prop::collection::vec(any::<u8>(), 0..=BLOB_PAYLOAD), next: u64, flip: usize) {
        let mut block = vec![0; 4096];
        let len = Blob { next, payload: &payload }.encode(5, 6, &mut block).unwrap();
        let blob = Blob::decode(&block, 5, 6).unwrap();
        prop_assert_eq!(blob.next, next);
        prop_assert_eq!(blob.payload, &payload[..]);
        prop_assert!(Blob::decode(&block, 5, 7).is_err());
        prop_assert!(Blob::decode(&flipped(&block[..len], flip), 5, 6).is_err());
    }

    #[test]
    fn maps(bits in prop::collection::btree_set(0..IMAP_GROUP_BLOCKS, 0..50), flip: usize) {
        let mut group = ImapGroup::new(3);
        for &bit in &bits {
            group.set(bit, true);
        }
        let bytes = group.encode().to_vec();
        let again = ImapGroup::decode(&bytes, 3).unwrap();
        for bit in 0..IMAP_GROUP_BLOCKS {
            prop_assert_eq!(again.get(bit), bits.contains(&bit));
        }
        prop_assert_eq!(again.is_empty(), bits.is_empty());
        prop_assert!(ImapGroup::decode(&bytes, 4).is_err());
        prop_assert!(ImapGroup::decode(&flipped(&bytes, flip), 3).is_err());
    }

    #[test]
    fn transactions(
        stores in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        sequence in 1..u64::MAX,
        flip: usize,
    ) {
        let mut payload = Vec::new();
        for (at, data) in &stores {
            payload.extend(EntryHead::new(*at, data.len()).bytes());
            payload.extend(data);
            payload.resize(payload.len().next_multiple_of(8), 0);
        }
        let mut slot = SlotHead::new(sequence, &payload).bytes().to_vec();
        slot.extend(&payload);
        prop_assert_eq!(SlotHead::decode(&slot), Ok(None));
        slot[..8].copy_from_slice(&sequence.to_le_bytes());
        let (number, mut rest) = SlotHead::decode(&slot).unwrap().unwrap();
        prop_assert_eq!(number, sequence);
        for (at, data) in &stores {
            let (other, bytes, next) = EntryHead::split(rest).unwrap();
            prop_assert_eq!((other, bytes), (*at, &data[..]));
            rest = next;
        }
        prop_assert!(rest.is_empty());
        // But for the bytes of the head that nothing uses.
        let bit = flip % (slot.len() * 8);
        if !(24..64).contains(&(bit / 8)) {
            let other = flipped(&slot, bit);
            prop_assert!(SlotHead::decode(&other).map_or(true, |found| found.is_none()));
        }
    }

    #[test]
    fn superblocks(blocks in MIN_BLOCKS..MAX_BLOCKS, flip: usize) {
        let layout = Layout::new(blocks);
        let root = layout.first_block() * INODES_PER_BLOCK;
        let mut sb = SuperBlock::new(&layout, [9; 16], root, DiskTime::new(1, 2));
        sb.set_state(State::Active);
        let bytes = sb.encode().to_vec();
        let again = SuperBlock::decode(&bytes).unwrap();
        prop_assert_eq!(again.layout(), layout);
        prop_assert_eq!(again.state(), State::Active);
        prop_assert!(SuperBlock::decode(&flipped(&bytes, flip)).is_err());
        // The parts of a volume are in their order and do not overlap.
        prop_assert!(layout.slot_at(layout.slots) <= layout.imap_block() * BLOCK_SIZE);
        prop_assert!(layout.imap_at(layout.imap_groups()) <= layout.first_block() * BLOCK_SIZE);
        prop_assert!(layout.imap_groups() * IMAP_GROUP_BLOCKS >= blocks);
        prop_assert!(layout.first_block() < layout.end_block() && layout.end_block() < blocks);
    }

    /// Whatever is read: no panic, and nothing out of bounds.
    #[test]
    fn anything(bytes in prop::collection::vec(any::<u8>(), 0..5000), slot in 0..70usize, magic: bool) {
        let mut bytes = bytes;
        if magic && bytes.len() > 16 {
            bytes[4] = 0xd5;
        }
        let _ = SuperBlock::decode(&bytes);
        let _ = Dirent::decode(&bytes, slot, 1);
        let _ = Blob::decode(&bytes, 1, 1);
        let _ = SlotHead::decode(&bytes);
        let mut rest = &bytes[..];
        while let Ok((_, _, next)) = EntryHead::split(rest) {
            rest = next;
        }
        let part = bytes.get(..256).unwrap_or(&bytes);
        let _ = DiskInode::decode(part, 1);
        let _ = ExtentGroup::decode(part, 1, 1, 0);
        let _ = ImapGroup::decode(part, 0);
    }
}
