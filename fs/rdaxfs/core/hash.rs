// SPDX-License-Identifier: GPL-2.0

//! A hash table from 32-bit hashes to 32-bit values; several values can have one hash.

#[cfg(test)]
mod tests;

use crate::{
    env::Vec,
    Error,
    Result, //
};

const EMPTY: u64 = 0;
const REMOVED: u64 = 1;
/// Values are stored with this added, so that no entry looks like the two above.
const BIAS: u64 = 2;
const MIN_SIZE: usize = 16;

/// Open addressing, linear probing.
///
/// # Invariants
///
/// The size is 0 or a power of two. At least a quarter of the entries is empty, unless there was no
/// memory for a larger table: then there may be none.
pub(crate) struct Table {
    entries: Vec<u64>,
    live: usize,
    removed: usize,
}

/// Hashes `bytes`; `seed` makes it hard to foresee.
pub(crate) fn hash_bytes(seed: u64, bytes: &[u8]) -> u32 {
    let mut state = seed ^ (bytes.len() as u64);
    for part in bytes.chunks(8) {
        let word = part
            .iter()
            .rev()
            .fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        state = mix(state ^ word);
    }
    (mix(state) >> 32) as u32
}

/// Hashes a number.
pub(crate) fn hash_number(number: u64) -> u32 {
    (mix(number) >> 32) as u32
}

fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

impl Table {
    /// The largest value that can be stored.
    pub(crate) const MAX: u32 = u32::MAX - BIAS as u32;

    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            live: 0,
            removed: 0,
        }
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.entries.len().saturating_mul(size_of::<u64>())
    }

    /// Makes room for one more value, so that the next [`insert`](Self::insert) cannot fail.
    pub(crate) fn reserve(&mut self) -> Result {
        self.reserve_for(1)
    }

    /// Makes room for `more` values. As long as no more than these are added, counted without what is
    /// removed meanwhile, [`insert`](Self::insert) cannot fail.
    pub(crate) fn reserve_for(&mut self, more: usize) -> Result {
        let used = self.live.saturating_add(self.removed).saturating_add(more);
        if used <= self.entries.len() / 4 * 3 && !self.entries.is_empty() {
            return Ok(());
        }
        let size = self
            .live
            .saturating_mul(2)
            .max(more)
            .next_power_of_two()
            .max(MIN_SIZE);
        let size = if self.live.saturating_add(more) > size / 4 * 3 {
            size.saturating_mul(2)
        } else {
            size
        };
        let mut larger = Self {
            entries: Vec::filled(size, EMPTY)?,
            live: 0,
            removed: 0,
        };
        for &entry in self.entries.iter().filter(|&&entry| entry > REMOVED) {
            larger.put(entry);
        }
        *self = larger;
        Ok(())
    }

    /// Adds `value` under `hash`.
    pub(crate) fn insert(&mut self, hash: u32, value: u32) -> Result {
        if value > Self::MAX {
            return Err(Error::TooBig);
        }
        // Places of removed values are room too, though what is looked up takes longer then.
        match self.reserve() {
            Err(error) if self.live >= self.entries.len() => return Err(error),
            _ => {}
        }
        self.put(u64::from(hash) << 32 | u64::from(value).saturating_add(BIAS));
        Ok(())
    }

    fn put(&mut self, entry: u64) {
        for at in self.probe((entry >> 32) as u32) {
            let Some(place) = self.entries.get_mut(at) else {
                return;
            };
            if *place == EMPTY || *place == REMOVED {
                if *place == REMOVED {
                    self.removed = self.removed.saturating_sub(1);
                }
                *place = entry;
                self.live = self.live.saturating_add(1);
                return;
            }
        }
    }

    /// The value under `hash` for which `is_it` holds.
    pub(crate) fn find(
        &self,
        hash: u32,
        mut is_it: impl FnMut(u32) -> Result<bool>,
    ) -> Result<Option<u32>> {
        for at in self.probe(hash) {
            let entry = self.entries.get(at).copied().unwrap_or(EMPTY);
            if entry == EMPTY {
                break;
            }
            if entry > REMOVED && (entry >> 32) as u32 == hash {
                let value = (entry as u32).wrapping_sub(BIAS as u32);
                if is_it(value)? {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    /// Takes `value` under `hash` out; returns whether it was there.
    pub(crate) fn remove(&mut self, hash: u32, value: u32) -> bool {
        let wanted = u64::from(hash) << 32 | u64::from(value).saturating_add(BIAS);
        for at in self.probe(hash) {
            match self.entries.get_mut(at) {
                Some(entry) if *entry == wanted => {
                    *entry = REMOVED;
                    self.live = self.live.saturating_sub(1);
                    self.removed = self.removed.saturating_add(1);
                    return true;
                }
                Some(entry) if *entry != EMPTY => {}
                _ => break,
            }
        }
        false
    }

    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> {
        let size = self.entries.len();
        let mask = size.wrapping_sub(1);
        (0..size).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }
}
