// SPDX-License-Identifier: GPL-2.0

//! The time of a change, which the VFS and the core have to agree on.

use crate::{
    mount::checked,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::fs::{
    Inode,
    Timespec, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    AttrChange, //
};

/// As it is on the medium.
pub(crate) fn to_disk(time: Timespec) -> DiskTime {
    DiskTime::new(time.secs, time.nanos)
}

/// As the VFS has it.
pub(crate) fn from_disk(time: DiskTime) -> Timespec {
    Timespec {
        secs: time.sec(),
        nanos: time.nsec(),
    }
}

/// Returns the attributes of an inode as the VFS knows them. Under `i_rwsem`.
pub(crate) fn known(inode: &Inode<Rdaxfs>) -> AttrChange {
    AttrChange {
        mode: Some(inode.mode()),
        uid: Some(inode.uid()),
        gid: Some(inode.gid()),
        flags: None,
        atime: Some(to_disk(inode.atime())),
        mtime: Some(to_disk(inode.mtime())),
        ctime: Some(to_disk(inode.ctime())),
    }
}

/// Makes durable what [`InodeData::deferring`] has left to a transaction, if none came. With
/// `i_rwsem` held exclusively.
///
/// [`InodeData::deferring`]: crate::node::InodeData::deferring
pub(crate) fn settle(inode: &Inode<Rdaxfs>) -> Result {
    let data = inode.data();
    if !data.has_deferred() {
        return Ok(());
    }
    data.clear_deferred();
    let sb = inode.sb();
    checked(
        sb,
        sb.data().core().set_attr(&mut data.write(), &known(inode)),
    )
}

/// A change of some inodes, whose `i_rwsem` is held, at one point in time.
///
/// The VFS chooses the time: it tells changes apart between which somebody looked. So the inodes
/// have their new `ctime` while the core works. If that fails they get the old one back.
pub(crate) struct Stamp<'a, const N: usize> {
    inodes: [Option<&'a Inode<Rdaxfs>>; N],
    before: [Timespec; N],
    now: Timespec,
    done: bool,
}

impl<'a, const N: usize> Stamp<'a, N> {
    pub(crate) fn new(inodes: [Option<&'a Inode<Rdaxfs>>; N]) -> Self {
        let before = inodes.map(|inode| inode.map_or_else(Timespec::default, Inode::ctime));
        let now = inodes
            .iter()
            .flatten()
            .map(|inode| inode.set_ctime_current())
            .max();
        Self {
            inodes,
            before,
            now: now.unwrap_or_default(),
            done: false,
        }
    }

    /// When it happens.
    pub(crate) fn now(&self) -> DiskTime {
        to_disk(self.now)
    }

    /// It has happened. Returns when.
    pub(crate) fn commit(mut self) -> Timespec {
        self.done = true;
        for inode in self.inodes.iter().flatten() {
            inode.set_ctime(self.now);
        }
        self.now
    }
}

impl<const N: usize> Drop for Stamp<'_, N> {
    fn drop(&mut self) {
        if !self.done {
            for (inode, before) in self.inodes.iter().zip(self.before) {
                if let Some(inode) = inode {
                    inode.set_ctime(before);
                }
            }
        }
    }
}
