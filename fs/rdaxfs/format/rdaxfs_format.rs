// SPDX-License-Identifier: GPL-2.0

//! The on-media format of rdaxfs, shared by the kernel module and the tools.
//!
//! `Documentation/on-media.rst` describes what these structures mean and in which order they reach
//! the medium; this crate only says how they look, and checks one structure at a time. Everything
//! is little endian. Whatever comes from a medium is untrusted: decoding never panics, and what
//! does not check out is a [`Bad`].

#![cfg_attr(not(CONFIG_RUST), no_std)]

mod bad;
mod blob;
mod crc;
mod dirent;
mod extent;
mod imap;
mod inode;
mod journal;
mod layout;
mod superblock;
#[cfg(test)]
mod tests;

pub use bad::{
    Bad,
    Result,
    Value, //
};
pub use blob::{
    Blob,
    BLOB_PAYLOAD, //
};
pub use crc::crc32c;
pub use dirent::{
    Dirent,
    DirentHead,
    DIRENT_HEAD,
    DIR_SLOT,
    DIR_SLOTS,
    NAME_MAX, //
};
pub use extent::{
    Extent,
    ExtentGroup,
    RawExtent,
    EXTENT_MAX_BLOCKS,
    GROUPS_PER_BLOCK,
    GROUP_EXTENTS, //
};
pub use imap::{
    ImapGroup,
    IMAP_GROUP_BLOCKS,
    IMAP_GROUP_SIZE, //
};
pub use inode::{
    DiskInode,
    DiskTime,
    InodeFlags,
    INLINE_BYTES,
    INLINE_EXTENTS,
    INODES_PER_BLOCK,
    INODE_SIZE,
    MODE_DIR,
    MODE_LNK,
    MODE_REG,
    MODE_TYPE, //
};
pub use journal::{
    EntryHead,
    SlotHead,
    ENTRY_HEAD,
    SLOT_HEAD,
    SLOT_PAYLOAD,
    SLOT_SIZE, //
};
pub use layout::Layout;
pub use superblock::{
    State,
    SuperBlock,
    FEATURES_COMPAT,
    FEATURES_INCOMPAT,
    FEATURES_RO_COMPAT,
    LABEL_MAX,
    MAGIC,
    SUPER_SIZE,
    VERSION, //
};

/// Bytes in a block.
pub const BLOCK_SIZE: u64 = 1 << BLOCK_SHIFT;
/// Shift from bytes to blocks.
pub const BLOCK_SHIFT: u32 = 12;
/// Blocks in a huge page (2 MiB).
pub const HUGE_BLOCKS: u64 = 512;
/// The largest file size in bytes: `MAX_LFS_FILESIZE` of a 64-bit kernel.
pub const MAX_FILE_SIZE: u64 = i64::MAX as u64;
/// The largest number of blocks of a volume (4 PiB).
pub const MAX_BLOCKS: u64 = 1 << 40;
/// The smallest number of blocks of a volume (8 MiB).
pub const MIN_BLOCKS: u64 = 2048;
/// The largest link count.
pub const LINK_MAX: u32 = i32::MAX as u32;
/// The longest target of a symbolic link in bytes, as `PATH_MAX` has it.
pub const SYMLINK_MAX: usize = 4095;
/// The largest extended attribute value in bytes, as the VFS has it.
pub const XATTR_VALUE_MAX: usize = 65536;
/// The most bytes that the attributes of one inode take in encoded form.
pub const XATTR_TOTAL_MAX: usize = 4 * XATTR_VALUE_MAX;

pub(crate) use bad::{
    ensure,
    ensure_eq,
    ensure_value, //
};
