// SPDX-License-Identifier: GPL-2.0

//! The fields of an inode that the VFS knows.

use super::{
    Fresh,
    Inode, //
};
use crate::{
    bindings,
    fs::{
        FileSystem,
        Timespec, //
    }, //
};
use kernel::impl_flags;

impl_flags!(
    /// The VFS's flags of an inode.
    #[derive(Debug, Clone, Default, Copy, PartialEq, Eq)]
    pub struct Flags(u32);

    /// One of [`Flags`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Flag {
        /// Write synchronously.
        Sync = bindings::S_SYNC,
        /// Do not update access times.
        NoAtime = bindings::S_NOATIME,
        /// Only append.
        Append = bindings::S_APPEND,
        /// Do not change at all.
        Immutable = bindings::S_IMMUTABLE,
        /// No page cache: reads, writes and mappings go to the device's memory.
        Dax = bindings::S_DAX,
        /// It has no `security.capability`, so a write need not look.
        NoSec = bindings::S_NOSEC,
    }
);

/// Reads a field that may change meanwhile.
macro_rules! read {
    ($inode:expr, $($field:tt)+) => {{
        let inode = $inode.as_ptr();
        // SAFETY: by the type invariant of `Inode`; a plain integer.
        unsafe { (&raw const (*inode).$($field)+).read_volatile() }
    }};
}

/// Writes a field that others may read meanwhile.
macro_rules! write {
    ($inode:expr, $value:expr, $($field:tt)+) => {{
        let (inode, value) = ($inode.as_ptr(), $value);
        // SAFETY: by the type invariant of `Inode`; a plain integer.
        unsafe { (&raw mut (*inode).$($field)+).write_volatile(value) }
    }};
}

impl<T: FileSystem> Inode<T> {
    /// The inode number.
    pub fn ino(&self) -> u64 {
        read!(self, i_ino)
    }

    /// Tells inodes apart that had the same number one after the other.
    pub fn generation(&self) -> u32 {
        read!(self, i_generation)
    }

    /// Sets the generation, before the inode is initialised or under `i_rwsem`.
    pub fn set_generation(&self, generation: u32) {
        write!(self, generation, i_generation);
    }

    /// Type and permissions, `S_IF*` included.
    pub fn mode(&self) -> u16 {
        read!(self, i_mode)
    }

    /// Sets the permissions, under `i_rwsem`. The type stays, whatever `mode` says: operations and
    /// dentries were chosen by it.
    pub fn set_permissions(&self, mode: u16) {
        const TYPE: u16 = bindings::S_IFMT as u16;
        write!(self, self.mode() & TYPE | mode & !TYPE, i_mode);
    }

    fn is_type(&self, format: u32) -> bool {
        u32::from(self.mode()) & bindings::S_IFMT == format
    }

    /// Is it a directory?
    pub fn is_dir(&self) -> bool {
        self.is_type(bindings::S_IFDIR)
    }

    /// Is it a regular file?
    pub fn is_reg(&self) -> bool {
        self.is_type(bindings::S_IFREG)
    }

    /// Is it a symbolic link?
    pub fn is_symlink(&self) -> bool {
        self.is_type(bindings::S_IFLNK)
    }

    /// The owner, in the filesystem's user namespace; `u32::MAX` if it has no number there.
    pub fn uid(&self) -> u32 {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_i_uid_read(self.as_ptr()) }
    }

    /// The group, in the filesystem's user namespace; `u32::MAX` if it has no number there.
    pub fn gid(&self) -> u32 {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_i_gid_read(self.as_ptr()) }
    }

    /// Sets owner and group, under `i_rwsem`.
    pub fn set_owner(&self, uid: u32, gid: u32) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_i_owner_write(self.as_ptr(), uid, gid) };
    }

    /// The number of names.
    pub fn nlink(&self) -> u32 {
        read!(self, __bindgen_anon_1.__i_nlink)
    }

    /// Sets the number of names, under `i_rwsem`.
    pub fn set_nlink(&self, nlink: u32) {
        // SAFETY: by the type invariant.
        unsafe { bindings::set_nlink(self.as_ptr(), nlink) };
    }

    /// One name more; under `i_rwsem`.
    pub fn inc_nlink(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::inc_nlink(self.as_ptr()) };
    }

    /// One name less; under `i_rwsem`. There must be one.
    pub fn drop_nlink(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::drop_nlink(self.as_ptr()) };
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        // SAFETY: by the type invariant.
        let size = unsafe { bindings::rdax_helper_i_size_read(self.as_ptr()) };
        u64::try_from(size).unwrap_or(0)
    }

    /// Sets the size in bytes, under `i_rwsem`, held exclusively. At most `i64::MAX`.
    ///
    /// What was written before is visible to who reads the new size.
    pub fn set_size(&self, size: u64) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_i_size_write(self.as_ptr(), size) };
    }

    /// How many sectors of 512 bytes it takes.
    pub fn blocks(&self) -> u64 {
        read!(self, i_blocks)
    }

    /// Sets how many sectors of 512 bytes it takes.
    pub fn set_blocks(&self, sectors: u64) {
        write!(self, sectors, i_blocks);
    }

    /// When it was last read.
    pub fn atime(&self) -> Timespec {
        Timespec {
            secs: read!(self, i_atime_sec),
            nanos: read!(self, i_atime_nsec),
        }
    }

    /// Sets when it was last read.
    pub fn set_atime(&self, time: Timespec) {
        write!(self, time.secs, i_atime_sec);
        write!(self, time.nanos, i_atime_nsec);
    }

    /// When its content last changed.
    pub fn mtime(&self) -> Timespec {
        Timespec {
            secs: read!(self, i_mtime_sec),
            nanos: read!(self, i_mtime_nsec),
        }
    }

    /// Sets when its content last changed; under `i_rwsem`.
    pub fn set_mtime(&self, time: Timespec) {
        write!(self, time.secs, i_mtime_sec);
        write!(self, time.nanos, i_mtime_nsec);
    }

    /// When it last changed in any way.
    pub fn ctime(&self) -> Timespec {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_inode_get_ctime(self.as_ptr()) }.into()
    }

    /// Sets when it last changed in any way; under `i_rwsem`.
    pub fn set_ctime(&self, time: Timespec) {
        // SAFETY: by the type invariant.
        unsafe { bindings::inode_set_ctime_to_ts(self.as_ptr(), time.into()) };
    }

    /// Sets that to now, which is returned; under `i_rwsem`.
    pub fn set_ctime_current(&self) -> Timespec {
        // SAFETY: by the type invariant.
        unsafe { bindings::inode_set_ctime_current(self.as_ptr()) }.into()
    }

    /// The VFS's flags.
    pub fn has_flag(&self, flag: Flag) -> bool {
        read!(self, i_flags) & flag as u32 != 0
    }

    /// Sets those of the `mask` that are in `flags`, clears the others of it; under `i_rwsem`.
    ///
    /// [`Flag::Dax`] stays as it is: it says what the entries of the mapping are. See
    /// [`Fresh::set_dax`].
    pub fn set_flags(&self, flags: Flags, mask: Flags) {
        const DAX: u32 = Flag::Dax as u32;
        let mask = u32::from(mask) & !DAX;
        // SAFETY: by the type invariant of `Inode` it is valid; the C side changes bits of `mask`
        // alone, of which `flags` has to be a part.
        unsafe { bindings::inode_set_flags(self.as_ptr(), u32::from(flags) & mask, mask) };
    }
}

impl<T: FileSystem> Fresh<T> {
    /// Sets type and permissions.
    ///
    /// The type of an inode that others can find does not change:
    ///
    /// ```compile_fail,E0599
    /// # use rdax::fs::{FileSystem, Inode};
    /// fn change<T: FileSystem>(inode: &Inode<T>) {
    ///     inode.set_mode(0o100644);
    /// }
    /// ```
    pub fn set_mode(&mut self, mode: u16) {
        write!(self, mode, i_mode);
    }

    /// Says that reads, writes and mappings go to the device's memory. What has the operations of
    /// [`regular`](crate::fs::regular) cannot be opened without. It stays so:
    ///
    /// ```compile_fail,E0599
    /// # use rdax::fs::{FileSystem, Inode};
    /// fn change<T: FileSystem>(inode: &Inode<T>) {
    ///     inode.set_dax();
    /// }
    /// ```
    pub fn set_dax(&mut self) {
        const DAX: u32 = Flag::Dax as u32;
        // SAFETY: by the type invariant of `Inode` it is valid; its mapping is empty, as nobody
        // else has the inode before it is published.
        unsafe { bindings::inode_set_flags(self.as_ptr(), DAX, DAX) };
    }
}
