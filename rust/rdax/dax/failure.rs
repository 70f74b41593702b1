// SPDX-License-Identifier: GPL-2.0

//! Files whose memory fails, or goes away.
//!
//! # Lock order
//!
//! `invalidate_lock`, then locked entries of the mapping (`fs/dax.c`).
//!
//! C sources: [`mm/memory-failure.c`](srctree/mm/memory-failure.c),
//! [`fs/dax.c`](srctree/fs/dax.c)

use super::{
    layout::InvalidateShared,
    MemoryFailure,
    OnVolume,
    Volume, //
};
use crate::{
    bindings,
    fs::Inode,
    memremap::{
        wait::{
            wait_eviction,
            wait_unreferenced,
            Reports, //
        },
        PAGE_SIZE, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl<T: OnVolume> Inode<T> {
    /// Unmaps the page of the file at byte `pos`, which failed, and sends `SIGBUS` to those who
    /// mapped it; who does not handle it is killed. `page` is the page of the volume.
    ///
    /// Nothing happens if the file has not used the page since it was opened.
    ///
    /// Context: sleeps.
    pub fn kill_users(
        &self,
        pos: u64,
        page: u64,
        failure: &MemoryFailure,
        _lock: &InvalidateShared<'_, T>,
    ) -> Result {
        let pfn = T::volume(self.sb().data()).access()?.pfn(page)?;
        // SAFETY: by the type invariant; the page of an inode's own volume has a struct page as
        // long as the device is alive, which whoever reports a failure sees to.
        to_result(unsafe {
            bindings::rdax_helper_dax_kill_users(
                self.as_ptr(),
                (pos / PAGE_SIZE) as usize,
                pfn,
                failure.flags,
            )
        })
    }

    /// Writes back what is dirty, unmaps all of the file, waits until nobody uses its pages, and
    /// forgets them: for memory that goes away. Says every ten seconds what it waits for.
    ///
    /// The caller has made sure that faults which begin now fail; those in progress are waited
    /// for.
    ///
    /// Context: sleeps, not killable, for as long as somebody holds a page.
    pub fn revoke(&self) {
        // SAFETY: by the type invariant. An error is the file's, who closes or syncs it hears.
        let _ = unsafe {
            bindings::filemap_write_and_wait_range((*self.as_ptr()).i_mapping, 0, i64::MAX)
        };
        let mut reports = Reports::new();
        let mut busy = 0;
        // SAFETY: by the type invariant.
        while unsafe { bindings::rdax_helper_dax_detach_inode(self.as_ptr(), &mut busy) } != 0 {
            // SAFETY: pages of a DAX device that a file has entries for are there.
            unsafe { wait_unreferenced(busy) };
            reports.busy(self.sb().id(), busy);
        }
    }
}

/// Pages looked at within one `dax_read_lock()`.
const SCAN_STEP: u64 = 1 << 16;

impl Volume {
    /// Waits until no page is referenced, nor a huge one entered in a file: for memory that goes
    /// away, after [`Inode::revoke()`] of all files. What is waited for are pages that are no
    /// file's any more, perhaps since an earlier mount. Says every ten seconds for which.
    ///
    /// Ends at once when the device is dead, for then there may be no memmap to look at.
    ///
    /// Context: sleeps, not killable, for as long as somebody holds a page.
    pub fn wait_unreferenced(&self, name: &CStr) {
        let pages = self.size() / PAGE_SIZE;
        let mut reports = Reports::new();
        let mut page = 0u64;
        while page < pages {
            let Ok(access) = self.access() else {
                return;
            };
            let Ok((idle, run)) = access.idle_run(page, SCAN_STEP.min(pages - page)) else {
                return;
            };
            if idle {
                page = page.saturating_add(run.max(1));
                continue;
            }
            let Ok(pfn) = access.pfn(page) else {
                return;
            };
            // SAFETY: the device is alive, so the page frame has a memmap.
            if unsafe { wait_unreferenced(pfn) } {
                wait_eviction();
            }
            reports.busy(name, pfn);
        }
    }
}
