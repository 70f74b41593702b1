// SPDX-License-Identifier: GPL-2.0

//! Changing the size of a file, and evicting it.

use crate::{
    mount::checked,
    node::sync_blocks,
    stamp::known,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    dax::{
        drain::Blocks,
        layout::Invalidate, //
    },
    fs::inode::WriteGuard, //
};
use rdaxfs_core::format_types::BLOCK_SIZE;

/// Makes a file `size` bytes large. Its other attributes have been changed in memory, and become
/// durable with the size.
///
/// A smaller file loses its pages first, whoever maps them; the rest of its last block becomes
/// zeroes, which those who map it see.
pub(crate) fn set_size(guard: &WriteGuard<'_, Rdaxfs>, size: u64) -> Result {
    let core = guard.sb().data().core();
    let mut pages = Invalidate::new(guard);
    if size < guard.size() {
        let first = size.checked_next_multiple_of(BLOCK_SIZE);
        let limit = guard.sb().data().drain_limit();
        pages.drain_range(first.unwrap_or(u64::MAX), u64::MAX, limit, Blocks::Leave)?;
    }
    let mut node = guard.data().write();
    let done = core.set_size(&mut node, size, known(guard));
    guard.set_size(node.size());
    sync_blocks(guard, &node);
    drop(node);
    checked(guard.sb(), done)?;
    // Private copies beyond the end go too.
    pages.truncate_pagecache(size);
    Ok(())
}
