// SPDX-License-Identifier: GPL-2.0

//! `struct address_space_operations`, as a value.

use super::FileSystem;
use crate::bindings;
use core::marker::PhantomData;

/// A table of operations on the mappings of files of a `T`.
///
/// # Invariants
///
/// The callbacks may be called for any mapping whose host is an [`Inode<T>`](super::Inode).
pub struct Ops<T: FileSystem>(
    pub(crate) &'static bindings::address_space_operations,
    PhantomData<fn(T)>,
);

impl<T: FileSystem> Clone for Ops<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: FileSystem> Copy for Ops<T> {}

impl<T: FileSystem> Ops<T> {
    /// # Safety
    ///
    /// As the type invariant says.
    pub(crate) const unsafe fn new(ops: &'static bindings::address_space_operations) -> Self {
        Self(ops, PhantomData)
    }
}
