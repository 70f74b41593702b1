// SPDX-License-Identifier: GPL-2.0

//! Referenced pages.

use super::Intent;
use crate::{
    bindings,
    delay::{
        self,
        Point, //
    },
    memremap::PAGE_SIZE, //
};
use core::ptr;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// How pages were got, and are given back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `pin_user_pages_fast()`
    User,
    /// [`rust/helpers/drain.c`](srctree/rust/helpers/drain.c)
    File,
}

/// # Invariants
///
/// `pages` are pages with a memmap, with a reference each, which `kind` says how to drop.
pub(super) struct Memory {
    pages: KVVec<*mut bindings::page>,
    kind: Kind,
    intent: Intent,
}

// SAFETY: references belong to no thread.
unsafe impl Send for Memory {}
// SAFETY: shared access reads the array; the pages' content is copied by functions that expect
// concurrent access.
unsafe impl Sync for Memory {}

impl Memory {
    /// No page yet, and room for `pages`.
    pub(super) fn of_file(pages: usize, intent: Intent) -> Result<Self> {
        Ok(Self {
            pages: KVVec::with_capacity(pages, GFP_KERNEL)?,
            kind: Kind::File,
            intent,
        })
    }

    /// Adds one.
    ///
    /// # Safety
    ///
    /// `page` has a reference of `rdax_helper_dax_pin()`, which is handed over;
    /// `self` is [`Self::of_file`].
    pub(super) unsafe fn push(&mut self, page: *mut bindings::page) -> Result {
        // INVARIANT: by this function's own requirement.
        if self.pages.push(page, GFP_KERNEL).is_err() {
            // SAFETY: by this function's own requirement.
            unsafe { bindings::rdax_helper_pin_put(page) };
            return Err(ENOMEM);
        }
        Ok(())
    }

    /// Pins what is mapped at user address `addr`, `pages` pages or as many as there are; the error
    /// is that of the first.
    ///
    /// Context: may fault, so it sleeps, and waits for drains.
    pub(super) fn of_user(addr: usize, pages: usize, intent: Intent) -> Result<Self> {
        let flags = match intent {
            Intent::Read => 0,
            Intent::Write => bindings::FOLL_WRITE,
        };
        let mut list = KVVec::from_elem(ptr::null_mut(), pages, GFP_KERNEL)?;
        // SAFETY: there is room for `pages` pointers; addresses are checked there.
        let got = unsafe {
            bindings::pin_user_pages_fast(addr, i32::try_from(pages)?, flags, list.as_mut_ptr())
        };
        to_result(got.min(0))?;
        list.truncate(got as usize);
        if list.is_empty() {
            return Err(EFAULT);
        }
        // INVARIANT: that many were pinned.
        Ok(Self {
            pages: list,
            kind: Kind::User,
            intent,
        })
    }

    pub(super) fn intent(&self) -> Intent {
        self.intent
    }

    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The pages' descriptors.
    pub(super) fn list(&self) -> &[*mut bindings::page] {
        &self.pages
    }

    pub(super) fn pfn(&self, index: usize) -> Option<u64> {
        let page = *self.pages.get(index)?;
        // SAFETY: by the type invariant.
        Some(unsafe { bindings::rdax_helper_page_pfn(page) })
    }

    /// The address of a page.
    fn addr(&self, index: usize) -> Option<*mut u8> {
        // SAFETY: computes an address.
        Some(unsafe { bindings::rdax_helper_pfn_to_virt(self.pfn(index)?) }.cast())
    }

    /// Calls `f` with the address, the place in the range, and the length of each piece of it.
    fn pieces(
        &self,
        at: u64,
        len: usize,
        mut f: impl FnMut(*mut u8, usize, usize) -> Result,
    ) -> Result {
        let mut done = 0usize;
        while done < len {
            let pos = at.checked_add(done as u64).ok_or(ERANGE)?;
            let skip = (pos % PAGE_SIZE) as usize;
            let piece = (PAGE_SIZE as usize - skip).min(len - done);
            let index = usize::try_from(pos / PAGE_SIZE)?;
            let addr = self.addr(index).ok_or(ERANGE)?.wrapping_add(skip);
            f(addr, done, piece)?;
            done = done.saturating_add(piece);
        }
        Ok(())
    }

    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result {
        let len = out.len();
        self.pieces(at, len, |addr, done, len| {
            let out = out.get_mut(done..done.saturating_add(len)).ok_or(ERANGE)?;
            // SAFETY: a referenced page is mapped; `len` bytes of it follow.
            to_result(unsafe {
                bindings::rdax_helper_copy_mc(out.as_mut_ptr().cast(), addr.cast(), len)
            })
            .map_err(|_| EHWPOISON)
        })
    }

    pub(super) fn write(&self, at: u64, data: &[u8]) -> Result {
        if self.intent != Intent::Write {
            return Err(EBADF);
        }
        self.pieces(at, data.len(), |addr, done, len| {
            let data = data.get(done..done.saturating_add(len)).ok_or(ERANGE)?;
            // SAFETY: as in `read`.
            unsafe {
                bindings::rdax_helper_memcpy_flushcache(addr.cast(), data.as_ptr().cast(), len)
            };
            Ok(())
        })
    }

    /// Writes the CPU's caches back: nobody else knows that these pages were written.
    fn flush(&self) {
        for index in 0..self.pages.len() {
            if let Some(addr) = self.addr(index) {
                // SAFETY: a referenced page is mapped.
                unsafe { bindings::arch_wb_cache_pmem(addr.cast(), PAGE_SIZE as usize) };
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        delay::point(Point::Put);
        if self.intent == Intent::Write {
            self.flush();
        }
        match self.kind {
            // SAFETY: by the type invariant.
            Kind::User => unsafe {
                bindings::unpin_user_pages_dirty_lock(
                    self.pages.as_mut_ptr(),
                    self.pages.len(),
                    self.intent == Intent::Write,
                )
            },
            Kind::File => {
                for page in &self.pages {
                    // SAFETY: by the type invariant.
                    unsafe { bindings::rdax_helper_pin_put(*page) };
                }
            }
        }
    }
}
