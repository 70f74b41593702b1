// SPDX-License-Identifier: GPL-2.0

//! Changing the size, and punching holes.
//!
//! What is past the end of the file in its last block can be anything on the medium; it is zeroed
//! before the size grows over it.

use super::touch;
use crate::{
    alloc::Run,
    extents::{
        cut,
        Plan, //
    },
    medium::Stored,
    node::blocks_for,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    DiskTime,
    BLOCK_SHIFT,
    BLOCK_SIZE,
    MAX_FILE_SIZE, //
};

/// A block past the last one of every file.
const END: u64 = 1 << 52;

impl<M: Medium> Volume<M> {
    /// Sets the size of a file to `size` bytes.
    pub fn set_size(&self, node: &mut Node, size: u64, now: DiskTime) -> Result {
        self.check_writable()?;
        if size > MAX_FILE_SIZE {
            return Err(Error::TooBig);
        }
        node.refresh(self.medium(), self.layout())?;
        self.drop_pending(node);
        let old = node.size();
        let mut disk = node.disk;
        disk.size.set(size);
        touch(&mut disk, now);
        if size > old {
            self.zero_tail(node, old, size)?;
            return self.store_inode(node, disk);
        }
        self.remove(node, blocks_for(size), END, disk)?;
        // The tail of the last block is still mapped. Neither a crash nor an error here matters to
        // the file: the tail is past its end.
        let _ = self.zero_tail(node, size, u64::MAX);
        Ok(())
    }

    /// Makes `len` bytes from byte `pos` a hole as far as whole blocks go, and zeros the rest.
    pub fn punch(&self, node: &mut Node, pos: u64, len: u64, now: DiskTime) -> Result {
        self.check_writable()?;
        node.refresh(self.medium(), self.layout())?;
        self.drop_pending(node);
        let end = pos.checked_add(len).ok_or(Error::TooBig)?;
        let (lo, hi) = self.zero_edges_of(node, pos, end)?;
        let mut disk = node.disk;
        touch(&mut disk, now);
        self.remove(node, lo, hi.max(lo), disk)
    }

    /// Zeros what bytes `pos..end` have of blocks in part, and returns the blocks that they have as
    /// a whole.
    pub(super) fn zero_edges_of(&self, node: &Node, pos: u64, end: u64) -> Result<(u64, u64)> {
        let (lo, hi) = (blocks_for(pos), end >> BLOCK_SHIFT);
        if lo > hi {
            // Within one block.
            self.zero_bytes(node, pos, end.saturating_sub(pos))?;
            return Ok((lo, lo));
        }
        let head = lo.saturating_mul(BLOCK_SIZE).saturating_sub(pos);
        if head > 0 {
            self.zero_bytes(node, pos, head)?;
        }
        let tail = end % BLOCK_SIZE;
        if tail > 0 {
            self.zero_bytes(node, end.saturating_sub(tail), tail)?;
        }
        Ok((lo, hi))
    }

    /// Takes blocks `lo..hi` from the file and frees them, with `disk` as its inode.
    fn remove(&self, node: &mut Node, lo: u64, hi: u64, disk: DiskInode) -> Result {
        let plan = match lo < hi {
            true => Plan::replace(&node.map, lo, hi, &[])?,
            false => Plan::default(),
        };
        let mut freed: Vec<Run> = Vec::new();
        for entry in plan.removed.iter() {
            if let Some(gone) = cut(&entry.extent, lo, hi) {
                freed.push(Run {
                    block: gone.pblk,
                    len: gone.len,
                })?;
            }
        }
        self.commit_plan(node, plan, disk, Stored::none())?;
        for &run in freed.iter() {
            self.release_blocks(run);
        }
        Ok(())
    }
}
