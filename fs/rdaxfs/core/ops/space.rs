// SPDX-License-Identifier: GPL-2.0

//! Blocks for a range of a file, before there is data for them.

use super::truncate::Cover;
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
    /// Holes get unwritten blocks; below this block of the file they are zeroed now.
    Allocate(u64),
    /// As before, and blocks that are there become zeros.
    Zero(u64),
    /// Everything becomes written zeros.
    WriteZeroes,
}

impl<M: Medium> Volume<M> {
    /// Gives the holes among `len` bytes from byte `pos` blocks, all or none. The size grows to
    /// include them unless `keep_size`. They are unwritten: reported as such until something is
    /// stored to them. Up to `zero_ahead` bytes are zeroed now, so that the first fault or write only
    /// has to say that they are written; more, and what is past the end of the file, are zeroed then.
    pub fn allocate(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        keep_size: bool,
        zero_ahead: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        let end = self.check_span(node, pos, len)?;
        let size = grown(node, end, keep_size);
        let ready = if len <= zero_ahead { size } else { 0 };
        if size > node.size() {
            self.zero_past_end(node)?;
        }
        let how = Provide::Allocate(blocks_for(ready));
        let cover = Cover {
            whole: pos >> BLOCK_SHIFT..blocks_for(end),
            edges: [end..end, end..end],
        };
        self.provide(node, &cover, how, size, &attr.into())
    }

    /// Zeroes `len` bytes from byte `pos`, in the blocks where they are; holes get blocks. Written
    /// blocks that are covered as a whole are zeroed in place, before the transaction.
    pub fn zero_range(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        keep_size: bool,
        zero_ahead: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        let end = self.check_span(node, pos, len)?;
        let size = grown(node, end, keep_size);
        let ready = blocks_for(if len <= zero_ahead { size } else { 0 });
        if end >= node.size() {
            self.zero_past_end(node)?;
        }
        let (cover, how) = (Cover::new(pos, end), Provide::Zero(ready));
        self.provide(node, &cover, how, size, &attr.into())
    }

    /// As [`zero_range`](Self::zero_range), and all blocks are written ones afterwards.
    pub fn write_zeroes(
        &self,
        node: &mut Node,
        pos: u64,
        len: u64,
        attr: impl Into<AttrChange>,
    ) -> Result {
        let end = self.check_span(node, pos, len)?;
        let size = grown(node, end, false);
        if end >= node.size() {
            self.zero_past_end(node)?;
        }
        let (cover, how) = (Cover::new(pos, end), Provide::WriteZeroes);
        self.provide(node, &cover, how, size, &attr.into())
    }

    fn check_span(&self, node: &mut Node, pos: u64, len: u64) -> Result<u64> {
        self.begin_change(node)?;
        let end = pos.checked_add(len).filter(|&end| end <= MAX_FILE_SIZE);
        end.filter(|_| len > 0).ok_or(Error::TooBig)
    }

    /// Does `how` to what `cover` covers, in one transaction with which the size becomes `size` and
    /// `attr` changes.
    fn provide(
        &self,
        node: &mut Node,
        cover: &Cover,
        how: Provide,
        size: u64,
        attr: &AttrChange,
    ) -> Result {
        self.zeroing(node, &cover.edges, |node, edges| {
            self.provide_zeroing(node, cover, edges, how, size, attr)
        })
    }

    /// As [`provide`](Self::provide), but zeroes only `edges` of the blocks that are covered in part
    /// and written.
    fn provide_zeroing(
        &self,
        node: &mut Node,
        cover: &Cover,
        edges: &[Range<u64>],
        how: Provide,
        size: u64,
        attr: &AttrChange,
    ) -> Result {
        let Range { start: lo, end: hi } = cover.blocks();
        let whole = &cover.whole;
        let mut with: Vec<Extent> = Vec::new();
        let mut taken: Vec<Taken<'_>> = Vec::new();
        let mut stored = Stored::none();
        let mut zeroed = Zeroed::new(lo);
        let mut at = lo;
        while at < hi {
            let inside = whole.contains(&at);
            let end = if inside {
                whole.end
            } else {
                at.saturating_add(1)
            };
            let len = end.saturating_sub(at).min(EXTENT_MAX_BLOCKS);
            let found = self.map(node, at, len)?;
            let (pblk, len, unwritten, zero) = match found.span {
                Span::Written(pblk) => {
                    zeroed.add(at, found.len, true);
                    let zero = inside && !matches!(how, Provide::Allocate(_));
                    (pblk, found.len, false, zero)
                }
                Span::Unwritten(pblk) => {
                    let zero = how == Provide::WriteZeroes;
                    let ready = node.zeroed(at, found.len);
                    zeroed.add(at, found.len, ready == found.len);
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
                    zeroed.add(at, len, zero);
                    (block, len, how != Provide::WriteZeroes, false)
                }
            };
            if zero {
                let run = Run { block: pblk, len };
                match self.zero_slowly(run) {
                    Err(Error::Poison) => {
                        match found.span {
                            Span::Unwritten(_) => self.replace_unwritten(node, at, run)?,
                            _ => self.replace_zeroed(node, at, run)?,
                        }
                        continue;
                    }
                    zeroed => stored = stored.and(zeroed?),
                }
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
        let mut disk = node.disk;
        disk.size.set(size);
        attr.apply(&mut disk);
        self.commit_plan_zeroing(node, plan, disk, stored, edges)?;
        if !taken.is_empty() {
            node.zeroed = zeroed.run;
        }
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

/// The first run of blocks of a range of which those that are unwritten are zeroes.
struct Zeroed {
    run: Range<u64>,
}

impl Zeroed {
    /// The range begins with block `lo`.
    fn new(lo: u64) -> Self {
        Self { run: lo..lo }
    }

    /// Adds the next `len` blocks, which begin with block `at`.
    fn add(&mut self, at: u64, len: u64, zeroes: bool) {
        let end = at.saturating_add(len);
        match (zeroes, self.run.is_empty()) {
            (true, _) if self.run.end == at => self.run.end = end,
            (false, true) => self.run = end..end,
            _ => {}
        }
    }
}

/// Returns the size of the file once bytes up to `end` have blocks.
fn grown(node: &Node, end: u64, keep_size: bool) -> u64 {
    match keep_size {
        true => node.size(),
        false => node.size().max(end),
    }
}

/// Fails unless `pos` and `len` are whole blocks.
pub(super) fn check_aligned(pos: u64, len: u64) -> Result {
    let mask = (1 << BLOCK_SHIFT) - 1;
    if (pos | len) & mask != 0 || len == 0 {
        return Err(Error::Invalid);
    }
    Ok(())
}
