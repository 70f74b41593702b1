// SPDX-License-Identifier: GPL-2.0

//! Making a volume.

use crate::{
    copies::store_super,
    medium::{
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    DiskInode,
    DiskTime,
    ImapGroup,
    Layout,
    SuperBlock,
    BLOCK_SHIFT,
    BLOCK_SIZE,
    IMAP_GROUP_BLOCKS,
    INODES_PER_BLOCK,
    LABEL_MAX,
    MAX_BLOCKS,
    MIN_BLOCKS,
    MODE_DIR, //
};

/// What a new volume is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct FormatOptions<'a> {
    /// Identifies it.
    pub uuid: [u8; 16],
    /// Its name, 64 bytes at most.
    pub label: &'a [u8],
    /// When it is made.
    pub now: DiskTime,
    /// Permissions of the root directory; 0 is 0755.
    pub root_mode: u16,
    /// Owner of the root directory.
    pub root_uid: u32,
    /// Group of the root directory.
    pub root_gid: u32,
}

/// Makes a volume of all whole blocks of `medium`. Until it is done, there is no valid superblock.
/// `progress` is told how many of how many steps are done.
pub fn format(
    medium: &impl Medium,
    options: &FormatOptions<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<SuperBlock> {
    let blocks = (medium.size() >> BLOCK_SHIFT).min(MAX_BLOCKS);
    if blocks < MIN_BLOCKS || options.label.len() > LABEL_MAX {
        return Err(Error::Invalid);
    }
    let layout = Layout::new(blocks);
    let last = layout.end_block().saturating_mul(BLOCK_SIZE);
    Stored::zero(medium, 0, BLOCK_SIZE)?
        .and(Stored::zero(medium, last, BLOCK_SIZE)?)
        .fence(medium)?;

    let mut stored = Stored::none();
    for slot in 0..layout.slots {
        let at = layout.slot_at(slot);
        stored = stored.and(Stored::zero(medium, at, rdaxfs_format::SLOT_SIZE as u64)?);
    }
    let groups = layout.imap_groups();
    let root_block = layout.first_block();
    for index in 0..groups {
        let mut group = ImapGroup::new(index);
        if root_block / IMAP_GROUP_BLOCKS == index {
            group.set(root_block % IMAP_GROUP_BLOCKS, true);
        }
        stored = stored.and(Stored::write(
            medium,
            layout.imap_at(index),
            group.encode(),
        )?);
        progress(index.saturating_add(1), groups);
    }
    let first = root_block.saturating_mul(INODES_PER_BLOCK);
    for index in 0..INODES_PER_BLOCK {
        let ino = first.saturating_add(index);
        let mut inode = if index == 0 {
            root(ino, options)
        } else {
            DiskInode::free(ino, 1)
        };
        stored = stored.and(Stored::write(medium, layout.inode_at(ino), inode.encode())?);
    }
    stored.fence(medium)?;
    let mut sb = SuperBlock::new(&layout, options.uuid, first, options.now);
    for (to, from) in sb.label.iter_mut().zip(options.label) {
        *to = *from;
    }
    store_super(medium, &layout, &mut sb)?;
    Ok(sb)
}

fn root(ino: u64, options: &FormatOptions<'_>) -> DiskInode {
    let mut root = DiskInode::free(ino, 1);
    let mode = if options.root_mode == 0 {
        0o755
    } else {
        options.root_mode & 0o7777
    };
    root.mode.set(MODE_DIR | mode);
    root.uid.set(options.root_uid);
    root.gid.set(options.root_gid);
    root.nlink.set(2);
    root.parent.set(ino);
    root.atime = options.now;
    root.mtime = options.now;
    root.ctime = options.now;
    root.btime = options.now;
    root
}
