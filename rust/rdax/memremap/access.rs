// SPDX-License-Identifier: GPL-2.0

//! Checked access to the memory behind a [`PageMap`].
//!
//! All copies are done by C functions that expect concurrent access: user space may have the same
//! pages mapped.

use super::{
    layout,
    PageMap,
    PAGE_SIZE, //
};
use crate::{
    bindings,
    block::Segment,
    persist::{
        InFlight,
        Stored, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};

impl PageMap {
    /// The address of byte `offset` if `len` bytes follow it linearly, else `ERANGE`.
    pub(crate) fn addr(&self, offset: u64, len: u64) -> Result<NonNull<u8>> {
        let (pfn, pages) = layout::locate(self.ranges(), offset / PAGE_SIZE).ok_or(ERANGE)?;
        let within = offset % PAGE_SIZE;
        let end = within.checked_add(len).ok_or(ERANGE)?;
        if end > pages * PAGE_SIZE {
            return Err(ERANGE);
        }
        // SAFETY: by the type invariant `pfn` has a struct page and lies in the linear map.
        let page = unsafe { bindings::rdax_helper_pfn_to_virt(pfn) };
        // SAFETY: `within` is less than a page, so the sum is in the same page.
        NonNull::new(unsafe { page.cast::<u8>().add(within as usize) }).ok_or(EFAULT)
    }

    /// The page frame number of page `pgoff` and the number of pages that follow it linearly,
    /// itself included.
    pub(crate) fn locate(&self, pgoff: u64) -> Result<(u64, u64)> {
        layout::locate(self.ranges(), pgoff).ok_or(ERANGE)
    }

    /// Reads `out.len()` bytes at byte `offset`; `EIO` if the memory controller reports poison.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result {
        let src = self.addr(offset, out.len() as u64)?;
        // SAFETY: `addr` checked that `out.len()` bytes are mapped at `src`.
        to_result(unsafe {
            bindings::rdax_helper_copy_mc(out.as_mut_ptr().cast(), src.as_ptr().cast(), out.len())
        })
    }

    /// Copies from byte `offset` into a bio's segment; `EIO` on poison.
    pub fn read_segment(&self, offset: u64, segment: &Segment<'_>) -> Result {
        let src = self.addr(offset, segment.len().into())?;
        // SAFETY: `addr` checked the source; by its invariant the segment lies in one page that
        // the bio keeps alive.
        to_result(unsafe {
            bindings::rdax_helper_read_to_page(
                segment.page(),
                segment.offset(),
                src.as_ptr().cast(),
                segment.len(),
            )
        })
    }

    /// Copies a bio's segment to byte `offset`, around the CPU cache.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn write_segment(&self, offset: u64, segment: &Segment<'_>) -> Result<Stored<InFlight>> {
        let dst = self.addr(offset, segment.len().into())?;
        // SAFETY: as in `read_segment`, with the roles exchanged.
        unsafe {
            bindings::rdax_helper_write_from_page(
                dst.as_ptr().cast(),
                segment.page(),
                segment.offset(),
                segment.len(),
            )
        };
        Ok(Stored::in_flight())
    }

    /// Stores zeroes over `len` bytes at byte `offset`, around the CPU cache.
    ///
    /// The range may span several of the map's ranges. Reschedules if long.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn zero(&self, offset: u64, len: u64) -> Result<Stored<InFlight>> {
        const STEP: u64 = 64 * PAGE_SIZE;
        let end = offset.checked_add(len).ok_or(ERANGE)?;
        let mut pos = offset;
        while pos < end {
            let (_, pages) = self.locate(pos / PAGE_SIZE)?;
            let linear = pages * PAGE_SIZE - pos % PAGE_SIZE;
            let chunk = linear.min(end - pos).min(STEP);
            let dst = self.addr(pos, chunk)?;
            // SAFETY: `addr` checked that `chunk` bytes are mapped at `dst`.
            unsafe {
                bindings::rdax_helper_zero_flushcache(dst.as_ptr().cast(), chunk as usize);
                bindings::rdax_helper_cond_resched();
            }
            pos += chunk;
        }
        Ok(Stored::in_flight())
    }

    /// Copies up to `len` bytes from `iter` to byte `offset`, around the CPU cache; returns how
    /// many came.
    pub fn write_iter(&self, offset: u64, len: usize, iter: &mut IovIterSource<'_>) -> usize {
        let Ok(dst) = self.addr(offset, len as u64) else {
            return 0;
        };
        // SAFETY: `addr` checked the destination; `iter` is a valid source.
        unsafe { bindings::_copy_from_iter_flushcache(dst.as_ptr().cast(), len, iter.as_raw()) }
    }

    /// Writes the CPU cache lines of `len` bytes at byte `offset` back to memory.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn write_back(&self, offset: u64, len: u64) -> Result<Stored<InFlight>> {
        let addr = self.addr(offset, len)?;
        // SAFETY: `addr` checked that the bytes are mapped.
        unsafe { bindings::arch_wb_cache_pmem(addr.as_ptr().cast(), len as usize) };
        Ok(Stored::in_flight())
    }

    /// Forgets that the pages wholly inside `len` bytes at byte `offset` were poisoned: their
    /// content has been written anew, or is about to be.
    pub fn clear_poison(&self, offset: u64, len: u64) -> Result {
        let addr = self.addr(offset, len)?;
        let pgoff = offset.div_ceil(PAGE_SIZE);
        let pages = (offset.saturating_add(len) / PAGE_SIZE).saturating_sub(pgoff);
        if pages > 0 {
            let (pfn, linear) = self.locate(pgoff)?;
            // SAFETY: these pages have struct pages by the type invariant.
            unsafe { bindings::rdax_helper_clear_page_poison(pfn, pages.min(linear)) };
        }
        // SAFETY: `addr` checked that the bytes are mapped.
        unsafe { bindings::arch_invalidate_pmem(addr.as_ptr().cast(), len as usize) };
        Ok(())
    }

    /// The physical address of byte `offset`, if `len` bytes follow it linearly.
    pub(crate) fn phys(&self, offset: u64, len: u64) -> Result<u64> {
        self.addr(offset, len)?;
        let (pfn, _) = self.locate(offset / PAGE_SIZE)?;
        Ok(pfn * PAGE_SIZE + offset % PAGE_SIZE)
    }
}
