// SPDX-License-Identifier: GPL-2.0

//! Who has a block. There is no index for it: this is for memory that failed, which is rare.

use crate::{
    blob,
    extents,
    itable::Hashed,
    medium::Medium,
    node::Node,
    Result,
    Volume, //
};
use rdaxfs_format::{
    DiskInode,
    RawExtent,
    INLINE_EXTENTS,
    INODES_PER_BLOCK, //
};

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The volume as a whole; says what.
    Volume(&'static str),
    /// Nothing.
    Free,
    /// Some inode.
    Inode,
}

/// What an inode has in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Data: this block of the file.
    Data(u64),
    /// What the inode cannot be used without; says what.
    Metadata(&'static str),
}

impl<M: Medium> Volume<M> {
    /// What block `block` is for.
    pub fn role(&self, block: u64) -> Role {
        let layout = self.layout();
        if block == 0 || block >= layout.end_block() {
            Role::Volume("superblock")
        } else if block < layout.imap_block() {
            Role::Volume("journal")
        } else if block < layout.first_block() {
            Role::Volume("inode map")
        } else if self.space().is_free(block) {
            Role::Free
        } else if self.inodes().is_inode_block(self.medium(), block) == Ok(true) {
            Role::Volume("inodes")
        } else {
            Role::Inode
        }
    }

    /// What the inode has in block `block`.
    pub fn held(&self, node: &Node, block: u64) -> Option<Held> {
        if let Some(lblk) = node.extent_with(block) {
            return Some(data_of(&node.disk, lblk));
        }
        if node.extent_blocks.0.contains(&block) {
            return Some(Held::Metadata(EXTENTS));
        }
        self.held_by_blobs(&node.disk, block)
    }

    fn held_by_blobs(&self, inode: &DiskInode, block: u64) -> Option<Held> {
        let owner = (inode.ino.get(), inode.generation.get());
        let has = |head| blob::has_block(self.medium(), self.layout(), owner, head, block);
        if has(inode.xattrs.get()) {
            return Some(Held::Metadata("extended attributes"));
        }
        let is_target = inode.is_symlink() && has(inode.extents.get());
        is_target.then_some(Held::Metadata("symbolic link"))
    }

    /// Returns the number of the inode that has block `block`, and what it has there; `None` if it
    /// cannot be found. Reads all inodes that `hash` hashes: it returns `None` for those that have a
    /// node, or that have just been looked at. Inodes that come or go meanwhile may be left out.
    pub fn find_owner<H: Hashed>(
        &self,
        block: u64,
        mut hash: impl FnMut(u64) -> Option<H>,
    ) -> Result<Option<(u64, Held)>> {
        for index in 0..self.layout().imap_groups() {
            let Some(group) = self.inodes().group(self.medium(), index)? else {
                continue;
            };
            for inode_block in group.blocks() {
                let inodes = inode_block.saturating_mul(INODES_PER_BLOCK);
                for ino in inodes..inodes.saturating_add(INODES_PER_BLOCK) {
                    if self.inodes().is_free(self.home(ino), ino) {
                        continue;
                    }
                    let held = hash(ino).and_then(|at| self.held_on_medium(&at, block));
                    if let Some(held) = held {
                        return Ok(Some((ino, held)));
                    }
                }
            }
            self.medium().pause()?;
        }
        Ok(None)
    }

    /// As [`held`](Self::held), of an inode that need not be readable as a whole.
    fn held_on_medium(&self, at: &impl Hashed, block: u64) -> Option<Held> {
        let inode = self.read_inode(at).ok()?;
        if !inode.has_extents() {
            return self.held_by_blobs(&inode, block);
        }
        let mut data = None;
        let mut look = |raw: &RawExtent| {
            if let Ok(Some(extent)) = raw.get() {
                data = data.or(extent.lblk_of(block));
            }
        };
        (0..INLINE_EXTENTS).for_each(|slot| look(&inode.extent(slot)));
        let head = inode.extents.get();
        let mut listed = head == block;
        let owner = (at.ino(), inode.generation.get());
        // It may well end at the wanted block.
        let _ = extents::chain(
            self.medium(),
            self.layout(),
            owner,
            head,
            |_, index, group| {
                listed |= index == 0 && group.next() == block;
                group.extents.iter().for_each(&mut look);
                Ok(())
            },
        );
        match data {
            Some(lblk) => Some(data_of(&inode, lblk)),
            None if listed => Some(Held::Metadata(EXTENTS)),
            None => self.held_by_blobs(&inode, block),
        }
    }
}

const EXTENTS: &str = "list of extents";

fn data_of(inode: &DiskInode, lblk: u64) -> Held {
    match inode.is_dir() {
        true => Held::Metadata("directory"),
        false => Held::Data(lblk),
    }
}
