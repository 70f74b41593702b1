// SPDX-License-Identifier: GPL-2.0

//! `struct file`, and `struct file_operations` as a value.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    FileSystem,
    Inode, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

/// An open file of a `T`.
///
/// # Invariants
///
/// A valid `struct file` whose inode is an [`Inode<T>`].
#[repr(transparent)]
pub struct File<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> File<T> {
    /// # Safety
    ///
    /// `ptr` is an open file of a `T` and stays so for `'a`.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::file) -> &'a Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// The inode.
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: by the type invariant; an open file holds its inode.
        unsafe { Inode::from_ptr((*self.as_ptr()).f_inode) }
    }

    /// The `O_*` flags.
    pub fn flags(&self) -> u32 {
        // SAFETY: by the type invariant. `fcntl()` may change them meanwhile.
        unsafe { (&raw const (*self.as_ptr()).f_flags).read_volatile() }
    }
}

/// A table of operations on files of a `T`.
///
/// # Invariants
///
/// The callbacks may be called for any open file whose inode is an [`Inode<T>`].
pub struct Ops<T: FileSystem>(
    pub(crate) &'static bindings::file_operations,
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
    pub(crate) const unsafe fn new(ops: &'static bindings::file_operations) -> Self {
        Self(ops, PhantomData)
    }
}
