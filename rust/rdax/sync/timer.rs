// SPDX-License-Identifier: GPL-2.0

//! Doing something once, after a while, on a worker.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    time::msecs_to_jiffies, //
};

/// What is done.
pub trait Expire: Send + Sync + 'static {
    /// The time is over.
    ///
    /// Context: process context, sleeps. Must not drop the [`Timer`].
    fn expire(&self);
}

/// A timer. Dropping it waits if it has expired and is at work; then nothing happens any more.
///
/// # Invariants
///
/// `work` is what `rdax_helper_watch_create()` returned, with `target` as its argument.
pub struct Timer<T: Expire> {
    work: NonNull<bindings::rdax_watch>,
    target: NonNull<T>,
}

// SAFETY: the C functions may be called by any task, and the target is called by workers.
unsafe impl<T: Expire> Send for Timer<T> {}
// SAFETY: as above.
unsafe impl<T: Expire> Sync for Timer<T> {}

impl<T: Expire> Timer<T> {
    /// One that is not running.
    pub fn new(target: T) -> Result<Self> {
        let target = NonNull::from(KBox::leak(KBox::new(target, GFP_KERNEL)?));
        // SAFETY: allocates; the function wants a `T`, which is freed after the last call of it.
        let work = unsafe {
            bindings::rdax_helper_watch_create(Some(Self::callback), target.as_ptr().cast())
        };
        let Some(work) = NonNull::new(work) else {
            // SAFETY: leaked above; nobody else has it.
            drop(unsafe { KBox::from_raw(target.as_ptr()) });
            return Err(ENOMEM);
        };
        // INVARIANT: created just now.
        Ok(Self { work, target })
    }

    /// Lets it expire in `ms` milliseconds, unless it is running.
    pub fn start(&self, ms: u32) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_watch_kick(self.work.as_ptr(), msecs_to_jiffies(ms)) };
    }

    /// # Safety
    ///
    /// `target` is a `T`.
    unsafe extern "C" fn callback(_work: *mut bindings::rdax_watch, target: *mut c_void) {
        // SAFETY: by this function's own requirement.
        unsafe { &*target.cast::<T>() }.expire();
    }
}

impl<T: Expire> Drop for Timer<T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; this waits for a call in progress.
        unsafe { bindings::rdax_helper_watch_destroy(self.work.as_ptr()) };
        // SAFETY: leaked in `new`, and nobody calls it any more.
        drop(unsafe { KBox::from_raw(self.target.as_ptr()) });
    }
}
