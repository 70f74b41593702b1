// SPDX-License-Identifier: GPL-2.0

//! Directories: entries in blocks, found through an index in memory that the first use builds.

mod index;

pub(crate) use index::{
    DirIndex,
    Place, //
};

use crate::{
    alloc::{
        Purpose,
        Run,
        Taken, //
    },
    change::Change,
    env::Vec,
    error::Locate,
    extents::Plan,
    journal::Tx,
    medium::{
        Medium,
        Stored, //
    },
    node::Node,
    Error,
    Result,
    Volume, //
};
use rdaxfs_format::{
    Dirent,
    DiskInode,
    Extent,
    BLOCK_SIZE,
    DIRENT_HEAD,
    DIR_SLOT,
    DIR_SLOTS,
    NAME_MAX, //
};

/// Bytes of the longest entry.
const ENTRY_MAX: usize = (DIRENT_HEAD + NAME_MAX).div_ceil(DIR_SLOT) * DIR_SLOT;

/// What a directory says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The inode it names.
    pub ino: u64,
    /// `DT_*`.
    pub file_type: u8,
    pub(crate) place: Place,
}

/// An entry that [`Volume::readdir`] shows.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The inode it names.
    pub ino: u64,
    /// `DT_*`.
    pub file_type: u8,
    /// The position to go on from after this one.
    pub next: u64,
}

/// An entry on its way into a directory.
pub(crate) struct Insertion<'a> {
    place: Place,
    /// Free slots after it.
    rest: usize,
    grown: Option<Change<'a>>,
    keep: Option<Taken<'a>>,
}

/// An entry on its way out of a directory.
pub(crate) struct Removal<'a> {
    place: Place,
    /// It was the last one: the blocks go, too.
    emptied: Option<(Change<'a>, Vec<Run>)>,
}

impl<M: Medium> Volume<M> {
    fn dir_block_at(&self, dir: &Node, block: u64) -> Result<u64> {
        let entry = dir.map.at_or_after(block).map(|entry| entry.extent);
        let extent = entry.filter(|extent| extent.lblk <= block && !extent.unwritten);
        let extent = extent.ok_or_else(|| {
            Error::corrupt_value("directory has a hole at block", block).of_inode(dir.ino())
        })?;
        let offset = block.saturating_sub(extent.lblk);
        Ok(extent
            .pblk
            .saturating_add(offset)
            .saturating_mul(BLOCK_SIZE))
    }

    fn place_at(&self, dir: &Node, place: Place) -> Result<u64> {
        let slots = DIR_SLOTS as u32;
        let at = self.dir_block_at(dir, (place / slots).into())?;
        Ok(at.saturating_add(u64::from(place % slots).saturating_mul(DIR_SLOT as u64)))
    }

    /// Calls `visit` with each entry of block `block` from slot `from` on, free slots included,
    /// until it returns `false`.
    fn walk_block(
        &self,
        dir: &Node,
        block: u64,
        bytes: &mut [u8],
        mut visit: impl FnMut(usize, &Dirent<'_>) -> Result<bool>,
    ) -> Result {
        let at = self.dir_block_at(dir, block)?;
        self.medium().load(at, bytes)?;
        let mut slot = 0usize;
        while slot < DIR_SLOTS {
            let dirent = Dirent::decode(bytes, slot, dir.ino())
                .of_inode(dir.ino())
                .in_block(at / BLOCK_SIZE)?;
            if !visit(slot, &dirent)? {
                break;
            }
            slot = slot.saturating_add(dirent.slots);
        }
        Ok(())
    }

    /// Builds the index of a directory unless there is one.
    pub(crate) fn index<'n>(&self, dir: &'n mut Node) -> Result<&'n mut DirIndex> {
        dir.refresh(self.medium(), self.layout())?;
        if dir.dir.is_none() {
            dir.dir = Some(self.build_index(dir)?);
        }
        dir.dir.as_mut().ok_or(Error::Invalid)
    }

    fn build_index(&self, dir: &Node) -> Result<DirIndex> {
        if !dir.disk.is_dir() {
            return Err(Error::Invalid);
        }
        let mut index = DirIndex::new(self.seed());
        let mut bytes = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
        for block in 0..dir.size() / BLOCK_SIZE {
            let number = u32::try_from(block).map_err(|_| Error::TooBig)?;
            self.walk_block(dir, block, &mut bytes, |slot, dirent| {
                if dirent.is_free() {
                    index.note_room(number, dirent.slots)?;
                } else {
                    index.reserve()?;
                    index.add(dirent.name, place_of(block, slot)?)?;
                }
                Ok(true)
            })?;
        }
        Ok(index)
    }

    fn read_entry<'b>(
        &self,
        dir: &Node,
        place: Place,
        bytes: &'b mut [u8; ENTRY_MAX],
    ) -> Result<Dirent<'b>> {
        let left = DIR_SLOTS.saturating_sub(place as usize % DIR_SLOTS);
        let len = left.saturating_mul(DIR_SLOT).min(ENTRY_MAX);
        let bytes = bytes.get_mut(..len).ok_or(Error::Invalid)?;
        let at = self.place_at(dir, place)?;
        self.medium().load(at, bytes)?;
        Dirent::decode(bytes, 0, dir.ino())
            .of_inode(dir.ino())
            .in_block(at / BLOCK_SIZE)
    }

    /// Looks `name` up in `dir`.
    pub fn lookup(&self, dir: &mut Node, name: &[u8]) -> Result<Option<Found>> {
        if name.len() > NAME_MAX {
            return Err(Error::NameTooLong);
        }
        self.index(dir)?;
        let dir = &*dir;
        let index = dir.dir.as_ref().ok_or(Error::Invalid)?;
        let mut bytes = [0; ENTRY_MAX];
        let mut found = None;
        index.find(name, |place| {
            let dirent = self.read_entry(dir, place, &mut bytes)?;
            let same = dirent.name == name;
            if same {
                found = Some(Found {
                    ino: dirent.ino,
                    file_type: dirent.file_type,
                    place,
                });
            }
            Ok(same)
        })?;
        let names_none = |found: &Found| !self.layout().is_inode_number(found.ino);
        match found.filter(names_none) {
            Some(bad) => Err(
                Error::corrupt_value("entry has a bad inode number", bad.ino).of_inode(dir.ino()),
            ),
            None => Ok(found),
        }
    }

    /// Shows the entries of `dir` from position `from` (0 to begin) until `show` returns `false`,
    /// which means that it did not take the entry. Returns the position to go on from. Positions
    /// stay the same as long as an entry exists.
    pub fn readdir(
        &self,
        dir: &mut Node,
        from: u64,
        show: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<u64> {
        dir.refresh(self.medium(), self.layout())?;
        let dir = &*dir;
        let slots = DIR_SLOTS as u64;
        let mut bytes = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
        let mut position = from;
        let end = (dir.size() / BLOCK_SIZE).saturating_mul(slots);
        while position < end {
            let block = position / slots;
            let mut full = false;
            self.walk_block(dir, block, &mut bytes, |slot, dirent| {
                let here = block.saturating_mul(slots).saturating_add(slot as u64);
                let next = here.saturating_add(dirent.slots as u64);
                if dirent.is_free() || here < from {
                    return Ok(true);
                }
                full = !show(Entry {
                    name: dirent.name,
                    ino: dirent.ino,
                    file_type: dirent.file_type,
                    next,
                });
                if full {
                    position = here;
                }
                Ok(!full)
            })?;
            if full {
                return Ok(position);
            }
            position = block.saturating_add(1).saturating_mul(slots);
        }
        Ok(position)
    }

    /// Adds a new entry to `tx`; `disk` is the directory's inode as it will be, which the caller
    /// adds. The index has room for it.
    pub(crate) fn insert_entry<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        dir: &mut Node,
        disk: &mut DiskInode,
        dirent: &Dirent<'_>,
    ) -> Result<Insertion<'v>> {
        self.index(dir)?.reserve()?;
        match self.find_room(dir, dirent.slots)? {
            Some((place, slots)) => {
                let at = self.place_at(dir, place)?;
                let rest = slots.saturating_sub(dirent.slots);
                store_entry(tx, at, dir.ino(), dirent)?;
                if rest > 0 {
                    let after = at.saturating_add((dirent.slots.saturating_mul(DIR_SLOT)) as u64);
                    store_entry(tx, after, dir.ino(), &Dirent::free(rest))?;
                }
                Ok(Insertion {
                    place,
                    rest,
                    grown: None,
                    keep: None,
                })
            }
            None => self.grow_dir(tx, dir, disk, dirent),
        }
    }

    /// Finds `slots` free slots in a row: their place, and how many there are.
    fn find_room(&self, dir: &mut Node, slots: usize) -> Result<Option<(Place, usize)>> {
        let index = dir.dir.as_ref().ok_or(Error::Invalid)?;
        if let Some((place, len)) = index.tail().filter(|tail| tail.1 >= slots) {
            return Ok(Some((place, len)));
        }
        let mut bytes = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
        let mut looked = Vec::new();
        for block in index.candidates(slots) {
            looked.push((block, self.longest_room(dir, block, &mut bytes)?))?;
        }
        let index = dir.dir.as_mut().ok_or(Error::Invalid)?;
        let mut found = None;
        for &(block, (place, len)) in looked.iter() {
            index.limit_room(block, len);
            if len >= slots && found.is_none() {
                found = Some((place, len));
            }
        }
        Ok(found)
    }

    /// The longest run of free slots in a block, adjacent ones taken together.
    fn longest_room(&self, dir: &Node, block: u32, bytes: &mut [u8]) -> Result<(Place, usize)> {
        let mut best = (0, 0);
        let mut run = (0, 0);
        self.walk_block(dir, block.into(), bytes, |slot, dirent| {
            if !dirent.is_free() {
                run = (0, 0);
                return Ok(true);
            }
            if run.1 == 0 {
                run.0 = slot;
            }
            run.1 = dirent.slots.saturating_add(run.1);
            if run.1 > best.1 {
                best = run;
            }
            Ok(true)
        })?;
        Ok((place_of(block.into(), best.0)?, best.1))
    }

    fn grow_dir<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        dir: &mut Node,
        disk: &mut DiskInode,
        dirent: &Dirent<'_>,
    ) -> Result<Insertion<'v>> {
        let lblk = dir.size() / BLOCK_SIZE;
        let place = place_of(lblk, 0)?;
        let goal = dir.map.before(lblk).map(|entry| entry.extent.pend());
        let home = self.home(dir.ino());
        let taken = self
            .alloc()?
            .borrow_good(self.medium(), Purpose::Small, goal, home)?;
        let block = taken.run().block;
        let mut bytes = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
        let rest = DIR_SLOTS.saturating_sub(dirent.slots);
        dirent.encode(dir.ino(), &mut bytes).ok_or(Error::Invalid)?;
        let after = bytes
            .get_mut(dirent.slots.saturating_mul(DIR_SLOT)..)
            .unwrap_or_default();
        Dirent::free(rest)
            .encode(dir.ino(), after)
            .ok_or(Error::Invalid)?;
        let at = block.saturating_mul(BLOCK_SIZE);
        tx.after(Stored::write(self.medium(), at, &bytes)?);
        let extent = Extent {
            lblk,
            pblk: block,
            len: 1,
            unwritten: false,
        };
        let plan = Plan::replace(&dir.map, lblk, lblk.saturating_add(1), &[extent])?;
        let change = Change::new(self.medium(), self.alloc()?, dir, plan, tx)?;
        change.store(tx, self.medium(), dir, disk)?;
        disk.size.set(dir.size().saturating_add(BLOCK_SIZE));
        Ok(Insertion {
            place,
            rest,
            grown: Some(change),
            keep: Some(taken),
        })
    }

    /// The entry is there.
    pub(crate) fn inserted(&self, dir: &mut Node, name: &[u8], insertion: Insertion<'_>) {
        let Insertion {
            place,
            rest,
            grown,
            keep,
        } = insertion;
        let new_block = keep.is_some();
        if let Some(taken) = keep {
            taken.keep();
        }
        if let Some(change) = grown {
            change.finish(self.medium(), self.layout(), dir);
        }
        let slots = Dirent::slots_for(name.len());
        let done = dir.dir.as_mut().ok_or(Error::Invalid).and_then(|index| {
            let after = place.saturating_add(slots as u32);
            index.set_tail((rest > 0).then_some((after, rest)));
            if new_block {
                index.note_room(place / DIR_SLOTS as u32, rest)?;
            }
            index.add(name, place)
        });
        if done.is_err() {
            // The next use builds it again.
            dir.dir = None;
        }
    }

    /// Adds the removal of the entry at `place` to `tx`; `disk` is the directory's inode as it will
    /// be. With `shrink`, a directory that loses its last entry loses its blocks, too.
    pub(crate) fn remove_entry<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        dir: &Node,
        disk: &mut DiskInode,
        (place, name): (Place, &[u8]),
        shrink: bool,
    ) -> Result<Removal<'v>> {
        let entries = dir.dir.as_ref().map_or(0, DirIndex::entries);
        if entries != 1 || !shrink {
            let free = Dirent::free(Dirent::slots_for(name.len()));
            store_entry(tx, self.place_at(dir, place)?, dir.ino(), &free)?;
            return Ok(Removal {
                place,
                emptied: None,
            });
        }
        let mut runs = Vec::new();
        for extent in dir.iter_extents() {
            runs.push(Run {
                block: extent.pblk,
                len: extent.len,
            })?;
        }
        let change = Change::rebuild(self.medium(), self.alloc()?, dir, &[], tx)?;
        change.store(tx, self.medium(), dir, disk)?;
        disk.size.set(0);
        Ok(Removal {
            place,
            emptied: Some((change, runs)),
        })
    }

    /// The entry is gone.
    pub(crate) fn removed(&self, dir: &mut Node, name: &[u8], removal: Removal<'_>) {
        let Some((change, runs)) = removal.emptied else {
            if let Some(index) = dir.dir.as_mut() {
                index.remove(name, removal.place);
            }
            return;
        };
        change.finish(self.medium(), self.layout(), dir);
        dir.dir = Some(DirIndex::new(self.seed()));
        for &run in runs.iter() {
            self.free_blocks(run);
        }
    }

    /// Adds to `tx` that the entry at `place` names another inode.
    pub(crate) fn replace_entry(
        &self,
        tx: &mut Tx<'_, M>,
        dir: &Node,
        place: Place,
        dirent: &Dirent<'_>,
    ) -> Result {
        store_entry(tx, self.place_at(dir, place)?, dir.ino(), dirent)
    }

    /// Whether a directory has no entries.
    pub(crate) fn is_empty_dir(&self, dir: &mut Node) -> Result<bool> {
        Ok(self.index(dir)?.entries() == 0)
    }
}

fn place_of(block: u64, slot: usize) -> Result<Place> {
    let place = block
        .checked_mul(DIR_SLOTS as u64)
        .and_then(|place| place.checked_add(slot as u64));
    let place = place.and_then(|place| Place::try_from(place).ok());
    place
        .filter(|&place| place < crate::hash::Table::MAX)
        .ok_or(Error::TooBig)
}

fn store_entry<M: Medium>(tx: &mut Tx<'_, M>, at: u64, dir: u64, dirent: &Dirent<'_>) -> Result {
    let mut bytes = [0; ENTRY_MAX];
    let len = dirent.encode(dir, &mut bytes).ok_or(Error::NameTooLong)?;
    tx.store(at, bytes.get(..len).unwrap_or_default())
}
