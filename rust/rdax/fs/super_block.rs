// SPDX-License-Identifier: GPL-2.0

//! `struct super_block`.
//!
//! C source: [`fs/super.c`](srctree/fs/super.c)

use super::FileSystem;
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

/// A mounted volume of a `T`.
///
/// # Invariants
///
/// A valid superblock of type `T` whose `s_fs_info` is the raw pointer of an `Arc<T::SuperData>`
/// that it owns.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

// SAFETY: a superblock belongs to no thread.
unsafe impl<T: FileSystem> Send for SuperBlock<T> {}
// SAFETY: shared access reads what does not change, or calls C functions that lock.
unsafe impl<T: FileSystem> Sync for SuperBlock<T> {}

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// `ptr` is a superblock of a `T`, filled, and stays so for `'a`.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// What the filesystem keeps with it.
    pub fn data(&self) -> &T::SuperData {
        // SAFETY: by the type invariant; the `Arc` is dropped after the last inode and file.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<T::SuperData>() }
    }

    /// Whether it is mounted, or has become, read-only.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: by the type invariant; a remount may change the flags meanwhile.
        let flags = unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() };
        flags & bindings::RDAX_SB_RDONLY as usize != 0
    }
}
