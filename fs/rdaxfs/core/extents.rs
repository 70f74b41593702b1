// SPDX-License-Identifier: GPL-2.0

//! The extents of an inode in memory, sorted by their place in the file.

mod edit;
mod media;
#[cfg(test)]
mod tests;

pub(crate) use edit::{
    cut,
    push_joined,
    Plan, //
};
pub(crate) use media::{
    chain,
    write_block,
    ExtentBlocks, //
    BLOCK_EXTENTS,
};

use crate::{
    env::Vec,
    Error,
    Result, //
};
use rdaxfs_format::Extent;

/// Where an extent is on the medium: in the inode, or in the blocks of extents.
pub(crate) type Slot = u32;

/// An extent and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) extent: Extent,
    pub(crate) slot: Slot,
}

const LEAF_MAX: usize = 64;

/// A sorted list cut into leaves, so that an insertion moves few entries.
///
/// # Invariants
///
/// No leaf is empty; extents do not overlap and are in order, within leaves and between them.
#[derive(Default)]
pub(crate) struct ExtentMap {
    leaves: Vec<Vec<Entry>>,
    count: usize,
    blocks: u64,
}

impl ExtentMap {
    /// How many extents there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many blocks they have.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The leaf that would hold block `lblk`.
    fn leaf_for(&self, lblk: u64) -> usize {
        let after = self
            .leaves
            .partition_point(|leaf| leaf.first().is_some_and(|entry| entry.extent.lblk <= lblk));
        after.saturating_sub(1)
    }

    /// The first extent that ends after block `lblk` of the file.
    pub(crate) fn at_or_after(&self, lblk: u64) -> Option<Entry> {
        let index = self.leaf_for(lblk);
        let leaf = self.leaves.get(index)?;
        let place = leaf.partition_point(|entry| entry.extent.end() <= lblk);
        match leaf.get(place) {
            Some(entry) => Some(*entry),
            None => self.leaves.get(index.checked_add(1)?)?.first().copied(),
        }
    }

    /// The last extent that begins before block `lblk` of the file.
    pub(crate) fn before(&self, lblk: u64) -> Option<Entry> {
        let leaf = self.leaves.get(self.leaf_for(lblk.checked_sub(1)?))?;
        let place = leaf.partition_point(|entry| entry.extent.lblk < lblk);
        leaf.get(place.checked_sub(1)?).copied()
    }

    /// All extents in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.leaves.iter().flat_map(|leaf| leaf.iter().copied())
    }

    /// Adds an extent.
    pub(crate) fn insert(&mut self, entry: Entry) -> Result {
        if self.leaves.is_empty() {
            let mut leaf = Vec::new();
            leaf.push(entry)?;
            self.leaves.push(leaf)?;
        } else {
            let index = self.leaf_for(entry.extent.lblk);
            self.split(index)?;
            let index = self.leaf_for(entry.extent.lblk);
            let leaf = self.leaves.get_mut(index).ok_or(Error::Invalid)?;
            let place = leaf.partition_point(|other| other.extent.lblk < entry.extent.lblk);
            leaf.insert(place, entry)?;
        }
        self.count = self.count.saturating_add(1);
        self.blocks = self.blocks.saturating_add(entry.extent.len);
        Ok(())
    }

    /// Cuts a full leaf in two.
    fn split(&mut self, index: usize) -> Result {
        let Some(leaf) = self
            .leaves
            .get_mut(index)
            .filter(|leaf| leaf.len() >= LEAF_MAX)
        else {
            return Ok(());
        };
        // A file that grows at its end leaves full leaves behind.
        let keep = leaf.len().saturating_sub(LEAF_MAX / 4);
        let mut tail = Vec::copied(leaf.get(keep..).unwrap_or_default())?;
        tail.reserve(LEAF_MAX)?;
        leaf.truncate(keep);
        self.leaves.insert(index.saturating_add(1), tail)
    }

    /// Takes the extent that begins at block `lblk` of the file out.
    pub(crate) fn remove(&mut self, lblk: u64) -> Option<Entry> {
        let index = self.leaf_for(lblk);
        let leaf = self.leaves.get_mut(index)?;
        let place = leaf.partition_point(|entry| entry.extent.lblk < lblk);
        if leaf.get(place)?.extent.lblk != lblk {
            return None;
        }
        let entry = leaf.remove(place)?;
        if leaf.is_empty() {
            self.leaves.remove(index);
        }
        self.count = self.count.saturating_sub(1);
        self.blocks = self.blocks.saturating_sub(entry.extent.len);
        Some(entry)
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.count.saturating_mul(size_of::<Entry>())
    }
}
