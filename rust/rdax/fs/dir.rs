// SPDX-License-Identifier: GPL-2.0

//! `struct file_operations` of directories, and `struct dir_context`.
//!
//! C source: [`fs/readdir.c`](srctree/fs/readdir.c)

use super::{
    file::{
        self,
        File, //
    },
    ioctl,
    FileSystem,
    Inode, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    module::this_module,
    prelude::*,
    types::Opaque, //
};

/// What can be done with an open directory.
pub trait Operations: FileSystem + ioctl::Operations {
    /// Tells the entries from [`Context::pos`] on, until there are no more or no room is left.
    /// `i_rwsem` is held shared. May sleep.
    fn iterate(dir: &Inode<Self>, context: &mut Context) -> Result;

    /// Makes what has changed durable. May sleep.
    fn fsync_dir(dir: &Inode<Self>) -> Result;
}

/// What an entry stands for, as `getdents()` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryType(u8);

impl EntryType {
    /// From the `S_IF*` bits of a mode.
    pub fn from_mode(mode: u16) -> Self {
        Self((mode >> 12) as u8 & 0xf)
    }

    /// From a `DT_*`.
    pub fn from_raw(raw: u8) -> Self {
        Self(raw & 0xf)
    }
}

/// Where entries are told.
///
/// # Invariants
///
/// Valid and used by nobody else.
#[repr(transparent)]
pub struct Context(Opaque<bindings::dir_context>);

impl Context {
    /// Where to go on: 0 at first, then what [`Self::set_pos`] was last told, or what the user
    /// says. Never negative.
    pub fn pos(&self) -> u64 {
        // SAFETY: by the type invariant.
        u64::try_from(unsafe { (*self.0.get()).pos }).unwrap_or(0)
    }

    /// Sets where to go on, after an entry was told. At most `i64::MAX`.
    pub fn set_pos(&mut self, pos: u64) {
        // SAFETY: by the type invariant.
        unsafe { (*self.0.get()).pos = i64::try_from(pos).unwrap_or(i64::MAX) };
    }

    /// Tells one entry; `false` if there is no room.
    pub fn emit(&mut self, name: &[u8], ino: u64, kind: EntryType) -> bool {
        let Ok(len) = c_int::try_from(name.len()) else {
            return false;
        };
        // SAFETY: by the type invariant; so many bytes are read.
        unsafe {
            bindings::rdax_helper_dir_emit(self.0.get(), name.as_ptr(), len, ino, u32::from(kind.0))
        }
    }
}

impl<T: Operations> file::Ops<T> {
    /// For directories.
    // SAFETY: the callbacks are made for files of a `T`.
    pub const DIRECTORY: Self = unsafe { Self::new(&DirVTable::<T>::VTABLE) };
}

struct DirVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> DirVTable<T> {
    /// # Safety
    ///
    /// `file` is an open directory of a `T`, locked; `context` is not in use elsewhere.
    unsafe extern "C" fn iterate_shared_callback(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: by this function's own requirement. CAST: `Context` is transparent.
        let (file, context) =
            unsafe { (File::<T>::from_ptr(file), &mut *context.cast::<Context>()) };
        from_result(|| T::iterate(file.inode(), context).map(|()| 0))
    }

    /// # Safety
    ///
    /// `file` is an open directory of a `T`.
    unsafe extern "C" fn fsync_callback(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        _datasync: c_int,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let file = unsafe { File::<T>::from_ptr(file) };
        from_result(|| T::fsync_dir(file.inode()).map(|()| 0))
    }

    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        llseek: Some(bindings::generic_file_llseek),
        read: Some(bindings::generic_read_dir),
        iterate_shared: Some(Self::iterate_shared_callback),
        unlocked_ioctl: Some(ioctl::unlocked_ioctl_callback::<T>),
        compat_ioctl: bindings::compat_ptr_ioctl,
        fsync: Some(Self::fsync_callback),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };
}
