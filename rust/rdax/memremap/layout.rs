// SPDX-License-Identifier: GPL-2.0

//! Where a page of a device lies in physical memory.
//!
//! Pure: no kernel type, so that the host tests run this very file.

/// A run of pages of a page map, counted from the map's first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// First page.
    pub pgoff: u64,
    /// How many pages.
    pub len: u64,
}

/// A physical address range, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysRange {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Bytes in a page.
pub const PAGE_SIZE: u64 = 4096;
/// Bytes that a PMD entry maps; `memremap_pages()` works in these steps too.
pub const PMD_SIZE: u64 = 2 << 20;

impl PhysRange {
    /// One past the last byte, or `None` if the range is empty or wraps around.
    pub fn end(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        self.start.checked_add(self.len)
    }

    /// Whether start and length are multiples of `align` bytes, a power of two.
    pub fn is_aligned(&self, align: u64) -> bool {
        align.is_power_of_two() && (self.start | self.len) & (align - 1) == 0
    }
}

/// Finds page `pgoff` in `ranges`, taken one after the other.
///
/// Returns its page frame number and how many pages follow linearly, itself included; `None`
/// beyond the last range.
pub fn locate(ranges: &[PhysRange], pgoff: u64) -> Option<(u64, u64)> {
    let mut skip = pgoff;
    for range in ranges {
        let pages = range.len / PAGE_SIZE;
        if skip < pages {
            return Some((range.start / PAGE_SIZE + skip, pages - skip));
        }
        skip -= pages;
    }
    None
}

/// The inverse of [`locate`]: which page of the map is page frame `pfn`?
pub fn page_of(ranges: &[PhysRange], pfn: u64) -> Option<u64> {
    let mut first = 0;
    for range in ranges {
        let (start, pages) = (range.start / PAGE_SIZE, range.len / PAGE_SIZE);
        if pfn >= start && pfn - start < pages {
            return Some(first + (pfn - start));
        }
        first += pages;
    }
    None
}

/// Total number of pages.
pub fn total_pages(ranges: &[PhysRange]) -> u64 {
    ranges.iter().map(|range| range.len / PAGE_SIZE).sum()
}
