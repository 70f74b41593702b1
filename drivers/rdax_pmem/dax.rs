// SPDX-License-Identifier: GPL-2.0

//! DAX operations, and what happens when memory fails.

use crate::{
    geometry::{
        self,
        Access, //
    },
    pmem::Pmem, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use rdax::{
    badblocks::BadRange,
    dax::{
        AccessMode,
        Device,
        Operations,
        RecoveryWrite, //
    },
    memremap::{
        FailureHandler,
        MapOwner,
        PageMap,
        Pages,
        PAGE_SIZE, //
    }, //
};

/// Bytes of `nr_pages` pages.
fn bytes(nr_pages: u64) -> Result<u64> {
    nr_pages.checked_mul(PAGE_SIZE).ok_or(EINVAL)
}

#[vtable]
impl Operations for Pmem {
    fn page_map(&self) -> &PageMap {
        MapOwner::page_map(self)
    }

    fn direct_access(&self, pgoff: u64, nr_pages: u64, mode: AccessMode) -> Result<Pages> {
        if self.is_gone() {
            return Err(ENXIO);
        }
        self.stats.direct_access.add(1);
        match self.accessible(pgoff, nr_pages, mode == AccessMode::RecoveryWrite) {
            Access::Pages(len) => Ok(Pages { pgoff, len }),
            Access::Poisoned => {
                self.stats.poison_events.add(1);
                Err(EHWPOISON)
            }
            Access::Outside => Err(ERANGE),
        }
    }

    fn zero_page_range(&self, pgoff: u64, nr_pages: u64) -> Result {
        if self.is_gone() {
            return Err(ENXIO);
        }
        self.zero(bytes(pgoff)?, bytes(nr_pages)?)
    }

    fn recovery_write(&self, write: RecoveryWrite<'_>) -> usize {
        let (offset, len) = (write.offset(), write.len() as u64);
        let map = MapOwner::page_map(self);
        let Some((first, whole)) = geometry::whole_pages(offset, len) else {
            return 0;
        };
        if !self.is_bad(first, whole) {
            return write.copy_to(map, offset);
        }
        // A page is whole again only if all of it is written.
        let (true, Ok(len32)) = ((offset | len) % PAGE_SIZE == 0, u32::try_from(len)) else {
            return 0;
        };
        if self.clear_poison(offset, len32).is_err() {
            return 0;
        }
        // Readers see poison until the new data is there.
        let written = write.copy_to(map, offset);
        self.forget_bad(offset, written as u64);
        written
    }
}

/// Hears of memory failures in the page map.
pub(crate) struct Failures {
    pub(crate) device: Arc<Device<Pmem>>,
}

impl FailureHandler for Failures {
    fn memory_failure(&self, pages: Pages, flags: i32) -> Result {
        let pmem = self.device.operations();
        let (offset, len) = (bytes(pages.pgoff)?, bytes(pages.len)?);
        pmem.stats.poison_events.add(1);
        // From now on reads fail instead of returning garbage, and a write repairs.
        if let Err(err) = pmem.mark_bad(BadRange {
            sector: offset / 512,
            len: len / 512,
        }) {
            dev_err!(
                pmem.namespace.device(),
                "page {:#x} failed and does not fit into the list of bad blocks: {:?}\n",
                pages.pgoff,
                err
            );
        }
        self.device.notify_failure(offset, len, flags)
    }
}
