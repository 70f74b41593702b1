// SPDX-License-Identifier: GPL-2.0

//! `i_rwsem`.

use super::Inode;
use crate::{
    bindings,
    fs::FileSystem, //
};
use core::ops::Deref;
use kernel::types::NotThreadSafe;

impl<T: FileSystem> Inode<T> {
    fn rwsem(&self) -> *mut bindings::rw_semaphore {
        // SAFETY: by the type invariant; only the address is taken.
        unsafe { &raw mut (*self.as_ptr()).i_rwsem }
    }

    /// Takes `i_rwsem` exclusively. Sleeps.
    ///
    /// The VFS holds it already in the operations that say so.
    pub fn lock(&self) -> WriteGuard<'_, T> {
        // SAFETY: an initialised rwsem.
        unsafe { bindings::down_write(self.rwsem()) };
        WriteGuard(self, NotThreadSafe)
    }

    /// Takes `i_rwsem` exclusively unless that means waiting.
    pub fn try_lock(&self) -> Option<WriteGuard<'_, T>> {
        // SAFETY: an initialised rwsem.
        let locked = unsafe { bindings::down_write_trylock(self.rwsem()) } != 0;
        locked.then(|| WriteGuard(self, NotThreadSafe))
    }

    /// Takes `i_rwsem` shared. Sleeps.
    pub fn lock_shared(&self) -> ReadGuard<'_, T> {
        // SAFETY: an initialised rwsem.
        unsafe { bindings::down_read(self.rwsem()) };
        ReadGuard(self, NotThreadSafe)
    }

    /// Takes `i_rwsem` shared unless that means waiting.
    pub fn try_lock_shared(&self) -> Option<ReadGuard<'_, T>> {
        // SAFETY: an initialised rwsem.
        let locked = unsafe { bindings::down_read_trylock(self.rwsem()) } != 0;
        locked.then(|| ReadGuard(self, NotThreadSafe))
    }
}

/// `i_rwsem` of an inode, held exclusively.
#[must_use]
pub struct WriteGuard<'a, T: FileSystem>(&'a Inode<T>, NotThreadSafe);

impl<'a, T: FileSystem> WriteGuard<'a, T> {
    /// # Safety
    ///
    /// This task holds the lock. The result must not be dropped unless it is to release it.
    pub(crate) unsafe fn assume_held(inode: &'a Inode<T>) -> Self {
        Self(inode, NotThreadSafe)
    }
}

impl<T: FileSystem> Deref for WriteGuard<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.0
    }
}

impl<T: FileSystem> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this task took it when it made the guard.
        unsafe { bindings::up_write(self.0.rwsem()) };
    }
}

/// `i_rwsem` of an inode, held shared.
#[must_use]
pub struct ReadGuard<'a, T: FileSystem>(&'a Inode<T>, NotThreadSafe);

impl<T: FileSystem> Deref for ReadGuard<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.0
    }
}

impl<T: FileSystem> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this task took it when it made the guard.
        unsafe { bindings::up_read(self.0.rwsem()) };
    }
}
