// SPDX-License-Identifier: GPL-2.0

//! `struct super_block`.
//!
//! A superblock is [`New`] while the filesystem fills it, and has no data yet; then it is
//! [`Ready`], and inodes can be had.
//!
//! C source: [`fs/super.c`](srctree/fs/super.c)

mod fill;
mod ops;
mod statfs;

pub(crate) use self::ops::OperationsVTable;
pub use self::statfs::Statfs;

use super::{
    fs_type::Registration,
    inode::{
        self,
        Inode, //
    },
    FileSystem,
    Timespec, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A stage in a superblock's life.
pub trait Stage {}

/// It is being filled: no data, no inodes, not mounted.
pub struct New;

/// It has its data.
pub struct Ready;

impl Stage for New {}
impl Stage for Ready {}

/// A volume of a `T`.
///
/// # Invariants
///
/// A valid superblock of type `T`. If `S` is [`Ready`], `s_fs_info` is the raw pointer of an
/// `Arc<T::SuperData>` that it owns.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem, S: Stage = Ready>(
    Opaque<bindings::super_block>,
    PhantomData<(T, S)>,
);

// SAFETY: a superblock belongs to no thread.
unsafe impl<T: FileSystem, S: Stage> Send for SuperBlock<T, S> {}
// SAFETY: shared access reads what does not change, or calls C functions that lock.
unsafe impl<T: FileSystem, S: Stage> Sync for SuperBlock<T, S> {}

impl<T: FileSystem, S: Stage> SuperBlock<T, S> {
    /// # Safety
    ///
    /// `ptr` is a superblock of a `T` at stage `S` and stays so for `'a`.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// What the filesystem keeps for all its volumes.
    pub fn type_data(&self) -> &T::TypeData {
        // SAFETY: by the type invariant; a type in use stays registered.
        unsafe { Registration::<T>::of((*self.as_ptr()).s_type) }.data()
    }

    fn flags(&self) -> usize {
        // SAFETY: by the type invariant; a remount may change the flags meanwhile.
        unsafe { (&raw const (*self.as_ptr()).s_flags).read_volatile() }
    }

    /// Whether it is mounted, or has become, read-only.
    pub fn is_read_only(&self) -> bool {
        self.flags() & bindings::RDAX_SB_RDONLY != 0
    }

    /// Whether changed times may wait in memory.
    pub fn is_lazytime(&self) -> bool {
        self.flags() & bindings::RDAX_SB_LAZYTIME != 0
    }

    /// Whether its device takes no writes.
    pub fn device_is_read_only(&self) -> bool {
        // SAFETY: by the type invariant; the device is open as long as the superblock is.
        unsafe { bindings::rdax_helper_sb_bdev_read_only(self.as_ptr()) }
    }

    /// Its name in log messages, for example `pmem0`.
    pub fn id(&self) -> &CStr {
        // SAFETY: by the type invariant; terminated, and unchanged since the device was opened.
        unsafe { CStr::from_char_ptr((&raw const (*self.as_ptr()).s_id).cast()) }
    }

    /// The time now, as precise as inodes keep it.
    pub fn now(&self) -> Timespec {
        let mut now = bindings::timespec64::default();
        // SAFETY: valid for writes.
        unsafe { bindings::ktime_get_coarse_real_ts64(&mut now) };
        now.into()
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// What the filesystem keeps with it.
    pub fn data(&self) -> &T::SuperData {
        // SAFETY: by the type invariant; the `Arc` is dropped after the last inode and file.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<T::SuperData>() }
    }

    /// Waits until the volume is not frozen, and keeps it so: for changes that no system call
    /// has announced. Sleeps.
    pub fn internal_write(&self) -> InternalWrite<'_, T> {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_sb_start_intwrite(self.as_ptr()) };
        InternalWrite(self, NotThreadSafe)
    }

    /// Makes it read-only, as after an error. Writers that have begun are not waited for.
    pub fn set_read_only(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_sb_set_read_only(self.as_ptr()) };
    }

    /// Writes out what is dirty, then lets nobody write until [`Self::thaw`]. Sleeps.
    pub fn freeze(&self) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe { bindings::rdax_helper_sb_freeze(self.as_ptr()) })
    }

    /// Calls `f` for each inode that is in memory. Those that come meanwhile may be left out, and
    /// so are those that go.
    ///
    /// If the file is deleted while `f` has it, this ends its eviction, see
    /// [`FileSystem::unmap_inode`].
    ///
    /// Context: sleeps.
    pub fn for_each_inode(&self, mut f: impl FnMut(&Inode<T>)) {
        let mut inode = core::ptr::null_mut();
        loop {
            // SAFETY: by the type invariant; null, or the last answer with its reference, which
            // this gives back.
            inode = unsafe { bindings::rdax_helper_sb_next_inode(self.as_ptr(), inode) };
            if inode.is_null() {
                return;
            }
            // SAFETY: an inode of a `T`, which others can find.
            if unsafe { inode::is_initialised::<T>(inode) } {
                // SAFETY: initialised, and referenced until the next turn.
                f(unsafe { Inode::from_ptr(inode) });
            }
            // SAFETY: this may sleep.
            unsafe { bindings::rdax_helper_cond_resched() };
        }
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe { bindings::rdax_helper_sb_thaw(self.as_ptr()) })
    }
}

/// Keeps a volume from being frozen.
#[must_use = "dropping it lets the volume be frozen"]
pub struct InternalWrite<'a, T: FileSystem>(&'a SuperBlock<T>, NotThreadSafe);

impl<T: FileSystem> Drop for InternalWrite<'_, T> {
    fn drop(&mut self) {
        // SAFETY: begun by this task when the guard was made.
        unsafe { bindings::rdax_helper_sb_end_intwrite(self.0.as_ptr()) };
    }
}
