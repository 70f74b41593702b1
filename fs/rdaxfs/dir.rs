// SPDX-License-Identifier: GPL-2.0

//! Reading directories.
//!
//! Position 0 is `.`, position 1 is `..`; after them come the core's, two higher.

use crate::{
    error::errno,
    mount::checked,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::fs::{
    dir::{
        Context,
        EntryType,
        Operations, //
    },
    Inode, //
};
use rdaxfs_core::Medium;

const DOTS: u64 = 2;

/// Bytes of names that are collected at a time.
const BATCH_BYTES: usize = 8192;
/// Entries that are collected at a time.
const BATCH_ENTRIES: usize = 256;

/// An entry in a [`Batch`]; the name begins where that of the one before ends.
struct Entry {
    name_end: usize,
    ino: u64,
    file_type: u8,
    next: u64,
}

/// Entries between the core and user space. They are told without the node locked: user space may
/// have mapped a file, the page fault for which takes locks that come before nodes.
struct Batch {
    names: KVec<u8>,
    entries: KVec<Entry>,
}

impl Batch {
    fn new() -> Result<Self> {
        Ok(Self {
            names: KVec::with_capacity(BATCH_BYTES, GFP_KERNEL)?,
            entries: KVec::with_capacity(BATCH_ENTRIES, GFP_KERNEL)?,
        })
    }

    /// Collects an entry; `false` if there is no room.
    fn push(&mut self, entry: &rdaxfs_core::Entry<'_>) -> bool {
        let name_end = self.names.len().saturating_add(entry.name.len());
        if name_end > BATCH_BYTES || self.entries.len() >= BATCH_ENTRIES {
            return false;
        }
        let entry_at = Entry {
            name_end,
            ino: entry.ino,
            file_type: entry.file_type,
            next: entry.next,
        };
        let names = self.names.extend_from_slice(entry.name, GFP_KERNEL);
        names.is_ok() && self.entries.push_within_capacity(entry_at).is_ok()
    }

    /// Tells what was collected; `false` if the reader has no room for more.
    fn emit(&self, context: &mut Context) -> bool {
        let mut start = 0;
        for entry in self.entries.iter() {
            let name = self.names.get(start..entry.name_end).unwrap_or_default();
            if !context.emit(name, entry.ino, EntryType::from_raw(entry.file_type)) {
                return false;
            }
            context.set_pos(entry.next.saturating_add(DOTS));
            start = entry.name_end;
        }
        true
    }

    fn clear(&mut self) {
        self.names.clear();
        self.entries.clear();
    }
}

fn emit_dots(dir: &Inode<Rdaxfs>, context: &mut Context) -> bool {
    let directory = EntryType::from_mode(dir.mode());
    if context.pos() == 0 {
        if !context.emit(b".", dir.ino(), directory) {
            return false;
        }
        context.set_pos(1);
    }
    if context.pos() == 1 {
        let parent = dir.data().read().inode().parent.get();
        if !context.emit(b"..", parent, directory) {
            return false;
        }
        context.set_pos(DOTS);
    }
    true
}

impl Operations for Rdaxfs {
    fn iterate(dir: &Inode<Self>, context: &mut Context) -> Result {
        let sb = dir.sb();
        let core = sb.data().core();
        core.check_alive().map_err(errno)?;
        if !emit_dots(dir, context) {
            return Ok(());
        }
        let mut batch = Batch::new()?;
        loop {
            batch.clear();
            let from = context.pos().saturating_sub(DOTS);
            let end = core.readdir(&mut dir.data().write(), from, &mut |entry| {
                batch.push(&entry)
            });
            let end = checked(sb, end)?;
            if !batch.emit(context) {
                return Ok(());
            }
            if batch.entries.is_empty() {
                context.set_pos(end.saturating_add(DOTS));
                return Ok(());
            }
        }
    }

    fn fsync_dir(dir: &Inode<Self>) -> Result {
        let core = dir.sb().data().core();
        core.check_alive().map_err(errno)?;
        core.medium().fence().map_err(errno)
    }
}
