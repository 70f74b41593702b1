// SPDX-License-Identifier: GPL-2.0

//! The file that pages are of.

use super::{
    registry::{
        self,
        VTable, //
    },
    Memory,
    PageRange, //
};
use crate::{
    bindings,
    gate::Gate, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// A reference to an open file. With it the filesystem stays mounted, and its module where it is.
///
/// # Invariants
///
/// A `struct file` with a reference of our own, not within `fdget_pos()` without a lock.
pub(super) struct FileRef(NonNull<bindings::file>);

// SAFETY: references belong to no thread.
unsafe impl Send for FileRef {}
// SAFETY: as above; nothing of the file is changed through it.
unsafe impl Sync for FileRef {}

impl FileRef {
    /// # Safety
    ///
    /// A reference to `file` is handed over.
    pub(super) unsafe fn from_raw(file: NonNull<bindings::file>) -> Self {
        // INVARIANT: by this function's own requirement.
        Self(file)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.0.as_ptr()
    }

    fn inode(&self) -> *mut bindings::inode {
        // SAFETY: by the type invariant; the inode of a file stays.
        unsafe { (*self.as_ptr()).f_inode }
    }
}

impl Clone for FileRef {
    fn clone(&self) -> Self {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_get_file(self.as_ptr()) };
        Self(self.0)
    }
}

impl Drop for FileRef {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::fput(self.as_ptr()) };
    }
}

/// A file that has a gate; it derefs to that.
///
/// # Invariants
///
/// `vtable` is that of the file's type of filesystem.
#[derive(Clone)]
pub(super) struct Source {
    file: FileRef,
    vtable: &'static VTable,
}

impl Source {
    /// `None` if the filesystem is not one of those with gates.
    pub(super) fn of(file: &FileRef) -> Option<Self> {
        // SAFETY: by the type invariant of `FileRef`; a superblock's type stays.
        let fs_type = unsafe { (*(*file.inode()).i_sb).s_type };
        let vtable = registry::find(fs_type)?;
        // INVARIANT: found for this type just now; the file keeps it registered.
        Some(Self {
            file: file.clone(),
            vtable,
        })
    }

    /// Adds references to the pages of a range, from the first on; see [`super::file::pin`].
    pub(super) fn pin(&self, range: PageRange, memory: &mut Memory) -> Result {
        // SAFETY: by the type invariant.
        unsafe { (self.vtable.pin)(self.file.as_ptr(), range, memory) }
    }
}

impl Deref for Source {
    type Target = Gate;

    fn deref(&self) -> &Gate {
        // SAFETY: by the type invariant; the open file holds its inode.
        unsafe { (self.vtable.gate)(self.file.inode()).as_ref() }
    }
}
