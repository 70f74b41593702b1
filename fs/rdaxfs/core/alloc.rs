// SPDX-License-Identifier: GPL-2.0

//! Free blocks. They are in memory only: what no inode uses is free, once it is known what all
//! inodes use ([`Claims`]).
//!
//! The volume is cut into *chunks* of 2 MiB, aligned as the CPU's huge pages are, and the chunks
//! into shards with a lock each. Large files take whole chunks; inodes, directories and small files
//! take blocks from chunks that are broken already, the lowest first, so that the others stay
//! whole. A file that grows block by block gets a *stream* chunk, which small allocations leave
//! alone as long as there is another, and in it the place that a huge page wants.
//!
//! A block that is referenced in memory is not handed out, whatever the reason: it is [set
//! aside](busy).

mod busy;
mod claims;
mod shard;
#[cfg(test)]
mod tests;

use crate::{
    env::{
        Atomic,
        Lock,
        LockClass,
        Vec, //
    },
    error::Locate,
    Error,
    Medium,
    Result, //
};
use busy::Busy;
pub(crate) use claims::{
    Claims,
    Space, //
};
use rdaxfs_format::{
    Layout,
    BLOCK_SIZE,
    HUGE_BLOCKS, //
};
use shard::Shard;

/// Blocks that only metadata may take, so that a full volume can still shrink.
const RESERVE: u64 = 32;
/// A shard has this many chunks at least.
const MIN_SHARD: u64 = 8;

/// Blocks of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) block: u64,
    pub(crate) len: u64,
}

/// What blocks are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Inodes, extents, attributes: one block each, and the last ones.
    Metadata,
    /// Data of small files and directories.
    Small,
    /// Data of a large file that starts this many blocks into a huge page of the file.
    Stream(u64),
    /// Whole huge pages or nothing.
    Huge,
}

/// Blocks that were taken for something that is not on the medium yet; dropped, they are free again.
pub(crate) struct Taken<'a> {
    alloc: &'a Allocator,
    run: Run,
}

impl Taken<'_> {
    /// Which they are.
    pub(crate) fn run(&self) -> Run {
        self.run
    }

    /// Something on the medium refers to them now.
    pub(crate) fn keep(mut self) {
        self.run.len = 0;
    }

    /// They turned out to be poisoned: they are made good and free again. What stays poisoned is
    /// kept from everybody until the next mount. Fails with [`Error::Io`] if none was kept, so
    /// who tries again comes to an end.
    pub(crate) fn retire(mut self, medium: &impl Medium) -> Result {
        let run = self.run;
        self.run.len = 0;
        self.alloc.retire(medium, run)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.run.len != 0 {
            self.alloc.free(self.run);
        }
    }
}

/// The free blocks of a volume.
pub(crate) struct Allocator {
    layout: Layout,
    /// How many blocks into a huge page block 0 is.
    pad: u64,
    shard_chunks: u64,
    shards: Vec<Lock<Shard>>,
    free: Atomic,
    reserve: u64,
    busy: Lock<Busy>,
    busy_blocks: Atomic,
}

impl Allocator {
    /// All that can be allocated is free. `pad` is how many blocks into a huge page block 0 is;
    /// `shards` how many tasks are to allocate at the same time.
    fn new(layout: Layout, pad: u64, shards: u64) -> Result<Self> {
        let pad = pad % HUGE_BLOCKS;
        let chunks = layout.blocks.saturating_add(pad).div_ceil(HUGE_BLOCKS);
        let count = shards.min(chunks / MIN_SHARD).max(1);
        let shard_chunks = chunks.div_ceil(count);
        let mut list = Vec::new();
        let mut first = 0;
        while first < chunks {
            let len = shard_chunks.min(chunks.saturating_sub(first));
            list.push(Lock::new(Shard::new(len)?, LockClass::Blocks)?)?;
            first = first.saturating_add(shard_chunks);
        }
        let allocator = Self {
            layout,
            pad,
            shard_chunks,
            shards: list,
            free: Atomic::new(0),
            reserve: RESERVE.min(layout.blocks / 64),
            busy: Lock::new(Busy::default(), LockClass::Busy)?,
            busy_blocks: Atomic::new(0),
        };
        let first = layout.first_block();
        let len = layout.end_block().saturating_sub(first);
        allocator.free(Run { block: first, len });
        Ok(allocator)
    }

    /// Free blocks.
    pub(crate) fn free_blocks(&self) -> u64 {
        self.free.get()
    }

    /// Free blocks that data can have.
    pub(crate) fn available(&self) -> u64 {
        self.free.get().saturating_sub(self.reserve)
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard of a block.
    pub(crate) fn shard_of(&self, block: u64) -> usize {
        let chunk = block.saturating_add(self.pad) / HUGE_BLOCKS;
        chunk.checked_div(self.shard_chunks).unwrap_or(0) as usize
    }

    /// Chunks that are wholly free.
    pub(crate) fn whole_chunks(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().whole()).sum()
    }

    /// Whether a block is free.
    pub(crate) fn is_free(&self, block: u64) -> bool {
        let place = self.locate(block);
        place.is_some_and(|(shard, bit)| shard.lock().is_free(bit))
    }

    /// How many blocks into a huge page a block is.
    pub(crate) fn huge_offset(&self, block: u64) -> u64 {
        block.saturating_add(self.pad) % HUGE_BLOCKS
    }

    /// Takes a run of 1 to `len` blocks, at `goal` if that is free, else from the shard `home` if
    /// there are any. None of them is referenced.
    pub(crate) fn alloc(
        &self,
        medium: &impl Medium,
        purpose: Purpose,
        len: u64,
        goal: Option<u64>,
        home: usize,
    ) -> Result<Run> {
        let mut swept = false;
        loop {
            let run = match self.pick(purpose, len, goal, home) {
                // Another sweep may have freed some since.
                Err(Error::NoSpace) if self.sweep(medium) > 0 || !swept => {
                    swept = true;
                    continue;
                }
                run => run?,
            };
            if let Some(run) = self.screen(medium, purpose, run)? {
                return Ok(run);
            }
        }
    }

    /// What of a run can be handed out: its beginning, as far as it is not referenced. The rest
    /// goes back.
    fn screen(&self, medium: &impl Medium, purpose: Purpose, run: Run) -> Result<Option<Run>> {
        let mut rest = run;
        let (referenced, mut good) = rest.split_alike(medium);
        if purpose == Purpose::Huge {
            good.len = good.len / HUGE_BLOCKS * HUGE_BLOCKS;
        }
        if referenced {
            good.len = 0;
        }
        if good.len == run.len {
            return Ok(Some(good));
        }
        let noted = self.release(
            medium,
            Run {
                block: run.block.saturating_add(good.len),
                len: run.len.saturating_sub(good.len),
            },
        );
        match good.len {
            // Else this would be tried for ever.
            0 if !noted => Err(Error::NoMemory),
            0 => Ok(None),
            _ => Ok(Some(good)),
        }
    }

    fn pick(&self, purpose: Purpose, len: u64, goal: Option<u64>, home: usize) -> Result<Run> {
        let len = self.claim(purpose, len)?;
        let run = goal
            .and_then(|goal| self.alloc_at(goal, len))
            .or_else(|| self.alloc_anywhere(purpose, len, home));
        // What was claimed and not found.
        let unused = len.saturating_sub(run.map_or(0, |run| run.len));
        self.free.add(unused);
        run.ok_or(Error::NoSpace)
    }

    /// As [`alloc`](Self::alloc), until it is [kept](Taken::keep).
    pub(crate) fn borrow(
        &self,
        medium: &impl Medium,
        purpose: Purpose,
        len: u64,
        goal: Option<u64>,
        home: usize,
    ) -> Result<Taken<'_>> {
        let run = self.alloc(medium, purpose, len, goal, home)?;
        Ok(Taken { alloc: self, run })
    }

    /// Takes a block that is not poisoned for something that is stored to it before it is read.
    pub(crate) fn borrow_good(
        &self,
        medium: &impl Medium,
        purpose: Purpose,
        goal: Option<u64>,
        home: usize,
    ) -> Result<Taken<'_>> {
        loop {
            let taken = self.borrow(medium, purpose, 1, goal, home)?;
            match medium.heal(taken.run.block.saturating_mul(BLOCK_SIZE), BLOCK_SIZE) {
                Err(Error::Poison) => taken.retire(medium)?,
                healed => return healed.map(|()| taken),
            }
        }
    }

    /// Gives blocks back of which some are poisoned, see [`Taken::retire`].
    pub(crate) fn retire(&self, medium: &impl Medium, run: Run) -> Result {
        let mut kept = false;
        for block in run.block..run.block.saturating_add(run.len) {
            match medium.heal(block.saturating_mul(BLOCK_SIZE), BLOCK_SIZE) {
                Err(Error::Poison) => kept = true,
                _ => self.free(Run { block, len: 1 }),
            }
        }
        kept.then_some(()).ok_or(Error::Io)
    }

    /// Takes up to `len` blocks off the number of free ones.
    fn claim(&self, purpose: Purpose, len: u64) -> Result<u64> {
        let kept = match purpose {
            Purpose::Metadata => 0,
            _ => self.reserve,
        };
        let free = self.free.get().saturating_sub(kept);
        let len = match purpose {
            Purpose::Huge => len.min(free) / HUGE_BLOCKS * HUGE_BLOCKS,
            _ => len.min(free),
        };
        if len == 0 {
            return Err(Error::NoSpace);
        }
        if !self.free.take(len, kept) {
            // Others were faster.
            return Err(Error::NoSpace);
        }
        Ok(len)
    }

    fn locate(&self, block: u64) -> Option<(&Lock<Shard>, u64)> {
        let bit = block.checked_add(self.pad)?;
        let bits = self.shard_chunks.checked_mul(HUGE_BLOCKS)?;
        let shard = self.shards.get(bit.checked_div(bits)? as usize)?;
        Some((shard, bit.checked_rem(bits)?))
    }

    fn alloc_at(&self, goal: u64, len: u64) -> Option<Run> {
        let (shard, bit) = self.locate(goal)?;
        let len = shard.lock().take_at(bit, len)?;
        Some(Run { block: goal, len })
    }

    fn alloc_anywhere(&self, purpose: Purpose, len: u64, home: usize) -> Option<Run> {
        let count = self.shards.len();
        // From the best kind of chunk to the worst, in all shards each.
        for rank in 0..Shard::ranks(purpose) {
            for step in 0..count {
                let index = home.wrapping_add(step).checked_rem(count)?;
                let taken = self.shards.get(index)?.lock().take(purpose, rank, len);
                if let Some((bit, len)) = taken {
                    let first = (index as u64)
                        .checked_mul(self.shard_chunks)?
                        .checked_mul(HUGE_BLOCKS)?;
                    let block = first.checked_add(bit)?.checked_sub(self.pad)?;
                    return Some(Run { block, len });
                }
            }
        }
        None
    }

    /// Gives blocks back that were never a file's, or never were to be seen in memory.
    pub(crate) fn free(&self, run: Run) {
        let freed = self.each_shard(run, |shard, bit, len| {
            shard.give(bit, len);
            Ok(())
        });
        debug_assert!(freed.is_ok());
        self.free.add(run.len);
    }

    /// Takes those of given blocks that are free. Shows each word of the bits of the others to
    /// `conflict`: the number of its first bit, and the mask. Fails if one cannot be allocated at
    /// all; then none is taken.
    fn claim_run(&self, run: Run, mut conflict: impl FnMut(u64, u64) -> Result) -> Result {
        if run.len == 0 || !self.layout.is_data(run.block, run.len) {
            return Err(
                Error::corrupt("reference to a block that holds no data").in_block(run.block)
            );
        }
        let mut block = run.block;
        self.each_shard(run, |shard, bit, len| {
            let first = block.saturating_add(self.pad).saturating_sub(bit);
            block = block.saturating_add(len);
            let taken = shard.claim(bit, len, |bit, mask| {
                conflict(first.saturating_add(bit), mask)
            })?;
            self.free.sub(taken);
            Ok(())
        })
    }

    /// Returns how many bits all shards have up to the last block.
    fn bits(&self) -> u64 {
        self.layout.blocks.saturating_add(self.pad)
    }

    fn each_shard(&self, run: Run, mut f: impl FnMut(&mut Shard, u64, u64) -> Result) -> Result {
        let bits = self.shard_chunks.saturating_mul(HUGE_BLOCKS);
        let (mut block, mut left) = (run.block, run.len);
        while left > 0 {
            let (shard, bit) = self.locate(block).ok_or(Error::Invalid)?;
            let len = left.min(bits.saturating_sub(bit));
            f(&mut shard.lock(), bit, len)?;
            block = block.saturating_add(len);
            left = left.saturating_sub(len);
        }
        Ok(())
    }
}
