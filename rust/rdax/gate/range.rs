// SPDX-License-Identifier: GPL-2.0

//! Ranges of a file, in pages.

/// Bytes of a page.
const PAGE_SIZE: u64 = 4096;

/// Pages of a file, never none.
///
/// # Invariants
///
/// `first` is below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    first: u64,
    end: u64,
}

impl PageRange {
    /// All that a file can have.
    pub const ALL: Self = Self {
        first: 0,
        end: u64::MAX,
    };

    /// Page offsets from `first` to before `end`; `None` if there are none.
    pub fn new(first: u64, end: u64) -> Option<Self> {
        // INVARIANT: checked here.
        (first < end).then_some(Self { first, end })
    }

    /// The page at offset `pgoff`; no file has one at `u64::MAX`.
    pub fn page(pgoff: u64) -> Self {
        // INVARIANT: so there is a larger one.
        let first = pgoff.min(u64::MAX - 1);
        Self {
            first,
            end: first.saturating_add(1),
        }
    }

    /// The aligned `1 << order` pages with the page at offset `pgoff`.
    pub fn aligned(pgoff: u64, order: u32) -> Self {
        let pages = 1u64.checked_shl(order).unwrap_or(1 << 63);
        let first = pgoff & !(pages - 1);
        Self::new(first, first.saturating_add(pages)).unwrap_or(Self::page(pgoff))
    }

    /// The pages that the bytes from `start` to before `end` touch; `u64::MAX` is the last byte
    /// there can be. `None` if there are no bytes.
    pub fn of_bytes(start: u64, end: u64) -> Option<Self> {
        if start >= end {
            return None;
        }
        Self::new(start / PAGE_SIZE, end.div_ceil(PAGE_SIZE))
    }

    /// The first page offset.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The page offset after the last one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether a page is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.end && other.first < self.end
    }
}
