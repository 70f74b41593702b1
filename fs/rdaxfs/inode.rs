// SPDX-License-Identifier: GPL-2.0

//! Inodes of the VFS and nodes of the core.

use crate::{
    file,
    mount::checked,
    node::{
        sync_blocks,
        InodeData, //
    },
    stamp::from_disk,
    unfreed,
    Rdaxfs, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};
use rdax::fs::{
    file::Ops as FileOps,
    inode::{
        Flag,
        Flags,
        Fresh,
        Inode,
        Lookup,
        New,
        Ops, //
    },
    SuperBlock, //
};
use rdaxfs_core::{
    format_types::{
        InodeFlags,
        MODE_DIR,
        MODE_LNK,
        MODE_REG,
        MODE_TYPE, //
    },
    Error as CoreError,
    Hashed,
    Locate,
    Node, //
};

/// A new inode, as the core sees it. It is hashed as `I_NEW` and the VFS hashes no other one of its
/// number: so it has the number to itself.
pub(crate) struct Claimed(pub(crate) New<Rdaxfs>);

impl Hashed for Claimed {
    fn ino(&self) -> u64 {
        self.0.ino()
    }
}

/// Returns the inode with this number, which has no name if it is open. `ESTALE` if there is none.
pub(crate) fn iget(sb: &SuperBlock<Rdaxfs>, ino: u64) -> Result<ARef<Inode<Rdaxfs>>> {
    match sb.iget(ino)? {
        Lookup::Found(inode) => Ok(inode),
        Lookup::New(new) => {
            let claimed = Claimed(new);
            let node = checked(sb, sb.data().core().iget(&claimed))?;
            let target = target_of(sb, &node)?;
            Ok(attach(claimed, node, target)?.publish())
        }
    }
}

/// Where a symbolic link leads.
fn target_of(sb: &SuperBlock<Rdaxfs>, node: &Node) -> Result<Option<CString>> {
    if !node.inode().is_symlink() {
        return Ok(None);
    }
    let target = checked(sb, sb.data().core().read_link(node))?;
    let mut bytes = KVec::with_capacity(target.len().saturating_add(1), GFP_KERNEL)?;
    bytes.extend_from_slice(&target, GFP_KERNEL)?;
    bytes.push(0, GFP_KERNEL)?;
    let target = CStr::from_bytes_with_nul(&bytes).or_else(|_| {
        let corrupt = CoreError::corrupt("symbolic link has a zero byte").of_inode(node.ino());
        checked(sb, Err(corrupt))
    })?;
    Ok(Some(CString::try_from(target)?))
}

/// Makes `node`, which exists on the medium, a new inode of the VFS.
pub(crate) fn attach(
    claimed: Claimed,
    node: Node,
    target: Option<CString>,
) -> Result<Fresh<Rdaxfs>> {
    let disk = *node.inode();
    let blocks_of = |inode: &Inode<Rdaxfs>| sync_blocks(inode, &inode.data().read());
    let mut inode = claimed.0.init(InodeData::new(node))?;
    inode.set_mode(disk.mode.get());
    inode.set_owner(disk.uid.get(), disk.gid.get());
    inode.set_nlink(disk.nlink.get());
    inode.set_size(disk.size.get());
    inode.set_generation(disk.generation.get());
    inode.set_atime(from_disk(disk.atime));
    inode.set_mtime(from_disk(disk.mtime));
    inode.set_ctime(from_disk(disk.ctime));
    blocks_of(&inode);
    sync_flags(&inode, InodeFlags(disk.flags.get()));
    match disk.mode.get() & MODE_TYPE {
        MODE_REG => {
            inode.set_dax();
            inode.set_ops(Ops::REGULAR);
            inode.set_file_ops(file::OPERATIONS);
            inode.set_address_space_ops(file::ADDRESS_SPACE);
        }
        MODE_DIR => {
            inode.set_ops(Ops::DIRECTORY);
            inode.set_file_ops(FileOps::DIRECTORY);
        }
        MODE_LNK => {
            inode.set_ops(Ops::SYMLINK);
            inode.set_link(target.ok_or(EUCLEAN)?);
        }
        _ => {
            inode.set_ops(Ops::SPECIAL);
            inode.set_special(disk.rdev.get());
        }
    }
    Ok(inode)
}

/// Tells the VFS the flags of an inode. Under `i_rwsem`, or before it is published.
pub(crate) fn sync_flags(inode: &Inode<Rdaxfs>, flags: InodeFlags) {
    let pairs = [
        (InodeFlags::IMMUTABLE, Flag::Immutable),
        (InodeFlags::APPEND, Flag::Append),
        (InodeFlags::NOATIME, Flag::NoAtime),
        (InodeFlags::SYNC, Flag::Sync),
    ];
    let mut set = Flags::default();
    let mut mask = Flags::default();
    for (bit, flag) in pairs {
        mask |= flag;
        if flags.0 & bit != 0 {
            set |= flag;
        }
    }
    inode.set_flags(set, mask);
}

/// Takes the pages of an inode that is being evicted out of its mapping. Who holds some keeps them.
pub(crate) fn unmap(inode: &Inode<Rdaxfs>) {
    if inode.has_flag(Flag::Dax) {
        inode.drain_final();
    }
}

/// The last use of an inode: it is freed if it has no names.
pub(crate) fn evict(inode: &Inode<Rdaxfs>) {
    let sb = inode.sb();
    let unnamed = inode.data().read().inode().nlink.get() == 0;
    // Unlike an unlink, the last close of an unlinked file may happen while it is frozen.
    let _write = unnamed.then(|| sb.internal_write());
    let mut node = inode.data().write();
    let evicted = sb.data().core().evict(&mut node);
    drop(node);
    sb.data().watch_busy();
    // An eviction cannot fail. Where memory is short it is tried again; else the next mount frees the
    // inode. Until then it has a number, but no name, and is not read.
    if checked(sb, evicted).is_err_and(|error| error == ENOMEM) {
        unfreed::note(sb, inode.ino());
    }
}
