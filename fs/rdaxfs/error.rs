// SPDX-License-Identifier: GPL-2.0

//! Errors of the core as the kernel's.

use core::fmt::Display as _;
use kernel::{
    fmt,
    prelude::*, //
};
use rdaxfs_core::Error as CoreError;

/// What the core returns.
pub(crate) type CoreResult<T = ()> = rdaxfs_core::Result<T>;

/// What is corrupt, for messages: the kernel has a trait of its own for what can be shown.
pub(crate) struct Corrupt(pub(crate) rdaxfs_core::Corrupt);

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an error.
pub(crate) fn errno(error: CoreError) -> Error {
    match error {
        CoreError::Io | CoreError::Poison | CoreError::Shutdown => EIO,
        CoreError::Corrupt(_) => EUCLEAN,
        CoreError::NoSpace => ENOSPC,
        CoreError::NoMemory => ENOMEM,
        CoreError::NotFound => ENOENT,
        CoreError::Exists => EEXIST,
        CoreError::NotEmpty => ENOTEMPTY,
        CoreError::NameTooLong => ENAMETOOLONG,
        CoreError::TooManyLinks => EMLINK,
        CoreError::TooBig => EFBIG,
        CoreError::Invalid => EINVAL,
        CoreError::NoAttribute => ENODATA,
        CoreError::Range => ERANGE,
        CoreError::Stale => ESTALE,
        CoreError::ReadOnly => EROFS,
        CoreError::Interrupted => EINTR,
    }
}

/// An error of the device as the core knows it: but for poison, it cannot be accessed at all.
pub(crate) fn from_kernel(error: Error) -> CoreError {
    match error {
        EHWPOISON => CoreError::Poison,
        ENOMEM => CoreError::NoMemory,
        _ => CoreError::Io,
    }
}
