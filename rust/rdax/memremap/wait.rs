// SPDX-License-Identifier: GPL-2.0

//! Waiting for pages that somebody still uses, and saying so.

use crate::bindings;
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long to sleep on one page before looking at the whole picture again, in milliseconds.
const WAIT_STEP: u32 = 1000;
/// How long to wait for an inode that is being evicted right now, in milliseconds.
const EVICTION_STEP: i64 = 10;
/// Seconds between two log lines of one wait.
const REPORT_SECONDS: i64 = 10;

/// Waits until nobody references the folio of page frame `pfn`, a second at most; whether that came
/// to pass.
///
/// Context: sleeps.
///
/// # Safety
///
/// The page frame has a memmap meanwhile.
pub(crate) unsafe fn wait_unreferenced(pfn: u64) -> bool {
    // SAFETY: by this function's own requirement.
    unsafe {
        bindings::rdax_helper_wait_folio_unreferenced(pfn, msecs_to_jiffies(WAIT_STEP) as isize)
    }
}

/// Waits a moment: for a page that nobody references, yet which is in a file that could not be had.
/// It is being evicted, or shared, and neither has an event to wait for.
///
/// Context: sleeps.
pub(crate) fn wait_eviction() {
    fsleep(Delta::from_millis(EVICTION_STEP));
}

/// Says every ten seconds what is waited for.
pub(crate) struct Reports {
    begun: Instant<Monotonic>,
    /// Seconds after that.
    last: i64,
}

impl Reports {
    /// The wait begins.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            last: 0,
        }
    }

    /// Page frame `pfn` of `name` is in use; says so if it is time.
    pub(crate) fn busy(&mut self, name: &CStr, pfn: u64) {
        let waited = self.begun.elapsed().as_millis() / 1000;
        if waited >= self.last.saturating_add(REPORT_SECONDS) {
            self.last = waited;
            pr_info!(
                "{}: page frame {:#x} is still in use after {} s\n",
                name,
                pfn,
                waited
            );
        }
    }
}
