// SPDX-License-Identifier: GPL-2.0

//! An inode in memory.

use crate::{
    alloc::Run,
    blob,
    dir::DirIndex,
    env::Vec,
    error::Locate,
    extents::{
        self,
        Entry,
        ExtentBlocks,
        ExtentMap,
        Slot, //
    },
    medium::Medium,
    Error,
    Result, //
};
use core::ops::Range;
use rdaxfs_format::{
    DiskInode,
    Extent,
    Layout,
    BLOCK_SHIFT,
    INLINE_BYTES,
    INLINE_EXTENTS,
    INODE_SIZE,
    SYMLINK_MAX, //
};

/// Blocks past the end of the file that a write is filling and that nothing refers to yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) extent: Extent,
    /// The blocks are the file's already, unwritten.
    pub(crate) owned: bool,
}

/// An inode in memory. It belongs to one volume; whoever changes it holds its lock.
///
/// # Invariants
///
/// `disk` is what is on the medium. Unless `stale`, so are the extents.
pub struct Node {
    pub(crate) disk: DiskInode,
    pub(crate) map: ExtentMap,
    pub(crate) free_slots: Vec<Slot>,
    pub(crate) extent_blocks: ExtentBlocks,
    /// Blocks of extended attributes and of a long symbolic link.
    pub(crate) blob_blocks: u64,
    pub(crate) dir: Option<DirIndex>,
    pub(crate) pending: Option<Pending>,
    /// Where the write in progress ends.
    pub(crate) write_end: u64,
    /// The write in progress has filled the last block of the file up to this byte, which is past
    /// the end of the file until what follows is written, too.
    pub(crate) staged: Option<u64>,
    /// There was no memory to follow a change: the extents have to be read again. They and the blocks
    /// of extents take this many blocks.
    pub(crate) stale: Option<u64>,
    /// Blocks of the file whose unwritten blocks are zeroes on the medium, so that they become
    /// written without being zeroed. Only known in memory.
    pub(crate) zeroed: Range<u64>,
    /// What follows the end of the file in its last block may not be zeroes: a mapping, of this
    /// mount or an earlier one, or a write that failed can have stored there.
    pub(crate) loose_end: bool,
}

impl Node {
    /// A new inode without blocks.
    pub(crate) fn new(disk: DiskInode) -> Result<Self> {
        let mut node = Self {
            disk,
            map: ExtentMap::default(),
            free_slots: Vec::new(),
            extent_blocks: ExtentBlocks::default(),
            blob_blocks: 0,
            dir: None,
            pending: None,
            write_end: 0,
            staged: None,
            stale: None,
            zeroed: 0..0,
            loose_end: false,
        };
        node.free_slots.reserve(INLINE_EXTENTS)?;
        if disk.has_extents() {
            for slot in (0..INLINE_EXTENTS).rev() {
                node.free_slots.push(slot as Slot)?;
            }
        }
        Ok(node)
    }

    /// Reads inode `ino` while the volume is mounted. `Error::Stale` if it is free.
    pub(crate) fn load(medium: &impl Medium, layout: &Layout, ino: u64) -> Result<Self> {
        let mut bytes = [0; INODE_SIZE];
        medium.load(layout.inode_at(ino), &mut bytes)?;
        let disk = DiskInode::decode(&bytes, ino)
            .of_inode(ino)
            .in_block(layout.inode_block(ino))?;
        if !disk.in_use() {
            return Err(Error::Stale);
        }
        Self::of(medium, layout, disk)
    }

    /// Reads what inode `disk` refers to.
    pub(crate) fn of(medium: &impl Medium, layout: &Layout, disk: DiskInode) -> Result<Self> {
        let mut node = Self::new(disk)?;
        node.loose_end = true;
        if disk.has_extents() {
            node.load_extents(medium, layout)?;
        }
        blob::chain(medium, layout, node.owner(), disk.xattrs.get(), |_, _| {
            node.blob_blocks = node.blob_blocks.saturating_add(1);
            Ok(())
        })?;
        if disk.is_symlink() {
            if disk.size.get() > SYMLINK_MAX as u64 || disk.size.get() == 0 {
                return Err(Error::corrupt_value(
                    "symbolic link has a bad length",
                    disk.size.get(),
                )
                .of_inode(disk.ino.get()));
            }
            blob::chain(medium, layout, node.owner(), disk.extents.get(), |_, _| {
                node.blob_blocks = node.blob_blocks.saturating_add(1);
                Ok(())
            })?;
        }
        Ok(node)
    }

    fn load_extents(&mut self, medium: &impl Medium, layout: &Layout) -> Result {
        self.map = ExtentMap::default();
        self.extent_blocks = ExtentBlocks::default();
        self.free_slots.clear();
        let owner = self.owner();
        for slot in (0..INLINE_EXTENTS).rev() {
            let extent = self.disk.extent(slot).get();
            let extent = extent.of_inode(owner.0)?;
            self.load_extent(layout, slot as Slot, extent)?;
        }
        extents::chain(
            medium,
            layout,
            owner,
            self.disk.extents.get(),
            |block, index, group| {
                if index == 0 {
                    self.extent_blocks.0.push(block)?;
                }
                let number = self.extent_blocks.0.len().saturating_sub(1);
                for (place, raw) in group.extents.iter().enumerate() {
                    let slot = ExtentBlocks::slot(number, index, place)?;
                    let extent = raw.get().in_block(block)?;
                    self.load_extent(layout, slot, extent)?;
                }
                Ok(())
            },
        )
    }

    fn load_extent(&mut self, layout: &Layout, slot: Slot, extent: Option<Extent>) -> Result {
        let Some(extent) = extent else {
            return self.free_slots.push(slot);
        };
        if !layout.is_data(extent.pblk, extent.len) {
            return Err(
                Error::corrupt_value("extent of blocks that hold no data:", extent.pblk)
                    .of_inode(self.ino()),
            );
        }
        let next = self.map.at_or_after(extent.lblk);
        if next.is_some_and(|next| next.extent.lblk < extent.end()) {
            return Err(
                Error::corrupt_value("extents overlap at block", extent.lblk).of_inode(self.ino()),
            );
        }
        self.map.insert(Entry { extent, slot })
    }

    /// Whether there was no memory to follow a change of the extents. Whatever changes the node reads
    /// them again first; who only looks calls [`Volume::refresh`](crate::Volume::refresh).
    pub fn is_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Reads again what a lack of memory kept from being followed.
    pub(crate) fn refresh(&mut self, medium: &impl Medium, layout: &Layout) -> Result {
        if self.stale.is_some() {
            self.load_extents(medium, layout)?;
            self.stale = None;
        }
        Ok(())
    }

    /// A mapping can have stored past the end of the file.
    pub fn set_loose_end(&mut self) {
        self.loose_end = true;
    }

    /// How many blocks, `len` at most, need no zeroing to become written if they are unwritten, from
    /// block `lblk` of the file on.
    pub fn zeroed(&self, lblk: u64, len: u64) -> u64 {
        match self.zeroed.contains(&lblk) {
            true => len.min(self.zeroed.end.saturating_sub(lblk)),
            false => 0,
        }
    }

    /// Number and generation.
    pub(crate) fn owner(&self) -> (u64, u32) {
        (self.disk.ino.get(), self.disk.generation.get())
    }

    /// The inode number.
    pub fn ino(&self) -> u64 {
        self.disk.ino.get()
    }

    /// The inode as it is on the medium.
    pub fn inode(&self) -> &DiskInode {
        &self.disk
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.disk.size.get()
    }

    /// Blocks of 4 KiB it takes, extents and attributes included, the inode not.
    pub fn blocks(&self) -> u64 {
        let pending = self.pending.filter(|pending| !pending.owned);
        self.extents_and_data()
            .saturating_add(self.blob_blocks)
            .saturating_add(pending.map_or(0, |pending| pending.extent.len))
    }

    /// The blocks that its extents map, and those that hold the extents.
    pub(crate) fn extents_and_data(&self) -> u64 {
        let known = self.map.blocks();
        let known = known.saturating_add(self.extent_blocks.0.len() as u64);
        self.stale.unwrap_or(known)
    }

    /// How many extents it has.
    pub fn extents(&self) -> usize {
        self.map.len()
    }

    /// All extents in order.
    pub fn iter_extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.map.iter().map(|entry| entry.extent)
    }

    /// The block of the file that is in block `block` of the volume.
    pub(crate) fn extent_with(&self, block: u64) -> Option<u64> {
        let pending = self.pending.map(|pending| pending.extent);
        let mut extents = self.iter_extents().chain(pending);
        extents.find_map(|extent| extent.lblk_of(block))
    }

    /// Bytes of memory that its extents and its index take.
    pub fn memory(&self) -> usize {
        let index = self.dir.as_ref().map_or(0, DirIndex::memory);
        self.map.memory().saturating_add(index)
    }

    /// Whether it has extended attributes.
    pub fn has_xattrs(&self) -> bool {
        self.disk.xattrs.get() != 0
    }

    /// The target of a symbolic link that fits into the inode.
    pub fn inline_target(&self) -> Option<&[u8]> {
        let len = usize::try_from(self.size()).ok()?;
        let short = self.disk.is_symlink() && len <= INLINE_BYTES;
        self.disk.inline.get(..len).filter(|_| short)
    }

    /// Every run of blocks that it takes.
    pub(crate) fn each_run(
        &self,
        medium: &impl Medium,
        layout: &Layout,
        mut f: impl FnMut(Run) -> Result,
    ) -> Result {
        for entry in self.map.iter() {
            let Extent { pblk, len, .. } = entry.extent;
            f(Run { block: pblk, len })?;
        }
        for &block in self.extent_blocks.0.iter() {
            f(Run { block, len: 1 })?;
        }
        let blob = if self.disk.is_symlink() {
            self.disk.extents.get()
        } else {
            0
        };
        for head in [self.disk.xattrs.get(), blob] {
            blob::chain(medium, layout, self.owner(), head, |block, _| {
                f(Run { block, len: 1 })
            })?;
        }
        Ok(())
    }
}

/// The blocks that `bytes` bytes take.
pub(crate) fn blocks_for(bytes: u64) -> u64 {
    bytes.div_ceil(1 << BLOCK_SHIFT)
}
