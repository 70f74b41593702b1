// SPDX-License-Identifier: GPL-2.0

//! What is known in memory of a directory: where its names and its free slots are.

use crate::{
    env::Vec,
    hash::{
        hash_bytes,
        Table, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    Dirent,
    DIR_SLOTS, //
};

/// The place of an entry: block times 64 plus slot.
pub(crate) type Place = u32;

/// Blocks with free slots that are looked at for a new entry.
const SEARCH: usize = 4;

/// An index of a directory's entries.
pub(crate) struct DirIndex {
    seed: u64,
    names: Table,
    entries: u64,
    /// Most free slots in a row that a block may have.
    room: Vec<u8>,
    /// Blocks with free slots; some may have none any more.
    open: Vec<u32>,
    /// Free slots that are known to be there.
    tail: Option<(Place, usize)>,
}

impl DirIndex {
    /// The index of an empty directory without blocks.
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            seed,
            names: Table::new(),
            entries: 0,
            room: Vec::new(),
            open: Vec::new(),
            tail: None,
        }
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        let open = self.open.len().saturating_mul(size_of::<u32>());
        self.names
            .memory()
            .saturating_add(self.room.len())
            .saturating_add(open)
    }

    /// The place of `name`, for which `is_it` holds.
    pub(crate) fn find(
        &self,
        name: &[u8],
        is_it: impl FnMut(Place) -> Result<bool>,
    ) -> Result<Option<Place>> {
        self.names.find(hash_bytes(self.seed, name), is_it)
    }

    /// Makes room for one more name and one more block.
    pub(crate) fn reserve(&mut self) -> Result {
        self.names.reserve()?;
        self.room.reserve(1)?;
        self.open.reserve(1)
    }

    /// `name` is at `place` now. There is [room](Self::reserve) for it.
    pub(crate) fn add(&mut self, name: &[u8], place: Place) -> Result {
        self.names.insert(hash_bytes(self.seed, name), place)?;
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    /// `name` is no longer at `place`; its slots are free.
    pub(crate) fn remove(&mut self, name: &[u8], place: Place) {
        if self.names.remove(hash_bytes(self.seed, name), place) {
            self.entries = self.entries.saturating_sub(1);
        }
        let slots = Dirent::slots_for(name.len());
        if self.tail.is_none() {
            self.tail = Some((place, slots));
        }
        // Without memory to note it, the slots are found again after the next mount.
        let _ = self.note_room(place / DIR_SLOTS as u32, slots);
    }

    /// Block `block` may have `slots` free slots in a row.
    pub(crate) fn note_room(&mut self, block: u32, slots: usize) -> Result {
        let index = block as usize;
        if index >= self.room.len() {
            self.room.resize(index.saturating_add(1), 0)?;
        }
        let room = self.room.get_mut(index).ok_or(Error::Invalid)?;
        let was = *room;
        // Neighbours on both sides may be free too: that shows when the block is looked at.
        *room = room
            .saturating_mul(2)
            .saturating_add(slots as u8)
            .min(DIR_SLOTS as u8);
        if was == 0 && *room != 0 {
            self.open.push(block)?;
        }
        Ok(())
    }

    /// Block `block` has at most `slots` free slots in a row.
    pub(crate) fn limit_room(&mut self, block: u32, slots: usize) {
        if let Some(room) = self.room.get_mut(block as usize) {
            *room = slots as u8;
        }
        if slots == 0 {
            if let Some(at) = self.open.iter().rposition(|&open| open == block) {
                self.open.remove(at);
            }
        }
    }

    /// Free slots that are known to be there.
    pub(crate) fn tail(&self) -> Option<(Place, usize)> {
        self.tail
    }

    /// Says which free slots are there.
    pub(crate) fn set_tail(&mut self, tail: Option<(Place, usize)>) {
        self.tail = tail;
    }

    /// Blocks that may have `slots` free slots in a row, the last ones freed first.
    pub(crate) fn candidates(&self, slots: usize) -> impl Iterator<Item = u32> + '_ {
        let fits = move |block: &u32| {
            self.room
                .get(*block as usize)
                .is_some_and(|&room| usize::from(room) >= slots)
        };
        self.open.iter().rev().copied().filter(fits).take(SEARCH)
    }
}
