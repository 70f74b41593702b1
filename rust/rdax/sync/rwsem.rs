// SPDX-License-Identifier: GPL-2.0

//! `struct rw_semaphore`: many readers or one writer, who may sleep.
//!
//! Readers may not nest: a writer that waits in between would block the inner one.
//!
//! # Examples
//!
//! ```
//! # use kernel::prelude::*;
//! # use rdax::new_rwsem;
//! let sizes = KBox::pin_init(new_rwsem!(KVec::<u64>::new(), "sizes"), GFP_KERNEL)?;
//! sizes.write().push(1, GFP_KERNEL)?;
//! pr_info!("{}\n", sizes.read().len());
//! ```
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use crate::bindings;
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
    pin::Pin, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};
use pin_init::Wrapper;

/// A value behind a `struct rw_semaphore`. Make it with [`new_rwsem!`](crate::new_rwsem).
#[pin_data]
pub struct RwSem<T> {
    #[pin]
    sem: Opaque<bindings::rw_semaphore>,
    #[pin]
    data: UnsafeCell<T>,
}

// SAFETY: a semaphore belongs to no thread, so this may go where its value may.
unsafe impl<T: Send> Send for RwSem<T> {}
// SAFETY: a writer has the value to itself, readers share it.
unsafe impl<T: Send + Sync> Sync for RwSem<T> {}

impl<T> RwSem<T> {
    /// An unlocked semaphore; `name` and `key` are what lockdep knows it by.
    pub fn new(
        value: impl PinInit<T>,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            sem <- Opaque::ffi_init(|slot: *mut bindings::rw_semaphore| {
                // SAFETY: `slot` is valid for writes and pinned; name and key are static.
                unsafe { bindings::__init_rwsem(slot, name.as_char_ptr(), key.as_ptr()) };
            }),
            data <- UnsafeCell::pin_init(value),
        })
    }

    /// Takes it shared. Sleeps.
    pub fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: initialised in `new`.
        unsafe { bindings::down_read(self.sem.get()) };
        ReadGuard(self, NotThreadSafe)
    }

    /// Takes it shared unless that means waiting.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        // SAFETY: initialised in `new`.
        let locked = unsafe { bindings::down_read_trylock(self.sem.get()) } != 0;
        locked.then(|| ReadGuard(self, NotThreadSafe))
    }

    /// Takes it exclusively. Sleeps.
    pub fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: initialised in `new`.
        unsafe { bindings::down_write(self.sem.get()) };
        WriteGuard(self, NotThreadSafe)
    }

    /// Takes it exclusively while another of its class is held; `subclass` tells them apart to
    /// lockdep, below 8. Sleeps.
    pub fn write_nested(&self, subclass: u32) -> WriteGuard<'_, T> {
        // SAFETY: initialised in `new`.
        unsafe { bindings::rdax_helper_down_write_nested(self.sem.get(), subclass) };
        WriteGuard(self, NotThreadSafe)
    }

    /// Takes it exclusively; `EINTR` if a fatal signal comes first. Sleeps.
    pub fn write_killable(&self) -> Result<WriteGuard<'_, T>> {
        // SAFETY: initialised in `new`.
        to_result(unsafe { bindings::down_write_killable(self.sem.get()) })?;
        Ok(WriteGuard(self, NotThreadSafe))
    }

    /// Takes it exclusively unless that means waiting.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        // SAFETY: initialised in `new`.
        let locked = unsafe { bindings::down_write_trylock(self.sem.get()) } != 0;
        locked.then(|| WriteGuard(self, NotThreadSafe))
    }
}

/// An [`RwSem`], held shared.
///
/// # Invariants
///
/// The task that has the guard holds the semaphore shared.
#[must_use = "dropping the guard gives the lock back"]
pub struct ReadGuard<'a, T>(&'a RwSem<T>, NotThreadSafe);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type invariant there is no writer.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::up_read(self.0.sem.get()) };
    }
}

/// An [`RwSem`], held exclusively.
///
/// # Invariants
///
/// The task that has the guard holds the semaphore exclusively.
#[must_use = "dropping the guard gives the lock back"]
pub struct WriteGuard<'a, T>(&'a RwSem<T>, NotThreadSafe);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type invariant nobody else has the value.
        unsafe { &*self.0.data.get() }
    }
}

impl<T: Unpin> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the type invariant nobody else has the value.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::up_write(self.0.sem.get()) };
    }
}

/// Initialiser of an [`RwSem`] with a lockdep class of its own.
#[macro_export]
macro_rules! new_rwsem {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::RwSem::new(
            $inner, ::kernel::optional_name!($($name)?), ::kernel::static_lock_class!())
    };
}
