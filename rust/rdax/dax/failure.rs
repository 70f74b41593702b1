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
    OnVolume, //
};
use crate::{
    bindings,
    fs::Inode,
    memremap::{
        wait::{
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
