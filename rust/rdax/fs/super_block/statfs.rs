// SPDX-License-Identifier: GPL-2.0

//! What `statfs()` tells.
//!
//! C header: [`include/linux/statfs.h`](srctree/include/linux/statfs.h)

use super::SuperBlock;
use crate::{
    bindings,
    fs::FileSystem, //
};

/// How full a volume is, in blocks of the superblock's block size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statfs {
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks that anybody may use.
    pub blocks_available: u64,
    /// Inodes in all; those that could still be made count.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// The longest name, in bytes.
    pub name_max: u32,
}

impl Statfs {
    /// # Safety
    ///
    /// `buf` is valid for writes.
    pub(super) unsafe fn fill<T: FileSystem>(
        &self,
        sb: &SuperBlock<T>,
        buf: *mut bindings::kstatfs,
    ) {
        // SAFETY: by this function's own requirement.
        unsafe {
            let buf = &mut *buf;
            buf.f_type = (*sb.as_ptr()).s_magic as isize;
            buf.f_bsize = (*sb.as_ptr()).s_blocksize as isize;
            buf.f_frsize = buf.f_bsize;
            buf.f_blocks = self.blocks;
            buf.f_bfree = self.blocks_free;
            buf.f_bavail = self.blocks_available;
            buf.f_files = self.files;
            buf.f_ffree = self.files_free;
            buf.f_namelen = self.name_max as isize;
            bindings::rdax_helper_sb_fsid(sb.as_ptr(), &mut buf.f_fsid);
        }
    }
}
