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
        Run,
        Space, //
    },
    blob,
    env::Vec,
    error::Locate,
    extents::{
        self,
        Entry,
        ExtentMap, //
    },
    itable::{
        Alone,
        InodeTable, //
    },
    journal,
    medium::Medium,
    node::Node,
    volume::{
        find_super,
        MountOptions,
        Opened, //
    },
    Error,
    Result,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    Extent,
    ExtentGroup,
    ImapGroup,
    Layout,
    RawExtent,
    State,
    BLOCK_SIZE,
    FEATURES_RO_COMPAT,
    IMAP_GROUP_BLOCKS,
    IMAP_GROUP_SIZE,
    INLINE_EXTENTS,
    INODES_PER_BLOCK,
    INODE_SIZE,
    SLOT_SIZE,
    SYMLINK_MAX, //
};

/// The inodes without a name that a mount found.
pub struct Orphans(Vec<u64>);

impl<M: Medium> Volume<M> {
    /// Mounts the volume on `medium`: recovers what the last mount left, if that was cut off, and
    /// builds what is only kept in memory. A volume that is corrupt can only be mounted read-only.
    ///
    /// Apart from replaying the journal, nothing is stored unless all of the volume is good.
    pub fn mount(medium: M, options: &MountOptions) -> Result<Self> {
        let (volume, orphans) = Self::read(medium, options, Ok)?;
        volume.start(&orphans, options)?;
        Ok(volume)
    }

    /// Does the first half of [`mount`](Self::mount): all that is read. The volume takes no changes
    /// yet. Returns it as `place` does, which can put it to the heap, and the inodes without a name
    /// for [`start`](Self::start).
    #[inline(never)]
    pub fn read<P>(
        medium: M,
        options: &MountOptions,
        place: impl FnOnce(Self) -> Result<P>,
    ) -> Result<(P, Orphans)> {
        let opened = open(&medium, options)?;
        let mut orphans = Vec::new();
        let known = scan(&medium, opened.layout, options, &mut orphans)?;
        let volume = Self::place(medium, opened, known, options.seed, place)?;
        Ok((volume, Orphans(orphans)))
    }

    /// Does the second half of [`mount`](Self::mount): frees inodes without a name, if the root
    /// directory is good and nothing is damaged, and lets the volume be changed if it is to be.
    #[inline(never)]
    pub fn start(&self, orphans: &Orphans, options: &MountOptions) -> Result {
        self.check_root()?;
        if !options.no_stores && self.damage().is_none() {
            for &ino in orphans.0.iter() {
                self.free_orphan(ino)?;
            }
        }
        match options.read_only {
            true => Ok(()),
            false => self.activate(options.now),
        }
    }

    /// Fails unless the root directory can be used.
    #[inline(never)]
    fn check_root(&self) -> Result {
        let ino = self.root();
        let what = match self.read_inode(&Alone(ino)) {
            Ok(root) if !root.is_dir() => "root is no directory",
            Ok(root) if root.nlink.get() == 0 => "root directory has no links",
            Ok(_) => return self.iget(Alone(ino)).map(drop),
            Err(Error::Stale) => "root directory is a free inode",
            Err(other) => return Err(other),
        };
        Err(Error::corrupt(what).of_inode(ino))
    }

    #[inline(never)]
    fn free_orphan(&self, ino: u64) -> Result {
        let mut node = Node::load(self.medium(), self.layout(), ino)?;
        self.free_inode(&mut node)?;
        self.count_orphan();
        Ok(())
    }
}

/// Reads the superblock and brings the journal in order.
#[inline(never)]
fn open(medium: &impl Medium, options: &MountOptions) -> Result<Opened> {
    let mut found = Vec::new();
    let newest = find_super(medium, &mut found)?;
    let sb = found.get(newest).ok_or(Error::Invalid)?;
    let layout = sb.layout();
    if !options.read_only && sb.ro_compat.get() & !FEATURES_RO_COMPAT != 0 {
        return Err(Error::ReadOnly);
    }
    if sb.state() == State::Clean && !options.read_only {
        // Nothing is in the journal.
        let len = layout.slots.saturating_mul(SLOT_SIZE as u64);
        medium.heal(layout.slot_at(0), len)?;
    }
    let mut transactions = 0;
    if !options.no_stores {
        transactions = journal::recover(medium, &layout)?;
    } else if journal::pending(medium, &layout)? != 0 {
        return Err(Error::ReadOnly);
    }
    Opened::new(sb, transactions)
}

/// Reads all inodes. Returns what is known of the blocks, and which inodes are free; those without
/// a name are put into `orphans`.
#[inline(never)]
fn scan(
    medium: &impl Medium,
    layout: Layout,
    options: &MountOptions,
    orphans: &mut Vec<u64>,
) -> Result<(Space, InodeTable)> {
    let claims = Claims::new(layout, options.huge_offset, options.shards)?;
    let inodes = InodeTable::new(layout, claims.blocks().shards())?;
    let mut scan = Scan {
        medium: Interruptible(medium),
        layout,
        claims,
        inodes: &inodes,
        go_on: options.read_only,
        orphans,
        marked: Vec::new(),
        block: Vec::filled(BLOCK_SIZE as usize, 0)?,
    };
    scan.run()?;
    Ok((scan.claims.finish(), inodes))
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

/// What an inode turned out to be.
enum Found {
    Free,
    /// In use; all it has is claimed.
    Done,
    /// In use; what is left to be claimed.
    Deep(Deep),
}

/// What an inode has, where that is not all in the inode.
struct Deep {
    /// Number and generation.
    owner: (u64, u32),
    inline: [RawExtent; INLINE_EXTENTS],
    /// The first block of extents.
    extents: u64,
    /// The first blocks of attributes and of a long target.
    blobs: [u64; 2],
}

impl Deep {
    fn new(inode: &DiskInode) -> Result<Self> {
        let size = inode.size.get();
        if inode.is_symlink() && (size == 0 || size > SYMLINK_MAX as u64) {
            return Err(Error::corrupt_value("symbolic link has a bad length", size));
        }
        let mut deep = Self {
            owner: (inode.ino.get(), inode.generation.get()),
            inline: [RawExtent::EMPTY; INLINE_EXTENTS],
            extents: 0,
            blobs: [inode.xattrs.get(), 0],
        };
        if inode.is_symlink() {
            deep.blobs[1] = inode.extents.get();
        } else if inode.has_extents() {
            deep.extents = inode.extents.get();
            for (index, place) in deep.inline.iter_mut().enumerate() {
                *place = inode.extent(index);
            }
        }
        Ok(deep)
    }
}

struct Scan<'a, M: Medium> {
    medium: Interruptible<'a, M>,
    layout: Layout,
    claims: Claims,
    inodes: &'a InodeTable,
    /// Damage does not end it.
    go_on: bool,
    orphans: &'a mut Vec<u64>,
    /// The blocks of inodes of a group of the map.
    marked: Vec<u64>,
    /// A block of inodes.
    block: Vec<u8>,
}

impl<M: Medium> Scan<'_, M> {
    // What calls deeply below is kept from being merged into one large frame.
    #[inline(never)]
    fn run(&mut self) -> Result {
        for index in 0..self.layout.imap_groups() {
            if let Err(error) = self.group(index) {
                let first = index.saturating_mul(IMAP_GROUP_BLOCKS);
                self.lose(error, first, IMAP_GROUP_BLOCKS)?;
                continue;
            }
            while let Some(block) = self.marked.pop() {
                self.inode_block(block)?;
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

    /// Notes which blocks of group `index` of the map hold inodes, the last one first.
    #[inline(never)]
    fn group(&mut self, index: u64) -> Result {
        let mut bytes = [0; IMAP_GROUP_SIZE];
        let at = self.layout.imap_at(index);
        self.medium.load(at, &mut bytes)?;
        let group = ImapGroup::decode(&bytes, index).in_block(at / BLOCK_SIZE)?;
        self.marked.clear();
        if group.is_empty() {
            return Ok(());
        }
        let first = index.saturating_mul(IMAP_GROUP_BLOCKS);
        for bit in (0..IMAP_GROUP_BLOCKS).rev().filter(|&bit| group.get(bit)) {
            self.marked.push(first.saturating_add(bit))?;
        }
        Ok(())
    }

    #[inline(never)]
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
    #[inline(never)]
    fn inode(&mut self, ino: u64, index: u64, read: bool) -> Result<bool> {
        let from = (index as usize).saturating_mul(INODE_SIZE);
        let bytes = self.block.get_mut(from..from.saturating_add(INODE_SIZE));
        let bytes = bytes.ok_or(Error::Invalid)?;
        if read {
            self.medium.load(self.layout.inode_at(ino), bytes)?;
        }
        Ok(match self.claim_of(ino, from)? {
            Found::Free => true,
            Found::Done => false,
            Found::Deep(deep) => {
                self.claim_deep(&deep).of_inode(ino)?;
                false
            }
        })
    }

    /// Claims what inode `ino`, which was read to byte `from` of the block, has in itself.
    #[inline(never)]
    fn claim_of(&mut self, ino: u64, from: usize) -> Result<Found> {
        let bytes = self.block.get(from..from.saturating_add(INODE_SIZE));
        let inode = DiskInode::decode(bytes.unwrap_or_default(), ino)
            .of_inode(ino)
            .in_block(self.layout.inode_block(ino))?;
        if !inode.in_use() {
            return Ok(Found::Free);
        }
        if inode.nlink.get() == 0 {
            self.orphans.push(ino)?;
        }
        if inode.is_symlink() || inode.extents.get() != 0 || inode.xattrs.get() != 0 {
            return Ok(Found::Deep(Deep::new(&inode).of_inode(ino)?));
        }
        self.claim_inline(&inode)?;
        Ok(Found::Done)
    }

    /// Claims what an inode has that has more than extents in itself.
    #[inline(never)]
    fn claim_deep(&mut self, deep: &Deep) -> Result {
        let mut map = ExtentMap::default();
        for raw in &deep.inline {
            if let Some(extent) = raw.get()? {
                self.claim_extent(&mut map, extent)?;
            }
        }
        let (medium, layout) = (Interruptible(self.medium.0), self.layout);
        let visit = |block, index, group: &ExtentGroup| {
            if index == 0 {
                self.claim(Run { block, len: 1 })?;
            }
            for raw in &group.extents {
                if let Some(extent) = raw.get().in_block(block)? {
                    self.claim_extent(&mut map, extent)?;
                }
            }
            Ok(())
        };
        extents::chain(&medium, &layout, deep.owner, deep.extents, visit)?;
        for head in deep.blobs {
            blob::chain(&medium, &layout, deep.owner, head, |block, _| {
                self.claim(Run { block, len: 1 })
            })?;
        }
        Ok(())
    }

    /// Claims the blocks of `extent`, which goes to `map`.
    #[inline(never)]
    fn claim_extent(&mut self, map: &mut ExtentMap, extent: Extent) -> Result {
        let next = map.at_or_after(extent.lblk);
        if next.is_some_and(|next| next.extent.lblk < extent.end()) {
            return Err(Error::corrupt("extents overlap").in_block(extent.pblk));
        }
        map.insert(Entry { extent, slot: 0 })?;
        self.claim(Run {
            block: extent.pblk,
            len: extent.len,
        })
    }

    /// Claims what an inode has all of whose extents are in it. Nearly all are like this, and
    /// building a map of them would take most of a mount's time.
    #[inline(never)]
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
