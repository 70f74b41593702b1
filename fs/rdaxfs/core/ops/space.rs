// SPDX-License-Identifier: GPL-2.0

//! Blocks for a range of a file, before there is data for them.

use super::{
    data::of_data,
    touch, //
};
use crate::{
    alloc::{
        Run,
        Taken, //
    },
    extents::{
        push_joined,
        Plan, //
    },
    medium::Stored,
    node::blocks_for,
    ops::Span,
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
    Extent,
    BLOCK_SHIFT,
    EXTENT_MAX_BLOCKS,
    MAX_FILE_SIZE, //
};

/// Blocks that are zeroed between two looks at whether the caller was killed (2 MiB).
const STEP: u64 = 512;

/// What to do with the blocks of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provide {
    /// Holes get blocks, which read as zeros; below this block of the file they are zeroed now.
    Allocate(u64),
    /// As before, and blocks that are there become zeros.
    Zero(u64),
    /// Everything becomes written zeros.
    WriteZeroes,
}

impl<M: Medium> Volume<M> {
    /// Gives the holes among `len` bytes from byte `pos` blocks, all or none. The size grows to
    /// include them unless `keep_size`. Up to `zero_ahead` bytes are zeroed now, so that the first
    /// fault or write finds them ready; more, and what is past the end of the file, stay unwritten.
    pub fn allocate(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        keep_size: bool,
        zero_ahead: u64,
        now: DiskTime,
    ) -> Result {
        let end = self.check_span(node, pos, len)?;
        let disk = grown(node, end, keep_size, now);
        let ready = if len <= zero_ahead {
            disk.size.get()
        } else {
            0
        };
        if disk.size.get() > node.size() {
            self.zero_tail(node, node.size(), disk.size.get())?;
        }
        let how = Provide::Allocate(blocks_for(ready));
        self.provide(node, pos >> BLOCK_SHIFT, blocks_for(end), how, disk)
    }

    /// Zeros `len` bytes from byte `pos`, in the blocks where they are; holes get blocks.
    pub fn zero_range(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        keep_size: bool,
        zero_ahead: u64,
        now: DiskTime,
    ) -> Result {
        let end = self.check_span(node, pos, len)?;
        let size = grown(node, end, keep_size, now).size.get();
        let ready = blocks_for(if len <= zero_ahead { size } else { 0 });
        if size > node.size() {
            self.zero_tail(node, node.size(), size)?;
        }
        let (lo, hi) = self.zero_edges_of(node, pos, end)?;
        self.provide_edges(node, edges(pos, end, lo, hi), ready)?;
        // Only now: the edges have changed the inode.
        let disk = grown(node, end, keep_size, now);
        self.provide(node, lo, hi.max(lo), Provide::Zero(ready), disk)
    }

    /// As [`zero_range`](Self::zero_range), and all blocks are written ones afterwards.
    pub fn write_zeroes(&self, node: &mut Node, pos: u64, len: u64, now: DiskTime) -> Result {
        let end = self.check_span(node, pos, len)?;
        if end > node.size() {
            self.zero_tail(node, node.size(), end)?;
        }
        let (lo, hi) = self.zero_edges_of(node, pos, end)?;
        self.provide_edges(node, edges(pos, end, lo, hi), u64::MAX)?;
        let disk = grown(node, end, false, now);
        self.provide(node, lo, hi.max(lo), Provide::WriteZeroes, disk)?;
        for edge in edges(pos, end, lo, hi) {
            self.fill(node, edge, 1, false)?;
        }
        Ok(())
    }

    /// Gives blocks that are covered in part, and holes, blocks. Past the end of the file they stay
    /// unwritten, below block `ready` they are zeroed now.
    fn provide_edges(
        &self,
        node: &mut Node,
        edges: impl Iterator<Item = u64>,
        ready: u64,
    ) -> Result {
        let how = Provide::Allocate(ready.min(blocks_for(node.size())));
        for edge in edges {
            self.provide(node, edge, edge.saturating_add(1), how, node.disk)?;
        }
        Ok(())
    }

    fn check_span(&self, node: &mut Node, pos: u64, len: u64) -> Result<u64> {
        self.check_writable()?;
        node.refresh(self.medium(), self.layout())?;
        self.drop_pending(node);
        let end = pos.checked_add(len).filter(|&end| end <= MAX_FILE_SIZE);
        end.filter(|_| len > 0).ok_or(Error::TooBig)
    }

    fn provide(&self, node: &mut Node, lo: u64, hi: u64, how: Provide, disk: DiskInode) -> Result {
        let mut with: Vec<Extent> = Vec::new();
        let mut taken: Vec<Taken<'_>> = Vec::new();
        let mut stored = Stored::none();
        let mut at = lo;
        while at < hi {
            let len = hi.saturating_sub(at).min(EXTENT_MAX_BLOCKS);
            let found = self.map(node, at, len)?;
            let (pblk, len, unwritten, zero) = match found.span {
                Span::Written(pblk) => {
                    (pblk, found.len, false, !matches!(how, Provide::Allocate(_)))
                }
                Span::Unwritten(pblk) => {
                    let zero = how == Provide::WriteZeroes;
                    (pblk, found.len, !zero, zero)
                }
                Span::Hole => {
                    let new = self.alloc_data(node, at, found.len)?;
                    let Run { block, len } = new.run();
                    let zero = match how {
                        Provide::Allocate(ready) | Provide::Zero(ready) => {
                            at.saturating_add(len) <= ready
                        }
                        Provide::WriteZeroes => true,
                    };
                    if zero {
                        match self.zero_slowly(new.run()) {
                            Err(Error::Poison) => {
                                // There may be others.
                                new.retire(self.medium())?;
                                continue;
                            }
                            zeroed => stored = stored.and(zeroed?),
                        }
                    }
                    taken.push(new)?;
                    (block, len, !zero, false)
                }
            };
            if zero {
                let zeroed = self.zero_slowly(Run { block: pblk, len });
                stored = stored.and(zeroed.map_err(of_data)?);
            }
            push_joined(
                &mut with,
                Extent {
                    lblk: at,
                    pblk,
                    len,
                    unwritten,
                },
            )?;
            at = at.saturating_add(len);
        }
        let plan = match lo < hi {
            true => Plan::replace(&node.map, lo, hi, &with)?,
            false => Plan::default(),
        };
        self.commit_plan(node, plan, disk, stored)?;
        while let Some(new) = taken.pop() {
            new.keep();
        }
        Ok(())
    }

    fn zero_slowly(&self, run: Run) -> Result<Stored<crate::medium::InFlight>> {
        let mut stored = Stored::none();
        let mut done = 0;
        while done < run.len {
            let part = Run {
                block: run.block.saturating_add(done),
                len: STEP.min(run.len.saturating_sub(done)),
            };
            stored = stored.and(self.zero_run(part)?);
            done = done.saturating_add(part.len);
            // What is done already is not given up.
            if done < run.len {
                self.medium().pause()?;
            }
        }
        Ok(stored)
    }
}

/// The blocks that bytes `pos..end` cover in part, when `lo..hi` are those that they cover as a whole.
fn edges(pos: u64, end: u64, lo: u64, hi: u64) -> impl Iterator<Item = u64> {
    let (first, last) = (pos >> BLOCK_SHIFT, end >> BLOCK_SHIFT);
    [Some(first), (last != first).then_some(last)]
        .into_iter()
        .flatten()
        .filter(move |&edge| (edge < lo || edge >= hi) && edge < blocks_for(end))
}

/// The inode once bytes up to `end` have blocks.
fn grown(node: &Node, end: u64, keep_size: bool, now: DiskTime) -> DiskInode {
    let mut disk = node.disk;
    touch(&mut disk, now);
    if !keep_size && end > node.size() {
        disk.size.set(end);
    }
    disk
}

/// Fails unless `pos` and `len` are whole blocks.
pub(super) fn check_aligned(pos: u64, len: u64) -> Result {
    let mask = (1 << BLOCK_SHIFT) - 1;
    if (pos | len) & mask != 0 || len == 0 {
        return Err(Error::Invalid);
    }
    Ok(())
}
