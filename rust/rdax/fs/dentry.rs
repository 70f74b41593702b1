// SPDX-License-Identifier: GPL-2.0

//! `struct dentry`: a name in a directory, in the operations on that directory.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    FileSystem,
    Inode, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

/// A name and what it stands for.
///
/// # Invariants
///
/// A valid dentry of a `T`, whose name cannot change: its directory is locked, or it is being
/// looked up.
#[repr(transparent)]
pub struct Dentry<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

impl<T: FileSystem> Dentry<T> {
    /// # Safety
    ///
    /// For `'a`, `ptr` is as the type invariant says.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The name, without a terminator. Not necessarily short enough for the filesystem.
    pub fn name(&self) -> &[u8] {
        // SAFETY: by the type invariant; `name` points to `len` bytes.
        unsafe {
            let name = &(*self.0.get()).__bindgen_anon_1.d_name;
            let len = name.__bindgen_anon_1.__bindgen_anon_1.len as usize;
            core::slice::from_raw_parts(name.name, len)
        }
    }

    /// The inode that the name stands for, if there is one.
    pub fn inode(&self) -> Option<&Inode<T>> {
        // SAFETY: by the type invariant; a dentry in use keeps its inode.
        unsafe {
            let inode = (&raw const (*self.0.get()).d_inode).read_volatile();
            (!inode.is_null()).then(|| Inode::from_ptr(inode))
        }
    }
}
