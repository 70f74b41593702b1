// SPDX-License-Identifier: GPL-2.0

//! Where a volume of a given size has what.

use crate::{
    BLOCK_SHIFT,
    BLOCK_SIZE,
    IMAP_GROUP_BLOCKS,
    IMAP_GROUP_SIZE,
    INODES_PER_BLOCK,
    INODE_SIZE,
    SLOT_SIZE, //
};

const SLOT_BLOCKS: u64 = SLOT_SIZE as u64 / BLOCK_SIZE;
const GROUPS_PER_BLOCK: u64 = BLOCK_SIZE / IMAP_GROUP_SIZE as u64;
const MAX_SLOTS: u64 = 64;

/// The parts of a volume, in this order: superblock, journal slots, inode map, blocks for inodes,
/// directories and data, second superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Blocks of the volume.
    pub blocks: u64,
    /// Journal slots.
    pub slots: u64,
}

impl Layout {
    /// The layout of a volume of `blocks` blocks: a slot for each MiB, 64 at most.
    pub fn new(blocks: u64) -> Self {
        Self {
            blocks,
            slots: (blocks >> (20 - BLOCK_SHIFT)).clamp(1, MAX_SLOTS),
        }
    }

    /// Bytes of the volume.
    pub fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(BLOCK_SIZE)
    }

    /// The byte where journal slot `slot` is.
    pub fn slot_at(&self, slot: u64) -> u64 {
        BLOCK_SIZE.saturating_add(slot.saturating_mul(SLOT_SIZE as u64))
    }

    /// The first block of the inode map.
    pub fn imap_block(&self) -> u64 {
        1 + self.slots.saturating_mul(SLOT_BLOCKS)
    }

    /// Groups of the inode map.
    pub fn imap_groups(&self) -> u64 {
        self.blocks.div_ceil(IMAP_GROUP_BLOCKS)
    }

    /// The byte where group `group` of the inode map is.
    pub fn imap_at(&self, group: u64) -> u64 {
        let at = group.saturating_mul(IMAP_GROUP_SIZE as u64);
        (self.imap_block() * BLOCK_SIZE).saturating_add(at)
    }

    /// The first block that can be allocated.
    pub fn first_block(&self) -> u64 {
        self.imap_block() + self.imap_groups().div_ceil(GROUPS_PER_BLOCK)
    }

    /// The block after the last one that can be allocated: the second superblock.
    pub fn end_block(&self) -> u64 {
        self.blocks.saturating_sub(1)
    }

    /// Whether `len` blocks from `block` can be allocated.
    pub fn is_data(&self, block: u64, len: u64) -> bool {
        let end = block.checked_add(len);
        block >= self.first_block() && end.is_some_and(|end| end <= self.end_block())
    }

    /// The block that holds inode `ino`.
    pub fn inode_block(&self, ino: u64) -> u64 {
        ino / INODES_PER_BLOCK
    }

    /// The byte where inode `ino` is.
    pub fn inode_at(&self, ino: u64) -> u64 {
        ino.saturating_mul(INODE_SIZE as u64)
    }

    /// Whether there can be an inode with number `ino`.
    pub fn is_inode_number(&self, ino: u64) -> bool {
        self.is_data(self.inode_block(ino), 1)
    }
}
