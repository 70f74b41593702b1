// SPDX-License-Identifier: GPL-2.0

//! Changing the size, and punching holes.
//!
//! A mapping can store past the end of the file in its last block. Whatever moves the end, or the
//! block, or frees what lies around it, leaves zeroes there: before the transaction if the end moves
//! up or the block moves, after it if the end moves down. So no transaction makes such bytes part of
//! the file, and a crash before one leaves them where they cannot be seen.

use crate::{
    alloc::Run,
    extents::{
        cut,
        Plan, //
    },
    medium::Stored,
    node::blocks_for,
    AttrChange,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use core::ops::Range;
use rdaxfs_format::{
    DiskInode,
    BLOCK_SHIFT,
    BLOCK_SIZE,
    MAX_FILE_SIZE, //
};

/// A block past the last one of every file.
const END: u64 = 1 << 52;

impl<M: Medium> Volume<M> {
    /// Sets the size of a file to `size` bytes, and `attr` with it.
    pub fn set_size(&self, node: &mut Node, size: u64, attr: impl Into<AttrChange>) -> Result {
        self.check_writable()?;
        if size > MAX_FILE_SIZE {
            return Err(Error::TooBig);
        }
        node.refresh(self.medium(), self.layout())?;
        self.drop_pending(node);
        let old = node.size();
        let mut disk = node.disk;
        disk.size.set(size);
        attr.into().apply(&mut disk);
        if size > old {
            self.zero_past_end(node)?;
            return self.store_inode(node, disk);
        }
        self.remove(node, blocks_for(size)..END, disk, &[])?;
        // The tail of the last block is still mapped. Neither a crash nor an error here matters to
        // the file: the tail is past its end.
        let _ = self.zero_past_end(node);
        Ok(())
    }

    /// Makes `len` bytes from byte `pos` a hole as far as whole blocks go, and zeroes the rest.
    pub fn punch(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        self.begin_change(node)?;
        let end = pos.checked_add(len).ok_or(Error::TooBig)?;
        if end >= node.size() {
            self.zero_past_end(node)?;
        }
        let Cover { whole, edges } = Cover::new(pos, end);
        let mut disk = node.disk;
        attr.into().apply(&mut disk);
        self.zeroing(node, &edges, |node, edges| {
            self.remove(node, whole.clone(), disk, edges)
        })
    }

    /// Does `f`, which zeroes the edges that it is given in its transaction. Both may be too much for
    /// one: then the first is zeroed before, in a transaction of its own.
    pub(super) fn zeroing(
        &self,
        node: &mut Node,
        edges: &[Range<u64>; 2],
        f: impl Fn(&mut Node, &[Range<u64>]) -> Result,
    ) -> Result {
        let [first, last] = edges;
        match f(node, edges) {
            Err(Error::TooBig) if !first.is_empty() && !last.is_empty() => {
                let (plan, disk) = (Plan::default(), node.disk);
                let first = core::slice::from_ref(first);
                self.commit_plan_zeroing(node, plan, disk, Stored::none(), first)?;
                f(node, core::slice::from_ref(last))
            }
            done => done,
        }
    }

    /// Takes `blocks` from the file and frees them, with `disk` as its inode; `edges` become zeroes.
    fn remove(
        &self,
        node: &mut Node,
        blocks: Range<u64>,
        disk: DiskInode,
        edges: &[Range<u64>],
    ) -> Result {
        let Range { start: lo, end: hi } = blocks;
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
        self.commit_plan_zeroing(node, plan, disk, Stored::none(), edges)?;
        for &run in freed.iter() {
            self.release_blocks(run);
        }
        Ok(())
    }
}

/// What a range of bytes covers.
pub(super) struct Cover {
    /// The blocks that it covers as a whole.
    pub(super) whole: Range<u64>,
    /// The bytes of the block before those and of the one after, each of which may be empty.
    pub(super) edges: [Range<u64>; 2],
}

impl Cover {
    /// That of bytes `pos..end`.
    pub(super) fn new(pos: u64, end: u64) -> Self {
        let (lo, hi) = (blocks_for(pos), end >> BLOCK_SHIFT);
        if lo > hi {
            // Within one block.
            let whole = lo..lo;
            let edges = [pos..end, end..end];
            return Self { whole, edges };
        }
        let at = |block: u64| block.saturating_mul(BLOCK_SIZE);
        Self {
            whole: lo..hi,
            edges: [pos..at(lo), at(hi)..end],
        }
    }

    /// All blocks of which it covers something.
    pub(super) fn blocks(&self) -> Range<u64> {
        let [first, last] = &self.edges;
        let lo = self
            .whole
            .start
            .saturating_sub(u64::from(!first.is_empty()));
        let hi = self.whole.end.saturating_add(u64::from(!last.is_empty()));
        lo..hi
    }
}
