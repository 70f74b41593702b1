// SPDX-License-Identifier: GPL-2.0

//! Stores of repairs, gathered in memory and put on the medium by the journal.
//!
//! What puts one problem in order is a unit: it happens as a whole or not at all. Units that touch
//! the same cache lines happen together, or the later one after the earlier one is durable. A unit
//! with more stores than a journal slot takes happens fix by fix, in the order of the fixes.

use crate::Overlay;
use rdaxfs_core::{
    apply_patches,
    format_types::{
        Layout,
        BLOCK_SIZE,
        ENTRY_HEAD,
        INODE_SIZE,
        SLOT_PAYLOAD, //
    },
    Error,
    Medium,
    Patch,
    Result, //
};
use std::{
    cell::RefCell,
    collections::{
        BTreeSet,
        HashMap, //
    },
};

const LINE: u64 = 64;

/// Stores that belong together, in their order.
#[derive(Clone, Default)]
struct Stores(Vec<(u64, Vec<u8>)>);

impl Stores {
    fn end_of((at, data): &(u64, Vec<u8>)) -> u64 {
        at.saturating_add(data.len() as u64)
    }

    fn push(&mut self, at: u64, data: &[u8]) {
        let end = at.saturating_add(data.len() as u64);
        self.0
            .retain(|store| store.0 < at || Self::end_of(store) > end);
        // The last one that overlaps is the one to change, if it has all bytes.
        let mut last = self.0.iter_mut().rev();
        let last = last.find(|store| store.0 < end && Self::end_of(store) > at);
        if let Some((start, bytes)) =
            last.filter(|store| store.0 <= at && Self::end_of(store) >= end)
        {
            let from = (at - *start) as usize;
            if let Some(place) = bytes.get_mut(from..from.saturating_add(data.len())) {
                place.copy_from_slice(data);
                return;
            }
        }
        self.0.push((at, data.to_vec()));
    }

    fn append(&mut self, other: &Self) {
        for (at, data) in &other.0 {
            self.push(*at, data);
        }
    }

    /// Bytes of a journal slot that it takes.
    fn size(&self) -> usize {
        let sizes = self.0.iter();
        sizes
            .map(|(_, data)| ENTRY_HEAD.saturating_add(data.len().next_multiple_of(8)))
            .fold(0, usize::saturating_add)
    }

    fn lines(&self) -> impl Iterator<Item = u64> + '_ {
        let stores = self.0.iter().filter(|(_, data)| !data.is_empty());
        stores.flat_map(|store| store.0 / LINE..=(Self::end_of(store) - 1) / LINE)
    }
}

/// The medium as it is once everything that was stored to this is on it.
pub(super) struct Batch<'a, M: Medium> {
    medium: &'a M,
    layout: Layout,
    view: Overlay<'a, M>,
    /// The unit at hand, one element for each fix.
    unit: RefCell<Vec<Stores>>,
    /// What happens as a whole each. No two touch the same line.
    patches: Vec<Stores>,
    /// The element of `patches` that touches a line.
    owners: HashMap<u64, usize>,
}

impl<'a, M: Medium> Batch<'a, M> {
    /// Nothing is stored yet.
    pub(super) fn new(medium: &'a M, layout: Layout) -> Self {
        Self {
            medium,
            layout,
            view: Overlay::new(medium),
            unit: RefCell::new(Vec::new()),
            patches: Vec::new(),
            owners: HashMap::new(),
        }
    }

    /// The medium itself.
    pub(super) fn medium(&self) -> &'a M {
        self.medium
    }

    /// What is stored from now on is of the next fix.
    pub(super) fn next_fix(&self) {
        self.unit.borrow_mut().push(Stores::default());
    }

    /// Ends the unit at hand.
    pub(super) fn end_unit(&mut self) -> Result {
        let fixes = self.unit.take();
        let mut unit = Stores::default();
        for fix in &fixes {
            unit.append(fix);
        }
        if unit.size() <= SLOT_PAYLOAD {
            return self.add(unit);
        }
        self.put()?;
        for fix in fixes {
            self.add(fix)?;
            self.put()?;
        }
        Ok(())
    }

    /// Ends the unit at hand. Fails with [`Error::TooBig`] if a journal slot has no room for it.
    pub(super) fn end_whole(&mut self) -> Result {
        let mut unit = Stores::default();
        for fix in self.unit.take() {
            unit.append(&fix);
        }
        match unit.size() <= SLOT_PAYLOAD {
            true => self.add(unit),
            false => Err(Error::TooBig),
        }
    }

    fn add(&mut self, unit: Stores) -> Result {
        if unit.0.is_empty() {
            return Ok(());
        }
        let touched = unit.lines().filter_map(|line| self.owners.get(&line));
        let touched: BTreeSet<usize> = touched.copied().collect();
        let last = self.patches.len().checked_sub(1);
        let place = match touched.len() {
            0 => last,
            1 => touched.first().copied(),
            _ => None,
        };
        let room = place.and_then(|place| {
            let patch = self.patches.get(place)?;
            let fits = patch.size().saturating_add(unit.size()) <= SLOT_PAYLOAD;
            fits.then_some(place)
        });
        let place = match room {
            Some(place) => place,
            None => {
                if !touched.is_empty() || self.patches.len() as u64 >= self.layout.slots {
                    self.put()?;
                    for (at, data) in &unit.0 {
                        self.view.store(*at, data)?;
                    }
                }
                self.patches.push(Stores::default());
                self.patches.len() - 1
            }
        };
        self.owners.extend(unit.lines().map(|line| (line, place)));
        if let Some(patch) = self.patches.get_mut(place) {
            patch.append(&unit);
        }
        Ok(())
    }

    /// Puts all units on the medium, but for the one at hand.
    pub(super) fn put(&mut self) -> Result {
        let mut patches = Vec::new();
        for stores in std::mem::take(&mut self.patches) {
            let mut patch = Patch::new();
            for (at, data) in &stores.0 {
                patch.store(&self.layout, *at, data)?;
            }
            patches.push(patch);
        }
        self.owners.clear();
        apply_patches(self.medium, &self.layout, &patches)?;
        self.view = Overlay::new(self.medium);
        Ok(())
    }

    /// Stores within a block. Of one that cannot be read, what can be is kept: it is stored as a
    /// whole, which is what clears poison.
    fn store_part(&self, at: u64, data: &[u8]) -> Result {
        let start = at - at % BLOCK_SIZE;
        let mut block = vec![0; BLOCK_SIZE as usize];
        let whole = data.len() == block.len();
        if whole || self.view.load(start, &mut block).is_ok() {
            self.view.store(at, data)?;
            self.record(at, data);
            return Ok(());
        }
        for (part, from) in block
            .chunks_mut(INODE_SIZE)
            .zip((start..).step_by(INODE_SIZE))
        {
            if self.view.load(from, part).is_err() {
                part.fill(0);
            }
        }
        let from = (at - start) as usize;
        let place = block.get_mut(from..from.saturating_add(data.len()));
        place.ok_or(Error::Invalid)?.copy_from_slice(data);
        self.view.store(start, &block)?;
        self.record(start, &block);
        Ok(())
    }

    fn record(&self, at: u64, data: &[u8]) {
        let mut unit = self.unit.borrow_mut();
        if unit.is_empty() {
            unit.push(Stores::default());
        }
        if let Some(fix) = unit.last_mut() {
            fix.push(at, data);
        }
    }
}

impl<M: Medium> Medium for Batch<'_, M> {
    fn size(&self) -> u64 {
        self.medium.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.view.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let here = at.checked_add(done as u64).ok_or(Error::Io)?;
            let room = (BLOCK_SIZE - here % BLOCK_SIZE) as usize;
            let part = rest.get(..room).unwrap_or(rest);
            self.store_part(here, part)?;
            done = done.saturating_add(part.len());
        }
        Ok(())
    }

    fn flush(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }

    fn fence(&self) -> Result {
        Ok(())
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        let len = usize::try_from(len).map_err(|_| Error::Invalid)?;
        self.store(at, &vec![0; len])
    }
}

#[cfg(test)]
mod tests {
    use super::Stores;

    #[test]
    fn stores_are_what_was_stored_last() {
        let mut seed = 1u64;
        let mut roll = |end: u64| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) % end
        };
        for _ in 0..2000 {
            let mut stores = Stores::default();
            let mut right = [0u8; 64];
            for value in 1..=roll(8) as u8 {
                let at = roll(60);
                let len = 1 + roll(64 - at);
                let data = vec![value; len as usize];
                stores.push(at, &data);
                right[at as usize..][..data.len()].copy_from_slice(&data);
            }
            let mut done = [0u8; 64];
            for (at, data) in &stores.0 {
                done[*at as usize..][..data.len()].copy_from_slice(data);
            }
            assert_eq!(done, right);
        }
    }
}
