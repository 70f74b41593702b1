// SPDX-License-Identifier: GPL-2.0

//! `struct file_kattr`: what `chattr` and `FS_IOC_FSSETXATTR` set.
//!
//! C source: [`fs/file_attr.c`](srctree/fs/file_attr.c)

use crate::bindings;
use kernel::impl_flags;

impl_flags!(
    /// Attributes that users set, and some that they can only read.
    #[derive(Debug, Clone, Default, Copy, PartialEq, Eq)]
    pub struct XFlags(u32);

    /// One of [`XFlags`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum XFlag {
        /// It cannot be changed.
        Immutable = bindings::FS_XFLAG_IMMUTABLE,
        /// It can only be appended to.
        Append = bindings::FS_XFLAG_APPEND,
        /// All writes are synchronous.
        Sync = bindings::FS_XFLAG_SYNC,
        /// Access times are not kept.
        NoAtime = bindings::FS_XFLAG_NOATIME,
        /// Backups leave it out.
        NoDump = bindings::FS_XFLAG_NODUMP,
        /// Without page cache.
        Dax = bindings::FS_XFLAG_DAX,
        /// It has extended attributes; cannot be set.
        HasAttr = bindings::FS_XFLAG_HASATTR,
    }
);

impl XFlags {
    /// From the bits of `struct fsxattr`; may have more than [`XFlag`] knows.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// Attributes that a user sets, checked by the VFS for privileges.
#[derive(Clone, Copy, Debug)]
pub struct FileAttr {
    /// All flags that it shall have.
    pub flags: XFlags,
    /// Whether anything was asked for that has no place in `flags`: other `FS_*_FL` flags, a
    /// project, an extent size.
    pub has_others: bool,
}
