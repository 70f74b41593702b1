// SPDX-License-Identifier: GPL-2.0

//! A change of an inode's extents on its way into a transaction.
//!
//! Few extents are changed where they are. Many are written anew into blocks of their own, and the
//! transaction only makes the inode refer to those: so any change is atomic, whatever its size.

use crate::{
    alloc::{
        Allocator,
        Purpose,
        Run,
        Taken, //
    },
    env::Vec,
    extents::{
        self,
        Entry,
        ExtentBlocks,
        ExtentMap,
        Plan,
        Slot, //
    },
    journal::Tx,
    medium::{
        InFlight,
        Medium,
        Stored, //
    },
    node::Node,
    ops::{
        of_data,
        Span, //
    },
    Error,
    Result,
    Volume, //
};
use core::ops::Range;
use rdaxfs_format::{
    DiskInode,
    Extent,
    Layout,
    RawExtent,
    BLOCK_SHIFT,
    BLOCK_SIZE,
    GROUP_EXTENTS,
    INLINE_EXTENTS, //
};

/// Groups of extents that one transaction changes at most.
const MAX_GROUPS: usize = 12;

/// Places to change.
struct InPlace<'a> {
    /// Sorted by slot.
    edits: Vec<(Slot, RawExtent)>,
    added: Vec<Entry>,
    /// A new block of extents, in front of the chain.
    grown: Option<Taken<'a>>,
    /// The slots that are free afterwards.
    free_slots: Vec<Slot>,
}

enum How<'a> {
    InPlace(InPlace<'a>, Plan),
    Rebuild {
        map: ExtentMap,
        blocks: Vec<Taken<'a>>,
    },
}

/// A change of an inode's extents that has not happened yet.
pub(crate) struct Change<'a> {
    alloc: &'a Allocator,
    how: How<'a>,
}

impl<'a> Change<'a> {
    /// The change that `plan` describes.
    pub(crate) fn new(
        medium: &impl Medium,
        alloc: &'a Allocator,
        node: &Node,
        plan: Plan,
        tx: &mut Tx<'_, impl Medium>,
    ) -> Result<Self> {
        let left = node.map.len().saturating_sub(plan.removed.len());
        let fits = left.saturating_add(plan.added.len()) <= INLINE_EXTENTS;
        let shrinks = fits && !node.extent_blocks.0.is_empty();
        if !shrinks {
            if let Some(places) = in_place(medium, alloc, node, &plan, tx)? {
                let how = How::InPlace(places, plan);
                return Ok(Self { alloc, how });
            }
        }
        Self::rebuild(medium, alloc, node, &apply(&node.map, &plan)?, tx)
    }

    /// The extents shall be exactly `extents`, which are in order.
    pub(crate) fn rebuild(
        medium: &impl Medium,
        alloc: &'a Allocator,
        node: &Node,
        extents: &[Extent],
        tx: &mut Tx<'_, impl Medium>,
    ) -> Result<Self> {
        let mut map = ExtentMap::default();
        for (index, &extent) in extents.iter().enumerate() {
            let slot = Slot::try_from(index).map_err(|_| Error::TooBig)?;
            map.insert(Entry { extent, slot })?;
        }
        let far = extents.get(INLINE_EXTENTS..).unwrap_or_default();
        let mut blocks: Vec<Taken<'a>> = Vec::new();
        // From the end, so that each block knows the next one.
        for part in far.chunks(extents::BLOCK_EXTENTS).rev() {
            let next = blocks.last().map_or(0, |taken| taken.run().block);
            let taken = alloc.borrow_good(medium, Purpose::Metadata, None, 0)?;
            let raw = part.iter().map(RawExtent::new);
            let block = taken.run().block;
            tx.after(extents::write_block(medium, &node.disk, block, next, raw)?);
            blocks.push(taken)?;
        }
        let how = How::Rebuild { map, blocks };
        Ok(Self { alloc, how })
    }

    /// Adds the change to `tx`, and to `inode`, which the caller adds then.
    pub(crate) fn store<M: Medium>(
        &self,
        tx: &mut Tx<'_, M>,
        medium: &M,
        node: &Node,
        inode: &mut DiskInode,
    ) -> Result {
        match &self.how {
            How::InPlace(InPlace { edits, grown, .. }, _) => {
                if let Some(taken) = grown {
                    inode.extents.set(taken.run().block);
                    // Its groups are on the medium already, with their extents.
                    let first = ExtentBlocks::slot(node.extent_blocks.0.len(), 0, 0)?;
                    let old = edits.partition_point(|edit| edit.0 < first);
                    let old = edits.get(..old).unwrap_or_default();
                    return node.extent_blocks.store(tx, medium, inode, old);
                }
                node.extent_blocks.store(tx, medium, inode, edits)
            }
            How::Rebuild { map, blocks } => {
                let mut all = map.iter().map(|entry| RawExtent::new(&entry.extent));
                for slot in 0..INLINE_EXTENTS {
                    inode.set_extent(slot, all.next().unwrap_or(RawExtent::EMPTY));
                }
                inode
                    .extents
                    .set(blocks.last().map_or(0, |taken| taken.run().block));
                Ok(())
            }
        }
    }

    /// The blocks that the extents of `node` map and that hold them, once the change has happened.
    fn blocks_after(&self, node: &Node) -> u64 {
        match &self.how {
            How::InPlace(places, plan) => {
                let removed = plan.removed.iter().map(|entry| entry.extent.len);
                let added = plan.added.iter().map(|extent| extent.len);
                node.extents_and_data()
                    .saturating_add(added.sum())
                    .saturating_add(places.grown.is_some().into())
                    .saturating_sub(removed.sum())
            }
            How::Rebuild { map, blocks } => map.blocks().saturating_add(blocks.len() as u64),
        }
    }

    /// Follows the change, which has happened. Without memory for that `node` is read again, at once or
    /// later.
    pub(crate) fn finish(self, medium: &impl Medium, layout: &Layout, node: &mut Node) {
        let blocks = self.blocks_after(node);
        let done = match self.how {
            How::InPlace(places, plan) => finish_in_place(node, places, &plan),
            How::Rebuild { map, blocks } => {
                for &block in node.extent_blocks.0.iter() {
                    self.alloc.free(Run { block, len: 1 });
                }
                finish_rebuild(node, map, blocks)
            }
        };
        if done.is_err() {
            node.stale = Some(blocks);
            // What fails here too is tried by whoever needs the extents next.
            let _ = node.refresh(medium, layout);
        }
    }
}

impl<M: Medium> Volume<M> {
    /// Does what `plan` says to the extents of `node`, once `before` is durable, with `disk` as its
    /// inode.
    pub(crate) fn commit_plan(
        &self,
        node: &mut Node,
        plan: Plan,
        disk: DiskInode,
        before: Stored<InFlight>,
    ) -> Result {
        self.commit_plan_zeroing(node, plan, disk, before, &[])
    }

    /// As [`commit_plan`](Self::commit_plan), and zeroes the bytes `zeroes` of the file, each range
    /// within a written block that stays. `Error::TooBig` if they are too many for the transaction.
    pub(crate) fn commit_plan_zeroing(
        &self,
        node: &mut Node,
        plan: Plan,
        disk: DiskInode,
        before: Stored<InFlight>,
        zeroes: &[Range<u64>],
    ) -> Result {
        let mut tx = self.begin()?;
        tx.after(before);
        for bytes in zeroes.iter().filter(|bytes| !bytes.is_empty()) {
            self.add_zeroes(&mut tx, node, bytes)?;
        }
        let change = Change::new(self.medium(), self.alloc()?, node, plan, &mut tx)?;
        self.commit_change(tx, change, node, disk)
    }

    /// Adds stores of zeroes to bytes `bytes` of the file, all within one block, to `tx`, unless the
    /// block reads as zeroes anyway. What cannot be read is not stored to: the stores of a
    /// transaction that has happened must not fail.
    fn add_zeroes(&self, tx: &mut Tx<'_, M>, node: &Node, bytes: &Range<u64>) -> Result {
        let Span::Written(block) = self.map(node, bytes.start >> BLOCK_SHIFT, 1)?.span else {
            return Ok(());
        };
        let len = bytes.end.saturating_sub(bytes.start).min(BLOCK_SIZE);
        let at = block
            .saturating_mul(BLOCK_SIZE)
            .saturating_add(bytes.start % BLOCK_SIZE);
        let mut old = Vec::filled(usize::try_from(len).map_err(|_| Error::TooBig)?, 0u8)?;
        self.medium().load(at, &mut old).map_err(of_data)?;
        let Some(first) = old.iter().position(|&byte| byte != 0) else {
            return Ok(());
        };
        let last = old.iter().rposition(|&byte| byte != 0).unwrap_or(first);
        let zeroes = Vec::filled(last.saturating_sub(first).saturating_add(1), 0u8)?;
        tx.store(at.saturating_add(first as u64), &zeroes)
    }

    /// Commits `tx` with `change` and with `disk` as the inode of `node`.
    pub(crate) fn commit_change(
        &self,
        mut tx: Tx<'_, M>,
        change: Change<'_>,
        node: &mut Node,
        mut disk: DiskInode,
    ) -> Result {
        change.store(&mut tx, self.medium(), node, &mut disk)?;
        tx.inode(&mut disk)?;
        tx.commit()?;
        node.disk = disk;
        change.finish(self.medium(), self.layout(), node);
        Ok(())
    }
}

/// The extents of `map` once `plan` has happened, in order.
fn apply(map: &ExtentMap, plan: &Plan) -> Result<Vec<Extent>> {
    let mut all = Vec::new();
    let mut removed = plan.removed.iter().peekable();
    let mut added = plan.added.iter().peekable();
    for entry in map.iter() {
        if removed.next_if(|gone| gone.slot == entry.slot).is_some() {
            continue;
        }
        while let Some(extent) = added.next_if(|extent| extent.lblk < entry.extent.lblk) {
            all.push(*extent)?;
        }
        all.push(entry.extent)?;
    }
    for extent in added {
        all.push(*extent)?;
    }
    Ok(all)
}

/// `None` if it is too much for one transaction.
fn in_place<'a>(
    medium: &impl Medium,
    alloc: &'a Allocator,
    node: &Node,
    plan: &Plan,
    tx: &mut Tx<'_, impl Medium>,
) -> Result<Option<InPlace<'a>>> {
    let most = MAX_GROUPS.saturating_mul(GROUP_EXTENTS);
    if plan.removed.len() > most || plan.added.len() > GROUP_EXTENTS {
        return Ok(None);
    }
    let mut slots = Vec::new();
    for entry in plan.removed.iter() {
        slots.push(entry.slot)?;
    }
    let mut free_slots = Vec::copied(&node.free_slots)?;
    let mut grown = None;
    if slots.len().saturating_add(free_slots.len()) < plan.added.len() {
        grown = Some(alloc.borrow_good(medium, Purpose::Metadata, None, 0)?);
        let number = node.extent_blocks.0.len();
        for far in (0..extents::BLOCK_EXTENTS).rev() {
            let slot = ExtentBlocks::slot(number, far / GROUP_EXTENTS, far % GROUP_EXTENTS)?;
            // The old free ones are taken first.
            free_slots.insert(free_slots.len().saturating_sub(node.free_slots.len()), slot)?;
        }
    }
    let mut edits = Vec::new();
    let mut added = Vec::new();
    for (index, &extent) in plan.added.iter().enumerate() {
        let slot = match slots.get(index) {
            Some(&slot) => slot,
            None => free_slots.pop().ok_or(Error::Invalid)?,
        };
        edits.push((slot, RawExtent::new(&extent)))?;
        added.push(Entry { extent, slot })?;
    }
    for &slot in slots.get(plan.added.len()..).unwrap_or_default() {
        edits.push((slot, RawExtent::EMPTY))?;
        free_slots.push(slot)?;
    }
    edits.sort_unstable_by_key(|edit| edit.0);
    if groups(&edits) > MAX_GROUPS {
        return Ok(None);
    }
    if let Some(taken) = &grown {
        let first = ExtentBlocks::slot(node.extent_blocks.0.len(), 0, 0)?;
        let new = edits
            .iter()
            .filter(|edit| edit.0 >= first)
            .map(|edit| edit.1);
        let next = node.disk.extents.get();
        tx.after(extents::write_block(
            medium,
            &node.disk,
            taken.run().block,
            next,
            new,
        )?);
    }
    Ok(Some(InPlace {
        edits,
        added,
        grown,
        free_slots,
    }))
}

/// How many groups of extents sorted `edits` are in.
fn groups(edits: &[(Slot, RawExtent)]) -> usize {
    let far = edits
        .iter()
        .filter_map(|edit| (edit.0 as usize).checked_sub(INLINE_EXTENTS));
    let mut last = None;
    far.filter(|slot| last.replace(slot / GROUP_EXTENTS) != Some(slot / GROUP_EXTENTS))
        .count()
}

fn finish_in_place(node: &mut Node, places: InPlace<'_>, plan: &Plan) -> Result {
    node.free_slots = places.free_slots;
    if let Some(taken) = places.grown {
        let block = taken.run().block;
        taken.keep();
        node.extent_blocks.0.push(block)?;
    }
    for entry in plan.removed.iter() {
        node.map.remove(entry.extent.lblk);
    }
    for &entry in places.added.iter() {
        node.map.insert(entry)?;
    }
    Ok(())
}

fn finish_rebuild(node: &mut Node, map: ExtentMap, mut taken: Vec<Taken<'_>>) -> Result {
    let count = map.len();
    node.map = map;
    node.extent_blocks.0.clear();
    node.free_slots.clear();
    let mut failed = Ok(());
    while let Some(block) = taken.pop() {
        failed = failed.and(node.extent_blocks.0.push(block.run().block));
        block.keep();
    }
    failed?;
    let all = node
        .extent_blocks
        .0
        .len()
        .saturating_mul(extents::BLOCK_EXTENTS);
    for slot in (count..all.saturating_add(INLINE_EXTENTS)).rev() {
        node.free_slots
            .push(Slot::try_from(slot).map_err(|_| Error::TooBig)?)?;
    }
    Ok(())
}
