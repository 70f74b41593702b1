// SPDX-License-Identifier: GPL-2.0

//! Files without a name: what a descriptor is that an `ioctl()` returns.
//!
//! C source: [`fs/anon_inodes.c`](srctree/fs/anon_inodes.c)

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    fs::file::{
        flags,
        File, //
    },
    module::this_module,
    prelude::*,
    sync::{
        aref::ARef,
        poll::PollTable, //
    }, //
};

/// There is something to be read, or to be known.
pub const POLL_IN: u32 = bindings::RDAX_EPOLLIN;
/// Something urgent.
pub const POLL_PRI: u32 = bindings::RDAX_EPOLLPRI;
/// It is over.
pub const POLL_HUP: u32 = bindings::RDAX_EPOLLHUP;

/// What such a file does. Closing the last descriptor drops it.
///
/// Context of all: process context, may sleep, several tasks at the same time.
#[vtable]
pub trait Operations: Send + Sync + 'static {
    /// As in `/proc/PID/fd`, in brackets there.
    const NAME: &'static CStr;

    /// What there is now, of [`POLL_IN`] and the like, after registering with `table` who wakes.
    fn poll(&self, file: &File, table: PollTable<'_>) -> u32;

    /// Does what `cmd` says; `arg` is a number or an address in user space. `ENOTTY` if it is not
    /// known.
    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize>;
}

/// A new file, which has no descriptor yet; open for reading and writing.
pub fn new_file<T: Operations>(data: KBox<T>) -> Result<ARef<File>> {
    let data = KBox::into_raw(data);
    // SAFETY: the name is a C string; the table's functions expect a `T`.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile(
            T::NAME.as_char_ptr(),
            &OperationsVTable::<T>::VTABLE,
            data.cast(),
            flags::O_RDWR as c_int,
        )
    });
    let file = file.and_then(|file| NonNull::new(file).ok_or(ENOMEM));
    match file {
        // SAFETY: the reference is ours; nobody else knows the file. CAST: `File` is transparent.
        Ok(file) => Ok(unsafe { ARef::from_raw(file.cast()) }),
        Err(err) => {
            // SAFETY: made into a pointer above, and not taken.
            drop(unsafe { KBox::from_raw(data) });
            Err(err)
        }
    }
}

struct OperationsVTable<T>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    /// # Safety
    ///
    /// `file` is one of [`new_file::<T>`], and open for `'a`.
    unsafe fn data<'a>(file: *mut bindings::file) -> &'a T {
        // SAFETY: by this function's own requirement.
        unsafe { &*(*file).private_data.cast::<T>() }
    }

    /// # Safety
    ///
    /// `file` is one of [`new_file::<T>`], which nobody uses any more.
    unsafe extern "C" fn release_callback(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        drop(unsafe { KBox::from_raw((*file).private_data.cast::<T>()) });
        0
    }

    /// # Safety
    ///
    /// `file` is one of [`new_file::<T>`]; `table` is null or valid.
    unsafe extern "C" fn poll_callback(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: by this function's own requirement; it has no position.
        unsafe {
            let table = PollTable::from_raw(table);
            Self::data(file).poll(File::from_raw_file(file), table)
        }
    }

    /// # Safety
    ///
    /// `file` is one of [`new_file::<T>`].
    unsafe extern "C" fn ioctl_callback(
        file: *mut bindings::file,
        cmd: c_uint,
        arg: c_ulong,
    ) -> c_long {
        // SAFETY: by this function's own requirement.
        match unsafe { Self::data(file) }.ioctl(cmd, arg) {
            Ok(value) => value,
            Err(err) => err.to_errno() as c_long,
        }
    }

    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        release: Some(Self::release_callback),
        poll: Some(Self::poll_callback),
        unlocked_ioctl: Some(Self::ioctl_callback),
        compat_ioctl: bindings::compat_ptr_ioctl,
        llseek: Some(bindings::noop_llseek),
        ..pin_init::zeroed()
    };
}
