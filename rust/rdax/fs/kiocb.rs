// SPDX-License-Identifier: GPL-2.0

//! `struct kiocb`: a read or write in progress, and what the VFS wants done around it.
//!
//! The kernel crate has one too, for files whose private data is a Rust object.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    inode,
    File,
    FileSystem,
    Inode, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};

/// A read or write in progress.
///
/// # Invariants
///
/// A valid `struct kiocb` of an open file of a `T`, of the task that has it.
pub struct Kiocb<'a, T: FileSystem> {
    raw: *mut bindings::kiocb,
    _file: PhantomData<&'a File<T>>,
}

impl<'a, T: FileSystem> Kiocb<'a, T> {
    /// # Safety
    ///
    /// `raw` is a kiocb of an open file of a `T`, valid and nobody else's as long as the result
    /// is used.
    pub(crate) unsafe fn from_ptr(raw: *mut bindings::kiocb) -> Self {
        // INVARIANT: by this function's own requirement.
        Self {
            raw,
            _file: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kiocb {
        self.raw
    }

    /// The file.
    pub fn file(&self) -> &'a File<T> {
        // SAFETY: by the type invariant; the operation holds the file.
        unsafe { File::from_ptr((*self.raw).ki_filp) }
    }

    /// The inode.
    pub fn inode(&self) -> &'a Inode<T> {
        self.file().inode()
    }

    /// The position in bytes.
    pub fn pos(&self) -> u64 {
        // SAFETY: by the type invariant.
        u64::try_from(unsafe { (*self.raw).ki_pos }).unwrap_or(0)
    }

    /// Sets the position.
    pub fn set_pos(&mut self, pos: u64) {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).ki_pos = i64::try_from(pos).unwrap_or(i64::MAX) };
    }

    fn has(&self, flag: i32) -> bool {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).ki_flags & flag != 0 }
    }

    /// Fail with `EAGAIN` rather than wait.
    pub fn is_nowait(&self) -> bool {
        self.has(bindings::RDAX_IOCB_NOWAIT)
    }

    /// What is written is durable when the operation returns: the operation, the file, the inode
    /// or the mount wants it so.
    pub fn is_dsync(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_iocb_is_dsync(self.raw) }
    }

    /// What is written goes to the end of the file.
    pub fn is_append(&self) -> bool {
        self.has(bindings::RDAX_IOCB_APPEND)
    }

    /// Without page cache.
    pub fn is_direct(&self) -> bool {
        self.has(bindings::RDAX_IOCB_DIRECT)
    }

    /// Moves the position of an appending write to the end, and cuts `from` at the limits of
    /// process, file and filesystem (`EFBIG`, `SIGXFSZ`); how many bytes are left.
    pub fn write_checks(
        &mut self,
        from: &mut IovIterSource<'_>,
        _lock: &inode::WriteGuard<'_, T>,
    ) -> Result<usize> {
        // SAFETY: by the type invariant; `from` is valid.
        let count = unsafe { bindings::generic_write_checks(self.raw, from.as_raw()) };
        usize::try_from(count).map_err(|_| Error::from_errno(count as c_int))
    }

    /// Takes set-user-ID and capabilities from the file and updates its times, before a write.
    ///
    /// `EAGAIN` if that would wait and the operation must not.
    pub fn modified(&self, _lock: &inode::WriteGuard<'_, T>) -> Result {
        // SAFETY: by the type invariant; the lock is held.
        to_result(unsafe { bindings::kiocb_modified(self.raw) })
    }
}

impl<T: FileSystem> inode::WriteGuard<'_, T> {
    /// Whether the file may become `size` bytes large: `EFBIG`, and `SIGXFSZ`, beyond the limit of
    /// the process or of the filesystem.
    pub fn check_new_size(&self, size: u64) -> Result {
        let size = i64::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: by the type invariant.
        to_result(unsafe { bindings::inode_newsize_ok(self.as_ptr(), size) })
    }
}

impl<T: FileSystem> File<T> {
    /// Updates the access time, if the mount wants it.
    pub fn accessed(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_file_accessed(self.as_ptr()) };
    }

    /// Updates the times of modification, as page faults do it. The filesystem must not be
    /// frozen.
    pub fn update_time(&self) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe { bindings::file_update_time(self.as_ptr()) })
    }

    /// Takes set-user-ID and capabilities from the file and updates its times.
    pub fn modified(&self, _lock: &inode::WriteGuard<'_, T>) -> Result {
        // SAFETY: by the type invariant; the lock is held.
        to_result(unsafe { bindings::file_modified(self.as_ptr()) })
    }

    /// `SEEK_SET`, `SEEK_CUR`, `SEEK_END`, and `SEEK_DATA` and `SEEK_HOLE` as if there were no
    /// holes.
    pub fn generic_llseek(&self, offset: i64, whence: i32) -> Result<u64> {
        // SAFETY: by the type invariant.
        seek_result(unsafe { bindings::generic_file_llseek(self.as_ptr(), offset, whence) })
    }

    /// Sets the position of the file, `EINVAL` beyond the filesystem's limit.
    pub fn set_pos(&self, pos: u64) -> Result<u64> {
        let pos = i64::try_from(pos).map_err(|_| EINVAL)?;
        // SAFETY: by the type invariant; a superblock outlives its files.
        seek_result(unsafe {
            let max = (*self.inode().sb().as_ptr()).s_maxbytes;
            bindings::vfs_setpos(self.as_ptr(), pos, max)
        })
    }
}

fn seek_result(pos: i64) -> Result<u64> {
    u64::try_from(pos).map_err(|_| Error::from_errno(pos as c_int))
}
