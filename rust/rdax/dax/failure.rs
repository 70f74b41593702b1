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
    layout::{
        InvalidateShared,
        NoFaults, //
    },
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

    /// Writes back what is dirty, unmaps all of the file and takes its pages out of its mapping, for
    /// memory that goes away. Who holds pages keeps them.
    ///
    /// The caller has made sure that faults which begin now fail; those in progress are waited
    /// for.
    ///
    /// Context: sleeps.
    pub fn revoke(&self) {
        // SAFETY: by the type invariant. An error is the file's, who closes or syncs it hears.
        let _ = unsafe {
            bindings::filemap_write_and_wait_range((*self.as_ptr()).i_mapping, 0, i64::MAX)
        };
        self.orphan_all(&NoFaults::new(self));
    }
}

/// Pages looked at within one `dax_read_lock()`.
const SCAN_STEP: u64 = 1 << 16;

impl Volume {
    /// Waits until no page is in a file, nor referenced: for memory that goes away, after
    /// [`Inode::revoke()`] of all files. What is in a file then is in one that is being evicted;
    /// what is referenced may be so since an earlier mount. Says every ten seconds what it waits
    /// for.
    ///
    /// Ends at once when the device is dead, for then there may be no memmap to look at.
    ///
    /// Context: sleeps, not killable, for as long as somebody holds a page.
    pub fn wait_unused(&self, name: &CStr) {
        let pages = self.size() / PAGE_SIZE;
        let mut reports = Reports::new();
        let mut page = 0u64;
        while page < pages {
            let Ok(access) = self.access() else {
                return;
            };
            let Ok((first, run)) = access.frame(page, SCAN_STEP.min(pages - page)) else {
                return;
            };
            let end = first.saturating_add(run);
            // SAFETY: the device is alive, so these page frames have a memmap.
            let used = unsafe { bindings::rdax_helper_next_used_pfn(first, end) };
            page = page.saturating_add(used.saturating_sub(first));
            if used == end {
                continue;
            }
            // SAFETY: as above.
            if unsafe { bindings::rdax_helper_folio_is_in_file(used) } {
                wait_eviction();
            } else {
                // SAFETY: as above.
                unsafe { wait_unreferenced(used) };
            }
            reports.busy(name, used);
        }
    }
}
