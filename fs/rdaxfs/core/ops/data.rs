// SPDX-License-Identifier: GPL-2.0

//! The blocks of a file: finding them, filling holes, and writes past the end.

use crate::{
    alloc::{
        Purpose,
        Run,
        Taken, //
    },
    extents::Plan,
    medium::{
        InFlight,
        Stored, //
    },
    node::{
        blocks_for,
        Pending, //
    },
    AttrChange,
    Error,
    Medium,
    Node,
    Result,
    Volume, //
};
use core::ops::Range;
use rdaxfs_format::{
    DiskInode,
    Extent,
    BLOCK_SHIFT,
    BLOCK_SIZE,
    HUGE_BLOCKS,
    MAX_FILE_SIZE, //
};

/// Blocks that one call fills at most (32 MiB).
const FILL_MAX: u64 = 8192;

/// Where blocks of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Nowhere; they read as zeros.
    Hole,
    /// From this block of the volume on, but they read as zeros.
    Unwritten(u64),
    /// From this block of the volume on.
    Written(u64),
}

/// A run of blocks of a file that are all of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first block in the file.
    pub lblk: u64,
    /// How many blocks.
    pub len: u64,
    /// Where they are.
    pub span: Span,
    /// They were a hole, or unwritten, before the call.
    pub fresh: bool,
}

impl<M: Medium> Volume<M> {
    /// Reads the extents of `node` again if it is [stale](Node::is_stale).
    pub fn refresh(&self, node: &mut Node) -> Result {
        self.check_alive()?;
        node.refresh(self.medium(), self.layout())
    }

    /// The first run of blocks among `len` (at least 1) from block `lblk` of the file on.
    /// [`Error::NoMemory`] if the node is [stale](Node::is_stale).
    pub fn map(&self, node: &Node, lblk: u64, len: u64) -> Result<Mapping> {
        self.check_alive()?;
        if node.is_stale() {
            return Err(Error::NoMemory);
        }
        let len = len.max(1);
        let hole = |len| Mapping {
            lblk,
            len,
            span: Span::Hole,
            fresh: false,
        };
        let Some(entry) = node.map.at_or_after(lblk) else {
            return Ok(hole(len));
        };
        let extent = entry.extent;
        let Some(offset) = lblk.checked_sub(extent.lblk) else {
            return Ok(hole(len.min(extent.lblk.saturating_sub(lblk))));
        };
        let pblk = extent.pblk.saturating_add(offset);
        let span = if extent.unwritten {
            Span::Unwritten(pblk)
        } else {
            Span::Written(pblk)
        };
        Ok(Mapping {
            span,
            ..hole(len.min(extent.len.saturating_sub(offset)))
        })
    }

    /// As [`map`](Self::map), but a hole or unwritten blocks become written ones, full of zeros.
    /// With `huge`, a hole is only filled if a whole aligned 2 MiB chunk can be had for it;
    /// otherwise it stays one.
    pub fn fill(&self, node: &mut Node, lblk: u64, len: u64, huge: bool) -> Result<Mapping> {
        self.fill_with(node, lblk, len, huge, &AttrChange::default())
    }

    /// As [`fill`](Self::fill), and if blocks become written ones, changes `attr` with them.
    fn fill_with(
        &self,
        node: &mut Node,
        lblk: u64,
        len: u64,
        huge: bool,
        attr: &AttrChange,
    ) -> Result<Mapping> {
        node.refresh(self.medium(), self.layout())?;
        loop {
            if let Some(filled) = self.try_fill(node, lblk, len, huge, attr)? {
                return Ok(filled);
            }
        }
    }

    /// `None` if the blocks that were to be taken are poisoned: there may be others.
    fn try_fill(
        &self,
        node: &mut Node,
        lblk: u64,
        len: u64,
        huge: bool,
        attr: &AttrChange,
    ) -> Result<Option<Mapping>> {
        let found = self.map(node, lblk, len.min(FILL_MAX))?;
        let (run, taken) = match found.span {
            Span::Written(_) => return Ok(Some(found)),
            Span::Unwritten(_) if huge && found.len < HUGE_BLOCKS => return Ok(Some(found)),
            Span::Unwritten(block) => (
                Run {
                    block,
                    len: found.len,
                },
                None,
            ),
            Span::Hole => {
                let taken = match huge {
                    true => self.alloc_huge(node, lblk, found.len.min(HUGE_BLOCKS))?,
                    false => Some(self.alloc_data(node, lblk, found.len)?),
                };
                match taken {
                    Some(taken) => (taken.run(), Some(taken)),
                    None => return Ok(Some(found)),
                }
            }
        };
        self.check_writable()?;
        let zeroed = match taken.is_none() && node.zeroed(lblk, run.len) == run.len {
            // They may have been lost since.
            true => self.heal_run(run).map(|()| Stored::none()),
            false => self.zero_run(run),
        };
        let (zeroed, taken) = match (zeroed, taken) {
            (Err(Error::Poison), Some(taken)) => {
                taken.retire(self.medium())?;
                return Ok(None);
            }
            (Err(Error::Poison), None) => {
                self.replace_unwritten(node, lblk, run)?;
                return Ok(None);
            }
            (zeroed, taken) => (zeroed.map_err(of_data)?, taken),
        };
        let extent = Extent {
            lblk,
            pblk: run.block,
            len: run.len,
            unwritten: false,
        };
        let mut disk = node.disk;
        attr.apply(&mut disk);
        self.publish(node, extent, disk, zeroed)?;
        if let Some(taken) = taken {
            taken.keep();
        }
        Ok(Some(Mapping {
            len: run.len,
            span: Span::Written(run.block),
            fresh: true,
            ..found
        }))
    }

    /// Takes whole aligned chunks, `len` blocks at most, if there are any and `lblk` is aligned.
    fn alloc_huge(&self, node: &Node, lblk: u64, len: u64) -> Result<Option<Taken<'_>>> {
        if lblk % HUGE_BLOCKS != 0 || len < HUGE_BLOCKS {
            return Ok(None);
        }
        let home = self.home(node.ino());
        match self
            .alloc()?
            .borrow(self.medium(), Purpose::Huge, len, None, home)
        {
            Err(Error::NoSpace) => Ok(None),
            taken => taken.map(Some),
        }
    }

    /// Takes 1 to `len` blocks for a hole at block `lblk` of the file.
    pub(super) fn alloc_data(&self, node: &Node, lblk: u64, len: u64) -> Result<Taken<'_>> {
        let home = self.home(node.ino());
        let offset = lblk % HUGE_BLOCKS;
        if let Some(taken) = self.alloc_huge(node, lblk, len)? {
            return Ok(taken);
        }
        let len = len.min(HUGE_BLOCKS.saturating_sub(offset));
        let large =
            lblk.saturating_add(len) >= HUGE_BLOCKS || node.size() >= HUGE_BLOCKS * BLOCK_SIZE;
        let purpose = if large {
            Purpose::Stream(offset)
        } else {
            Purpose::Small
        };
        let goal = self.goal(node, lblk);
        self.alloc()?
            .borrow(self.medium(), purpose, len, goal, home)
    }

    /// The block where block `lblk` of the file is best put: after the one before it, as far from
    /// it as in the file. At the start of a huge page only if that makes one of the CPU's.
    fn goal(&self, node: &Node, lblk: u64) -> Option<u64> {
        let before = node.map.before(lblk)?.extent;
        let gap = lblk.checked_sub(before.end())?;
        let goal = before.pend().checked_add(gap)?;
        let congruent = self.alloc().ok()?.huge_offset(goal) == lblk % HUGE_BLOCKS;
        let same_page = before.end().saturating_sub(1) / HUGE_BLOCKS == lblk / HUGE_BLOCKS;
        match (congruent, gap) {
            (true, 0) => Some(goal),
            (true, _) if same_page => Some(goal),
            (false, 0) if lblk % HUGE_BLOCKS != 0 => Some(goal),
            _ => None,
        }
    }

    fn heal_run(&self, run: Run) -> Result {
        let at = run.block.saturating_mul(BLOCK_SIZE);
        let len = run.len.saturating_mul(BLOCK_SIZE);
        self.medium().heal(at, len)
    }

    pub(super) fn zero_run(&self, run: Run) -> Result<Stored<InFlight>> {
        let at = run.block.saturating_mul(BLOCK_SIZE);
        Stored::zero(self.medium(), at, run.len.saturating_mul(BLOCK_SIZE))
    }

    /// Makes `extent` the file's once `before` is durable, with `disk` as its inode.
    pub(super) fn publish(
        &self,
        node: &mut Node,
        extent: Extent,
        disk: DiskInode,
        before: Stored<InFlight>,
    ) -> Result {
        let plan = Plan::replace(&node.map, extent.lblk, extent.end(), &[extent])?;
        self.commit_plan(node, plan, disk, before)
    }

    /// Prepares a write of `len` bytes (at least 1) at byte `pos`: the mapping that it may store
    /// to, which covers `pos` and may be shorter. [`end_write`](Self::end_write) must follow for what
    /// is past the end of the file.
    ///
    /// Blocks past the end of the file are not the file's before that: nothing but the write may
    /// look at them. Where [`Mapping::fresh`] is set, a hole in the file was filled.
    ///
    /// If the write stores within the file, `attr` is durable when this returns, so that privileges
    /// are gone before the data changes. Only where the write also extends the file, and permissions
    /// stay, `end_write` changes `attr`.
    pub fn begin_write(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: &AttrChange,
    ) -> Result<Mapping> {
        self.check_writable()?;
        node.refresh(self.medium(), self.layout())?;
        let staged = node.staged.filter(|&end| end == pos);
        if staged.is_none() {
            self.drop_staged(node)?;
        }
        self.drop_pending(node);
        node.staged = staged;
        loop {
            if let Some(mapping) = self.try_begin_write(node, pos, len, attr)? {
                return Ok(mapping);
            }
        }
    }

    /// `None` if unwritten blocks were lost, and others have taken their place.
    fn try_begin_write(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: &AttrChange,
    ) -> Result<Option<Mapping>> {
        let end = pos
            .checked_add(len)
            .filter(|&end| end <= MAX_FILE_SIZE)
            .ok_or(Error::TooBig)?;
        node.write_end = end;
        let moves = end > node.size() && node.staged.is_none();
        if moves && (pos > node.size() || node.loose_end) {
            self.zero_past_end(node)?;
            node.loose_end = false;
        }
        let lblk = pos >> BLOCK_SHIFT;
        let blocks = blocks_for(end).saturating_sub(lblk);
        let found = self.map(node, lblk, blocks.min(FILL_MAX))?;
        let extends = end > node.size() && !attr.changes_mode(&node.disk);
        let (run, owned, taken) = match found.span {
            Span::Written(_) => {
                if pos < node.size() && !extends && !attr.is_in(&node.disk) {
                    self.set_attr(node, attr)?;
                }
                // Until what is stored there is the file's.
                node.loose_end |= end > node.size();
                return Ok(Some(found));
            }
            _ if lblk < blocks_for(node.size()) => {
                // Only as far as the file goes.
                let inside = blocks_for(node.size()).saturating_sub(lblk);
                let past = AttrChange::default();
                let now = pos < node.size() && !extends;
                let attr = if now { attr } else { &past };
                let filled = self.fill_with(node, lblk, blocks.min(inside), false, attr)?;
                node.loose_end |= end > node.size();
                return Ok(Some(filled));
            }
            Span::Unwritten(block) => {
                // They may keep part of a write that fails.
                node.zeroed = 0..0;
                let len = found.len;
                let run = Run { block, len };
                match self.zero_edges(run, lblk, pos..end) {
                    Err(Error::Poison) => {
                        self.replace_unwritten(node, lblk, run)?;
                        return Ok(None);
                    }
                    zeroed => zeroed?,
                }
                (run, true, None)
            }
            Span::Hole => {
                let taken = self.alloc_edged(node, lblk, found.len, pos..end)?;
                (taken.run(), false, Some(taken))
            }
        };
        // `drop_pending` gives them back.
        if let Some(taken) = taken {
            taken.keep();
        }
        node.pending = Some(Pending {
            extent: Extent {
                lblk,
                pblk: run.block,
                len: run.len,
                unwritten: false,
            },
            owned,
        });
        Ok(Some(Mapping {
            len: run.len,
            span: Span::Written(run.block),
            ..found
        }))
    }

    /// Takes blocks for a write of `bytes` of the file, and [zeroes its edges](Self::zero_edges).
    fn alloc_edged(
        &self,
        node: &Node,
        lblk: u64,
        len: u64,
        bytes: Range<u64>,
    ) -> Result<Taken<'_>> {
        loop {
            let taken = self.alloc_data(node, lblk, len)?;
            match self.zero_edges(taken.run(), lblk, bytes.clone()) {
                Err(Error::Poison) => taken.retire(self.medium())?,
                zeroed => return zeroed.map(|()| taken),
            }
        }
    }

    /// Zeros what a write of `bytes` of the file does not store of the blocks in `run`, which block
    /// `lblk` of the file begins. They hold nothing, so those of them that are poisoned become
    /// good.
    fn zero_edges(&self, run: Run, lblk: u64, bytes: Range<u64>) -> Result {
        let Range { start: pos, end } = bytes;
        let at = run.block.saturating_mul(BLOCK_SIZE);
        let head = pos.saturating_sub(lblk.saturating_mul(BLOCK_SIZE));
        let run_end = lblk.saturating_add(run.len).saturating_mul(BLOCK_SIZE);
        let tail = run_end.saturating_sub(end);
        let size = run.len.saturating_mul(BLOCK_SIZE);
        let mut stored = Stored::none();
        self.heal_run(run)?;
        if head > 0 {
            stored = stored.and(Stored::zero(self.medium(), at, head)?);
        }
        if tail > 0 {
            let from = at.saturating_add(size.saturating_sub(tail));
            stored = stored.and(Stored::zero(self.medium(), from, tail)?);
        }
        stored.leave_to_commit();
        Ok(())
    }

    /// A write stored `written` bytes at byte `pos`, and flushed them. They are the file's when
    /// this returns, and its size includes them; `attr` changes with it.
    ///
    /// A write that has filled the last block of the file, and goes on behind it, is the exception:
    /// what it stored becomes the file's at once with what follows. When the write has ended,
    /// [`finish_write`](Self::finish_write) sees to it that nothing remains to be done.
    pub fn end_write(
        &self,
        node: &mut Node,
        pos: u64,
        written: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        let done = self.extend(node, pos, written, &attr.into());
        match take_pending(node) {
            // Poison may be why.
            Some(run) if written == 0 => drop(
                self.alloc()
                    .and_then(|alloc| alloc.retire(self.medium(), run)),
            ),
            Some(run) => self.free_blocks(run),
            None => {}
        }
        if done.is_err() {
            // What is past the end of the file is zeroed again before it grows.
            node.staged = None;
        }
        done
    }

    /// Whether a write has stored bytes past the end of the file that are to become its own at once
    /// with what follows.
    pub fn is_staged(&self, node: &Node) -> bool {
        node.staged.is_some()
    }

    /// A write has ended: what it stored past the end of the file becomes the file's now, if it is
    /// not yet, and `attr` changes with it.
    pub fn finish_write(&self, node: &mut Node, attr: impl Into<AttrChange>) -> Result {
        let Some(end) = node.staged.take() else {
            return Ok(());
        };
        let mut disk = node.disk;
        disk.size.set(node.size().max(end));
        attr.into().apply(&mut disk);
        self.store_inode(node, disk)
    }

    /// Forgets what a write stored past the end of the file and did not finish.
    fn drop_staged(&self, node: &mut Node) -> Result {
        match node.staged.take() {
            Some(_) => self.zero_past_end(node),
            None => Ok(()),
        }
    }

    /// Whether a write that has stored up to byte `end` has filled the last block of the file, and
    /// will go on.
    fn fills_last_block(&self, node: &Node, end: u64) -> bool {
        let whole = blocks_for(node.size()).saturating_mul(BLOCK_SIZE);
        end > node.size() && end == whole && end < node.write_end
    }

    fn extend(&self, node: &mut Node, pos: u64, written: u64, attr: &AttrChange) -> Result {
        let end = pos.checked_add(written).ok_or(Error::TooBig)?;
        if written == 0 {
            return Ok(());
        }
        let mut disk = node.disk;
        disk.size.set(node.size().max(end));
        attr.apply(&mut disk);
        let Some(pending) = node.pending else {
            if end <= node.size() {
                return Ok(());
            }
            if self.fills_last_block(node, end) {
                node.staged = Some(end);
                return Ok(());
            }
            self.store_inode(node, disk)?;
            // A write that stored less than it was to may have left some of it behind.
            node.loose_end = end < node.write_end;
            return Ok(());
        };
        let Pending { extent, owned } = pending;
        let len = blocks_for(end).saturating_sub(extent.lblk).min(extent.len);
        let tail = extent
            .lblk
            .saturating_add(len)
            .saturating_mul(BLOCK_SIZE)
            .saturating_sub(end);
        let mut stored = Stored::none();
        if tail > 0 && tail < BLOCK_SIZE {
            let from = extent.pblk.saturating_add(len).saturating_mul(BLOCK_SIZE);
            stored =
                Stored::zero(self.medium(), from.saturating_sub(tail), tail).map_err(of_data)?;
        }
        self.publish(node, Extent { len, ..extent }, disk, stored)?;
        node.staged = None;
        node.loose_end = false;
        // What was published is no longer pending.
        node.pending = Some(Pending {
            extent: Extent {
                lblk: extent.lblk.saturating_add(len),
                pblk: extent.pblk.saturating_add(len),
                len: extent.len.saturating_sub(len),
                unwritten: false,
            },
            owned,
        });
        Ok(())
    }

    /// Begins a change of the extents of a file: it may be written, they are known, and no write has
    /// blocks pending.
    pub(super) fn begin_change(&self, node: &mut Node) -> Result {
        self.check_writable()?;
        node.refresh(self.medium(), self.layout())?;
        self.drop_pending(node);
        Ok(())
    }

    /// Gives the blocks back that a write did not use.
    pub(crate) fn drop_pending(&self, node: &mut Node) {
        node.staged = None;
        if let Some(run) = take_pending(node) {
            self.free_blocks(run);
        }
    }

    /// Zeros what follows byte `from` of the file in its block, if that block is written. The zeroes
    /// are durable when the next transaction happens.
    pub(super) fn zero_tail(&self, node: &Node, from: u64) -> Result {
        match from % BLOCK_SIZE {
            0 => Ok(()),
            offset => self.zero_bytes(node, from, BLOCK_SIZE.saturating_sub(offset)),
        }
    }

    /// Zeros what follows the end of the file in its last block, as [`zero_tail`](Self::zero_tail)
    /// does: what a mapping has stored there must not be seen when the end moves.
    pub(super) fn zero_past_end(&self, node: &Node) -> Result {
        self.zero_tail(node, node.size())
    }

    /// Zeros `len` bytes from byte `pos`, all within one block, if that block is written.
    fn zero_bytes(&self, node: &Node, pos: u64, len: u64) -> Result {
        if let Span::Written(block) = self.map(node, pos >> BLOCK_SHIFT, 1)?.span {
            let at = block
                .saturating_mul(BLOCK_SIZE)
                .saturating_add(pos % BLOCK_SIZE);
            let zeroed = Stored::zero(self.medium(), at, len);
            zeroed.map_err(of_data)?.leave_to_commit();
        }
        Ok(())
    }
}

/// Forgets what a write was filling; returns the blocks that become nobody's by that.
fn take_pending(node: &mut Node) -> Option<Run> {
    let Pending { extent, owned } = node.pending.take()?;
    (!owned && extent.len > 0).then_some(Run {
        block: extent.pblk,
        len: extent.len,
    })
}

/// An error of access to data as that of an operation: poison in data is no damage to the volume.
pub(crate) fn of_data(error: Error) -> Error {
    match error {
        Error::Poison => Error::Io,
        other => other,
    }
}
