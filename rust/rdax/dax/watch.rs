// SPDX-License-Identifier: GPL-2.0

//! Hearing of the last references to pages that are no file's any more.
//!
//! The kernel says so to who waits for the page, once, and in any context. A [`Watch`] waits for
//! one page at a time, on no thread, and looks after the others every 100 ms.
//!
//! C header: [`include/linux/wait_bit.h`](srctree/include/linux/wait_bit.h)

use super::Volume;
use crate::{
    bindings,
    delay::{
        self,
        Point, //
    },
    memremap::PAGE_SIZE, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    time::msecs_to_jiffies, //
};

/// How often pages are looked at, in milliseconds.
const PERIOD_MS: u32 = 100;

/// Somebody who waits for references to go.
pub trait Watcher: Send + Sync + 'static {
    /// Looks after all pages. Returns the byte of the volume where one is that still is referenced.
    ///
    /// Context: process context, sleeps. Never runs twice at the same time.
    fn look(&self) -> Option<u64>;

    /// The volume that the pages belong to.
    fn volume(&self) -> &Volume;
}

/// Calls a [`Watcher`] as long as there is something to wait for.
///
/// # Invariants
///
/// `watch` is what `rdax_helper_watch_create()` returned, with `watcher` as its argument.
pub struct Watch<W: Watcher> {
    watch: NonNull<bindings::rdax_watch>,
    watcher: NonNull<W>,
}

// SAFETY: the C functions may be called by any task, and the watcher is called by workers.
unsafe impl<W: Watcher> Send for Watch<W> {}
// SAFETY: as above.
unsafe impl<W: Watcher> Sync for Watch<W> {}

impl<W: Watcher> Watch<W> {
    /// One that does nothing yet.
    pub fn new(watcher: W) -> Result<Self> {
        let watcher = NonNull::from(KBox::leak(KBox::new(watcher, GFP_KERNEL)?));
        // SAFETY: allocates; the function wants a `W`, which is freed after the last call of it.
        let watch = unsafe {
            bindings::rdax_helper_watch_create(Some(Self::callback), watcher.as_ptr().cast())
        };
        let Some(watch) = NonNull::new(watch) else {
            // SAFETY: leaked above; nobody else has it.
            drop(unsafe { KBox::from_raw(watcher.as_ptr()) });
            return Err(ENOMEM);
        };
        // INVARIANT: created just now.
        Ok(Self { watch, watcher })
    }

    /// There is something to wait for. Any context.
    pub fn kick(&self) {
        // SAFETY: by the type invariant.
        unsafe {
            bindings::rdax_helper_watch_kick(self.watch.as_ptr(), msecs_to_jiffies(PERIOD_MS))
        };
    }

    /// # Safety
    ///
    /// `arg` is a `W`; called by `watch`, which is not being destroyed yet.
    unsafe extern "C" fn callback(watch: *mut bindings::rdax_watch, arg: *mut c_void) {
        // SAFETY: by this function's own requirement.
        let watcher = unsafe { &*arg.cast::<W>() };
        delay::point(Point::Sweep);
        let Some(at) = watcher.look() else {
            return;
        };
        let Ok(access) = watcher.volume().access() else {
            // Nobody will get these pages any more.
            return;
        };
        if let Ok(pfn) = access.pfn(at / PAGE_SIZE) {
            // SAFETY: `watch` calls us; while the device is alive pages have a memmap.
            unsafe {
                bindings::rdax_helper_watch_again(watch, pfn, msecs_to_jiffies(PERIOD_MS));
            }
        }
    }
}

impl<W: Watcher> Drop for Watch<W> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; this waits for a call in progress.
        unsafe { bindings::rdax_helper_watch_destroy(self.watch.as_ptr()) };
        // SAFETY: leaked in `new`, and nobody calls it any more.
        drop(unsafe { KBox::from_raw(self.watcher.as_ptr()) });
    }
}
