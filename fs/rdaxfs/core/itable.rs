// SPDX-License-Identifier: GPL-2.0

//! Inodes that are free: blocks of inodes, made when there is none left and given back when one is
//! wholly free and there are other free inodes.
//!
//! A number goes from one user to the next like this. [`InodeTable::reserve`] takes it out of the free
//! ones; its user hashes it (see [`Hashed`]), makes an inode of it in a transaction, and frees that in
//! another one; only then [`InodeTable::free`] makes the number free again. So a task that has hashed a
//! number can read its inode: there is no store to it meanwhile, and [`InodeTable::read`] holds the lock
//! of the inode map, under which alone blocks become blocks of inodes and stop being that.
//!
//! Lock order: inode map, then journal slot; inode map, then inodes of a shard.

use crate::{
    alloc::{
        Allocator,
        Purpose,
        Run, //
    },
    env::{
        Atomic,
        Guard,
        Lock,
        LockClass,
        Vec, //
    },
    error::Locate,
    hash::{
        hash_number,
        Table, //
    },
    journal::Journal,
    medium::{
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use core::cell::Cell;
use rdaxfs_format::{
    DiskInode,
    ImapGroup,
    Layout,
    BLOCK_SIZE,
    IMAP_GROUP_BLOCKS,
    IMAP_GROUP_SIZE,
    INODES_PER_BLOCK,
    INODE_SIZE, //
};

/// Free inodes that there shall be elsewhere when a block of inodes is given back: then the next
/// new inode does not need it again.
const SPARE: u64 = INODES_PER_BLOCK / 2;
/// All inodes of a block.
const WHOLE: u16 = u16::MAX;

/// The blocks of inodes of a shard that have a free one.
#[derive(Default)]
struct Inodes {
    /// Block, and a set bit for each free inode.
    blocks: Vec<(u64, u16)>,
    places: Table,
    /// Blocks whose inodes are all free.
    whole: usize,
    /// Entries there is room for beside those of `blocks`, one for each [`Room`].
    promised: usize,
}

/// The free inodes of a volume.
pub(crate) struct InodeTable {
    layout: Layout,
    shards: Vec<Lock<Inodes>>,
    imap: Lock<()>,
    /// Inodes there is room for in blocks of inodes, and those of them that are free.
    total: Atomic,
    free: Atomic,
    /// Blocks whose inodes are all free.
    whole: Atomic,
}

/// An inode number that one task has to itself, as an inode of the VFS in state `I_NEW` gives it: until
/// the value is dropped, no [`Node`](crate::Node) of that number exists but the one that its holder makes.
///
/// An implementation that does not keep this makes [`Volume`](crate::Volume) return
/// [`Error::Corrupt`] for inodes that are in order. It costs no memory safety.
pub trait Hashed {
    /// The number.
    fn ino(&self) -> u64;
}

impl<H: Hashed + ?Sized> Hashed for &H {
    fn ino(&self) -> u64 {
        (*self).ino()
    }
}

/// The number of an inode of a volume that only the calling task uses: it is being mounted, or its last
/// inode in memory is gone.
pub struct Alone(pub u64);

impl Hashed for Alone {
    fn ino(&self) -> u64 {
        self.0
    }
}

/// A program that is the only task on its volume and keeps no two nodes of one inode.
#[cfg(not(CONFIG_RUST))]
impl Hashed for u64 {
    fn ino(&self) -> u64 {
        *self
    }
}

/// Room to note that an inode of a shard is free: whoever has it needs no memory for that.
pub(crate) struct Room<'t> {
    table: &'t InodeTable,
    shard: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(inodes) = self.table.shards.get(self.shard) {
            let mut inodes = inodes.lock();
            inodes.promised = inodes.promised.saturating_sub(1);
        }
    }
}

/// The number of a free inode, which no other task gets; dropped, it is free again unless an inode was
/// made of it.
///
/// It is dropped after the [`Hashed`] of its number, so that the next user of the number can hash it.
pub struct Reserved<'t> {
    room: Room<'t>,
    ino: u64,
    used: Cell<bool>,
}

impl Reserved<'_> {
    /// The number.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// The number once it is hashed. [`Error::Invalid`] if `at` is another one.
    pub fn hashed<'a>(&'a self, at: &'a impl Hashed) -> Result<NewNumber<'a>> {
        if at.ino() != self.ino {
            return Err(Error::Invalid);
        }
        Ok(NewNumber { reserved: self })
    }
}

/// The number of a free inode, reserved and hashed: what an inode is made of.
#[derive(Clone, Copy)]
pub struct NewNumber<'a> {
    reserved: &'a Reserved<'a>,
}

impl NewNumber<'_> {
    /// The number.
    pub(crate) fn ino(&self) -> u64 {
        self.reserved.ino
    }

    /// Notes that the inode is in use on the medium.
    pub(crate) fn keep(&self) {
        self.reserved.used.set(true);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.used.get() {
            self.room.table.put(&self.room, self.ino);
        }
    }
}

impl InodeTable {
    /// A table that knows of no inode.
    pub(crate) fn new(layout: Layout, shards: usize) -> Result<Self> {
        let mut list = Vec::new();
        for _ in 0..shards {
            list.push(Lock::new(Inodes::default(), LockClass::Inodes)?)?;
        }
        Ok(Self {
            layout,
            shards: list,
            imap: Lock::new((), LockClass::InodeMap)?,
            total: Atomic::new(0),
            free: Atomic::new(0),
            whole: Atomic::new(0),
        })
    }

    /// Inodes that there is room for, and those of them that are free.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.total.get(), self.free.get())
    }

    /// Makes a block known, with a set bit in `free` for each free inode.
    pub(crate) fn add_block(&self, shard: usize, block: u64, free: u16) -> Result {
        if let Some(inodes) = self.shards.get(shard).filter(|_| free != 0) {
            self.whole.add(inodes.lock().add(block, free)?.into());
        }
        self.total.add(INODES_PER_BLOCK);
        self.free.add(free.count_ones().into());
        Ok(())
    }

    /// Takes a free inode, from shard `home` if that has one.
    pub(crate) fn reserve<M: Medium>(
        &self,
        medium: &M,
        journal: &Journal,
        alloc: &Allocator,
        home: usize,
    ) -> Result<Reserved<'_>> {
        if let Some(reserved) = self.take_any(home)? {
            return Ok(reserved);
        }
        match self.make_block(medium, journal, alloc, home) {
            // Somebody may have freed one meanwhile.
            Err(Error::NoSpace) => self.take_any(home)?.ok_or(Error::NoSpace),
            made => made,
        }
    }

    fn take_any(&self, home: usize) -> Result<Option<Reserved<'_>>> {
        let count = self.shards.len();
        for step in 0..count {
            let shard = home.wrapping_add(step).checked_rem(count).unwrap_or(0);
            let taken = match self.shards.get(shard) {
                Some(inodes) => inodes.lock().take()?,
                None => None,
            };
            if let Some((ino, was_whole)) = taken {
                self.free.sub(1);
                self.whole.sub(was_whole.into());
                let room = Room { table: self, shard };
                return Ok(Some(Reserved {
                    room,
                    ino,
                    used: Cell::new(false),
                }));
            }
        }
        Ok(None)
    }

    /// Makes room to note that inodes of `shard` are free.
    fn room_in(&self, shard: usize) -> Result<Room<'_>> {
        let inodes = self.shards.get(shard);
        let inodes = inodes.ok_or(Error::corrupt("inode is in no shard"))?;
        inodes.lock().promise()?;
        Ok(Room { table: self, shard })
    }

    /// Makes room to note that inode `ino` is free, for [`free`](Self::free).
    pub(crate) fn room_for(&self, alloc: &Allocator, ino: u64) -> Result<Room<'_>> {
        self.room_in(alloc.shard_of(self.layout.inode_block(ino)))
    }

    /// Makes a block of free inodes and takes the first one.
    fn make_block<M: Medium>(
        &self,
        medium: &M,
        journal: &Journal,
        alloc: &Allocator,
        home: usize,
    ) -> Result<Reserved<'_>> {
        // Not from the reserve: that is for making room.
        let taken = alloc.borrow_good(medium, Purpose::Small, None, home)?;
        let run = taken.run();
        let shard = alloc.shard_of(run.block);
        // For the block, and for the inode.
        let (room, own_room) = (self.room_in(shard)?, self.room_in(shard)?);
        self.publish_block(medium, journal, run.block)?;
        taken.keep();
        // Before it is given back, since it has room.
        self.add_block(shard, run.block, WHOLE & !1)?;
        drop(room);
        Ok(Reserved {
            room: own_room,
            ino: run.block.saturating_mul(INODES_PER_BLOCK),
            used: Cell::new(false),
        })
    }

    fn publish_block<M: Medium>(&self, medium: &M, journal: &Journal, block: u64) -> Result {
        let mut stored = Stored::none();
        for index in 0..INODES_PER_BLOCK {
            let ino = block.saturating_mul(INODES_PER_BLOCK).saturating_add(index);
            let at = self.layout.inode_at(ino);
            // A number that was used before goes on with its generations.
            let mut old = [0; INODE_SIZE];
            let generation = match medium.load(at, &mut old) {
                Ok(()) => DiskInode::decode(&old, ino).map_or(0, |inode| inode.generation.get()),
                Err(_) => 0,
            };
            let mut inode = DiskInode::free(ino, generation.wrapping_add(1));
            stored = stored.and(Stored::write(medium, at, inode.encode())?);
        }
        self.set_map(medium, journal, block, true, stored)
    }

    fn set_map<M: Medium>(
        &self,
        medium: &M,
        journal: &Journal,
        block: u64,
        inodes: bool,
        stored: Stored<crate::medium::InFlight>,
    ) -> Result {
        let index = block / IMAP_GROUP_BLOCKS;
        let at = self.layout.imap_at(index);
        let _imap = self.imap.lock();
        let mut bytes = [0; IMAP_GROUP_SIZE];
        medium.load(at, &mut bytes)?;
        let mut group = ImapGroup::decode(&bytes, index).in_block(at / BLOCK_SIZE)?;
        group.set(block % IMAP_GROUP_BLOCKS, inodes);
        let mut tx = journal.begin(medium)?;
        tx.store(at, group.encode())?;
        tx.after(stored);
        tx.commit()
    }

    fn put(&self, room: &Room<'_>, ino: u64) {
        let block = self.layout.inode_block(ino);
        let bit = 1u16 << (ino % INODES_PER_BLOCK);
        self.free.add(1);
        self.add_bits(room, block, bit);
    }

    fn add_bits(&self, room: &Room<'_>, block: u64, bits: u16) {
        if let Some(inodes) = self.shards.get(room.shard) {
            let added = inodes.lock().add(block, bits);
            // There is room.
            debug_assert!(added.is_ok());
            self.whole.add(added.unwrap_or(false).into());
        }
    }

    /// The inode is free on the medium. Gives its block back if that is wholly free and there are
    /// other free inodes.
    pub(crate) fn free<M: Medium>(
        &self,
        medium: &M,
        journal: &Journal,
        alloc: &Allocator,
        ino: u64,
        room: Room<'_>,
    ) -> Result {
        let home = room.shard;
        self.put(&room, ino);
        while self.whole.get() > 0 && self.free.get() >= INODES_PER_BLOCK.saturating_add(SPARE) {
            let Some((room, block)) = self.take_whole(home) else {
                break;
            };
            if let Err(error) = self.set_map(medium, journal, block, false, Stored::none()) {
                // It stays a block of inodes.
                self.add_bits(&room, block, WHOLE);
                return match error {
                    // The next inode that is freed tries again.
                    Error::NoMemory => Ok(()),
                    error => Err(error),
                };
            }
            self.total.sub(INODES_PER_BLOCK);
            self.free.sub(INODES_PER_BLOCK);
            alloc.free(Run { block, len: 1 });
        }
        Ok(())
    }

    /// Takes a block whose inodes are all free out, with the room that it had.
    fn take_whole(&self, home: usize) -> Option<(Room<'_>, u64)> {
        let count = self.shards.len();
        for step in 0..count {
            let shard = home.wrapping_add(step).checked_rem(count)?;
            if let Some(block) = self.shards.get(shard)?.lock().take_whole() {
                self.whole.sub(1);
                return Some((Room { table: self, shard }, block));
            }
        }
        None
    }

    /// Whether `block` is one of inodes.
    pub(crate) fn is_inode_block(&self, medium: &impl Medium, block: u64) -> Result<bool> {
        Ok(self.map_of(medium, block)?.1)
    }

    /// Whether `block` is one of inodes; it stays so while the lock is held.
    fn map_of(&self, medium: &impl Medium, block: u64) -> Result<(Guard<'_, ()>, bool)> {
        let index = block / IMAP_GROUP_BLOCKS;
        let mut bytes = [0; IMAP_GROUP_SIZE];
        let imap = self.imap.lock();
        let at = self.layout.imap_at(index);
        medium.load(at, &mut bytes)?;
        let group = ImapGroup::decode(&bytes, index).in_block(at / BLOCK_SIZE)?;
        Ok((imap, group.get(block % IMAP_GROUP_BLOCKS)))
    }

    /// Returns the blocks of inodes of inode map group `index`; `None` if the group does not check out.
    pub(crate) fn group(&self, medium: &impl Medium, index: u64) -> Result<Option<ImapGroup>> {
        let mut bytes = [0; IMAP_GROUP_SIZE];
        let _imap = self.imap.lock();
        medium.load(self.layout.imap_at(index), &mut bytes)?;
        Ok(ImapGroup::decode(&bytes, index).ok())
    }

    /// Reads the inode at `at`, whose block is of shard `shard`. [`Error::Stale`] if it is not in use:
    /// what is not an inode in use by the inode map and by the free inodes in memory is not read.
    pub(crate) fn read(
        &self,
        medium: &impl Medium,
        shard: usize,
        at: &impl Hashed,
    ) -> Result<DiskInode> {
        let ino = at.ino();
        if !self.layout.is_inode_number(ino) {
            return Err(Error::Stale);
        }
        let mut bytes = [0; INODE_SIZE];
        let (imap, is_inodes) = self.map_of(medium, self.layout.inode_block(ino))?;
        if !is_inodes || self.is_free(shard, ino) {
            return Err(Error::Stale);
        }
        medium.load(self.layout.inode_at(ino), &mut bytes)?;
        drop(imap);
        let inode = DiskInode::decode(&bytes, ino)
            .of_inode(ino)
            .in_block(self.layout.inode_block(ino))?;
        match inode.in_use() {
            true => Ok(inode),
            false => Err(Error::Stale),
        }
    }

    /// Whether inode `ino`, whose block is of shard `shard`, is known to be free.
    pub(crate) fn is_free(&self, shard: usize, ino: u64) -> bool {
        let block = self.layout.inode_block(ino);
        let inodes = self.shards.get(shard).map(Lock::lock);
        inodes.is_some_and(|inodes| inodes.is_free(block, ino % INODES_PER_BLOCK))
    }
}

impl Inodes {
    fn place(&self, block: u64) -> Option<usize> {
        let found = self.places.find(hash_number(block), |place| {
            Ok(self
                .blocks
                .get(place as usize)
                .is_some_and(|entry| entry.0 == block))
        });
        found.ok().flatten().map(|place| place as usize)
    }

    fn is_free(&self, block: u64, index: u64) -> bool {
        let entry = self.place(block).and_then(|place| self.blocks.get(place));
        entry.is_some_and(|(_, bits)| bits & 1 << index != 0)
    }

    /// Whether all inodes of the block are free now.
    fn add(&mut self, block: u64, free: u16) -> Result<bool> {
        if let Some((_, bits)) = self
            .place(block)
            .and_then(|place| self.blocks.get_mut(place))
        {
            *bits |= free;
            let whole = *bits == WHOLE;
            self.whole = self.whole.saturating_add(whole.into());
            return Ok(whole);
        }
        let place = u32::try_from(self.blocks.len()).map_err(|_| Error::NoMemory)?;
        self.blocks.reserve(1)?;
        self.places.insert(hash_number(block), place)?;
        self.blocks.push((block, free))?;
        let whole = free == WHOLE;
        self.whole = self.whole.saturating_add(whole.into());
        Ok(whole)
    }

    /// Makes room for one more entry.
    fn promise(&mut self) -> Result {
        let more = self.promised.saturating_add(1);
        self.blocks.reserve(more)?;
        self.places.reserve_for(more)?;
        self.promised = more;
        Ok(())
    }

    /// A free inode, and whether it was one of a block whose inodes were all free. There is room to
    /// note that it is free again.
    fn take(&mut self) -> Result<Option<(u64, bool)>> {
        if self.blocks.is_empty() {
            return Ok(None);
        }
        self.promise()?;
        Ok(self.take_last())
    }

    fn take_last(&mut self) -> Option<(u64, bool)> {
        let place = self.blocks.len().checked_sub(1)?;
        let (block, bits) = self.blocks.get_mut(place)?;
        let (block, index, whole) = (*block, bits.trailing_zeros(), *bits == WHOLE);
        *bits &= bits.wrapping_sub(1);
        let empty = *bits == 0;
        self.whole = self.whole.saturating_sub(whole.into());
        if empty {
            self.remove(place);
        }
        let first = block.saturating_mul(INODES_PER_BLOCK);
        Some((first.saturating_add(index.into()), whole))
    }

    /// Takes a block out whose inodes are all free; the room that it had is promised.
    fn take_whole(&mut self) -> Option<u64> {
        if self.whole == 0 {
            return None;
        }
        let place = self.blocks.iter().rposition(|entry| entry.1 == WHOLE)?;
        let block = self.blocks.get(place)?.0;
        self.remove(place);
        self.promised = self.promised.saturating_add(1);
        self.whole = self.whole.saturating_sub(1);
        Some(block)
    }

    fn remove(&mut self, place: usize) {
        let last = self.blocks.len().saturating_sub(1);
        if let (Some(&gone), Some(&moved)) = (self.blocks.get(place), self.blocks.get(last)) {
            self.places.remove(hash_number(gone.0), place as u32);
            if place != last {
                let hash = hash_number(moved.0);
                self.places.remove(hash, last as u32);
                // A place was just taken out: there is room.
                let _ = self.places.insert(hash, place as u32);
                if let Some(entry) = self.blocks.get_mut(place) {
                    *entry = moved;
                }
            }
            self.blocks.truncate(last);
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}
