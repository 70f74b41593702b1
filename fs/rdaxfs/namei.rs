// SPDX-License-Identifier: GPL-2.0

//! Names: creating, removing, renaming.
//!
//! # Lock order
//!
//! The VFS holds the `i_rwsem` of all inodes that change. A new inode is hashed, as `I_NEW`, before any
//! node is locked: hashing waits for inodes of the same number that are read or evicted. The nodes are
//! locked in the order of inode numbers.

use crate::{
    acl::Lists,
    error::{
        errno,
        CoreResult, //
    },
    inode::{
        attach,
        iget,
        Claimed, //
    },
    mount::checked,
    node::{
        sync_blocks,
        Locked, //
    },
    stamp::Stamp,
    unfreed,
    Rdaxfs, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};
use rdax::fs::{
    dir::EntryType,
    inode::{
        DirOperations,
        Fresh,
        Rename,
        RenameMode,
        Unhashed, //
    },
    Idmap,
    Inode,
    SuperBlock, //
};
use rdaxfs_core::{
    format_types::{
        DiskTime,
        InodeFlags,
        MODE_LNK, //
    },
    Error as CoreError,
    Locate,
    NewInode,
    NewNumber,
    Node,
    RenameKind,
    Reserved, //
};

/// The mode of a whiteout: a character device, number 0.
const WHITEOUT: u16 = 0o020000;

/// Locks the nodes of some inodes, all different, each in its place.
fn lock_all<const N: usize>(inodes: [Option<&Inode<Rdaxfs>>; N]) -> [Option<Locked<'_>>; N] {
    let mut locked = [const { None }; N];
    let mut last = 0;
    for subclass in 0..N as u32 {
        // The next larger number.
        let left = inodes
            .iter()
            .enumerate()
            .filter_map(|(place, inode)| (*inode).map(|inode| (place, inode)));
        let next = left
            .filter(|(_, inode)| inode.ino() > last)
            .min_by_key(|(_, inode)| inode.ino());
        let Some((place, inode)) = next else {
            break;
        };
        last = inode.ino();
        if let Some(slot) = locked.get_mut(place) {
            *slot = Some(inode.data().write_nested(subclass));
        }
    }
    locked
}

/// Tells the VFS what has become of a directory at `now`; its `ctime` is set.
fn sync_dir(dir: &Inode<Rdaxfs>, node: &Node) {
    dir.set_size(node.size());
    sync_blocks(dir, node);
    sync_nlink(dir, node);
}

fn sync_nlink(inode: &Inode<Rdaxfs>, node: &Node) {
    let nlink = node.inode().nlink.get();
    if inode.nlink() != nlink {
        inode.set_nlink(nlink);
    }
}

/// What [`create`] makes.
struct Creation<'a> {
    mode: u16,
    rdev: u32,
    target: Option<&'a CStr>,
}

/// Reserves the number of a free inode for an inode of mode `mode` in `dir`.
///
/// It is declared before, and so dropped after, what [`hash`] returns: whoever gets the number next
/// finds no inode that is about to be unhashed.
fn reserve(dir: &Inode<Rdaxfs>, mode: u16) -> Result<Reserved<'_>> {
    let sb = dir.sb();
    let node = dir.data().read();
    checked(sb, sb.data().core().reserve(&node, mode))
}

/// Hashes `unhashed` under the number that is reserved for it. With no node locked.
fn hash(
    sb: &SuperBlock<Rdaxfs>,
    unhashed: Unhashed<Rdaxfs>,
    reserved: &Reserved<'_>,
) -> Result<Claimed> {
    match unhashed.insert(reserved.ino()) {
        Err(err) if err == EUCLEAN => {
            let corrupt = CoreError::corrupt("free inode is in use");
            checked(sb, Err(corrupt.of_inode(reserved.ino())))
        }
        new => new.map(Claimed),
    }
}

/// Creates an inode in `dir`, whose node is given to `make`.
fn create(
    dir: &Inode<Rdaxfs>,
    idmap: Idmap<'_>,
    creation: Creation<'_>,
    make: impl FnOnce(&mut Node, &NewInode<'_>, NewNumber<'_>, DiskTime) -> CoreResult<Node>,
) -> Result<Fresh<Rdaxfs>> {
    let sb = dir.sb();
    unfreed::free(sb);
    let unhashed = sb.new_inode()?;
    let inherited = dir.inherit_acl(creation.mode)?;
    let owner = unhashed.init_owner(idmap, dir, inherited.mode);
    let lists = Lists::new(sb, &inherited)?;
    let target = creation.target.map(CString::try_from).transpose()?;
    let new = NewInode {
        mode: owner.mode,
        uid: owner.uid,
        gid: owner.gid,
        rdev: creation.rdev,
        flags: InodeFlags::default(),
        target: creation.target.map_or(&[], CStr::to_bytes),
        xattrs: &lists.attributes()?,
    };
    let reserved = reserve(dir, new.mode)?;
    let claimed = hash(sb, unhashed, &reserved)?;
    let number = reserved.hashed(&claimed).map_err(errno)?;
    let stamp = Stamp::new([Some(dir)]);
    let mut node = dir.data().write();
    let made = checked(sb, make(&mut node, &new, number, stamp.now()))?;
    // Without a name nothing of the directory has changed.
    if made.inode().nlink.get() != 0 {
        dir.set_mtime(stamp.commit());
        sync_dir(dir, &node);
    }
    drop(node);
    let inode = attach(claimed, made, target)?;
    Lists::cache(&inode, &inherited);
    Ok(inode)
}

impl DirOperations for Rdaxfs {
    fn lookup(dir: &Inode<Self>, name: &[u8]) -> Result<Option<ARef<Inode<Self>>>> {
        let sb = dir.sb();
        let core = sb.data().core();
        core.check_alive().map_err(errno)?;
        let found = core.lookup(&mut dir.data().write(), name);
        let Some(found) = checked(sb, found)? else {
            return Ok(None);
        };
        let corrupt = |what| checked(sb, Err(CoreError::corrupt(what).of_inode(found.ino)));
        let inode = match iget(sb, found.ino) {
            Err(err) if err == ESTALE => return corrupt("entry names a free inode"),
            inode => inode?,
        };
        if EntryType::from_mode(inode.mode()) != EntryType::from_raw(found.file_type) {
            return corrupt("entry and inode have different types");
        }
        Ok(Some(inode))
    }

    fn mknod(
        dir: &Inode<Self>,
        idmap: Idmap<'_>,
        name: &[u8],
        mode: u16,
        rdev: u32,
    ) -> Result<Fresh<Self>> {
        let creation = Creation {
            mode,
            rdev,
            target: None,
        };
        create(dir, idmap, creation, |node, new, at, now| {
            dir.sb().data().core().create_at(node, name, new, at, now)
        })
    }

    fn mkdir(dir: &Inode<Self>, idmap: Idmap<'_>, name: &[u8], mode: u16) -> Result<Fresh<Self>> {
        Self::mknod(dir, idmap, name, mode, 0)
    }

    fn symlink(
        dir: &Inode<Self>,
        idmap: Idmap<'_>,
        name: &[u8],
        target: &CStr,
    ) -> Result<Fresh<Self>> {
        let creation = Creation {
            mode: MODE_LNK | 0o777,
            rdev: 0,
            target: Some(target),
        };
        create(dir, idmap, creation, |node, new, at, now| {
            dir.sb().data().core().create_at(node, name, new, at, now)
        })
    }

    fn tmpfile(dir: &Inode<Self>, idmap: Idmap<'_>, mode: u16) -> Result<Fresh<Self>> {
        let creation = Creation {
            mode,
            rdev: 0,
            target: None,
        };
        create(dir, idmap, creation, |node, new, at, now| {
            dir.sb().data().core().tmpfile_at(node, new, at, now)
        })
    }

    fn link(inode: &Inode<Self>, dir: &Inode<Self>, name: &[u8]) -> Result {
        let sb = dir.sb();
        let stamp = Stamp::new([Some(dir), Some(inode)]);
        let [Some(mut dir_node), Some(mut node)] = lock_all([Some(dir), Some(inode)]) else {
            return Err(EINVAL);
        };
        let core = sb.data().core();
        checked(sb, core.link(&mut dir_node, name, &mut node, stamp.now()))?;
        dir.set_mtime(stamp.commit());
        sync_dir(dir, &dir_node);
        sync_nlink(inode, &node);
        Ok(())
    }

    fn unlink(dir: &Inode<Self>, name: &[u8], inode: &Inode<Self>) -> Result {
        let sb = dir.sb();
        unfreed::free(sb);
        let stamp = Stamp::new([Some(dir), Some(inode)]);
        let [Some(mut dir_node), Some(mut node)] = lock_all([Some(dir), Some(inode)]) else {
            return Err(EINVAL);
        };
        let (core, now) = (sb.data().core(), stamp.now());
        let removed = if inode.is_dir() {
            core.rmdir(&mut dir_node, name, &mut node, now)
        } else {
            core.unlink(&mut dir_node, name, &mut node, now)
        };
        checked(sb, removed)?;
        dir.set_mtime(stamp.commit());
        sync_dir(dir, &dir_node);
        sync_nlink(inode, &node);
        Ok(())
    }

    fn rmdir(dir: &Inode<Self>, name: &[u8], inode: &Inode<Self>) -> Result {
        Self::unlink(dir, name, inode)
    }

    fn rename(rename: &Rename<'_, Self>) -> Result {
        let sb = rename.old_dir.sb();
        unfreed::free(sb);
        let to = (rename.new_dir.ino() != rename.old_dir.ino()).then_some(rename.new_dir);
        let inodes = [Some(rename.old_dir), to, Some(rename.inode), rename.target];
        // In this order: see `reserve`.
        let (reserved, claimed);
        let kind = match rename.mode {
            RenameMode::Replace => RenameKind::Move,
            RenameMode::Exchange => RenameKind::Exchange,
            RenameMode::Whiteout => {
                let (unhashed, new) = whiteout(rename)?;
                reserved = reserve(rename.old_dir, new.mode)?;
                claimed = hash(sb, unhashed, &reserved)?;
                RenameKind::Whiteout(new, reserved.hashed(&claimed).map_err(errno)?)
            }
        };
        let stamp = Stamp::new(inodes);
        let mut nodes = lock_all(inodes);
        let [Some(from), to_node, Some(node), target] = &mut nodes else {
            return Err(EINVAL);
        };
        let renamed = sb.data().core().rename(
            rdaxfs_core::Rename {
                from,
                from_name: rename.old_name,
                to: to_node.as_deref_mut(),
                to_name: rename.new_name,
                node,
                target: target.as_deref_mut(),
                kind,
            },
            stamp.now(),
        );
        checked(sb, renamed)?;
        let now = stamp.commit();
        for (place, (inode, node)) in inodes.into_iter().zip(&nodes).enumerate() {
            let (Some(inode), Some(node)) = (inode, node) else {
                continue;
            };
            if place < 2 {
                inode.set_mtime(now);
                sync_dir(inode, node);
            } else {
                sync_nlink(inode, node);
            }
        }
        Ok(())
    }
}

/// What takes the place of the old name. Its inode is not needed once it is made: the first lookup
/// reads it.
fn whiteout<'a>(rename: &Rename<'_, Rdaxfs>) -> Result<(Unhashed<Rdaxfs>, NewInode<'a>)> {
    let unhashed = rename.old_dir.sb().new_inode()?;
    let owner = unhashed.init_owner(rename.idmap, rename.old_dir, WHITEOUT);
    let new = NewInode {
        mode: owner.mode,
        uid: owner.uid,
        gid: owner.gid,
        ..NewInode::default()
    };
    Ok((unhashed, new))
}
