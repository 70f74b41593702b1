// SPDX-License-Identifier: GPL-2.0

//! `fallocate()`.
//!
//! What takes blocks from a file, moves them or zeroes them in place first takes the pages away
//! from those who map them, and keeps `invalidate_lock` until the blocks are what they shall be.

use crate::{
    error::{
        errno,
        CoreResult, //
    },
    mount::checked,
    node::sync_blocks,
    stamp::{
        known,
        settle, //
    },
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    dax::{
        drain::Blocks,
        layout::Invalidate, //
    },
    fs::{
        inode::WriteGuard,
        regular::Fallocate,
        File, //
    },
    sync::NoFs, //
};
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    AttrChange,
    Node, //
};

/// Bytes that are zeroed when they are allocated, so that faults and writes have less to do (64 MiB).
/// What is larger is zeroed when it is touched.
const ZERO_AHEAD: u64 = 64 << 20;

type Core = rdaxfs_core::Volume<crate::medium::Pmem>;

/// Does what was asked for, as a whole or not at all. The range is within the limits of the VFS.
pub(crate) fn fallocate(file: &File<Rdaxfs>, what: Fallocate, pos: u64, len: u64) -> Result {
    let inode = file.inode();
    inode.sb().data().core().check_alive().map_err(errno)?;
    let guard = inode.lock();
    let end = pos.checked_add(len).ok_or(EFBIG)?;
    check(&guard, what, pos, len)?;
    if let Some(size) = new_size(&guard, what, len, end) {
        guard.check_new_size(size)?;
    }
    match what {
        Fallocate::Allocate { keep_size } | Fallocate::Unshare { keep_size } => {
            // Nothing is shared, so that unsharing is to make sure of blocks.
            change(file, &guard, |core, node, attr| {
                core.allocate(node, pos, len, keep_size, ZERO_AHEAD, attr)
            })
        }
        Fallocate::PunchHole => {
            drained(file, &guard, pos, end, Blocks::Leave, |core, node, attr| {
                core.punch(node, pos, len, attr)
            })
        }
        Fallocate::ZeroRange { keep_size } => {
            drained(file, &guard, pos, end, Blocks::Stay, |core, node, attr| {
                core.zero_range(node, pos, len, keep_size, ZERO_AHEAD, attr)
            })
        }
        Fallocate::WriteZeroes => {
            drained(file, &guard, pos, end, Blocks::Stay, |core, node, attr| {
                core.write_zeroes(node, pos, len, attr)
            })
        }
        Fallocate::CollapseRange => shifted(file, &guard, pos, |core, node, attr| {
            core.collapse(node, pos, len, attr)
        }),
        Fallocate::InsertRange => shifted(file, &guard, pos, |core, node, attr| {
            core.insert(node, pos, len, attr)
        }),
    }
}

/// The end of a range, with all of its last block.
fn whole_end(end: u64) -> u64 {
    end.checked_next_multiple_of(BLOCK_SIZE).unwrap_or(u64::MAX)
}

/// What the core would refuse, before pages are taken away for it.
fn check(guard: &WriteGuard<'_, Rdaxfs>, what: Fallocate, pos: u64, len: u64) -> Result {
    let aligned = (pos | len) % BLOCK_SIZE == 0;
    let size = guard.size();
    match what {
        Fallocate::CollapseRange if !aligned || pos.saturating_add(len) >= size => Err(EINVAL),
        Fallocate::InsertRange if !aligned || pos >= size => Err(EINVAL),
        _ => Ok(()),
    }
}

/// The size that the file will have if it grows.
fn new_size(guard: &WriteGuard<'_, Rdaxfs>, what: Fallocate, len: u64, end: u64) -> Option<u64> {
    let size = match what {
        Fallocate::Allocate { keep_size }
        | Fallocate::Unshare { keep_size }
        | Fallocate::ZeroRange { keep_size } => (!keep_size).then_some(end)?,
        Fallocate::WriteZeroes => end,
        Fallocate::InsertRange => guard.size().saturating_add(len),
        Fallocate::PunchHole | Fallocate::CollapseRange => return None,
    };
    (size > guard.size()).then_some(size)
}

/// Changes the blocks of a file by `f`, and its times and privileges with them, and tells the VFS.
fn change(
    file: &File<Rdaxfs>,
    guard: &WriteGuard<'_, Rdaxfs>,
    f: impl FnOnce(&Core, &mut Node, AttrChange) -> CoreResult,
) -> Result {
    // `invalidate_lock` may be held: a drain that failed has left the attributes alone. Reclaim may
    // want the locks.
    let _nofs = NoFs::enter();
    let data = guard.data();
    let done = data.deferring(|| file.modified(guard)).and_then(|()| {
        let mut node = data.write();
        let done = f(guard.sb().data().core(), &mut node, known(guard));
        if done.is_ok() {
            data.clear_deferred();
        }
        // Parts may have happened.
        guard.set_size(node.size());
        sync_blocks(guard, &node);
        checked(guard.sb(), done)
    });
    let settled = settle(guard);
    done.and(settled)
}

/// As [`change`], with the pages from byte `pos` to byte `end` taken away first.
fn drained(
    file: &File<Rdaxfs>,
    guard: &WriteGuard<'_, Rdaxfs>,
    pos: u64,
    end: u64,
    blocks: Blocks,
    f: impl FnOnce(&Core, &mut Node, AttrChange) -> CoreResult,
) -> Result {
    let mut pages = Invalidate::new(guard);
    let limit = guard.sb().data().drain_limit();
    pages.drain_range(pos, whole_end(end), limit, blocks)?;
    change(file, guard, f)
}

/// As [`drained`], from byte `pos` on, where everything moves: private copies go too.
fn shifted(
    file: &File<Rdaxfs>,
    guard: &WriteGuard<'_, Rdaxfs>,
    pos: u64,
    f: impl FnOnce(&Core, &mut Node, AttrChange) -> CoreResult,
) -> Result {
    let mut pages = Invalidate::new(guard);
    let limit = guard.sb().data().drain_limit();
    pages.drain_range(pos, u64::MAX, limit, Blocks::Move)?;
    pages.truncate_pagecache(pos);
    change(file, guard, f)
}
