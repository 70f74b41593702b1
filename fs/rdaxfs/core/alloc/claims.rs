// SPDX-License-Identifier: GPL-2.0

//! Finding out which blocks are in use, when the volume is mounted.
//!
//! What no inode claims is free, so an allocator may only give blocks once all claims are known.
//! [`Claims`] collects them and has no way to give any; [`Space`] says what became of it.

use super::{
    Allocator,
    Run, //
};
use crate::{
    env::Vec,
    error::Locate,
    Error,
    Result, //
};
use rdaxfs_format::Layout;

/// Inodes, by number: from the first one up to and without the second one.
type Inodes = (u64, u64);

/// The blocks that inodes claim, as far as they are known.
pub(crate) struct Claims {
    blocks: Allocator,
    /// A set bit for each block that is claimed more than once, numbered as the shards do; empty
    /// if there is none.
    twice: Vec<u64>,
    /// Inodes whose claims are not all known, in order.
    unknown: Vec<Inodes>,
    damage: u64,
    first: Option<Error>,
}

/// What is known of the blocks of a mounted volume.
pub(crate) enum Space {
    /// All claims, and no block has two: what is not claimed is free.
    Complete(Allocator),
    /// Not all of them: nothing can be allocated.
    Incomplete(Claims),
}

impl Claims {
    /// Returns claims of nothing; for the parameters see [`Allocator::new`].
    pub(crate) fn new(layout: Layout, pad: u64, shards: u64) -> Result<Self> {
        Ok(Self {
            blocks: Allocator::new(layout, pad, shards)?,
            twice: Vec::new(),
            unknown: Vec::new(),
            damage: 0,
            first: None,
        })
    }

    /// Returns the blocks, to ask where one is.
    pub(crate) fn blocks(&self) -> &Allocator {
        &self.blocks
    }

    /// Claims `run`, which need not lie within the volume. Fails if one of the blocks cannot be
    /// allocated at all or is claimed already; the others are claimed then.
    pub(crate) fn claim(&mut self, run: Run) -> Result {
        let (twice, bits) = (&mut self.twice, self.blocks.bits());
        let mut conflict = None;
        self.blocks.claim_run(run, |bit: u64, mask: u64| {
            conflict = conflict.or(Some(bit.saturating_add(mask.trailing_zeros().into())));
            if twice.is_empty() {
                *twice = Vec::filled(bits.div_ceil(64) as usize, 0)?;
            }
            if let Some(word) = twice.get_mut((bit / 64) as usize) {
                *word |= mask;
            }
            Ok(())
        })?;
        match conflict {
            None => Ok(()),
            Some(bit) => {
                let block = bit.saturating_sub(self.blocks.pad);
                Err(Error::corrupt("block is in use twice").in_block(block))
            }
        }
    }

    /// Notes damage that leaves all claims known but some conflicting.
    pub(crate) fn note(&mut self, error: Error) {
        self.damage = self.damage.saturating_add(1);
        self.first = self.first.or(Some(error));
    }

    /// Notes damage that leaves the claims of inodes `first..end` unknown. Inodes come in order.
    pub(crate) fn note_unknown(&mut self, (first, end): Inodes, error: Error) -> Result {
        self.note(error);
        match self.unknown.last_mut() {
            Some(last) if last.1 >= first => last.1 = last.1.max(end),
            _ => self.unknown.push((first, end))?,
        }
        Ok(())
    }

    /// Returns how many structures are damaged, and what is wrong with the first one.
    pub(crate) fn damage(&self) -> Option<(u64, Error)> {
        Some((self.damage, self.first?))
    }

    /// Ends the collection.
    pub(crate) fn finish(self) -> Space {
        match self.damage() {
            None => Space::Complete(self.blocks),
            Some(_) => Space::Incomplete(self),
        }
    }

    /// Fails unless all claims of inode `ino` were made.
    fn check_known(&self, ino: u64) -> Result {
        let after = self.unknown.partition_point(|&(first, _)| first <= ino);
        let last = after
            .checked_sub(1)
            .and_then(|place| self.unknown.get(place));
        match last {
            Some(&(_, end)) if ino < end => Err(Error::corrupt(
                "blocks were not checked when the volume was mounted",
            )
            .of_inode(ino)),
            _ => Ok(()),
        }
    }

    /// Fails if a block of `run` is claimed more than once.
    fn check_once(&self, run: Run) -> Result {
        if self.twice.is_empty() {
            return Ok(());
        }
        for block in run.block..run.block.saturating_add(run.len) {
            let bit = block.saturating_add(self.blocks.pad);
            let word = self.twice.get((bit / 64) as usize).copied();
            if word.is_some_and(|word| word >> (bit % 64) & 1 != 0) {
                return Err(Error::corrupt("block is in use twice").in_block(block));
            }
        }
        Ok(())
    }
}

impl Space {
    /// Returns the allocator. Fails with [`Error::ReadOnly`] if not all claims are known.
    pub(crate) fn allocator(&self) -> Result<&Allocator> {
        match self {
            Self::Complete(allocator) => Ok(allocator),
            Self::Incomplete(_) => Err(Error::ReadOnly),
        }
    }

    /// Returns how many structures are damaged, and what is wrong with the first one.
    pub(crate) fn damage(&self) -> Option<(u64, Error)> {
        match self {
            Self::Complete(_) => None,
            Self::Incomplete(claims) => claims.damage(),
        }
    }

    /// Returns whether no inode is known to have the block.
    pub(crate) fn is_free(&self, block: u64) -> bool {
        match self {
            Self::Complete(allocator) => allocator.is_free(block),
            Self::Incomplete(claims) => claims.blocks.is_free(block),
        }
    }

    /// Fails unless inode `ino` alone has the blocks that `each_run` shows.
    pub(crate) fn check_owner(
        &self,
        ino: u64,
        each_run: impl FnOnce(&mut dyn FnMut(Run) -> Result) -> Result,
    ) -> Result {
        match self {
            Self::Complete(_) => Ok(()),
            Self::Incomplete(claims) => {
                claims.check_known(ino)?;
                each_run(&mut |run| claims.check_once(run)).of_inode(ino)
            }
        }
    }
}
