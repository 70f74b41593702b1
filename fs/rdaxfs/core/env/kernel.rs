// SPDX-License-Identifier: GPL-2.0

//! The kernel: `kernel::alloc` and mutexes. Callers that hold locks which reclaim may want are in a
//! `memalloc_nofs` section.

use crate::{
    env::LockClass,
    Error,
    Result, //
};
use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    pin::Pin, //
};
use kernel::{
    alloc::{
        flags::GFP_KERNEL_ACCOUNT,
        Flags, //
    },
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            self,
            Relaxed, //
        },
        lock::mutex::MutexGuard,
        Mutex, //
    }, //
};

/// What users make the core keep is charged to them (`__GFP_ACCOUNT`): the extents and the indexes
/// of their files, and lists of the blocks that they hold.
const ACCOUNTED: Flags = GFP_KERNEL_ACCOUNT;

/// A vector that reports when memory runs out.
pub struct Vec<T>(KVVec<T>);

impl<T> Vec<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(KVVec::new())
    }

    /// Makes room for `more` elements.
    pub fn reserve(&mut self, more: usize) -> Result {
        self.0.reserve(more, ACCOUNTED).map_err(|_| Error::NoMemory)
    }

    /// Appends `value`.
    pub fn push(&mut self, value: T) -> Result {
        self.0.push(value, ACCOUNTED).map_err(|_| Error::NoMemory)
    }

    /// Takes the last element off.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Inserts `value` before element `at`, which is at most the length.
    pub fn insert(&mut self, at: usize, value: T) -> Result {
        self.reserve(1)?;
        let at = at.min(self.0.len());
        self.0
            .insert_within_capacity(at, value)
            .map_err(|_| Error::NoMemory)
    }

    /// Removes element `at`.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        self.0.remove(at).ok()
    }

    /// Drops all but the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Drops all elements.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Clone> Vec<T> {
    /// Makes it `len` elements long, with copies of `value` if it was shorter.
    pub fn resize(&mut self, len: usize, value: T) -> Result {
        self.0
            .resize(len, value, ACCOUNTED)
            .map_err(|_| Error::NoMemory)
    }

    /// Appends copies of the elements of `slice`.
    pub fn extend(&mut self, slice: &[T]) -> Result {
        self.0
            .extend_from_slice(slice, ACCOUNTED)
            .map_err(|_| Error::NoMemory)
    }
}

impl<T> Deref for Vec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Vec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// A lock that may sleep.
pub(crate) struct Lock<T>(Pin<KBox<Mutex<T>>>);

/// What a held [`Lock`] gives.
pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// A lock around `value`; each class is one to lockdep.
    pub(crate) fn new(value: T, class: LockClass) -> Result<Self> {
        let lock = match class {
            LockClass::InodeMap => {
                KBox::pin_init(new_mutex!(value, "rdaxfs::inode_map"), GFP_KERNEL)
            }
            LockClass::Slot => KBox::pin_init(new_mutex!(value, "rdaxfs::slot"), GFP_KERNEL),
            LockClass::Inodes => KBox::pin_init(new_mutex!(value, "rdaxfs::inodes"), GFP_KERNEL),
            LockClass::Busy => KBox::pin_init(new_mutex!(value, "rdaxfs::busy"), GFP_KERNEL),
            LockClass::Blocks => KBox::pin_init(new_mutex!(value, "rdaxfs::blocks"), GFP_KERNEL),
            LockClass::Super => KBox::pin_init(new_mutex!(value, "rdaxfs::super"), GFP_KERNEL),
        };
        lock.map(Self).map_err(|_| Error::NoMemory)
    }

    /// Takes the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock()
    }

    /// Takes the lock unless it is held.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock()
    }
}

/// A counter without order.
pub(crate) struct Atomic(atomic::Atomic<u64>);

impl Atomic {
    /// A counter that starts at `value`.
    pub(crate) fn new(value: u64) -> Self {
        Self(atomic::Atomic::new(value))
    }

    /// Its value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets it.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds to it and returns what it was.
    pub(crate) fn add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Relaxed)
    }

    /// Subtracts `value` from it if at least `rest` is left; returns whether it did.
    pub(crate) fn take(&self, value: u64, rest: u64) -> bool {
        let mut old = self.get();
        while let Some(left) = old.checked_sub(value).filter(|&left| left >= rest) {
            match self.0.cmpxchg(old, left, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    /// Subtracts from it.
    pub(crate) fn sub(&self, value: u64) {
        self.0.fetch_sub(value, Relaxed);
    }
}
