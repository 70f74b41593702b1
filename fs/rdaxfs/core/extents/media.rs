// SPDX-License-Identifier: GPL-2.0

//! The extents of an inode on the medium: places in the inode, and in a chain of blocks.

use super::Slot;
use crate::{
    env::Vec,
    error::Locate,
    journal::Tx,
    medium::{
        InFlight,
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    DiskInode,
    ExtentGroup,
    Layout,
    RawExtent,
    BLOCK_SIZE,
    GROUPS_PER_BLOCK,
    GROUP_EXTENTS,
    INLINE_EXTENTS, //
};

/// Extents in a block.
pub(crate) const BLOCK_EXTENTS: usize = GROUPS_PER_BLOCK * GROUP_EXTENTS;

/// The blocks of extents of an inode, in the order in which slots number them.
#[derive(Default)]
pub(crate) struct ExtentBlocks(pub(crate) Vec<u64>);

/// Walks the chain of blocks of extents that begins at block `head`, for inode `ino` in its
/// `generation`: each group with its block and its index there.
pub(crate) fn chain(
    medium: &impl Medium,
    layout: &Layout,
    (ino, generation): (u64, u32),
    head: u64,
    mut visit: impl FnMut(u64, usize, &ExtentGroup) -> Result,
) -> Result {
    let mut block = head;
    // A block that was met before, to notice when the chain leads back to it.
    let mut met = 0;
    let mut walked = 0u64;
    let mut bytes = [0; ExtentGroup::SIZE];
    while block != 0 {
        if !layout.is_data(block, 1) || block == met {
            return Err(Error::corrupt_value("bad next block of extents", block).of_inode(ino));
        }
        if walked.is_power_of_two() {
            met = block;
        }
        let mut next = 0;
        for index in 0..GROUPS_PER_BLOCK {
            medium.load(group_at(block, index), &mut bytes)?;
            let group = ExtentGroup::decode(&bytes, ino, generation, index)
                .of_inode(ino)
                .in_block(block)?;
            if index == 0 {
                next = group.next();
            }
            visit(block, index, &group).of_inode(ino)?;
        }
        block = next;
        walked = walked.saturating_add(1);
    }
    Ok(())
}

/// Writes a block of extents that is not in a chain yet.
pub(crate) fn write_block(
    medium: &impl Medium,
    inode: &DiskInode,
    block: u64,
    next: u64,
    mut extents: impl Iterator<Item = RawExtent>,
) -> Result<Stored<InFlight>> {
    let mut stored = Stored::none();
    for index in 0..GROUPS_PER_BLOCK {
        let next = if index == 0 { next } else { 0 };
        let mut group = ExtentGroup::new(inode.ino.get(), inode.generation.get(), index, next);
        for (place, extent) in group.extents.iter_mut().zip(&mut extents) {
            *place = extent;
        }
        stored = stored.and(Stored::write(
            medium,
            group_at(block, index),
            group.encode(),
        )?);
    }
    Ok(stored)
}

fn group_at(block: u64, index: usize) -> u64 {
    let offset = index.saturating_mul(ExtentGroup::SIZE) as u64;
    block.saturating_mul(BLOCK_SIZE).saturating_add(offset)
}

impl ExtentBlocks {
    /// The slot of extent `index` of group `group` of the `block`th block.
    pub(crate) fn slot(block: usize, group: usize, index: usize) -> Result<Slot> {
        let slot = block
            .checked_mul(BLOCK_EXTENTS)
            .and_then(|slot| slot.checked_add(group.checked_mul(GROUP_EXTENTS)?))
            .and_then(|slot| slot.checked_add(index.checked_add(INLINE_EXTENTS)?));
        slot.and_then(|slot| Slot::try_from(slot).ok())
            .ok_or(Error::TooBig)
    }

    /// Adds `edits`, sorted by slot, to `tx`. Those in the inode only change `inode`.
    pub(crate) fn store<M: Medium>(
        &self,
        tx: &mut Tx<'_, M>,
        medium: &M,
        inode: &mut DiskInode,
        edits: &[(Slot, RawExtent)],
    ) -> Result {
        let (ino, generation) = (inode.ino.get(), inode.generation.get());
        let mut open: Option<(usize, u64, ExtentGroup)> = None;
        for &(slot, extent) in edits {
            let slot = slot as usize;
            let Some(far) = slot.checked_sub(INLINE_EXTENTS) else {
                inode.set_extent(slot, extent);
                continue;
            };
            let number = far / GROUP_EXTENTS;
            if open.as_ref().is_none_or(|(other, ..)| *other != number) {
                close(tx, open.take())?;
                let block = self.0.get(far / BLOCK_EXTENTS).ok_or(Error::Invalid)?;
                let index = number % GROUPS_PER_BLOCK;
                let at = group_at(*block, index);
                let mut bytes = [0; ExtentGroup::SIZE];
                medium.load(at, &mut bytes)?;
                let group = ExtentGroup::decode(&bytes, ino, generation, index)
                    .of_inode(ino)
                    .in_block(*block)?;
                open = Some((number, at, group));
            }
            let group = open.as_mut().map(|(.., group)| group);
            let place = group.and_then(|group| group.extents.get_mut(far % GROUP_EXTENTS));
            *place.ok_or(Error::Invalid)? = extent;
        }
        close(tx, open)
    }
}

fn close<M: Medium>(tx: &mut Tx<'_, M>, open: Option<(usize, u64, ExtentGroup)>) -> Result {
    match open {
        Some((_, at, mut group)) => tx.store(at, group.encode()),
        None => Ok(()),
    }
}
