// SPDX-License-Identifier: GPL-2.0

//! The operations of the filesystem, each with its sequence of stores.

mod attr;
mod create;
mod data;
mod lost;
mod rename;
mod shift;
mod space;
mod truncate;
mod unlink;
mod xattr;

pub use attr::AttrChange;
pub use create::NewInode;
pub(crate) use data::of_data;
pub use data::{
    Mapping,
    Span, //
};
pub use rename::{
    Rename,
    RenameKind, //
};
pub use xattr::XattrMode;

use rdaxfs_format::{
    DiskInode,
    DiskTime, //
};

/// The data, and with it the inode, has changed.
fn touch(disk: &mut DiskInode, now: DiskTime) {
    disk.mtime = now;
    disk.ctime = now;
}
