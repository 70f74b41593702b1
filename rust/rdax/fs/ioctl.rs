// SPDX-License-Identifier: GPL-2.0

//! `ioctl()` on files and directories.

use super::{
    File,
    FileSystem, //
};
use crate::bindings;
use kernel::prelude::*;

/// What a filesystem understands.
pub trait Operations: FileSystem {
    /// Does what `cmd` says; `arg` is a number or an address in user space. `ENOTTY` if it is not
    /// known. May sleep.
    fn ioctl(file: &File<Self>, cmd: u32, arg: usize) -> Result<isize>;
}

/// # Safety
///
/// `file` is an open file of a `T`.
pub(crate) unsafe extern "C" fn unlocked_ioctl_callback<T: Operations>(
    file: *mut bindings::file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    // SAFETY: by this function's own requirement.
    let file = unsafe { File::<T>::from_ptr(file) };
    match T::ioctl(file, cmd, arg) {
        Ok(value) => value,
        Err(err) => err.to_errno() as c_long,
    }
}

/// Whether the current task may administrate the system (`CAP_SYS_ADMIN`).
pub fn capable_admin() -> bool {
    // SAFETY: looks at the current task only.
    unsafe { bindings::rdax_helper_capable_admin() }
}
