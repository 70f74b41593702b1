// SPDX-License-Identifier: GPL-2.0

//! Taking pages of a DAX file away from those who use them.
//!
//! # Lock order
//!
//! `i_rwsem`, then `invalidate_lock`. Faults take the latter shared, so while it is held
//! exclusively nothing is mapped anew.
//!
//! C source: [`fs/dax.c`](srctree/fs/dax.c)

use crate::{
    bindings,
    fs::{
        inode::WriteGuard,
        FileSystem,
        Inode, //
    },
    memremap::PAGE_SIZE, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};

const HUGE_SIZE: u64 = bindings::RDAX_PMD_SIZE as u64;

fn invalidate_lock<T: FileSystem>(inode: &Inode<T>) -> *mut bindings::rw_semaphore {
    // SAFETY: an inode always has a mapping; only the address is taken.
    unsafe { &raw mut (*(*inode.as_ptr()).i_mapping).invalidate_lock }
}

/// `invalidate_lock` of a file's mapping, held shared: what is mapped stays where it is.
///
/// # Invariants
///
/// This task holds the lock.
#[must_use = "dropping the guard gives the lock back"]
pub struct InvalidateShared<'a, T: FileSystem>(&'a Inode<T>, NotThreadSafe);

impl<'a, T: FileSystem> InvalidateShared<'a, T> {
    /// Takes it. Sleeps.
    pub fn new(inode: &'a Inode<T>) -> Self {
        // SAFETY: an initialised rwsem.
        unsafe { bindings::down_read(invalidate_lock(inode)) };
        Self(inode, NotThreadSafe)
    }
}

impl<T: FileSystem> Drop for InvalidateShared<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::up_read(invalidate_lock(self.0)) };
    }
}

/// `invalidate_lock` of a file's mapping, held exclusively: nothing is mapped anew.
///
/// # Invariants
///
/// This task holds the lock.
#[must_use = "dropping the guard gives the lock back"]
struct NoFaults<'a, T: FileSystem>(&'a Inode<T>, NotThreadSafe);

impl<'a, T: FileSystem> NoFaults<'a, T> {
    /// Takes it, and waits for the faults in progress. Sleeps.
    fn new(inode: &'a Inode<T>) -> Self {
        // SAFETY: an initialised rwsem.
        unsafe { bindings::down_write(invalidate_lock(inode)) };
        Self(inode, NotThreadSafe)
    }
}

impl<T: FileSystem> Drop for NoFaults<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::up_write(invalidate_lock(self.0)) };
    }
}

/// `i_rwsem` and `invalidate_lock` of a file, held exclusively: nothing is mapped anew, read or
/// written.
#[must_use = "dropping the guard gives the lock back"]
pub struct Invalidate<'a, T: FileSystem>(NoFaults<'a, T>);

impl<'a, T: FileSystem> Invalidate<'a, T> {
    /// Takes `invalidate_lock` of the inode that `guard` has locked. Sleeps.
    pub fn new(guard: &'a WriteGuard<'_, T>) -> Self {
        Self(NoFaults::new(guard))
    }

    /// Unmaps the pages from byte `start` to before byte `end` (`u64::MAX`: to the last), waits
    /// until nobody uses them, and forgets them.
    ///
    /// Dirty data in the same huge pages, but outside the range, is written back first: its
    /// entries go as well. `invalidate_lock` is released while this waits, so holes may have been
    /// filled by faults. `EINTR` if a fatal signal came; then the pages are still there.
    pub fn drain_range(&mut self, start: u64, end: u64) -> Result {
        let Ok(first) = i64::try_from(start) else {
            // No file reaches that far.
            return Ok(());
        };
        // Inclusive, as the DAX core wants it; its last offset means all there is.
        let last = i64::try_from(end.saturating_sub(1)).unwrap_or(i64::MAX);
        if first > last {
            return Ok(());
        }
        let inode = self.inode().as_ptr();
        // SAFETY: by the type invariant of `Inode`.
        let mapping = unsafe { (*inode).i_mapping };
        loop {
            // SAFETY: a valid inode; faults are kept out by the lock.
            let page = unsafe { bindings::rdax_helper_dax_busy_page(inode, first, last) };
            if page.is_null() {
                break;
            }
            // SAFETY: pages of a DAX device that a file has entries for are there; the lock is
            // ours to release and is taken again.
            to_result(unsafe { bindings::rdax_helper_dax_wait_page(inode, page) })
                .map_err(|_| EINTR)?;
        }
        if start % HUGE_SIZE != 0 {
            self.write_back(first)?;
        }
        if last != i64::MAX && end % HUGE_SIZE != 0 {
            self.write_back(last)?;
        }
        // SAFETY: a valid mapping. The pages are unmapped and nobody uses them.
        unsafe { bindings::dax_delete_mapping_range(mapping, first, last) };
        Ok(())
    }

    /// Writes back what is dirty of the entry at byte `pos`, which may be a huge page.
    fn write_back(&self, pos: i64) -> Result {
        // SAFETY: by the type invariant of `Inode`.
        to_result(unsafe {
            bindings::filemap_write_and_wait_range((*self.inode().as_ptr()).i_mapping, pos, pos)
        })
    }

    /// Forgets all from byte `size` on, private copies included, once it is drained.
    pub fn truncate_pagecache(&mut self, size: u64) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        // SAFETY: by the type invariant of `Inode`.
        unsafe { bindings::truncate_pagecache(self.inode().as_ptr(), size) };
    }

    /// The inode.
    pub fn inode(&self) -> &Inode<T> {
        self.0 .0
    }
}

impl<T: FileSystem> Inode<T> {
    /// Waits until nobody uses any page of the file, and forgets them: for an inode without
    /// names that is being evicted.
    ///
    /// Context: sleeps, not killable, for as long as somebody holds a page.
    pub fn drain_final(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::dax_break_layout_final(self.as_ptr()) };
    }

    /// Unmaps the pages that `len` bytes from byte `pos` touch, once all faults in progress have
    /// ended. What is mapped afterwards follows from what the filesystem answers now.
    ///
    /// Context: sleeps; takes `invalidate_lock`, so not for use within faults.
    pub fn remap_range(&self, pos: u64, len: u64) {
        let first = pos / PAGE_SIZE;
        let pages = pos
            .saturating_add(len)
            .div_ceil(PAGE_SIZE)
            .saturating_sub(first);
        let faults = NoFaults::new(self);
        // SAFETY: by the type invariant.
        unsafe {
            let mapping = (*self.as_ptr()).i_mapping;
            bindings::unmap_mapping_pages(mapping, first as usize, pages as usize, false);
        }
        drop(faults);
    }

    /// Whether small pages are, or may be about to be, mapped anywhere in the huge page of the
    /// file that begins at page `first`.
    ///
    /// A fault enters its page before it asks the filesystem: who holds the lock of the latter's
    /// extents sees all that were told something else before.
    pub fn has_small_pages(&self, first: u64) -> bool {
        let last = first.saturating_add(HUGE_SIZE / PAGE_SIZE - 1);
        // SAFETY: by the type invariant.
        unsafe {
            bindings::rdax_helper_dax_has_small_entries(
                self.as_ptr(),
                first as usize,
                last as usize,
            )
        }
    }
}
