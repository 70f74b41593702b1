// SPDX-License-Identifier: GPL-2.0

//! The host: `std`.

extern crate std;

use crate::{
    env::LockClass,
    Error,
    Result, //
};
use std::{
    cell::Cell,
    ops::{
        Deref,
        DerefMut, //
    },
    sync::{
        atomic::{
            AtomicU64,
            Ordering, //
        },
        Mutex,
        MutexGuard,
        PoisonError,
        TryLockError, //
    },
};

std::thread_local! {
    /// Allocations of this thread until one fails; 0 is never.
    static ALLOCATIONS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Makes the `nth` allocation of this thread from now on fail (1 is the next one); 0 makes none
/// fail. Returns how many were left until then.
pub fn fail_allocation(nth: u64) -> u64 {
    ALLOCATIONS_LEFT.replace(nth)
}

fn may_allocate() -> Result {
    match ALLOCATIONS_LEFT.get() {
        0 => Ok(()),
        left => {
            ALLOCATIONS_LEFT.set(left - 1);
            (left > 1).then_some(()).ok_or(Error::NoMemory)
        }
    }
}

/// A vector that reports when memory runs out.
#[derive(Debug)]
pub struct Vec<T>(std::vec::Vec<T>);

impl<T> Vec<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(std::vec::Vec::new())
    }

    /// Makes room for `more` elements.
    pub fn reserve(&mut self, more: usize) -> Result {
        if more > self.0.capacity().saturating_sub(self.0.len()) {
            may_allocate()?;
        }
        self.0.try_reserve(more).map_err(|_| Error::NoMemory)
    }

    /// Appends `value`.
    pub fn push(&mut self, value: T) -> Result {
        self.reserve(1)?;
        self.0.push(value);
        Ok(())
    }

    /// Takes the last element off.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Inserts `value` before element `at`, which is at most the length.
    pub fn insert(&mut self, at: usize, value: T) -> Result {
        self.reserve(1)?;
        self.0.insert(at.min(self.0.len()), value);
        Ok(())
    }

    /// Removes element `at`.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        (at < self.0.len()).then(|| self.0.remove(at))
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
        self.reserve(len.saturating_sub(self.0.len()))?;
        self.0.resize(len, value);
        Ok(())
    }

    /// Appends copies of the elements of `slice`.
    pub fn extend(&mut self, slice: &[T]) -> Result {
        self.reserve(slice.len())?;
        self.0.extend_from_slice(slice);
        Ok(())
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
pub(crate) struct Lock<T>(Mutex<T>);

/// What a held [`Lock`] gives.
pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// A lock around `value`.
    pub(crate) fn new(value: T, _class: LockClass) -> Result<Self> {
        Ok(Self(Mutex::new(value)))
    }

    /// Takes the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock unless it is held.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A counter without order.
#[derive(Default)]
pub(crate) struct Atomic(AtomicU64);

impl Atomic {
    /// A counter that starts at `value`.
    pub(crate) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Its value.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to it and returns what it was.
    pub(crate) fn add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Ordering::Relaxed)
    }

    /// Subtracts `value` from it if at least `rest` is left; returns whether it did.
    pub(crate) fn take(&self, value: u64, rest: u64) -> bool {
        let left = |old: u64| old.checked_sub(value).filter(|&left| left >= rest);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok()
    }

    /// Subtracts from it.
    pub(crate) fn sub(&self, value: u64) {
        self.0.fetch_sub(value, Ordering::Relaxed);
    }
}
