// SPDX-License-Identifier: GPL-2.0

//! Memory of the device fails, or goes away.
//!
//! Whose memory it was is found without an index: files that are mapped have inodes in memory, and
//! those know their blocks. If none of them has a failed block, the inodes on the medium are read.
//!
//! # Lock order
//!
//! `invalidate_lock`, then the node; not both while users are killed, who may hold entries of the
//! mapping.

use crate::{
    inode::Claimed,
    mount::{
        lose_metadata,
        shut_down,
        Mount, //
    },
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    dax::{
        layout::InvalidateShared,
        Failure,
        MemoryFailure,
        OnVolume, //
    },
    fs::{
        inode::Lookup,
        Inode,
        SuperBlock, //
    }, //
};
use rdaxfs_core::{
    format_types::{
        BLOCK_SHIFT,
        BLOCK_SIZE, //
    },
    Held,
    Role, //
};

/// Whoever has to know is told, or killed.
pub(crate) fn notify(sb: &SuperBlock<Rdaxfs>, failure: Failure) -> Result {
    match failure {
        Failure::Memory(failure) => {
            let first = failure.offset >> BLOCK_SHIFT;
            let end = failure
                .offset
                .saturating_add(failure.len)
                .div_ceil(BLOCK_SIZE);
            (first..end).try_for_each(|block| lose(sb, block, &failure))
        }
        Failure::Removal => {
            remove(sb);
            Ok(())
        }
    }
}

/// A block lost its content.
fn lose(sb: &SuperBlock<Rdaxfs>, block: u64, failure: &MemoryFailure) -> Result {
    let mount = sb.data();
    match mount.core().role(block) {
        Role::Volume(what) => return Err(lose_metadata(sb, what, block)),
        Role::Free => {
            mount
                .log()
                .warn(fmt!("memory of free block {block} failed"));
            return Ok(());
        }
        Role::Inode => {}
    }
    let mut done = None;
    sb.for_each_inode(|inode| {
        if done.is_none() {
            done = lose_of(inode, block, failure);
        }
    });
    match done {
        Some(done) => done,
        None => lose_unused(sb, block, failure),
    }
}

/// If the inode has the block: it has lost it.
fn lose_of(inode: &Inode<Rdaxfs>, block: u64, failure: &MemoryFailure) -> Option<Result> {
    let sb = inode.sb();
    let mount = sb.data();
    // What is found stays where it is.
    let lock = InvalidateShared::new(inode);
    let node = inode.data().read();
    let held = mount.core().held(&node, block)?;
    let ino = node.ino();
    drop(node);
    Some(match held {
        Held::Metadata(what) => Err(lose_metadata(sb, what, block)),
        Held::Data(lblk) => {
            tell_loss(mount, ino, lblk);
            let pos = lblk.saturating_mul(BLOCK_SIZE);
            inode.report_data_lost(pos, BLOCK_SIZE);
            inode.kill_users(pos, block, failure, &lock)
        }
    })
}

/// No inode in memory had the block: looks for it in those on the medium. Each is hashed while it is
/// read, so it does not change; one that has come into memory meanwhile is asked as the others were.
fn lose_unused(sb: &SuperBlock<Rdaxfs>, block: u64, failure: &MemoryFailure) -> Result {
    let mount = sb.data();
    let mut done = None;
    let found = mount.core().find_owner(block, |ino| match sb.iget(ino) {
        _ if done.is_some() => None,
        Ok(Lookup::New(new)) => Some(Claimed(new)),
        Ok(Lookup::Found(inode)) => {
            done = lose_of(&inode, block, failure);
            None
        }
        // What there is no memory for may be left out.
        Err(_) => None,
    });
    if let Some(done) = done {
        return done;
    }
    match found {
        Ok(Some((_, Held::Metadata(what)))) => Err(lose_metadata(sb, what, block)),
        Ok(Some((ino, Held::Data(lblk)))) => {
            tell_loss(mount, ino, lblk);
            Ok(())
        }
        _ => {
            mount.log().err(fmt!(
                "memory of block {block} failed, whose owner is not known"
            ));
            Ok(())
        }
    }
}

fn tell_loss(mount: &Mount, ino: u64, lblk: u64) {
    let start = lblk.saturating_mul(BLOCK_SIZE);
    mount.log().err(fmt!(
        "memory failed: inode {ino}: bytes {start}-{} are lost",
        start.saturating_add(BLOCK_SIZE - 1)
    ));
}

/// The memmap of the device is about to go, so no file may have pages of it any more.
fn remove(sb: &SuperBlock<Rdaxfs>) {
    // Faults fail from now on.
    shut_down(sb);
    sb.for_each_inode(|inode| {
        if inode.is_reg() {
            inode.revoke();
        }
    });
    // What is being evicted, and what files have let go of, but others have not.
    Rdaxfs::volume(sb.data()).wait_unused(sb.id());
}
