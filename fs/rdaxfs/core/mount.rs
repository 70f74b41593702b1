// SPDX-License-Identifier: GPL-2.0

//! Mounting: recovery, and finding out what is free.
//!
//! What is in use follows from the inodes alone, so mounting reads all of them once, with their
//! extents. An inode without a name is freed: it was open when the power went.

use crate::{
    alloc::{
        Allocator,
        Run, //
    },
    env::Vec,
    error::Locate,
    itable::InodeTable,
    journal::{
        self,
        Journal, //
    },
    medium::Medium,
    node::Node,
    volume::{
        load_super,
        MountOptions,
        Parts,
        Recovery, //
    },
    Error,
    Result,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    Extent,
    ImapGroup,
    Layout,
    State,
    BLOCK_SIZE,
    FEATURES_RO_COMPAT,
    IMAP_GROUP_SIZE,
    INLINE_EXTENTS,
    INODES_PER_BLOCK,
    INODE_SIZE,
    SLOT_SIZE, //
};

impl<M: Medium> Volume<M> {
    /// Mounts the volume on `medium`: recovers what the last mount left, if that was cut off, and
    /// builds what is only kept in memory. A volume that is corrupt can only be mounted read-only.
    #[inline(never)]
    pub fn mount(medium: M, options: &MountOptions) -> Result<Self> {
        let sb = load_super(&medium)?;
        let layout = sb.layout();
        if !options.read_only && sb.ro_compat.get() & !FEATURES_RO_COMPAT != 0 {
            return Err(Error::ReadOnly);
        }
        let mut recovery = Recovery {
            unclean: sb.state() == State::Active,
            ..Recovery::default()
        };
        if sb.state() == State::Clean && !options.read_only {
            // Nothing is in the journal.
            let len = layout.slots.saturating_mul(SLOT_SIZE as u64);
            medium.heal(layout.slot_at(0), len)?;
        }
        if !options.no_stores {
            recovery.transactions = journal::recover(&medium, &layout)?;
        } else if journal::pending(&medium, &layout)? != 0 {
            return Err(Error::ReadOnly);
        }
        let alloc = Allocator::new(layout, options.huge_offset, options.shards)?;
        let inodes = InodeTable::new(layout, alloc.shards())?;
        let journal = Journal::new(layout)?;
        let mut scan = Scan {
            medium: &medium,
            journal: &journal,
            layout,
            alloc: &alloc,
            inodes: &inodes,
            free_orphans: !options.no_stores,
            orphans: 0,
            block: Vec::filled(BLOCK_SIZE as usize, 0)?,
        };
        match scan.run() {
            Err(Error::Corrupt(_) | Error::Io | Error::Poison) if options.read_only => {}
            done => done?,
        }
        recovery.orphans = scan.orphans;
        let volume = Self::from_parts(Parts {
            medium,
            sb,
            journal,
            alloc,
            inodes,
            recovery,
            options: *options,
        })?;
        if !options.read_only {
            volume.activate(options.now)?;
        }
        Ok(volume)
    }
}

struct Scan<'a, M: Medium> {
    medium: &'a M,
    journal: &'a Journal,
    layout: Layout,
    alloc: &'a Allocator,
    inodes: &'a InodeTable,
    free_orphans: bool,
    orphans: u64,
    /// A block of inodes.
    block: Vec<u8>,
}

impl<M: Medium> Scan<'_, M> {
    // Deep calls begin here: no frame of mounting may be merged with theirs.
    #[inline(never)]
    fn run(&mut self) -> Result {
        let mut bytes = [0; IMAP_GROUP_SIZE];
        for index in 0..self.layout.imap_groups() {
            let at = self.layout.imap_at(index);
            self.medium.load(at, &mut bytes)?;
            let group = ImapGroup::decode(&bytes, index).in_block(at / BLOCK_SIZE)?;
            if group.is_empty() {
                continue;
            }
            for block in group.blocks() {
                self.inode_block(block)?;
            }
            self.medium.pause()?;
        }
        Ok(())
    }

    fn inode_block(&mut self, block: u64) -> Result {
        self.alloc.take(Run { block, len: 1 })?;
        let first = block.saturating_mul(INODES_PER_BLOCK);
        self.medium
            .load(self.layout.inode_at(first), &mut self.block)?;
        let (mut free, mut orphans) = (0u16, 0u64);
        for (index, bytes) in self.block.chunks_exact(INODE_SIZE).enumerate() {
            let ino = first.saturating_add(index as u64);
            let inode = DiskInode::decode(bytes, ino)
                .of_inode(ino)
                .in_block(block)?;
            if !inode.in_use() {
                free |= 1 << index;
            } else if self.free_orphan(&inode)? {
                orphans = orphans.saturating_add(1);
                free |= 1 << index;
            } else {
                self.claim(&inode)?;
            }
        }
        self.orphans = self.orphans.saturating_add(orphans);
        self.inodes
            .add_block(self.alloc.shard_of(block), block, free)
    }

    /// Frees `inode` if it has no name and that can be done, and says whether it did.
    fn free_orphan(&self, inode: &DiskInode) -> Result<bool> {
        if inode.nlink.get() != 0 || !self.free_orphans {
            return Ok(false);
        }
        let mut tx = self.journal.begin(self.medium)?;
        tx.inode(&mut DiskInode::free(
            inode.ino.get(),
            inode.generation.get(),
        ))?;
        tx.commit()?;
        Ok(true)
    }

    /// Takes the blocks of an inode in use.
    fn claim(&self, inode: &DiskInode) -> Result {
        if inode.is_symlink() || inode.extents.get() != 0 || inode.xattrs.get() != 0 {
            let node = Node::load(self.medium, &self.layout, inode.ino.get())?;
            return node.claim(self.medium, &self.layout, self.alloc);
        }
        if !inode.has_extents() {
            return Ok(());
        }
        // Nearly all are like this, and building a map of them would take most of a mount's time.
        let mut extents: [Option<Extent>; INLINE_EXTENTS] = [None; INLINE_EXTENTS];
        for (slot, place) in (0..).zip(&mut extents) {
            *place = inode.extent(slot).get().of_inode(inode.ino.get())?;
        }
        extents.sort_unstable_by_key(|extent| extent.map(|extent| extent.lblk));
        let mut end = 0;
        for extent in extents.iter().flatten() {
            if extent.lblk < end {
                return Err(Error::corrupt("extents overlap").of_inode(inode.ino.get()));
            }
            end = extent.end();
            self.alloc.take(Run {
                block: extent.pblk,
                len: extent.len,
            })?;
        }
        Ok(())
    }
}
