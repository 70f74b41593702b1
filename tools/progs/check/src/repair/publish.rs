// SPDX-License-Identifier: GPL-2.0

//! Putting names for lost inodes on the medium, in an order in which each step may be the last one.
//!
//! 1. Blocks that nothing refers to yet are stored as they are: of directory entries, of extents, of
//!    inodes.
//! 2. One unit makes them part of the volume: the inodes of the directories, the inode map, and the
//!    entry of `/lost+found` in the root directory.
//! 3. Entries in blocks that `/lost+found` had before: each names one more inode.

use super::batch::Batch;
use crate::{
    claims::Owner,
    claims_of,
    Overlay, //
};
use rdaxfs_core::{
    format_types::{
        ExtentGroup,
        Layout,
        SuperBlock,
        BLOCK_SIZE,
        DIR_SLOT,
        IMAP_GROUP_SIZE,
        INODE_SIZE, //
    },
    Medium,
    Result, //
};

/// A block that is to change.
struct Change {
    block: u64,
    old: Vec<u8>,
    new: Vec<u8>,
    /// Bytes of what is stored as a whole.
    grain: usize,
}

impl Change {
    /// Stores what differs.
    fn store(&self, medium: &impl Medium) -> Result {
        let at = self.block.saturating_mul(BLOCK_SIZE);
        let parts = self.old.chunks(self.grain).zip(self.new.chunks(self.grain));
        for ((old, new), at) in parts.zip((at..).step_by(self.grain)) {
            if old != new {
                medium.store(at, new)?;
            }
        }
        Ok(())
    }
}

/// Puts what `overlay` holds on the medium below it.
pub(super) fn all<M: Medium>(medium: &M, sb: &SuperBlock, overlay: Overlay<'_, M>) -> Result {
    let layout = sb.layout();
    let claims = claims_of(medium, sb);
    let root = sb.root.get();
    let (mut structure, mut entries) = (Vec::new(), Vec::new());
    for (block, new) in overlay.into_blocks() {
        let owner = claims.owner(block);
        let (list, grain) = match owner {
            _ if is_map(&layout, block) => (&mut structure, IMAP_GROUP_SIZE),
            _ if !layout.is_data(block, 1) => continue,
            None => {
                medium.store(block.saturating_mul(BLOCK_SIZE), &*new)?;
                medium.flush(block.saturating_mul(BLOCK_SIZE), BLOCK_SIZE)?;
                continue;
            }
            Some(Owner::Inodes) => (&mut structure, INODE_SIZE),
            Some(Owner::Extents(_)) => (&mut structure, ExtentGroup::SIZE),
            Some(Owner::Data(dir)) if dir != root => (&mut entries, DIR_SLOT),
            Some(Owner::Data(_)) => (&mut structure, DIR_SLOT),
            Some(Owner::Blob(_)) => (&mut structure, BLOCK_SIZE as usize),
        };
        let mut old = vec![0; BLOCK_SIZE as usize];
        medium.load(block.saturating_mul(BLOCK_SIZE), &mut old)?;
        list.push(Change {
            block,
            old,
            new: new.to_vec(),
            grain,
        });
    }
    medium.fence()?;
    let mut batch = Batch::new(medium, layout);
    for change in &structure {
        change.store(&batch)?;
    }
    batch.end_whole()?;
    batch.put()?;
    for change in &entries {
        change.store(&batch)?;
        batch.end_whole()?;
    }
    batch.put()
}

/// Whether `block` is of the inode map.
fn is_map(layout: &Layout, block: u64) -> bool {
    (layout.imap_block()..layout.first_block()).contains(&block)
}
