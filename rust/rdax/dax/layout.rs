// SPDX-License-Identifier: GPL-2.0

//! What keeps the pages of a DAX file where they are, and what keeps faults out.
//!
//! # Lock order
//!
//! `i_rwsem`, then `invalidate_lock`. Faults take the latter shared, so while it is held
//! exclusively nothing is mapped anew.
//!
//! C source: [`fs/dax.c`](srctree/fs/dax.c)

use super::{
    drain::LAST_PAGE,
    OnVolume, //
};
use crate::{
    bindings,
    delay::{
        self,
        Point, //
    },
    fs::{
        inode::WriteGuard,
        FileSystem,
        Inode, //
    },
    gate::{
        ClosedRange,
        Gate, //
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
pub(crate) struct NoFaults<'a, T: FileSystem>(&'a Inode<T>, NotThreadSafe);

impl<'a, T: FileSystem> NoFaults<'a, T> {
    /// Takes it, and waits for the faults in progress. Sleeps.
    pub(crate) fn new(inode: &'a Inode<T>) -> Self {
        // SAFETY: an initialised rwsem.
        unsafe { bindings::down_write(invalidate_lock(inode)) };
        Self(inode, NotThreadSafe)
    }

    /// Takes it unless that means waiting.
    pub(crate) fn try_new(inode: &'a Inode<T>) -> Option<Self> {
        // SAFETY: an inode's mapping has an initialised rwsem.
        let locked = unsafe { bindings::down_write_trylock(invalidate_lock(inode)) } != 0;
        // INVARIANT: taken just now.
        locked.then(|| Self(inode, NotThreadSafe))
    }

    /// The inode.
    pub(crate) fn inode(&self) -> &'a Inode<T> {
        self.0
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
pub struct Invalidate<'a, T: FileSystem> {
    // Opened before the lock is given back: whoever waits finds the new blocks.
    closed: Option<ClosedRange<&'a Gate>>,
    faults: NoFaults<'a, T>,
}

impl<'a, T: FileSystem> Invalidate<'a, T> {
    /// Takes `invalidate_lock` of the inode that `guard` has locked. Sleeps.
    pub fn new(guard: &'a WriteGuard<'_, T>) -> Self {
        Self {
            closed: None,
            faults: NoFaults::new(guard),
        }
    }

    /// Runs `f` with `invalidate_lock` given back. Sleeps.
    pub(super) fn unlocked<R>(&mut self, f: impl FnOnce(&Inode<T>) -> R) -> R {
        let inode = self.inode();
        // SAFETY: by the type invariant of `NoFaults`, which is restored below.
        unsafe { bindings::up_write(invalidate_lock(inode)) };
        delay::point(Point::Unlocked);
        let result = f(inode);
        delay::point(Point::Relock);
        // SAFETY: an initialised rwsem, which this task does not hold.
        unsafe { bindings::down_write(invalidate_lock(inode)) };
        delay::point(Point::Relocked);
        result
    }

    /// Writes back what is dirty from byte `start` to before byte `end`, with all of the huge pages
    /// that it is in. Sleeps.
    pub(super) fn write_back(&self, start: u64, end: u64) -> Result {
        let first = i64::try_from(start).unwrap_or(i64::MAX);
        let last = i64::try_from(end.saturating_sub(1)).unwrap_or(i64::MAX);
        // SAFETY: by the type invariant of `Inode`.
        to_result(unsafe {
            bindings::filemap_write_and_wait_range(
                (*self.inode().as_ptr()).i_mapping,
                first,
                last.max(first),
            )
        })
    }

    /// Writes back the pages at the ends of a range, which may be huge and reach beyond it.
    pub(super) fn write_back_edges(&self, start: u64, end: u64) -> Result {
        if start % HUGE_SIZE != 0 {
            self.write_back(start, start.saturating_add(1))?;
        }
        if end % HUGE_SIZE != 0 && i64::try_from(end).is_ok() {
            self.write_back(end.saturating_sub(1), end)?;
        }
        Ok(())
    }

    /// Whether all from byte `start` on has been drained since the lock was taken.
    fn is_drained_from(&self, start: u64) -> bool {
        let closed = self.closed.as_ref().map(ClosedRange::range);
        closed.is_some_and(|range| {
            range.first() <= start.div_ceil(PAGE_SIZE) && range.end() > LAST_PAGE
        })
    }

    /// The inode.
    pub fn inode(&self) -> &'a Inode<T> {
        self.faults.0
    }

    /// Keeps a range closed as long as the locks are held.
    pub(super) fn keep_closed(&mut self, closed: ClosedRange<&'a Gate>) {
        self.closed = Some(closed);
    }
}

impl<T: OnVolume> Invalidate<'_, T> {
    /// Forgets all from byte `size` on, private copies included.
    ///
    /// To be drained first, see [`Invalidate::drain_range`]. What is not loses its entries here:
    /// held pages are left to those who hold them.
    pub fn truncate_pagecache(&mut self, size: u64) {
        if !self.is_drained_from(size) {
            self.inode().orphan_from(size, &self.faults);
        }
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        // SAFETY: by the type invariant of `Inode` it is valid, and `i_rwsem` is held. There is no
        // entry left that the C side would take from under a reference: it was taken out above or
        // by the drain, and faults that would enter another wait for `invalidate_lock`.
        unsafe { bindings::truncate_pagecache(self.inode().as_ptr(), size) };
    }
}

impl<T: FileSystem> Inode<T> {
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
