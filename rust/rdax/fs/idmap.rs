// SPDX-License-Identifier: GPL-2.0

//! `struct mnt_idmap`: how a mount shows owners.
//!
//! C source: [`fs/mnt_idmapping.c`](srctree/fs/mnt_idmapping.c)

use crate::bindings;
use core::marker::PhantomData;

/// The mapping of the mount through which a file was found.
///
/// # Invariants
///
/// The pointer is valid for `'a`.
#[derive(Clone, Copy)]
pub struct Idmap<'a>(*mut bindings::mnt_idmap, PhantomData<&'a ()>);

impl Idmap<'_> {
    /// # Safety
    ///
    /// `ptr` is valid for the lifetime of the result.
    pub(crate) unsafe fn from_ptr(ptr: *mut bindings::mnt_idmap) -> Self {
        // INVARIANT: by this function's own requirement.
        Self(ptr, PhantomData)
    }

    pub(crate) fn as_ptr(self) -> *mut bindings::mnt_idmap {
        self.0
    }
}
