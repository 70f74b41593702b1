// SPDX-License-Identifier: GPL-2.0

//! Applying fixes to the medium. Each reads what it changes again, so that several of one round can
//! change the same thing.

use super::batch::Batch;
use crate::{
    extents::group_at,
    inodes::sanitize,
    journal,
    Fix,
    InodeEdit,
    Problem,
    Where, //
};
use rdaxfs_core::{
    format_types::{
        Dirent,
        DiskInode,
        ExtentGroup,
        ImapGroup,
        RawExtent,
        SuperBlock,
        BLOCK_SIZE,
        DIR_SLOT,
        DIR_SLOTS,
        IMAP_GROUP_BLOCKS,
        IMAP_GROUP_SIZE,
        INLINE_BYTES,
        INODES_PER_BLOCK,
        INODE_SIZE,
        MODE_DIR, //
    },
    restore_super,
    Error,
    Medium,
    Result, //
};
use zerocopy::FromBytes;

/// Applies all fixes of a problem, as a unit. What is no metadata of an inode goes to the medium at
/// once.
pub(super) fn problem<M: Medium>(
    batch: &mut Batch<'_, M>,
    sb: &SuperBlock,
    problem: &Problem,
) -> Result {
    for one in &problem.fixes {
        batch.next_fix();
        match fix(batch, sb, one) {
            // An earlier fix took away what this one was for; if not, the next round says so.
            Err(Error::Corrupt(_)) => {}
            fixed => fixed?,
        }
    }
    batch.end_unit()
}

fn fix<M: Medium>(medium: &Batch<'_, M>, sb: &SuperBlock, fix: &Fix) -> Result {
    match *fix {
        Fix::Super(ref sb) => restore_super(medium.medium(), sb),
        // The end of the repair, or the replay before it, does.
        Fix::Recover | Fix::Finish | Fix::Reconnect(_) => Ok(()),
        Fix::ClearSlot(slot) => journal::clear(medium.medium(), &sb.layout(), slot),
        Fix::Map(index, ref blocks) => store_map(medium, sb, index, |group| {
            for block in blocks {
                group.set(block % IMAP_GROUP_BLOCKS, true);
            }
        }),
        Fix::Unmark(block) => mark(medium, sb, block, false),
        Fix::Root => make_root(medium, sb),
        Fix::Inode(ino, edit) => edit_inode(medium, sb, ino, edit),
        Fix::EmptyGroup(ino, block, index) => {
            let inode = load_inode(medium, sb, ino)?;
            let (ino, generation) = (inode.ino.get(), inode.generation.get());
            let mut group = ExtentGroup::new(ino, generation, index, 0);
            medium.store(group_at(block, index), group.encode())
        }
        Fix::EndChain(ino, block) => {
            let inode = load_inode(medium, sb, ino)?;
            let old = load_group(medium, &inode, block, 0)?;
            let (ino, generation) = (inode.ino.get(), inode.generation.get());
            let mut group = ExtentGroup::new(ino, generation, 0, 0);
            group.extents = old.extents;
            medium.store(group_at(block, 0), group.encode())
        }
        Fix::Extent(ino, at, extent) => {
            let raw = extent.map_or(RawExtent::EMPTY, |extent| RawExtent::new(&extent));
            set_extent(medium, sb, ino, at, raw)
        }
        Fix::FreeSlots(dir, block, slot, count) => free_slots(medium, dir, block, slot, count),
        Fix::FileType(dir, block, slot, file_type) => {
            let mut bytes = vec![0; BLOCK_SIZE as usize];
            medium.load(block.saturating_mul(BLOCK_SIZE), &mut bytes)?;
            let dirent = Dirent::decode(&bytes, slot, dir)?;
            let dirent = Dirent {
                file_type,
                ..dirent
            };
            store_entry(medium, dir, block, slot, &dirent)
        }
    }
}

/// Makes a group of the inode map anew.
fn store_map(
    medium: &Batch<'_, impl Medium>,
    sb: &SuperBlock,
    index: u64,
    change: impl FnOnce(&mut ImapGroup),
) -> Result {
    let mut group = ImapGroup::new(index);
    change(&mut group);
    medium.store(sb.layout().imap_at(index), group.encode())
}

/// Marks a block as one of inodes, or takes the mark off.
fn mark(medium: &Batch<'_, impl Medium>, sb: &SuperBlock, block: u64, inodes: bool) -> Result {
    let index = block / IMAP_GROUP_BLOCKS;
    let mut bytes = [0; IMAP_GROUP_SIZE];
    medium.load(sb.layout().imap_at(index), &mut bytes)?;
    let old = ImapGroup::decode(&bytes, index)?;
    store_map(medium, sb, index, |group| {
        *group = old;
        group.set(block % IMAP_GROUP_BLOCKS, inodes);
    })
}

/// An inode, whether or not it makes sense.
fn raw_inode(medium: &impl Medium, sb: &SuperBlock, ino: u64) -> Result<DiskInode> {
    let mut bytes = [0; INODE_SIZE];
    medium.load(sb.layout().inode_at(ino), &mut bytes)?;
    DiskInode::read_from_bytes(&bytes).map_err(|_| Error::Io)
}

/// An inode that makes sense.
pub(super) fn load_inode(medium: &impl Medium, sb: &SuperBlock, ino: u64) -> Result<DiskInode> {
    let mut bytes = [0; INODE_SIZE];
    medium.load(sb.layout().inode_at(ino), &mut bytes)?;
    Ok(DiskInode::decode(&bytes, ino)?)
}

/// Stores an inode.
fn store_inode(medium: &Batch<'_, impl Medium>, sb: &SuperBlock, inode: &mut DiskInode) -> Result {
    medium.store(sb.layout().inode_at(inode.ino.get()), inode.encode())
}

/// A free inode in place of whatever is there. Its generation is one that was not used, as far as
/// that can be told.
fn free_inode(medium: &Batch<'_, impl Medium>, sb: &SuperBlock, ino: u64) -> Result {
    let generation = match raw_inode(medium, sb, ino) {
        Ok(inode) => inode.generation.get().wrapping_add(1),
        Err(_) => 1,
    };
    store_inode(medium, sb, &mut DiskInode::free(ino, generation))
}

fn edit_inode(
    medium: &Batch<'_, impl Medium>,
    sb: &SuperBlock,
    ino: u64,
    edit: InodeEdit,
) -> Result {
    if let InodeEdit::Free = edit {
        return free_inode(medium, sb, ino);
    }
    let mut inode = raw_inode(medium, sb, ino)?;
    match edit {
        InodeEdit::Free => {}
        InodeEdit::Sanitize => sanitize(&mut inode),
        InodeEdit::Links(links) => inode.nlink.set(links),
        InodeEdit::Size(size) => inode.size.set(size),
        InodeEdit::Parent(parent) => inode.parent.set(parent),
        InodeEdit::NoXattrs => inode.xattrs.set(0),
        InodeEdit::NoChain => inode.extents.set(0),
    }
    store_inode(medium, sb, &mut inode)
}

/// Makes an empty root directory, and what else its block needs.
fn make_root(medium: &Batch<'_, impl Medium>, sb: &SuperBlock) -> Result {
    let root = sb.root.get();
    let block = root / INODES_PER_BLOCK;
    mark(medium, sb, block, true)?;
    let first = block.saturating_mul(INODES_PER_BLOCK);
    for ino in first..first.saturating_add(INODES_PER_BLOCK) {
        if load_inode(medium, sb, ino).is_err() {
            free_inode(medium, sb, ino)?;
        }
    }
    // What was there is not a directory and has no names: its number goes on.
    let old = load_inode(medium, sb, root)?;
    let mut inode = DiskInode::free(root, old.generation.get().wrapping_add(1));
    inode.mode.set(MODE_DIR | 0o755);
    inode.nlink.set(2);
    inode.parent.set(root);
    for time in [
        &mut inode.atime,
        &mut inode.mtime,
        &mut inode.ctime,
        &mut inode.btime,
    ] {
        *time = sb.created;
    }
    sanitize(&mut inode);
    store_inode(medium, sb, &mut inode)
}

fn load_group(
    medium: &impl Medium,
    inode: &DiskInode,
    block: u64,
    index: usize,
) -> Result<ExtentGroup> {
    let mut bytes = [0; ExtentGroup::SIZE];
    medium.load(group_at(block, index), &mut bytes)?;
    let (ino, generation) = (inode.ino.get(), inode.generation.get());
    Ok(ExtentGroup::decode(&bytes, ino, generation, index)?)
}

fn set_extent(
    medium: &Batch<'_, impl Medium>,
    sb: &SuperBlock,
    ino: u64,
    at: Where,
    raw: RawExtent,
) -> Result {
    let mut inode = load_inode(medium, sb, ino)?;
    match at {
        Where::Inode(slot) => {
            if slot < INLINE_BYTES / size_of::<RawExtent>() {
                inode.set_extent(slot, raw);
            }
            store_inode(medium, sb, &mut inode)
        }
        Where::Group {
            block,
            index,
            place,
        } => {
            let mut group = load_group(medium, &inode, block, index)?;
            if let Some(slot) = group.extents.get_mut(place) {
                *slot = raw;
            }
            medium.store(group_at(block, index), group.encode())
        }
    }
}

/// Makes slots of a directory block free. A whole block need not be readable for that.
fn free_slots(
    medium: &Batch<'_, impl Medium>,
    dir: u64,
    block: u64,
    slot: usize,
    count: usize,
) -> Result {
    if count == DIR_SLOTS {
        medium.zero(block.saturating_mul(BLOCK_SIZE), BLOCK_SIZE)?;
    }
    store_entry(medium, dir, block, slot, &Dirent::free(count))
}

/// Stores an entry of directory `dir` at a slot of a block.
fn store_entry(
    medium: &Batch<'_, impl Medium>,
    dir: u64,
    block: u64,
    slot: usize,
    dirent: &Dirent<'_>,
) -> Result {
    let mut bytes = [0; DIR_SLOT * DIR_SLOTS];
    let len = dirent.encode(dir, &mut bytes).ok_or(Error::Invalid)?;
    let at = block.saturating_mul(BLOCK_SIZE);
    let at = at.saturating_add((slot as u64).saturating_mul(DIR_SLOT as u64));
    medium.store(at, bytes.get(..len).unwrap_or_default())
}
