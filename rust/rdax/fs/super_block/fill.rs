// SPDX-License-Identifier: GPL-2.0

//! What a filesystem says about a volume when it is mounted.

use super::{
    New,
    SuperBlock, //
};
use crate::{
    bindings,
    fs::FileSystem, //
};
use kernel::prelude::*;

impl<T: FileSystem> SuperBlock<T, New> {
    /// The volume's magic number, as `statfs()` tells it.
    pub fn set_magic(&self, magic: u32) {
        // SAFETY: nobody else uses the superblock yet; so below.
        unsafe { (*self.as_ptr()).s_magic = magic as usize };
    }

    /// The size of a block in bytes: a power of two, a sector or more.
    pub fn set_block_size(&self, bytes: u32) -> Result {
        let bytes = c_int::try_from(bytes)?;
        // SAFETY: as above.
        match unsafe { bindings::sb_set_blocksize(self.as_ptr(), bytes) } {
            0 => Err(EINVAL),
            _ => Ok(()),
        }
    }

    /// How many names a file can have.
    pub fn set_max_links(&self, links: u32) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).s_max_links = links };
    }

    /// The size of the largest file, in bytes.
    pub fn set_max_size(&self, bytes: u64) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).s_maxbytes = i64::try_from(bytes).unwrap_or(i64::MAX) };
    }

    /// The earliest and latest times that it can keep, in seconds since 1970; to the nanosecond.
    pub fn set_time_range(&self, min: i64, max: i64) {
        // SAFETY: as above.
        unsafe {
            let sb = self.as_ptr();
            (*sb).s_time_gran = 1;
            (*sb).s_time_min = min;
            (*sb).s_time_max = max;
        }
    }

    /// The volume's UUID, which is also its name in `/sys/fs`.
    pub fn set_uuid(&self, uuid: &[u8; 16]) {
        // SAFETY: as above; 16 bytes are read.
        unsafe { bindings::rdax_helper_super_set_uuid(self.as_ptr(), uuid.as_ptr(), 16) };
    }

    /// It has POSIX access control lists; so the filesystem applies the umask, see
    /// [`inherit_acl`](crate::fs::Inode::inherit_acl).
    pub fn set_posix_acl(&self) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).s_flags |= bindings::RDAX_SB_POSIXACL };
    }

    /// Mounts it read-only, whatever was asked for.
    pub fn set_read_only(&self) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).s_flags |= bindings::RDAX_SB_RDONLY };
    }
}
