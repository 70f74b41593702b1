// SPDX-License-Identifier: GPL-2.0

//! Names that go, and inodes that go with the last one.

use super::{
    create::drop_link,
    touch, //
};
use crate::{
    alloc::Run,
    dir::Found,
    itable::Hashed,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    DiskTime, //
};

impl<M: Medium> Volume<M> {
    /// The entry `name` of `dir`, which names `node`.
    pub(super) fn entry_of(&self, dir: &mut Node, name: &[u8], node: &Node) -> Result<Found> {
        let found = self.lookup(dir, name)?.ok_or(Error::NotFound)?;
        if found.ino != node.ino() {
            return Err(Error::Stale);
        }
        Ok(found)
    }

    /// Takes the name `name` in `dir` from `node`, which is no directory. With its last name gone,
    /// [`evict`](Self::evict) frees it.
    pub fn unlink(&self, dir: &mut Node, name: &[u8], node: &mut Node, now: DiskTime) -> Result {
        if node.disk.is_dir() {
            return Err(Error::Invalid);
        }
        let mut disk = node.disk;
        drop_link(&mut disk)?;
        let mut parent = dir.disk;
        self.take_name(dir, name, node, (&mut parent, &mut disk), now)
    }

    /// Takes the name from `node`, an empty directory.
    pub fn rmdir(&self, dir: &mut Node, name: &[u8], node: &mut Node, now: DiskTime) -> Result {
        if !self.is_empty_dir(node)? {
            return Err(Error::NotEmpty);
        }
        let mut disk = node.disk;
        disk.nlink.set(0);
        let mut parent = dir.disk;
        drop_link(&mut parent)?;
        self.take_name(dir, name, node, (&mut parent, &mut disk), now)
    }

    fn take_name(
        &self,
        dir: &mut Node,
        name: &[u8],
        node: &mut Node,
        (parent, disk): (&mut DiskInode, &mut DiskInode),
        now: DiskTime,
    ) -> Result {
        let found = self.entry_of(dir, name, node)?;
        touch(parent, now);
        disk.ctime = now;
        let mut tx = self.begin()?;
        let removal = self.remove_entry(&mut tx, dir, parent, (found.place, name), true)?;
        tx.inode(disk)?;
        tx.inode(parent)?;
        tx.commit()?;
        node.disk = *disk;
        dir.disk = *parent;
        self.removed(dir, name, removal);
        Ok(())
    }

    /// The last user of `node` is gone: if it has no name, it and its blocks are free now.
    ///
    /// If that fails for lack of memory, nothing has changed, and it can be tried again.
    pub fn evict(&self, node: &mut Node) -> Result {
        self.drop_pending(node);
        if node.disk.nlink.get() != 0 || !node.disk.in_use() {
            return Ok(());
        }
        node.refresh(self.medium(), self.layout())?;
        self.check_writable()?;
        self.free_inode(node)
    }

    /// Frees an inode and its blocks.
    pub(crate) fn free_inode(&self, node: &mut Node) -> Result {
        let mut runs: Vec<Run> = Vec::new();
        node.each_run(self.medium(), self.layout(), |run| runs.push(run))?;
        let (ino, generation) = node.owner();
        let mut free = DiskInode::free(ino, generation);
        let empty = Node::new(free)?;
        let room = self.inodes().room_for(self.alloc()?, ino)?;
        let mut tx = self.journal().begin(self.medium())?;
        tx.inode(&mut free)?;
        tx.commit()?;
        *node = empty;
        node.disk = free;
        for &run in runs.iter() {
            self.release_blocks(run);
        }
        self.inodes()
            .free(self.medium(), self.journal(), self.alloc()?, ino, room)
    }

    /// Frees the inode at `at` if it has no name: what an [`evict`](Self::evict) that failed has left.
    pub fn free_unnamed(&self, at: impl Hashed) -> Result {
        match self.read_inode(&at) {
            Ok(disk) => self.evict(&mut Node::of(self.medium(), self.layout(), disk)?),
            // It was freed, or is another one by now.
            Err(Error::Stale) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
