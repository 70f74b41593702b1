// SPDX-License-Identifier: GPL-2.0

//! Sections in which allocating memory does not call filesystems.
//!
//! Who holds a lock that reclaim may want, by evicting an inode, is in one.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use crate::bindings;
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// While it lives, the allocations of this task are `GFP_NOFS`. Sections nest.
///
/// # Invariants
///
/// `saved` is what this task was before.
#[must_use = "dropping it ends the section"]
pub struct NoFs {
    saved: c_uint,
    _not_thread_safe: NotThreadSafe,
}

impl NoFs {
    /// Begins a section.
    pub fn enter() -> Self {
        Self {
            // SAFETY: changes a flag of this task only.
            saved: unsafe { bindings::rdax_helper_nofs_save() },
            _not_thread_safe: NotThreadSafe,
        }
    }
}

impl Drop for NoFs {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nofs_restore(self.saved) };
    }
}
