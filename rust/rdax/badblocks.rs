// SPDX-License-Identifier: GPL-2.0

//! Lists of bad sectors.
//!
//! # Examples
//!
//! ```
//! # use kernel::prelude::*;
//! # use rdax::badblocks::{BadBlocks, BadRange};
//! let list = KBox::pin_init(BadBlocks::new(), GFP_KERNEL)?;
//! let bad = BadRange { sector: 100, len: 8 };
//! BadBlocks::set(&list, bad)?;
//! assert_eq!(list.first_in(96, 8), Some(BadRange { sector: 100, len: 8 }));
//! ```
//!
//! C header: [`include/linux/badblocks.h`](srctree/include/linux/badblocks.h)

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// A run of bad sectors, in units of 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRange {
    /// First bad sector.
    pub sector: u64,
    /// Number of bad sectors.
    pub len: u64,
}

/// The bad sectors of a device: what `/sys/block/*/badblocks` shows.
///
/// All methods may be called from any context; the C side has a sequence lock.
///
/// # Invariants
///
/// `bb` was initialised by `badblocks_init()`.
#[pin_data(PinnedDrop)]
pub struct BadBlocks {
    #[pin]
    bb: Opaque<bindings::badblocks>,
}

// SAFETY: the C side synchronises all access by the sequence lock inside.
unsafe impl Send for BadBlocks {}
// SAFETY: as above.
unsafe impl Sync for BadBlocks {}

impl BadBlocks {
    /// An empty list, enabled. `ENOMEM` if its page cannot be had.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: initialised here or not at all.
            bb <- Opaque::try_ffi_init(|slot: *mut bindings::badblocks| {
                // SAFETY: `slot` is valid for writes; zeroes are what the C side starts from.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is zeroed and pinned.
                to_result(unsafe { bindings::badblocks_init(slot, 1) })
            }),
        }? Error)
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::badblocks {
        self.bb.get()
    }

    /// Whether there is none: one load.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_badblocks_empty(self.as_raw()) }
    }

    /// The first run of bad sectors in `sector .. sector + len`, clipped to it at the front.
    pub fn first_in(&self, sector: u64, len: u64) -> Option<BadRange> {
        if self.is_empty() {
            return None;
        }
        let (mut first, mut count) = (0, 0);
        // SAFETY: by the type invariant.
        let found = unsafe {
            bindings::badblocks_check(self.as_raw(), sector, len, &mut first, &mut count)
        };
        (found != 0).then_some(BadRange {
            sector: first,
            len: count,
        })
    }

    /// Adds a run. `ENOSPC` if the list is full.
    pub fn set(&self, range: BadRange) -> Result {
        // SAFETY: by the type invariant.
        let done = unsafe { bindings::badblocks_set(self.as_raw(), range.sector, range.len, 1) };
        done.then_some(()).ok_or(ENOSPC)
    }

    /// Takes a run out. `ENOSPC` if that would split a run and the list is full.
    pub fn clear(&self, range: BadRange) -> Result {
        // SAFETY: by the type invariant.
        let done = unsafe { bindings::badblocks_clear(self.as_raw(), range.sector, range.len) };
        done.then_some(()).ok_or(ENOSPC)
    }
}

#[pinned_drop]
impl PinnedDrop for BadBlocks {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: by the type invariant; last use.
        unsafe { bindings::badblocks_exit(self.as_raw()) };
    }
}
