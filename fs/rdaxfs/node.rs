// SPDX-License-Identifier: GPL-2.0

//! What the glue keeps with an inode: the core's node behind a lock.
//!
//! # Lock order
//!
//! Freeze protection, `i_rwsem`, `invalidate_lock`, entries of the mapping, the node, the locks of
//! the core. Several nodes are locked in the order of the arguments of the operation, each with a
//! subclass of its own.
//!
//! While a node is locked, shared or exclusively, allocations do not call filesystems: reclaim could
//! evict an inode, which needs the lock of its node, of the same class, and the locks of the core.
//! [`map_extents`] alone needs no such section: it allocates nothing.

use crate::{
    error::errno,
    medium::Pmem,
    mount::checked,
    Rdaxfs, //
};
use core::ops::{
    Deref,
    DerefMut, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use rdax::{
    fs::Inode,
    gate::Gate,
    new_rwsem,
    sync::{
        rwsem,
        NoFs,
        RwSem, //
    }, //
};
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    Mapping,
    Node,
    Volume, //
};

/// What the glue keeps with an inode.
#[pin_data]
pub(crate) struct InodeData {
    #[pin]
    node: RwSem<Node>,
    #[pin]
    gate: Gate,
    /// Pages of zeroes are, or were, mapped in place of holes or unwritten blocks. Set with the
    /// node locked, so who holds it exclusively knows of all.
    zeroes_mapped: Atomic<bool>,
    /// A shared mapping was written to since the inode is in memory.
    stored_to: Atomic<bool>,
    /// Where a write in progress failed to publish what it wrote, `u64::MAX` if nowhere; and why.
    /// Both belong to the holder of `i_rwsem`.
    failed_at: Atomic<u64>,
    failure: Atomic<i32>,
    /// The number of the task whose changes of attributes wait for its next transaction, 0 if none
    /// do; and whether there are any. Both belong to the holder of `i_rwsem`.
    deferring: Atomic<i32>,
    deferred: Atomic<bool>,
}

impl InodeData {
    pub(crate) fn new(node: Node) -> impl PinInit<Self> {
        pin_init!(Self {
            node <- new_rwsem!(node, "rdaxfs::node"),
            gate <- Gate::new(),
            zeroes_mapped: Atomic::new(false),
            stored_to: Atomic::new(false),
            failed_at: Atomic::new(u64::MAX),
            failure: Atomic::new(0),
            deferring: Atomic::new(0),
            deferred: Atomic::new(false),
        })
    }

    /// What keeps faults out of pages that are being taken away.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Locks the node shared.
    pub(crate) fn read(&self) -> Shared<'_> {
        let nofs = NoFs::enter();
        Shared {
            node: self.node.read(),
            _nofs: nofs,
        }
    }

    /// Does what [`map_extents`] says; `None` if the extents in memory are stale.
    ///
    /// Nothing is allocated under the lock, and `seen` must not either, so this needs no section
    /// without filesystem reclaim.
    fn map<R>(
        &self,
        core: &Volume<Pmem>,
        (lblk, len): (u64, u64),
        nowait: bool,
        seen: impl FnOnce(Mapping, u64) -> R,
    ) -> Result<Option<R>> {
        let node = match nowait {
            true => self.node.try_read().ok_or(EAGAIN)?,
            false => self.node.read(),
        };
        if node.is_stale() {
            return Ok(None);
        }
        let found = core.map(&node, lblk, len).map_err(errno)?;
        Ok(Some(seen(found, node.size())))
    }

    /// Locks the node exclusively.
    pub(crate) fn write(&self) -> Locked<'_> {
        let nofs = NoFs::enter();
        Locked {
            node: self.node.write(),
            _nofs: nofs,
        }
    }

    /// Locks the node exclusively while others are locked; `subclass` is how many.
    pub(crate) fn write_nested(&self, subclass: u32) -> Locked<'_> {
        let nofs = NoFs::enter();
        Locked {
            node: self.node.write_nested(subclass),
            _nofs: nofs,
        }
    }

    /// Pages of zeroes may be mapped from now on. With the node locked.
    pub(crate) fn set_zeroes_mapped(&self) {
        // Most often it is set already, and the cache line stays shared.
        if !self.zeroes_mapped() {
            self.zeroes_mapped.store(true, Relaxed);
        }
    }

    /// Whether pages of zeroes may be mapped. With the node locked.
    pub(crate) fn zeroes_mapped(&self) -> bool {
        self.zeroes_mapped.load(Relaxed)
    }

    /// Calls `f`, by which the VFS changes times and mode of the inode in memory; the next
    /// transaction of the caller makes them durable. `i_rwsem` is held exclusively.
    pub(crate) fn deferring(&self, f: impl FnOnce() -> Result) -> Result {
        self.deferring.store(current!().pid(), Relaxed);
        let done = f();
        self.deferring.store(0, Relaxed);
        done
    }

    /// Whether a change of attributes that the calling task has made waits for its next transaction.
    /// Other tasks, page faults and `fsync()`, do not hold `i_rwsem` and do not wait for it.
    pub(crate) fn defer(&self) -> bool {
        let defers = self.deferring.load(Relaxed) == current!().pid();
        if defers {
            self.deferred.store(true, Relaxed);
        }
        defers
    }

    /// Whether there are such changes. With `i_rwsem` held exclusively.
    pub(crate) fn has_deferred(&self) -> bool {
        self.deferred.load(Relaxed)
    }

    /// A transaction has made them durable. With `i_rwsem` held exclusively.
    pub(crate) fn clear_deferred(&self) {
        self.deferred.store(false, Relaxed);
    }

    /// A page is going to be mapped so that it can be stored to.
    pub(crate) fn set_stored_to(&self) {
        if !self.is_stored_to() {
            self.stored_to.store(true, Relaxed);
        }
    }

    /// Whether a mapping can have stored something, perhaps past the end of the file. Stores that
    /// race with a write may come after it anyway.
    pub(crate) fn is_stored_to(&self) -> bool {
        self.stored_to.load(Relaxed)
    }

    /// A write begins; `i_rwsem` is held.
    pub(crate) fn begin_write(&self) {
        self.failed_at.store(u64::MAX, Relaxed);
    }

    /// What the write in progress has written from byte `pos` on is lost.
    pub(crate) fn fail_write(&self, pos: u64, error: Error) {
        self.failed_at.store(pos, Relaxed);
        self.failure.store(error.to_errno(), Relaxed);
    }

    /// Where the write in progress failed, and why.
    pub(crate) fn write_failure(&self) -> Option<(u64, Error)> {
        match self.failed_at.load(Relaxed) {
            u64::MAX => None,
            pos => Some((pos, Error::from_errno(self.failure.load(Relaxed)))),
        }
    }
}

/// A node, locked shared.
pub(crate) struct Shared<'a> {
    // Dropped first.
    node: rwsem::ReadGuard<'a, Node>,
    _nofs: NoFs,
}

impl Deref for Shared<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

/// A node, locked exclusively.
pub(crate) struct Locked<'a> {
    // Dropped first.
    node: rwsem::WriteGuard<'a, Node>,
    _nofs: NoFs,
}

impl Deref for Locked<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

/// Maps `len` blocks from block `lblk` of the file with the node locked shared, and shows what was
/// found, and the size of the file, to `seen` before the lock is given back. With `nowait`, `EAGAIN`
/// instead of waiting. Faults, reads and writes in place come here.
///
/// Where memory was short when the extents changed, they are read again: a reader gets `ENOMEM` as
/// long as it is short, and no longer.
pub(crate) fn map_extents<R>(
    inode: &Inode<Rdaxfs>,
    range: (u64, u64),
    nowait: bool,
    seen: impl Fn(Mapping, u64) -> R,
) -> Result<R> {
    let (sb, data) = (inode.sb(), inode.data());
    let core = sb.data().core();
    loop {
        if let Some(found) = data.map(core, range, nowait, &seen)? {
            return Ok(found);
        }
        if nowait {
            return Err(EAGAIN);
        }
        let mut node = data.write();
        checked(sb, core.refresh(&mut node))?;
        sync_blocks(inode, &node);
    }
}

/// Tells the VFS how many blocks an inode takes, after blocks were taken or given back. With its
/// node locked exclusively.
pub(crate) fn sync_blocks(inode: &Inode<Rdaxfs>, node: &Node) {
    inode.set_blocks(node.blocks().saturating_mul(BLOCK_SIZE / 512));
    inode.sb().data().watch_busy();
}
