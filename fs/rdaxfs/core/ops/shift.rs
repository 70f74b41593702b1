// SPDX-License-Identifier: GPL-2.0

//! Taking a range out of a file, or putting one in, so that what follows moves.

use super::space::check_aligned;
use crate::{
    alloc::Run,
    change::Change,
    extents::{
        cut,
        push_joined, //
    },
    AttrChange,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use rdaxfs_format::{
    Extent,
    BLOCK_SHIFT,
    MAX_FILE_SIZE, //
};

impl<M: Medium> Volume<M> {
    /// Takes `len` bytes at byte `pos` out of the file. Both are multiples of the block size, and
    /// the range ends before the file does.
    pub fn collapse(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        check_aligned(pos, len)?;
        self.begin_shift(node)?;
        if pos.checked_add(len).is_none_or(|end| end >= node.size()) {
            return Err(Error::Invalid);
        }
        let (lo, count) = (pos >> BLOCK_SHIFT, len >> BLOCK_SHIFT);
        let hi = lo.saturating_add(count);
        let mut list = Vec::new();
        let mut freed: Vec<Run> = Vec::new();
        for extent in node.iter_extents() {
            if let Some(before) = cut(&extent, 0, lo) {
                push_joined(&mut list, before)?;
            }
            if let Some(gone) = cut(&extent, lo, hi) {
                freed.push(Run {
                    block: gone.pblk,
                    len: gone.len,
                })?;
            }
            if let Some(after) = cut(&extent, hi, u64::MAX) {
                let lblk = after.lblk.saturating_sub(count);
                push_joined(&mut list, Extent { lblk, ..after })?;
            }
        }
        self.set_extents(node, &list, node.size().saturating_sub(len), &attr.into())?;
        for &run in freed.iter() {
            self.release_blocks(run);
        }
        Ok(())
    }

    /// Puts a hole of `len` bytes into the file at byte `pos`. Both are multiples of the block
    /// size, and `pos` is within the file.
    pub fn insert(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        check_aligned(pos, len)?;
        self.begin_shift(node)?;
        if pos >= node.size() {
            return Err(Error::Invalid);
        }
        let size = node
            .size()
            .checked_add(len)
            .filter(|&size| size <= MAX_FILE_SIZE);
        let size = size.ok_or(Error::TooBig)?;
        let (at, count) = (pos >> BLOCK_SHIFT, len >> BLOCK_SHIFT);
        let mut list = Vec::new();
        for extent in node.iter_extents() {
            if let Some(before) = cut(&extent, 0, at) {
                push_joined(&mut list, before)?;
            }
            if let Some(after) = cut(&extent, at, u64::MAX) {
                let lblk = after.lblk.saturating_add(count);
                let moved = Extent { lblk, ..after };
                // Blocks past the end of the file can be anywhere.
                if moved.end() > MAX_FILE_SIZE >> BLOCK_SHIFT {
                    return Err(Error::TooBig);
                }
                push_joined(&mut list, moved)?;
            }
        }
        self.set_extents(node, &list, size, &attr.into())
    }

    fn begin_shift(&self, node: &mut Node) -> Result {
        self.begin_change(node)?;
        node.zeroed = 0..0;
        match self.zero_past_end(node) {
            // A lost block moves like others; nothing can be read of it.
            Err(Error::Io) => Ok(()),
            zeroed => zeroed,
        }
    }

    fn set_extents(
        &self,
        node: &mut Node,
        list: &[Extent],
        size: u64,
        attr: &AttrChange,
    ) -> Result {
        let mut disk = node.disk;
        disk.size.set(size);
        attr.apply(&mut disk);
        let mut tx = self.begin()?;
        let change = Change::rebuild(self.medium(), self.alloc()?, node, list, &mut tx)?;
        self.commit_change(tx, change, node, disk)
    }
}
