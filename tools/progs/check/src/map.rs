// SPDX-License-Identifier: GPL-2.0

//! The inode map.

use crate::{
    report::{
        Fix,
        Kind,
        Problem, //
    },
    Checker, //
};
use rdaxfs_core::{
    format_types::{
        DiskInode,
        ImapGroup,
        BLOCK_SIZE,
        IMAP_GROUP_BLOCKS,
        IMAP_GROUP_SIZE,
        INODES_PER_BLOCK,
        INODE_SIZE, //
    },
    Medium, //
};

impl<M: Medium> Checker<'_, M> {
    /// Checks all groups and returns the blocks that hold inodes. Where a group is bad, these are
    /// the blocks that look as if they did.
    pub(crate) fn check_map(&mut self) -> Vec<u64> {
        let mut blocks = Vec::new();
        let mut bytes = [0; IMAP_GROUP_SIZE];
        for index in 0..self.layout.imap_groups() {
            let at = self.layout.imap_at(index);
            let loaded = self
                .medium
                .load(at, &mut bytes)
                .map_err(|_| "inode map cannot be read");
            match loaded.and_then(|()| ImapGroup::decode(&bytes, index).map_err(|bad| bad.what)) {
                Ok(group) => self.check_group(&group, &mut blocks),
                Err(why) => {
                    let found = self.find_inode_blocks(index);
                    let text = format!("group {index}: {why}; {} blocks hold inodes", found.len());
                    let fix = Fix::Map(index, found.clone());
                    self.add(
                        Problem::new(Kind::BadMap, text)
                            .at(at / BLOCK_SIZE)
                            .fix(fix),
                    );
                    blocks.extend(found);
                }
            }
        }
        blocks
    }

    fn check_group(&mut self, group: &ImapGroup, blocks: &mut Vec<u64>) {
        if group.is_empty() {
            return;
        }
        for block in group.blocks() {
            if self.layout.is_data(block, 1) {
                blocks.push(block);
            } else {
                let problem = Problem::new(Kind::BadMapBit, "block cannot hold inodes");
                self.add(problem.at(block).fix(Fix::Unmark(block)));
            }
        }
    }

    /// The blocks of a group that look as if they held inodes of this volume.
    fn find_inode_blocks(&self, index: u64) -> Vec<u64> {
        let first = index.saturating_mul(IMAP_GROUP_BLOCKS);
        (first..first.saturating_add(IMAP_GROUP_BLOCKS))
            .filter(|&block| self.layout.is_data(block, 1) && self.has_inodes(block))
            .collect()
    }

    /// Whether there is an inode in use in `block`, from after the volume was made: what was on the
    /// device before is still there.
    fn has_inodes(&self, block: u64) -> bool {
        let first = block.saturating_mul(INODES_PER_BLOCK);
        let mut bytes = [0; INODE_SIZE];
        (first..first.saturating_add(INODES_PER_BLOCK)).any(|ino| {
            let loaded = self.medium.load(self.layout.inode_at(ino), &mut bytes);
            let inode = loaded
                .ok()
                .and_then(|()| DiskInode::decode(&bytes, ino).ok());
            inode.is_some_and(|inode| inode.in_use() && inode.btime.sec() >= self.sb.created.sec())
        })
    }
}
