// SPDX-License-Identifier: GPL-2.0

//! Faults of a VMA that is registered with userfaultfd, so that its page tables may hold
//! write-protect markers in place of pages.
//!
//! [`dax_iomap_fault()`](srctree/fs/dax.c) inserts its page into an empty PTE, and fails at a
//! marker: reading faults for ever, writing warns and is `SIGBUS`. Here:
//!
//! - A missing page is mapped read-only, also for a write, whose blocks are provided first. At an
//!   empty PTE the DAX core does it. At a marker it enters the page; then the fault returns the
//!   page locked, and `finish_fault()` puts it in place of the marker. The zero page of a hole is
//!   put there at once.
//! - The write then comes again as one to a page that is mapped read-only. Its PTE becomes
//!   writable and its entry dirty in one step, if the PTE is what the fault began with.
//! - There are no huge pages.
//!
//! # What keeps a locked page in its file
//!
//! Between the return of the handler and `finish_fault()` the fault has a reference to the folio
//! and its lock, but not `invalidate_lock`. So a drain, which has that lock exclusively and lets
//! no fault begin, waits for the locks of the folios of its range
//! (`rdax_helper_dax_wait_locked()`) before each unmapping: afterwards nothing is mapped that it
//! does not find. The wait ends without the task's doing, as nothing between the two waits for a
//! user. For a shared write, `do_shared_fault()` gives the folio lock up and calls
//! `page_mkwrite`, which takes both locks again and looks again; meanwhile the reference keeps
//! the drain from taking the page, as a pin's would.
//!
//! As the page is mapped read-only there, nothing can be dirty that writeback does not know.
//!
//! C source: [`mm/memory.c`](srctree/mm/memory.c)

use super::{
    InvalidateShared,
    Outcome,
    VmFault, //
};
use crate::{
    bindings,
    dax::{
        drain::Gated,
        OnVolume, //
    },
    delay::{
        self,
        Point, //
    },
    fs::FileSystem,
    gate::Passage,
    iomap,
    memremap::PAGE_SIZE, //
};
use kernel::prelude::*;

const LOCKED: u32 = bindings::vm_fault_reason_VM_FAULT_LOCKED;
const CHANGED: bindings::rdax_pte_change = bindings::rdax_pte_change_RDAX_PTE_CHANGED;
const OTHER: bindings::rdax_pte_change = bindings::rdax_pte_change_RDAX_PTE_OTHER;

impl Outcome {
    /// The page of the fault is locked, and is to be mapped.
    const LOCKED: Self = Self(LOCKED);
}

impl<T: FileSystem> VmFault<'_, T> {
    /// Whether the page table may hold markers where the fault maps a page. Such a fault is
    /// served by small pages.
    pub fn is_armed(&self) -> bool {
        // SAFETY: `self.raw` is a valid fault, whose VMA is locked, by the type invariant.
        unsafe { bindings::rdax_helper_fault_is_armed(self.raw) }
    }

    /// Makes the fault a write or not; returns what it was.
    fn set_write(&self, write: bool) -> bool {
        // SAFETY: `self.raw` is a valid fault of this task, which alone looks at its flags.
        unsafe { bindings::rdax_helper_fault_set_write(self.raw, write) }
    }
}

impl<T: OnVolume> VmFault<'_, T> {
    /// As [`map`](Self::map), for a fault that [is armed](Self::is_armed).
    pub(super) fn map_armed<O: iomap::Operations<T>>(
        &self,
        lock: &InvalidateShared<'_, T>,
    ) -> Outcome {
        if self.order != 0 {
            return Outcome::FALLBACK;
        }
        if self.is_write() && self.is_shared() {
            if let Err(err) = self.provide::<O>() {
                return err.into();
            }
        }
        if self.mkwrite {
            return self.make_writable(lock);
        }
        let write = self.set_write(false);
        let outcome = self.insert::<O>();
        // SAFETY: `self.raw` is a valid fault by the type invariant.
        let marked = unsafe { bindings::rdax_helper_fault_is_marked(self.raw) };
        if marked && !outcome.is_error() && !outcome.is_fallback() {
            T::volume(self.inode().sb().data()).set_lends();
            // SAFETY: `self.raw` is a valid fault; `lock` keeps the entries of the file.
            if unsafe { bindings::rdax_helper_fault_lock_page(self.raw) } {
                // The fault stays one that maps the page read-only.
                return Outcome::LOCKED;
            }
            // An entry for a hole, or none that can be mapped. If it is in use the task comes
            // again.
            // SAFETY: `self.raw` is the fault that is being served, as `VmFault::new()` requires; the
            // caller's `lock` keeps the entries of the file.
            unsafe { bindings::rdax_helper_fault_map_zero(self.raw) };
        }
        self.set_write(write);
        outcome
    }

    /// Sees to it that there are written blocks at the page.
    fn provide<O: iomap::Operations<T>>(&self) -> Result {
        let pos = self.pgoff().checked_mul(PAGE_SIZE).ok_or(EFBIG)?;
        let size = self.inode().size();
        if pos >= size {
            return Err(EFAULT);
        }
        let request = iomap::Request::of_fault(pos, true);
        let extent = O::begin(self.inode(), &request)?;
        let volume = T::volume(self.inode().sb().data());
        iomap::check(&extent, &request, volume.size())
    }

    /// Makes the page, which is mapped read-only, writable, or unmaps it if it is another one.
    fn make_writable(&self, _lock: &InvalidateShared<'_, T>) -> Outcome {
        // SAFETY: `self.raw` is a valid fault, whose VMA is locked; `invalidate_lock` is held.
        unsafe {
            let change = bindings::rdax_helper_fault_make_writable(self.raw);
            if change != CHANGED && change != OTHER {
                bindings::rdax_helper_fault_unmap(self.raw);
            }
        }
        Outcome::AGAIN
    }
}

impl<T: Gated> VmFault<'_, T> {
    /// What a write does when its page was returned locked: locks the page again, if it still is
    /// that of the file and not being taken away.
    pub(super) fn relock(&self) -> Outcome {
        let lock = InvalidateShared::new(self.inode());
        if self.recheck(&lock) == Passage::Closed {
            return Outcome::AGAIN;
        }
        // SAFETY: `self.raw` is a valid fault whose page is referenced; `lock` keeps the entries.
        match unsafe { bindings::rdax_helper_fault_relock_page(self.raw) } {
            true => Outcome::LOCKED,
            false => Outcome::AGAIN,
        }
    }
}

/// What a fault does when it returns to `mm/memory.c`, with no lock but perhaps a folio's held.
pub(super) fn leave(outcome: Outcome) {
    if outcome.0 & LOCKED != 0 {
        delay::point(Point::Lent);
    }
}
