// SPDX-License-Identifier: GPL-2.0

//! A shard of the free blocks: a bit for each block, a count for each chunk.

use super::Purpose;
use crate::{
    env::Vec,
    Error,
    Result, //
};
use rdaxfs_format::HUGE_BLOCKS;

const CHUNK: u64 = HUGE_BLOCKS;
const CHUNK_WORDS: usize = (CHUNK / 64) as usize;

/// Blocks are numbered from the shard's first chunk.
///
/// # Invariants
///
/// `free[c]` is the number of clear bits of chunk `c`; no chunk below `low` is partly free.
pub(super) struct Shard {
    /// Set: taken.
    bits: Vec<u64>,
    free: Vec<u16>,
    stream: Vec<bool>,
    whole: u64,
    low: usize,
}

/// How well a chunk suits a purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Broken,
    Whole,
    Stream,
}

impl Shard {
    /// A shard of `chunks` chunks without a free block.
    pub(super) fn new(chunks: u64) -> Result<Self> {
        let chunks = chunks as usize;
        Ok(Self {
            bits: Vec::filled(chunks.saturating_mul(CHUNK_WORDS), u64::MAX)?,
            free: Vec::filled(chunks, 0)?,
            stream: Vec::filled(chunks, false)?,
            whole: 0,
            low: 0,
        })
    }

    /// Chunks that are wholly free.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// How many kinds of chunks serve `purpose`.
    pub(super) fn ranks(purpose: Purpose) -> usize {
        Self::order(purpose).len()
    }

    fn order(purpose: Purpose) -> &'static [Kind] {
        match purpose {
            Purpose::Metadata | Purpose::Small => &[Kind::Broken, Kind::Whole, Kind::Stream],
            Purpose::Stream(_) => &[Kind::Whole, Kind::Broken, Kind::Stream],
            Purpose::Huge => &[Kind::Whole],
        }
    }

    /// Takes up to `len` blocks from the `rank`th kind of chunk.
    pub(super) fn take(&mut self, purpose: Purpose, rank: usize, len: u64) -> Option<(u64, u64)> {
        let kind = *Self::order(purpose).get(rank)?;
        let chunk = self.find(kind)?;
        let first = (chunk as u64).checked_mul(CHUNK)?;
        match (purpose, kind) {
            (Purpose::Huge, _) => {
                let chunks = self.whole_from(chunk, len / CHUNK);
                let len = chunks.checked_mul(CHUNK)?;
                self.set(first, len);
                Some((first, len))
            }
            (Purpose::Stream(offset), Kind::Whole) => {
                let offset = offset % CHUNK;
                let len = len.min(CHUNK.saturating_sub(offset));
                *self.stream.get_mut(chunk)? = true;
                let bit = first.checked_add(offset)?;
                self.set(bit, len);
                Some((bit, len))
            }
            _ => {
                let (bit, len) = self.best_run(chunk, len)?;
                self.set(bit, len);
                Some((bit, len))
            }
        }
    }

    /// Takes up to `len` blocks from `bit` on, if that one is free.
    pub(super) fn take_at(&mut self, bit: u64, len: u64) -> Option<u64> {
        let end = (self.free.len() as u64).checked_mul(CHUNK)?;
        let len = self.free_run(bit, len.min(end.checked_sub(bit)?));
        if len == 0 {
            return None;
        }
        self.set(bit, len);
        Some(len)
    }

    /// Takes those of the `len` blocks from `bit` on that are free, and returns how many they were.
    /// Shows each word of the bits of the others to `conflict`: the number of its first bit, and
    /// the mask.
    pub(super) fn claim(
        &mut self,
        bit: u64,
        len: u64,
        mut conflict: impl FnMut(u64, u64) -> Result,
    ) -> Result<u64> {
        if self.free_run(bit, len) == len {
            self.set(bit, len);
            return Ok(len);
        }
        let mut taken = 0u64;
        let end = bit.saturating_add(len);
        let mut bit = bit;
        while bit < end {
            let count = end.saturating_sub(bit).min(64 - bit % 64);
            let mask = (u64::MAX >> (64 - count)) << (bit % 64);
            let word = self.bits.get_mut((bit / 64) as usize);
            let word = word.ok_or(Error::Invalid)?;
            let (both, new) = (*word & mask, !*word & mask);
            *word |= mask;
            // A word is of one chunk.
            self.count(bit, new.count_ones().into(), false);
            taken = taken.saturating_add(new.count_ones().into());
            if both != 0 {
                conflict(bit / 64 * 64, both)?;
            }
            bit = bit.saturating_add(count);
        }
        Ok(taken)
    }

    /// Whether block `bit` is free.
    pub(super) fn is_free(&self, bit: u64) -> bool {
        self.free_run(bit, 1) == 1
    }

    /// Gives `len` blocks from `bit` on back.
    pub(super) fn give(&mut self, bit: u64, len: u64) {
        self.each_word(bit, len, |word, mask| {
            debug_assert_eq!(*word & mask, mask);
            *word &= !mask;
        });
        self.count(bit, len, true);
    }

    fn set(&mut self, bit: u64, len: u64) {
        self.each_word(bit, len, |word, mask| {
            debug_assert_eq!(*word & mask, 0);
            *word |= mask;
        });
        self.count(bit, len, false);
    }

    fn each_word(&mut self, bit: u64, len: u64, mut f: impl FnMut(&mut u64, u64)) {
        let (mut bit, mut left) = (bit, len);
        while left > 0 {
            let offset = bit % 64;
            let count = left.min(64 - offset);
            let mask = (u64::MAX >> (64 - count)) << offset;
            if let Some(word) = self.bits.get_mut((bit / 64) as usize) {
                f(word, mask);
            }
            bit = bit.saturating_add(count);
            left = left.saturating_sub(count);
        }
    }

    fn count(&mut self, bit: u64, len: u64, given: bool) {
        let (mut bit, mut left) = (bit, len);
        while left > 0 {
            let chunk = (bit / CHUNK) as usize;
            let count = left.min(CHUNK - bit % CHUNK);
            let (Some(free), Some(stream)) = (self.free.get_mut(chunk), self.stream.get_mut(chunk))
            else {
                return;
            };
            let was_whole = u64::from(*free) == CHUNK;
            *free = if given {
                free.saturating_add(count as u16)
            } else {
                free.saturating_sub(count as u16)
            };
            let is_whole = u64::from(*free) == CHUNK;
            if *free == 0 || is_whole {
                *stream = false;
            } else {
                self.low = self.low.min(chunk);
            }
            self.whole = self
                .whole
                .saturating_add(is_whole.into())
                .saturating_sub(was_whole.into());
            bit = bit.saturating_add(count);
            left = left.saturating_sub(count);
        }
    }

    fn kind(&self, chunk: usize) -> Option<Kind> {
        let free = u64::from(*self.free.get(chunk)?);
        match free {
            0 => None,
            CHUNK => Some(Kind::Whole),
            _ if *self.stream.get(chunk)? => Some(Kind::Stream),
            _ => Some(Kind::Broken),
        }
    }

    fn find(&mut self, kind: Kind) -> Option<usize> {
        let chunks = self.free.len();
        match kind {
            Kind::Whole if self.whole == 0 => None,
            Kind::Whole => (0..chunks).find(|&chunk| self.kind(chunk) == Some(kind)),
            _ => {
                let partly =
                    |&chunk: &usize| matches!(self.kind(chunk), Some(Kind::Broken | Kind::Stream));
                self.low = (self.low..chunks).find(partly).unwrap_or(chunks);
                (self.low..chunks).find(|&chunk| self.kind(chunk) == Some(kind))
            }
        }
    }

    /// How many of up to `chunks` chunks from `chunk` on are wholly free.
    fn whole_from(&self, chunk: usize, chunks: u64) -> u64 {
        let free = self.free.get(chunk..).unwrap_or_default().iter();
        free.take(chunks as usize)
            .take_while(|&&free| u64::from(free) == CHUNK)
            .count() as u64
    }

    /// How many of up to `len` blocks from `bit` on are free.
    fn free_run(&self, bit: u64, len: u64) -> u64 {
        let mut found = 0u64;
        while found < len {
            let at = bit.saturating_add(found);
            let Some(word) = self.bits.get((at / 64) as usize) else {
                break;
            };
            let free = u64::from((word >> (at % 64)).trailing_zeros()).min(64 - at % 64);
            found = found.saturating_add(free);
            if free < 64 - at % 64 {
                break;
            }
        }
        found.min(len)
    }

    /// The first run of `len` free blocks in a chunk, or else its longest one.
    fn best_run(&self, chunk: usize, len: u64) -> Option<(u64, u64)> {
        let first = (chunk as u64).checked_mul(CHUNK)?;
        let end = first.checked_add(CHUNK)?;
        let (mut bit, mut best) = (first, None);
        while bit < end {
            let run = self.free_run(bit, len.min(end.saturating_sub(bit)));
            if run == len {
                return Some((bit, run));
            }
            if run > best.map_or(0, |(_, run)| run) {
                best = Some((bit, run));
            }
            bit = bit.saturating_add(run.max(1));
        }
        best
    }
}
