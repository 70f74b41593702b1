// SPDX-License-Identifier: GPL-2.0

//! Mounting: recovery, and finding out what is free.
//!
//! What is in use follows from the inodes alone, so mounting reads all of them once, with their
//! extents. An inode without a name was open when the power went: it is freed once everything was
//! read and found good.
//!
//! A volume with damage can only be mounted read-only. Then the scan goes on past the damage, so
//! that it is known which inodes have blocks to themselves: these can be used.

use crate::{
    alloc::{
        Claims,
        Run, //
    },
    env::Vec,
    error::Locate,
    itable::{
        Hashed,
        InodeTable, //
    },
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
    SuperBlock,
    BLOCK_SIZE,
    FEATURES_RO_COMPAT,
    IMAP_GROUP_BLOCKS,
    IMAP_GROUP_SIZE,
    INLINE_EXTENTS,
    INODES_PER_BLOCK,
    INODE_SIZE,
    SLOT_SIZE, //
};

impl<M: Medium> Volume<M> {
    /// Mounts the volume on `medium`: recovers what the last mount left, if that was cut off, and
    /// builds what is only kept in memory. A volume that is corrupt can only be mounted read-only.
    ///
    /// Apart from replaying the journal, nothing is stored unless all of the volume is good.
    #[inline(never)]
    pub fn mount(medium: M, options: &MountOptions) -> Result<Self> {
        let sb = load_super(&medium)?;
        let recovery = recover(&medium, &sb, options)?;
        let (volume, orphans) = scan(medium, sb, options, recovery)?;
        volume.check_root()?;
        let volume = volume.free_orphans(&orphans, options)?;
        if !options.read_only {
            volume.activate(options.now)?;
        }
        Ok(volume)
    }

    /// Fails unless the root directory can be used.
    #[inline(never)]
    fn check_root(&self) -> Result {
        let ino = self.root();
        let root = self.iget(Mounting(ino)).map_err(|error| match error {
            Error::Stale => Error::corrupt("root directory is a free inode").of_inode(ino),
            other => other,
        })?;
        if !root.inode().is_dir() {
            return Err(Error::corrupt("root is no directory").of_inode(ino));
        }
        if root.inode().nlink.get() == 0 {
            return Err(Error::corrupt("root directory has no links").of_inode(ino));
        }
        Ok(())
    }

    /// Frees inodes without a name, unless the medium takes no stores or the volume is damaged.
    #[inline(never)]
    fn free_orphans(mut self, orphans: &[u64], options: &MountOptions) -> Result<Self> {
        if options.no_stores || self.damage().is_some() {
            return Ok(self);
        }
        for &ino in orphans {
            let mut node = Node::load(self.medium(), self.layout(), ino)?;
            self.free_inode(&mut node)?;
        }
        self.set_orphans_freed(orphans.len() as u64);
        Ok(self)
    }
}

/// An inode of a volume that is being mounted: the mounting task is the only one that uses it.
struct Mounting(u64);

impl Hashed for Mounting {
    fn ino(&self) -> u64 {
        self.0
    }
}

/// Brings the journal in order, and says what it did.
#[inline(never)]
fn recover(medium: &impl Medium, sb: &SuperBlock, options: &MountOptions) -> Result<Recovery> {
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
        recovery.transactions = journal::recover(medium, &layout)?;
    } else if journal::pending(medium, &layout)? != 0 {
        return Err(Error::ReadOnly);
    }
    Ok(recovery)
}

/// Reads all inodes. Returns the volume, which is not to be changed yet, and the numbers of the
/// inodes without a name.
#[inline(never)]
fn scan<M: Medium>(
    medium: M,
    sb: SuperBlock,
    options: &MountOptions,
    recovery: Recovery,
) -> Result<(Volume<M>, Vec<u64>)> {
    let layout = sb.layout();
    let claims = Claims::new(layout, options.huge_offset, options.shards)?;
    let inodes = InodeTable::new(layout, claims.blocks().shards())?;
    let mut scan = Scan {
        medium: Interruptible(&medium),
        layout,
        claims,
        inodes: &inodes,
        go_on: options.read_only,
        orphans: Vec::new(),
        block: Vec::filled(BLOCK_SIZE as usize, 0)?,
    };
    scan.run()?;
    let Scan {
        claims, orphans, ..
    } = scan;
    let volume = Volume::from_parts(Parts {
        space: claims.finish(),
        journal: Journal::new(layout)?,
        medium,
        sb,
        inodes,
        recovery,
        options: *options,
    })?;
    Ok((volume, orphans))
}

/// A medium whose loads fail when a signal came: some inodes take long to read.
struct Interruptible<'a, M: Medium>(&'a M);

impl<M: Medium> Medium for Interruptible<'_, M> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.0.pause()?;
        self.0.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.0.store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        self.0.flush(at, len)
    }

    fn fence(&self) -> Result {
        self.0.fence()
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.0.zero(at, len)
    }
}

struct Scan<'a, M: Medium> {
    medium: Interruptible<'a, M>,
    layout: Layout,
    claims: Claims,
    inodes: &'a InodeTable,
    /// Damage does not end it.
    go_on: bool,
    orphans: Vec<u64>,
    /// A block of inodes.
    block: Vec<u8>,
}

impl<M: Medium> Scan<'_, M> {
    // Deep calls begin here: no frame of mounting may be merged with theirs.
    #[inline(never)]
    fn run(&mut self) -> Result {
        for index in 0..self.layout.imap_groups() {
            let first = index.saturating_mul(IMAP_GROUP_BLOCKS);
            match self.group(index) {
                Ok(group) if group.is_empty() => {}
                Ok(group) => group
                    .blocks()
                    .try_for_each(|block| self.inode_block(block))?,
                Err(error) => self.lose(error, first, IMAP_GROUP_BLOCKS)?,
            }
        }
        Ok(())
    }

    /// Notes that the inodes in blocks `block..block + len` cannot be read, or fails if damage is
    /// to end the scan, or for anything else than damage: memory that ran out must not make blocks
    /// look free.
    fn lose(&mut self, error: Error, block: u64, len: u64) -> Result {
        let first = block.saturating_mul(INODES_PER_BLOCK);
        let count = len.saturating_mul(INODES_PER_BLOCK);
        self.lose_inodes(error, first, count)
    }

    fn lose_inodes(&mut self, error: Error, first: u64, count: u64) -> Result {
        self.tolerate(error)?;
        self.claims
            .note_unknown((first, first.saturating_add(count)), error)
    }

    fn tolerate(&self, error: Error) -> Result {
        match error {
            Error::Corrupt(_) | Error::Io | Error::Poison if self.go_on => Ok(()),
            other => Err(other),
        }
    }

    fn group(&self, index: u64) -> Result<ImapGroup> {
        let mut bytes = [0; IMAP_GROUP_SIZE];
        let at = self.layout.imap_at(index);
        self.medium.load(at, &mut bytes)?;
        ImapGroup::decode(&bytes, index).in_block(at / BLOCK_SIZE)
    }

    fn inode_block(&mut self, block: u64) -> Result {
        if !self.layout.is_data(block, 1) {
            let error = Error::corrupt("inode map marks a block that holds no data");
            return self.lose(error.in_block(block), block, 1);
        }
        self.claim(Run { block, len: 1 })?;
        let first = block.saturating_mul(INODES_PER_BLOCK);
        let loaded = self
            .medium
            .load(self.layout.inode_at(first), &mut self.block);
        // Only some of the inodes may be lost.
        let each =
            loaded.map_or_else(|error| self.tolerate(error).map(|()| true), |()| Ok(false))?;
        let mut free = 0u16;
        for index in 0..INODES_PER_BLOCK {
            let ino = first.saturating_add(index);
            match self.inode(ino, index, each) {
                Ok(true) => free |= 1 << index,
                Ok(false) => {}
                Err(error) => self.lose_inodes(error, ino, 1)?,
            }
        }
        let shard = self.claims.blocks().shard_of(block);
        self.inodes.add_block(shard, block, free)
    }

    /// Claims what inode `ino`, the `index`th of its block, has; it is to be read first if `read`.
    /// Returns whether it is free.
    fn inode(&mut self, ino: u64, index: u64, read: bool) -> Result<bool> {
        let from = (index as usize).saturating_mul(INODE_SIZE);
        let bytes = self.block.get_mut(from..from.saturating_add(INODE_SIZE));
        let bytes = bytes.ok_or(Error::Invalid)?;
        if read {
            self.medium.load(self.layout.inode_at(ino), bytes)?;
        }
        let inode = DiskInode::decode(bytes, ino)
            .of_inode(ino)
            .in_block(self.layout.inode_block(ino))?;
        if !inode.in_use() {
            return Ok(true);
        }
        if inode.nlink.get() == 0 {
            self.orphans.push(ino)?;
        }
        let deep = inode.is_symlink() || inode.extents.get() != 0 || inode.xattrs.get() != 0;
        match deep {
            true => self.claim_deep(ino)?,
            false => self.claim_inline(&inode)?,
        }
        Ok(false)
    }

    /// Claims what an inode has that refers to other blocks of metadata.
    #[inline(never)]
    fn claim_deep(&mut self, ino: u64) -> Result {
        let node = Node::load(&self.medium, &self.layout, ino)?;
        let medium = Interruptible(self.medium.0);
        let layout = self.layout;
        node.each_run(&medium, &layout, |run| self.claim(run).of_inode(ino))
    }

    /// Claims what an inode has all of whose extents are in it. Nearly all are like this, and
    /// building a map of them would take most of a mount's time.
    fn claim_inline(&mut self, inode: &DiskInode) -> Result {
        if !inode.has_extents() {
            return Ok(());
        }
        let ino = inode.ino.get();
        let mut extents: [Option<Extent>; INLINE_EXTENTS] = [None; INLINE_EXTENTS];
        for (slot, place) in (0..).zip(&mut extents) {
            *place = inode.extent(slot).get().of_inode(ino)?;
        }
        extents.sort_unstable_by_key(|extent| extent.map(|extent| extent.lblk));
        let mut end = 0;
        for extent in extents.iter().flatten() {
            if extent.lblk < end {
                let error = Error::corrupt("extents overlap").in_block(extent.pblk);
                return Err(error.of_inode(ino));
            }
            end = extent.end();
            self.claim(Run {
                block: extent.pblk,
                len: extent.len,
            })
            .of_inode(ino)?;
        }
        Ok(())
    }

    /// Claims `run`. That blocks of it are claimed already is noted, if damage is not to end the
    /// scan: all claims of the inode are made.
    fn claim(&mut self, run: Run) -> Result {
        if !self.layout.is_data(run.block, run.len) {
            let error = Error::corrupt("reference to a block that holds no data");
            return Err(error.in_block(run.block));
        }
        match self.claims.claim(run) {
            Err(error) => {
                self.tolerate(error)?;
                self.claims.note(error);
                Ok(())
            }
            done => done,
        }
    }
}
