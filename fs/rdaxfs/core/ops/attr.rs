// SPDX-License-Identifier: GPL-2.0

//! Attributes of an inode.

use crate::{
    Medium,
    Node,
    Result,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    DiskTime,
    InodeFlags,
    MODE_TYPE, //
};

/// Attributes to change; `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttrChange {
    /// Permissions; the type is ignored.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Flags.
    pub flags: Option<InodeFlags>,
    /// Last access.
    pub atime: Option<DiskTime>,
    /// Last change of the data.
    pub mtime: Option<DiskTime>,
    /// Last change of the inode.
    pub ctime: Option<DiskTime>,
}

impl From<DiskTime> for AttrChange {
    /// The data, and with it the inode, changed at `now`.
    fn from(now: DiskTime) -> Self {
        Self {
            mtime: Some(now),
            ctime: Some(now),
            ..Self::default()
        }
    }
}

impl AttrChange {
    /// Whether `disk` has all of it already.
    pub fn is_in(&self, disk: &DiskInode) -> bool {
        let mut changed = *disk;
        self.apply(&mut changed);
        let known = |disk: &DiskInode| {
            let owner = (disk.mode.get(), disk.uid.get(), disk.gid.get());
            let times = [disk.atime, disk.mtime, disk.ctime];
            (owner, disk.flags.get(), times)
        };
        known(&changed) == known(disk)
    }

    /// Whether it changes the permissions of `disk`, set-user-ID and set-group-ID among them.
    pub(super) fn changes_mode(&self, disk: &DiskInode) -> bool {
        let old = disk.mode.get() & !MODE_TYPE;
        self.mode.is_some_and(|mode| mode & !MODE_TYPE != old)
    }

    pub(super) fn apply(&self, disk: &mut DiskInode) {
        if let Some(mode) = self.mode {
            disk.mode
                .set((disk.mode.get() & MODE_TYPE) | (mode & !MODE_TYPE));
        }
        if let Some(uid) = self.uid {
            disk.uid.set(uid);
        }
        if let Some(gid) = self.gid {
            disk.gid.set(gid);
        }
        if let Some(flags) = self.flags {
            disk.flags.set(flags.0 & InodeFlags::ALL);
        }
        if let Some(atime) = self.atime {
            disk.atime = atime;
        }
        if let Some(mtime) = self.mtime {
            disk.mtime = mtime;
        }
        if let Some(ctime) = self.ctime {
            disk.ctime = ctime;
        }
    }
}

impl<M: Medium> Volume<M> {
    /// Changes attributes.
    pub fn set_attr(&self, node: &mut Node, change: &AttrChange) -> Result {
        let mut disk = node.disk;
        change.apply(&mut disk);
        self.store_inode(node, disk)
    }

    /// Makes `disk` the inode of `node`.
    pub(super) fn store_inode(&self, node: &mut Node, mut disk: DiskInode) -> Result {
        let mut tx = self.begin()?;
        tx.inode(&mut disk)?;
        tx.commit()?;
        node.disk = disk;
        Ok(())
    }
}
