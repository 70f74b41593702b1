// SPDX-License-Identifier: GPL-2.0

//! `struct inode`.
//!
//! An inode and the filesystem's data for it are one allocation. A new inode ([`New`]) has no data
//! yet; an [`Inode`] always has.
//!
//! # Lock order
//!
//! `i_rwsem` of directories before that of files, parents before children (the VFS sees to it);
//! then `invalidate_lock`; then what the filesystem has of its own.
//!
//! C source: [`fs/inode.c`](srctree/fs/inode.c)

mod attr;
mod dir_ops;
mod lock;
mod new;
mod ops;

pub(crate) use self::new::{
    alloc_inode_callback,
    free_inode_callback,
    is_initialised,
    InodeCache, //
};
pub use self::{
    attr::{
        Flag,
        Flags, //
    },
    dir_ops::{
        DirOperations,
        Rename,
        RenameMode, //
    },
    lock::{
        ReadGuard,
        WriteGuard, //
    },
    new::{
        Fresh,
        Lookup,
        New,
        Owner,
        Unhashed, //
    },
    ops::{
        FiemapOperations,
        Operations,
        Ops, //
    }, //
};

use super::{
    FileSystem,
    SuperBlock, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    str::CString,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

/// The allocation: the inode first, so that a pointer to one is a pointer to the other.
#[repr(C)]
pub(crate) struct Storage<T: FileSystem> {
    inode: Opaque<bindings::inode>,
    data: UnsafeCell<MaybeUninit<T::InodeData>>,
    /// Where a symbolic link leads.
    link: UnsafeCell<Option<CString>>,
    /// Set once, by [`New::init`], before the inode can be found.
    initialised: UnsafeCell<bool>,
}

/// An inode of a `T`.
///
/// Fields that the VFS shares with the filesystem are read and written as the VFS does; who writes
/// one must hold the lock that its setter names, or readers see old and new values mixed.
///
/// # Invariants
///
/// A valid `struct inode` with a reference, the first part of a `Storage<T>` whose data is
/// initialised; its superblock is a [`SuperBlock<T>`].
#[repr(transparent)]
pub struct Inode<T: FileSystem>(Opaque<bindings::inode>, PhantomData<T>);

// SAFETY: an inode belongs to no thread; its data is `Send`.
unsafe impl<T: FileSystem> Send for Inode<T> {}
// SAFETY: shared access locks or is atomic; the data is `Sync`.
unsafe impl<T: FileSystem> Sync for Inode<T> {}

// SAFETY: `ihold()` and `iput()` count references.
unsafe impl<T: FileSystem> AlwaysRefCounted for Inode<T> {
    fn inc_ref(&self) {
        // SAFETY: by the type invariant there is a reference.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: the caller hands over a reference. CAST: `Self` is transparent.
        unsafe { bindings::iput(obj.cast().as_ptr()) };
    }
}

impl<T: FileSystem> Inode<T> {
    /// # Safety
    ///
    /// `ptr` is an initialised inode of a `T`, referenced for `'a`.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// What the filesystem keeps with it.
    pub fn data(&self) -> &T::InodeData {
        // CAST: by the type invariant the inode is the first part of a `Storage<T>`.
        let storage = self.as_ptr().cast::<Storage<T>>();
        // SAFETY: by the type invariant the data is initialised; nobody has it exclusively
        // before the last reference is gone.
        unsafe { (*(*storage).data.get()).assume_init_ref() }
    }

    /// The superblock.
    pub fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: by the type invariant; a superblock outlives its inodes.
        unsafe { SuperBlock::from_ptr((*self.as_ptr()).i_sb) }
    }
}
