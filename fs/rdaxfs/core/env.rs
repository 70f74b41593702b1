// SPDX-License-Identifier: GPL-2.0

//! What the core takes from where it runs: memory that can run out, and locks. This is the only
//! part that differs between the kernel and the host.

#[cfg(CONFIG_RUST)]
#[path = "env/kernel.rs"]
mod imp;
#[cfg(not(CONFIG_RUST))]
#[path = "env/host.rs"]
mod imp;

pub use imp::Vec;
pub(crate) use imp::{
    Atomic,
    Guard,
    Lock, //
};

#[cfg(not(CONFIG_RUST))]
pub use imp::fail_allocation;

use crate::Result;

/// The locks of the core, in the order in which they are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LockClass {
    /// One inode map group or more.
    InodeMap,
    /// A journal slot.
    Slot,
    /// The inodes of a shard.
    Inodes,
    /// The blocks that are referenced.
    Busy,
    /// The free blocks of a shard.
    Blocks,
    /// The superblock.
    Super,
}

impl<T: Clone> Vec<T> {
    /// `len` copies of `value`.
    pub fn filled(len: usize, value: T) -> Result<Self> {
        let mut vec = Self::new();
        vec.resize(len, value)?;
        Ok(vec)
    }

    /// A copy of `slice`.
    pub fn copied(slice: &[T]) -> Result<Self> {
        let mut vec = Self::new();
        vec.extend(slice)?;
        Ok(vec)
    }
}

impl<T> Default for Vec<T> {
    fn default() -> Self {
        Self::new()
    }
}
