// SPDX-License-Identifier: GPL-2.0

//! What rdaxfs stores on the medium, and in which order.
//!
//! This crate knows no kernel type: it runs in the kernel module, in `mkfs.rdaxfs` and
//! `fsck.rdaxfs`, and under the crash-state enumeration of the host tests. Its user keeps [`Node`]s
//! apart (a lock around each), everything else may be called by many tasks at once.
//!
//! Begin reading at [`Volume`]; [`journal`](self) says why operations are atomic, `ops/` has one
//! file for each kind of operation, `Documentation/consistency.rst` the whole argument.

#![cfg_attr(not(CONFIG_RUST), no_std)]

mod alloc;
mod blob;
mod change;
mod copies;
mod dir;
mod env;
mod error;
mod extents;
mod hash;
mod itable;
mod journal;
mod medium;
mod mkfs;
mod mount;
mod node;
mod ops;
mod owner;
#[cfg(not(CONFIG_RUST))]
mod patch;
mod volume;

#[cfg(not(CONFIG_RUST))]
pub use copies::{
    restore_super,
    update_super, //
};
pub use dir::{
    Entry,
    Found, //
};
#[cfg(not(CONFIG_RUST))]
pub use env::fail_allocation;
pub use env::Vec;
pub use error::{
    Corrupt,
    Error,
    Locate,
    Result, //
};
pub use itable::{
    Alone,
    Hashed,
    NewNumber,
    Reserved, //
};
pub use journal::{
    check_stores,
    pending as pending_transactions,
    recover as recover_journal, //
};
pub use medium::Medium;
pub use mkfs::{
    format,
    FormatOptions, //
};
pub use mount::Orphans;
pub use node::Node;
pub use ops::{
    AttrChange,
    Mapping,
    NewInode,
    Rename,
    RenameKind,
    Span,
    XattrMode, //
};
pub use owner::{
    Held,
    Role, //
};
#[cfg(not(CONFIG_RUST))]
pub use patch::{
    apply_patches,
    Patch, //
};
pub use rdaxfs_format as format_types;
pub use volume::{
    load_super,
    MountOptions,
    Recovery,
    Usage,
    Volume, //
};
