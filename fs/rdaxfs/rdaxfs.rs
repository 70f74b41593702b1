// SPDX-License-Identifier: GPL-2.0

//! rdaxfs: a crash-consistent DAX filesystem.
//!
//! What is durable, and in which order, is decided in the core (`rdaxfs_core`). This is the glue
//! between it and the VFS: `super` mounts, `inode` gives inodes to the VFS, `namei` and `dir` have
//! the names, `attr`, `xattr`, `acl` and `ioctl` the rest of metadata; `file`, `iomap`, `fault`,
//! `truncate` and `fallocate` the data; `failure` hears when the device fails.
//!
//! # Lock order
//!
//! See `node`.

mod acl;
mod attr;
mod dir;
mod error;
mod export;
mod failure;
mod fallocate;
mod fault;
mod file;
mod inode;
mod ioctl;
mod iomap;
mod lost;
mod medium;
mod mount;
mod namei;
mod node;
mod options;
mod stamp;
mod stats;
mod super_block;
mod truncate;
mod unfreed;
mod xattr;

use kernel::{
    debugfs::Dir,
    prelude::*, //
};
use rdax::fs::Registration;

module! {
    type: Module,
    name: "rdaxfs",
    authors: ["The rdax authors"],
    description: "Crash-consistent DAX filesystem for persistent memory",
    license: "GPL",
    alias: ["fs-rdaxfs"],
}

/// The type of filesystem.
pub(crate) struct Rdaxfs;

#[pin_data]
struct Module {
    #[pin]
    _registration: Registration<Rdaxfs>,
}

impl kernel::InPlaceModule for Module {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _registration <- Registration::new(Dir::new(c"rdaxfs")),
        })
    }
}
