// SPDX-License-Identifier: GPL-2.0

//! A mounted volume.

use crate::{
    alloc::{
        Allocator,
        Run,
        Space, //
    },
    copies::store_super,
    env::{
        Atomic,
        Lock,
        LockClass,
        Vec, //
    },
    error::Locate,
    itable::{
        Hashed,
        InodeTable, //
    },
    journal::{
        Journal,
        Tx, //
    },
    medium::Medium,
    node::Node,
    Error,
    Result, //
};
use rdaxfs_format::{
    DiskInode,
    DiskTime,
    Layout,
    State,
    SuperBlock,
    BLOCK_SIZE,
    INODES_PER_BLOCK, //
};

/// How to mount a volume.
#[derive(Clone, Copy, Debug)]
pub struct MountOptions {
    /// Change nothing, but for what recovery must.
    pub read_only: bool,
    /// The medium itself takes no stores: a volume that needs recovery cannot be mounted.
    pub no_stores: bool,
    /// How many tasks are to allocate at the same time without waiting for each other.
    pub shards: u64,
    /// How many blocks into a huge page of the CPU block 0 of the volume is.
    pub huge_offset: u64,
    /// An unpredictable number, against directories made to be slow.
    pub seed: u64,
    /// The time.
    pub now: DiskTime,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            no_stores: false,
            shards: 1,
            huge_offset: 0,
            seed: 0,
            now: DiskTime::default(),
        }
    }
}

/// What `statfs` tells, in blocks of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Blocks that could ever be used.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Blocks that are free for data.
    pub available: u64,
    /// Inodes in use.
    pub inodes: u64,
    /// Inodes that could be made now.
    pub free_inodes: u64,
    /// Whole aligned 2 MiB chunks that are free.
    pub huge_free: u64,
}

/// What recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Transactions that were done again.
    pub transactions: u64,
    /// Inodes without a name that were freed.
    pub orphans: u64,
    /// The volume was not unmounted.
    pub unclean: bool,
}

/// A mounted volume.
///
/// Its methods may be called by any number of tasks, as long as nobody else uses the [`Node`]s that
/// they are given. They may sleep. Each that changes something returns when the change is durable;
/// if it fails, nothing has changed.
pub struct Volume<M: Medium> {
    medium: M,
    layout: Layout,
    journal: Journal,
    space: Space,
    inodes: InodeTable,
    sb: Lock<SuperBlock>,
    root: u64,
    seed: u64,
    read_only: Atomic,
    dead: Atomic,
    recovery: Recovery,
    /// Inodes without a name that the mount has freed.
    orphans: Atomic,
}

/// What a mount reads first.
pub(crate) struct Opened {
    pub(crate) layout: Layout,
    pub(crate) root: u64,
    pub(crate) sb: Lock<SuperBlock>,
    pub(crate) recovery: Recovery,
}

impl Opened {
    #[inline(never)]
    pub(crate) fn new(sb: &SuperBlock, transactions: u64) -> Result<Self> {
        Ok(Self {
            layout: sb.layout(),
            root: sb.root.get(),
            sb: Lock::new(*sb, LockClass::Super)?,
            recovery: Recovery {
                unclean: sb.state() == State::Active,
                transactions,
                ..Recovery::default()
            },
        })
    }
}

impl<M: Medium> Volume<M> {
    #[inline(never)]
    pub(crate) fn place<P>(
        medium: M,
        opened: Opened,
        (space, inodes): (Space, InodeTable),
        seed: u64,
        place: impl FnOnce(Self) -> Result<P>,
    ) -> Result<P> {
        place(Self {
            medium,
            layout: opened.layout,
            journal: Journal::new(opened.layout)?,
            space,
            inodes,
            root: opened.root,
            sb: opened.sb,
            seed,
            read_only: Atomic::new(1),
            dead: Atomic::new(0),
            orphans: Atomic::new(0),
            recovery: opened.recovery,
        })
    }

    /// What it is on.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// Where it has what.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What mounting it had to do.
    pub fn recovery(&self) -> Recovery {
        Recovery {
            orphans: self.orphans.get(),
            ..self.recovery
        }
    }

    pub(crate) fn count_orphan(&self) {
        self.orphans.add(1);
    }

    /// The inode number of the root directory.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// The superblock.
    pub fn superblock(&self) -> SuperBlock {
        *self.sb.lock()
    }

    /// Returns the allocator. Fails with [`Error::ReadOnly`] if mounting the volume did not find
    /// out which blocks are free.
    pub(crate) fn alloc(&self) -> Result<&Allocator> {
        self.space.allocator()
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    /// Frees blocks that were allocated and never were to be seen in memory.
    pub(crate) fn free_blocks(&self, run: Run) {
        if let Ok(alloc) = self.alloc() {
            alloc.free(run);
        }
    }

    /// Frees blocks that were a file's, those that are referenced as soon as they no longer are.
    pub(crate) fn release_blocks(&self, run: Run) {
        if let Ok(alloc) = self.alloc() {
            alloc.release(&self.medium, run);
        }
    }

    /// Returns how many structures were found damaged when the volume was mounted, and what is
    /// wrong with the first one. Such a volume can only be read.
    pub fn damage(&self) -> Option<(u64, Error)> {
        self.space.damage()
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn inodes(&self) -> &InodeTable {
        &self.inodes
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The shard that an inode takes blocks from.
    pub(crate) fn home(&self, ino: u64) -> usize {
        let block = self.layout.inode_block(ino);
        self.alloc().map_or(0, |alloc| alloc.shard_of(block))
    }

    /// How many transactions have happened since it was mounted.
    pub fn transactions(&self) -> u64 {
        self.journal.committed()
    }

    /// Begins a transaction.
    pub(crate) fn begin(&self) -> Result<Tx<'_, M>> {
        self.check_writable()?;
        self.journal.begin(&self.medium)
    }

    /// Fails unless the volume can be changed.
    pub(crate) fn check_writable(&self) -> Result {
        self.check_alive()?;
        if self.read_only.get() != 0 {
            return Err(Error::ReadOnly);
        }
        Ok(())
    }

    /// Fails once the volume was shut down.
    pub fn check_alive(&self) -> Result {
        if self.dead.get() != 0 || self.journal.is_broken() {
            return Err(Error::Shutdown);
        }
        Ok(())
    }

    /// Nothing works any more from now on. What was durable stays so.
    pub fn shut_down(&self) {
        self.dead.set(1);
    }

    /// Says on the medium that the volume is in use and lets it be changed. Fails with
    /// [`Error::ReadOnly`] if it is [damaged](Self::damage).
    #[inline(never)]
    pub fn activate(&self, now: DiskTime) -> Result {
        self.check_alive()?;
        // Without one nothing may be changed.
        self.alloc()?;
        self.update_super(|sb| {
            sb.mounts.set(sb.mounts.get().wrapping_add(1));
            sb.mounted = now;
            if sb.state() == State::Clean {
                sb.set_state(State::Active);
            }
        })?;
        self.read_only.set(0);
        Ok(())
    }

    /// Lets nothing be changed any more and says on the medium that the volume is in order. No
    /// other operation runs.
    pub fn deactivate(&self) -> Result {
        if self.read_only.get() != 0 {
            return Ok(());
        }
        self.read_only.set(1);
        self.check_alive()?;
        self.update_super(|sb| {
            if sb.state() == State::Active {
                sb.set_state(State::Clean);
            }
        })
    }

    /// Says on the medium that something corrupt was found.
    pub fn mark_errors(&self) -> Result {
        self.check_writable()?;
        self.update_super(|sb| sb.set_state(State::Errors))
    }

    /// Lets nothing be changed any more, but does not say that all is in order.
    pub fn forbid_changes(&self) {
        self.read_only.set(1);
    }

    fn update_super(&self, change: impl FnOnce(&mut SuperBlock)) -> Result {
        let mut held = self.sb.lock();
        let mut sb = *held;
        change(&mut sb);
        sb.serial.set(sb.serial.get().wrapping_add(1));
        store_super(&self.medium, &self.layout, &mut sb)?;
        *held = sb;
        Ok(())
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        let (total, free) = self.inodes.counts();
        // Without an allocator nothing can be allocated.
        let alloc = self.alloc().ok();
        let available = alloc.map_or(0, Allocator::available);
        Usage {
            blocks: self
                .layout
                .end_block()
                .saturating_sub(self.layout.first_block()),
            free: alloc.map_or(0, Allocator::free_blocks),
            available,
            inodes: total.saturating_sub(free),
            free_inodes: free.saturating_add(available.saturating_mul(INODES_PER_BLOCK)),
            huge_free: alloc.map_or(0, Allocator::whole_chunks),
        }
    }

    /// Blocks that will be free when nobody references them any more.
    pub fn busy_blocks(&self) -> u64 {
        self.alloc().map_or(0, Allocator::busy_blocks)
    }

    /// Shows the first block and the length of each run of such blocks to `f`, and for how many
    /// milliseconds they have been that, under a lock of the allocator, in no order.
    pub fn for_each_busy(&self, f: impl FnMut(u64, u64, u64)) {
        if let Ok(alloc) = self.alloc() {
            alloc.for_each_busy(&self.medium, f);
        }
    }

    /// Frees blocks that are not referenced any more. Returns one that still is, if any.
    pub fn sweep(&self) -> Option<u64> {
        let alloc = self.alloc().ok()?;
        alloc.sweep(&self.medium);
        alloc.a_busy_block()
    }

    /// Reads the inode at `at`. [`Error::Stale`] if there is no such inode, if it is free, or if it has
    /// no name: the latter is in use by a node only, or is freed by the next mount. On a volume that
    /// is [damaged](Self::damage), inodes with blocks that another one has, too, are corrupt.
    pub fn iget(&self, at: impl Hashed) -> Result<Node> {
        let disk = self.read_inode(&at)?;
        if disk.nlink.get() == 0 {
            return Err(Error::Stale);
        }
        let node = Node::of(&self.medium, &self.layout, disk)?;
        self.check_blocks(&node)?;
        Ok(node)
    }

    /// Fails if the volume is damaged and not known to have the blocks of the inode only once.
    #[inline(never)]
    fn check_blocks(&self, node: &Node) -> Result {
        let block = self.layout.inode_block(node.ino());
        self.space.check_owner(node.ino(), |check| {
            check(Run { block, len: 1 })?;
            node.each_run(&self.medium, &self.layout, check)
        })
    }

    /// Reads the inode at `at` without what it refers to. [`Error::Stale`] if it is not in use.
    pub(crate) fn read_inode(&self, at: &impl Hashed) -> Result<DiskInode> {
        self.check_alive()?;
        let shard = self.home(at.ino());
        self.inodes.read(&self.medium, shard, at)
    }
}

/// Reads the superblock: the newer one of the two copies that check out.
pub fn load_super(medium: &impl Medium) -> Result<SuperBlock> {
    let mut found = Vec::new();
    let newest = find_super(medium, &mut found)?;
    found.get(newest).copied().ok_or(Error::Invalid)
}

/// Reads the copies of the superblock that check out to `found`, and returns which one is to be
/// used. They are not on the stack: mounts have enough there.
#[inline(never)]
pub(crate) fn find_super(medium: &impl Medium, found: &mut Vec<SuperBlock>) -> Result<usize> {
    let first = load_copy(medium, 0, found);
    let second = match found.first() {
        Some(sb) => load_copy(medium, last_block(sb.layout().blocks), found),
        None => find_second(medium, found),
    };
    for copy in [first, second] {
        match copy {
            // There may still be the other one.
            Err(Error::Corrupt(_) | Error::Io | Error::Poison) if !found.is_empty() => {}
            copy => copy?,
        }
    }
    let newest = match (found.first(), found.get(1)) {
        // The second one counts only if it is of the same volume.
        (Some(one), Some(two)) if two.uuid == one.uuid => {
            SuperBlock::is_newer(two.serial.get(), one.serial.get())
        }
        _ => false,
    };
    let newest = usize::from(newest);
    match found.get(newest) {
        Some(sb) if sb.incompat.get() & !rdaxfs_format::FEATURES_INCOMPAT == 0 => Ok(newest),
        _ => Err(Error::Invalid),
    }
}

/// Adds the second superblock to `found` if it checks out, where the first one does not. A volume may
/// be smaller than its device, and even a torn superblock says its size.
#[inline(never)]
fn find_second(medium: &impl Medium, found: &mut Vec<SuperBlock>) -> Result {
    let torn = blocks_of_torn(medium);
    let fills = medium.size() / BLOCK_SIZE;
    match torn.map(|blocks| load_second(medium, blocks, found)) {
        Some(Ok(())) => Ok(()),
        _ => load_second(medium, fills, found),
    }
}

#[inline(never)]
fn blocks_of_torn(medium: &impl Medium) -> Option<u64> {
    let mut bytes = Vec::filled(rdaxfs_format::SUPER_SIZE, 0u8).ok()?;
    medium.load(0, &mut bytes).ok()?;
    SuperBlock::blocks_of_torn(&bytes)
}

/// Adds the second superblock of a volume of `blocks` blocks to `found`.
fn load_second(medium: &impl Medium, blocks: u64, found: &mut Vec<SuperBlock>) -> Result {
    let block = last_block(blocks);
    load_copy(medium, block, found)?;
    match found.first() {
        Some(sb) if sb.layout().blocks != blocks => {
            let what = "second superblock is of a volume of another size: blocks";
            let corrupt = Error::corrupt_value(what, sb.layout().blocks);
            found.truncate(0);
            Err(corrupt.in_block(block))
        }
        _ => Ok(()),
    }
}

/// Returns the block that the second superblock of a volume of `blocks` blocks is in.
fn last_block(blocks: u64) -> u64 {
    blocks.saturating_sub(1)
}

/// Adds the superblock in block `block` to `found` if it checks out.
#[inline(never)]
fn load_copy(medium: &impl Medium, block: u64, found: &mut Vec<SuperBlock>) -> Result {
    let mut bytes = Vec::filled(rdaxfs_format::SUPER_SIZE, 0u8)?;
    medium.load(block.saturating_mul(BLOCK_SIZE), &mut bytes)?;
    let sb = SuperBlock::decode(&bytes).in_block(block)?;
    if sb.layout().bytes() > medium.size() {
        let what = "volume is larger than its device: blocks";
        return Err(Error::corrupt_value(what, sb.layout().blocks).in_block(block));
    }
    found.push(sb)
}
