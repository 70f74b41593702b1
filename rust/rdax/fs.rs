// SPDX-License-Identifier: GPL-2.0

//! The VFS, for one filesystem type.
//!
//! A filesystem implements [`FileSystem`] and the `Operations` traits of the parts it has. Tables
//! of operations are values ([`inode::Ops`], [`file::Ops`], [`address_space::Ops`]) which it
//! attaches to each inode; so a symlink and a directory have different ones, as in C.
//!
//! Not supported: more than one block device, quotas, case folding, encryption.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h)

#![allow(dead_code)]

pub mod address_space;
pub mod file;
pub mod inode;
pub mod kiocb;
pub mod regular;
pub mod super_block;
pub mod time;

pub use self::{
    file::File,
    inode::Inode,
    kiocb::Kiocb,
    super_block::SuperBlock,
    time::Timespec, //
};

use kernel::prelude::*;

/// A type of filesystem: what it keeps with each superblock and inode.
pub trait FileSystem: Send + Sync + Sized + 'static {
    /// As in `/proc/filesystems`.
    const NAME: &'static CStr;

    /// What it keeps with a mounted volume, see [`SuperBlock::data`].
    type SuperData: Send + Sync;

    /// What it keeps with an inode, see [`Inode::data`]. Dropped after a grace period, where
    /// sleeping is not allowed.
    type InodeData: Send + Sync;
}
