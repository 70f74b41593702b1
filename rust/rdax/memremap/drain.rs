// SPDX-License-Identifier: GPL-2.0

//! Waiting until nobody references the folios of a [`PageMap`].
//!
//! A folio is free when its reference count is zero *and* it is in no file: an inode that still
//! has the folio in its mapping looks at the memmap when it is evicted, perhaps long after the
//! device is gone. So each file found is unmapped and, once none of its pages is pinned, its
//! entries are taken out of the mapping, after its CPU cache lines have been written back.
//!
//! A folio that several files share (reflink) names no file. It is waited for: its files drop it
//! when they are evicted.
//!
//! # Lock order
//!
//! `device_lock` of the namespace (or none, on the worker) → `mapping->invalidate_lock` →
//! `mapping->i_mmap_rwsem`. No lock is held while waiting.
//!
//! C source: [`fs/dax.c`](srctree/fs/dax.c)

use super::{
    layout,
    wait::{
        wait_eviction,
        wait_unreferenced,
        Reports, //
    },
    PageMap,
    PAGE_SIZE, //
};
use crate::bindings;
use core::ptr::NonNull;

/// Page frames looked at between two chances to reschedule.
const SCAN_STEP: u64 = 4096;

/// The file that a folio belongs to, with a reference on its inode.
struct DaxInode(NonNull<bindings::inode>);

impl DaxInode {
    fn of(pfn: u64) -> Option<Self> {
        // SAFETY: the callers pass page frames of a live map only.
        NonNull::new(unsafe { bindings::rdax_helper_dax_folio_inode(pfn) }).map(Self)
    }

    /// Unmaps the whole file; takes its pages out of its mapping unless one is referenced, whose
    /// frame number is then returned.
    fn detach(&self) -> Option<u64> {
        let mut busy = 0;
        // SAFETY: we hold a reference on the inode.
        let err = unsafe { bindings::rdax_helper_dax_detach_inode(self.0.as_ptr(), &mut busy) };
        (err != 0).then_some(busy)
    }
}

impl Drop for DaxInode {
    fn drop(&mut self) {
        // SAFETY: this is the reference that `of` got.
        unsafe { bindings::iput(self.0.as_ptr()) };
    }
}

impl PageMap {
    /// Takes every page of the map from the files and tasks that have it, and waits until the
    /// last reference is gone. Says every ten seconds what it waits for.
    ///
    /// The caller has made sure that no new reference can come: the DAX device is dead.
    pub fn drain(&self) {
        let mut reports = Reports::new();
        self.for_each_used(|pfn| {
            if let Some(busy) = self.release(pfn) {
                reports.busy(self.name(), busy);
            }
            true
        });
    }

    /// Unmaps every file that has pages of the map, without waiting for references.
    pub fn unmap_files(&self) {
        self.for_each_used(|pfn| {
            self.write_back_folio(pfn);
            // One detach unmaps the whole file; its other folios must not walk it again.
            // SAFETY: `pfn` belongs to this live map.
            if unsafe { bindings::rdax_helper_folio_is_mapped(pfn) } {
                if let Some(inode) = DaxInode::of(pfn) {
                    inode.detach();
                }
            }
            false
        });
    }

    /// Does what can be done for one used folio, and waits a while for it.
    ///
    /// Returns the page frame that is in the way, if any.
    fn release(&self, pfn: u64) -> Option<u64> {
        self.write_back_folio(pfn);
        let busy = match DaxInode::of(pfn) {
            Some(inode) => inode.detach()?,
            None => pfn,
        };
        // SAFETY: `busy` is `pfn` or another page of the same file. A file can lie on several
        // devices only if they share a superblock; its pages have a memmap as long as it has them.
        let idle = unsafe { wait_unreferenced(busy) };
        // SAFETY: `pfn` belongs to this live map.
        if idle && busy == pfn && !unsafe { bindings::rdax_helper_folio_is_free(pfn) } {
            wait_eviction();
        }
        Some(busy)
    }

    /// The mapping entry that says "dirty" is about to go, so what the CPU caches hold goes first.
    fn write_back_folio(&self, pfn: u64) {
        let Some(pgoff) = layout::page_of(self.ranges(), pfn) else {
            return;
        };
        // SAFETY: `pfn` belongs to this live map.
        let bytes = unsafe { bindings::rdax_helper_folio_bytes(pfn) } as u64;
        // A folio never crosses the end of a range; if it did, there would be nothing to flush.
        if let Ok(stored) = self.write_back(pgoff * PAGE_SIZE, bytes) {
            stored.fence();
        }
    }

    /// Calls `f` for each page frame that is not free; again for the same one while `f` says so
    /// and it is not.
    fn for_each_used(&self, mut f: impl FnMut(u64) -> bool) {
        for range in self.ranges() {
            let (mut pfn, end) = (
                range.start / PAGE_SIZE,
                (range.start + range.len) / PAGE_SIZE,
            );
            while pfn < end {
                let stop = end.min(pfn + SCAN_STEP);
                // SAFETY: these page frames belong to this live map.
                pfn = unsafe { bindings::rdax_helper_next_used_pfn(pfn, stop) };
                if pfn < stop && !f(pfn) {
                    pfn += 1;
                }
                // SAFETY: process context, no lock held.
                unsafe { bindings::rdax_helper_cond_resched() };
            }
        }
    }
}
