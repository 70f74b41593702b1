// SPDX-License-Identifier: GPL-2.0

//! What the parts of one device share.

use crate::geometry;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    }, //
};
use rdax::{
    badblocks::{
        BadBlocks,
        BadRange, //
    },
    block::{
        HasBadBlocks,
        SECTOR_SHIFT,
        SECTOR_SIZE, //
    },
    memremap::{
        MapOwner,
        PageMap,
        PAGE_SIZE, //
    },
    nd::{
        NamespaceRef,
        Region, //
    },
    stat::Counter, //
};

/// Event counters of a device.
pub(crate) struct Stats {
    pub(crate) direct_access: Counter,
    pub(crate) bio_read_bytes: Counter,
    pub(crate) bio_write_bytes: Counter,
    pub(crate) flushes: Counter,
    /// Accesses refused because of poison, and memory failures reported.
    pub(crate) poison_events: Counter,
    pub(crate) poison_cleared_bytes: Counter,
}

impl Stats {
    const fn new() -> Self {
        Self {
            direct_access: Counter::new(),
            bio_read_bytes: Counter::new(),
            bio_write_bytes: Counter::new(),
            flushes: Counter::new(),
            poison_events: Counter::new(),
            poison_cleared_bytes: Counter::new(),
        }
    }
}

/// The memory of a namespace and all that is known about it.
#[pin_data]
pub(crate) struct Pmem {
    // Unmapped after the last user of this struct is gone.
    map: PageMap,
    #[pin]
    badblocks: BadBlocks,
    gone: Atomic<bool>,
    pub(crate) namespace: NamespaceRef,
    pub(crate) region: Region,
    pub(crate) stats: Stats,
}

impl Pmem {
    pub(crate) fn new(
        map: PageMap,
        namespace: NamespaceRef,
        region: Region,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            map,
            badblocks <- BadBlocks::new(),
            gone: Atomic::new(false),
            namespace,
            region,
            stats: Stats::new(),
        })
    }

    /// Number of 512-byte sectors.
    pub(crate) fn sectors(&self) -> u64 {
        self.map.nr_pages() * (PAGE_SIZE >> SECTOR_SHIFT)
    }

    /// Whether the device is being taken away: nothing may start any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }

    /// Makes all new accesses fail.
    pub(crate) fn set_gone(&self) {
        self.gone.store(true, Release);
    }

    /// The first bad sector in a run of sectors.
    pub(crate) fn first_bad(&self, sector: u64, sectors: u64) -> Option<u64> {
        self.badblocks
            .first_in(sector, sectors)
            .map(|bad| bad.sector)
    }

    /// Fails with `EIO`, and counts it, if one of `len` bytes at byte `offset` is bad.
    pub(crate) fn check_readable(&self, offset: u64, len: u64) -> Result {
        if self.is_bad(offset, len) {
            self.stats.poison_events.add(1);
            return Err(EIO);
        }
        Ok(())
    }

    /// Whether one of `len` bytes at byte `offset` is bad.
    pub(crate) fn is_bad(&self, offset: u64, len: u64) -> bool {
        self.first_bad(offset >> SECTOR_SHIFT, len.div_ceil(SECTOR_SIZE))
            .is_some()
    }

    /// Marks sectors bad, as if the platform had reported them.
    pub(crate) fn mark_bad(&self, range: BadRange) -> Result {
        self.check_range(range)?;
        self.badblocks.set(range)
    }

    /// Takes sectors from the list of bad ones, without touching the media.
    pub(crate) fn unmark_bad(&self, range: BadRange) -> Result {
        self.check_range(range)?;
        self.badblocks.clear(range)
    }

    fn check_range(&self, range: BadRange) -> Result {
        match range.sector.checked_add(range.len) {
            Some(end) if end <= self.sectors() => Ok(()),
            _ => Err(EINVAL),
        }
    }

    /// Clears poison from `len` bytes at byte `offset`, which are about to be overwritten. `EIO`
    /// if the platform could not clear all of it.
    ///
    /// May sleep. The caller takes the range from the bad blocks after it has written, see
    /// [`Self::forget_bad`], so that nobody reads what was there before.
    pub(crate) fn clear_poison(&self, offset: u64, len: u32) -> Result {
        let cleared = self.namespace.clear_poison(&self.map, offset, len)?;
        self.map.clear_poison(offset, cleared.min(len.into()))?;
        if cleared < u64::from(len) {
            return Err(EIO);
        }
        Ok(())
    }

    /// Takes from the bad blocks the sectors wholly inside `len` bytes at byte `offset`.
    pub(crate) fn forget_bad(&self, offset: u64, len: u64) {
        let first = offset.div_ceil(SECTOR_SIZE);
        let end = offset.saturating_add(len) >> SECTOR_SHIFT;
        let range = BadRange {
            sector: first,
            len: end.saturating_sub(first),
        };
        // A list that is too full to split a run keeps the sectors: they read as bad, not stale.
        if range.len > 0 && self.badblocks.clear(range).is_ok() {
            self.stats
                .poison_cleared_bytes
                .add(range.len << SECTOR_SHIFT);
        }
    }

    /// Makes `len` bytes at byte `offset` zero; poison is cleared.
    pub(crate) fn zero(&self, offset: u64, len: u64) -> Result {
        const STEP: u64 = 2 << 20;
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        let mut pos = offset;
        while pos < end {
            // Short steps: firmware is asked to clear a step at most, and only a bad one.
            let chunk = (end - pos).min(STEP);
            let bad = self.is_bad(pos, chunk);
            if bad {
                self.clear_poison(pos, u32::try_from(chunk)?)?;
            }
            self.map.zero(pos, chunk)?.leave_to_flush();
            if bad {
                self.forget_bad(pos, chunk);
            }
            pos += chunk;
        }
        Ok(())
    }

    /// Takes in what the platform knows to be bad.
    pub(crate) fn populate_badblocks(&self) {
        if let [range] = self.map.ranges() {
            self.region.populate_badblocks(&self.badblocks, *range);
        }
    }

    /// How much can be accessed directly, see [`geometry::accessible`].
    pub(crate) fn accessible(&self, pgoff: u64, wanted: u64, recover: bool) -> geometry::Access {
        geometry::accessible(
            self.map.nr_pages(),
            pgoff,
            wanted,
            recover,
            |sector, sectors| self.first_bad(sector, sectors),
        )
    }
}

impl MapOwner for Pmem {
    fn page_map(&self) -> &PageMap {
        &self.map
    }
}

impl HasBadBlocks for Pmem {
    fn badblocks(&self) -> &BadBlocks {
        &self.badblocks
    }
}
