// SPDX-License-Identifier: GPL-2.0

//! Attributes of inodes.

use crate::{
    acl,
    error::errno,
    inode::sync_flags,
    iomap,
    mount::checked,
    node::sync_blocks,
    stamp::{
        from_disk,
        known,
        to_disk,
        Stamp, //
    },
    truncate,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    fs::{
        acl::{
            Acl,
            Kind, //
        },
        fileattr::{
            FileAttr,
            XFlag,
            XFlags, //
        },
        inode::{
            FiemapOperations,
            Operations, //
        },
        kstat::{
            Attribute,
            Attributes,
            Kstat, //
        },
        xattr::List,
        Idmap,
        Inode,
        Setattr, //
    },
    iomap::Fiemap, //
};
use rdaxfs_core::{
    format_types::InodeFlags,
    AttrChange,
    XattrMode, //
};

/// Flags on the medium and what users call them.
const FLAGS: [(u32, XFlag); 5] = [
    (InodeFlags::IMMUTABLE, XFlag::Immutable),
    (InodeFlags::APPEND, XFlag::Append),
    (InodeFlags::NODUMP, XFlag::NoDump),
    (InodeFlags::NOATIME, XFlag::NoAtime),
    (InodeFlags::SYNC, XFlag::Sync),
];

/// Makes what the VFS knows of an inode durable, with `acl` as its access list if there is one, in
/// one transaction.
fn write_attributes(inode: &Inode<Rdaxfs>, acl: Option<&Acl>) -> Result {
    let sb = inode.sb();
    let core = sb.data().core();
    let change = known(inode);
    let Some(acl) = acl else {
        let mut node = inode.data().write();
        return checked(sb, core.set_attr(&mut node, &change));
    };
    let value = acl.to_xattr(sb)?;
    let name = acl::name(Kind::Access);
    let mut node = inode.data().write();
    let set = core.xattr_set(&mut node, name, Some(&value), XattrMode::Any, &change);
    checked(sb, set)?;
    sync_blocks(inode, &node);
    inode.cache_acl(Kind::Access, Some(acl));
    Ok(())
}

fn attributes(flags: u32) -> Attributes {
    let pairs = [
        (InodeFlags::IMMUTABLE, Attribute::Immutable),
        (InodeFlags::APPEND, Attribute::Append),
        (InodeFlags::NODUMP, Attribute::NoDump),
    ];
    let mut attributes = Attributes::default();
    for (bit, attribute) in pairs {
        if flags & bit != 0 {
            attributes |= attribute;
        }
    }
    attributes
}

impl Operations for Rdaxfs {
    fn getattr(inode: &Inode<Self>, stat: &mut Kstat) -> Result {
        inode.sb().data().core().check_alive().map_err(errno)?;
        let disk = *inode.data().read().inode();
        stat.set_btime(from_disk(disk.btime));
        stat.set_attributes(attributes(disk.flags.get()), attributes(InodeFlags::ALL));
        if inode.is_reg() {
            // `O_DIRECT` changes nothing, and needs no alignment. Loop devices take this for the
            // size of their blocks.
            let (memory, offset) = inode.sb().data().core().medium().volume().dio_align();
            stat.set_dio_align(memory, offset);
        }
        Ok(())
    }

    fn setattr(change: &Setattr<'_, Self>) -> Result {
        let inode = change.inode();
        inode.sb().data().core().check_alive().map_err(errno)?;
        change.prepare()?;
        change.apply(|inode| match change.size() {
            // The VFS changes the mode with it only by taking set-user-ID and set-group-ID away,
            // which no access list has.
            Some(size) => truncate::set_size(&change.lock(), size),
            None if inode.data().defer() => Ok(()),
            None => write_attributes(inode, change.chmod_acl()?.as_ref()),
        })
    }

    fn write_times(inode: &Inode<Self>) -> Result {
        if inode.data().defer() {
            return Ok(());
        }
        let sb = inode.sb();
        let mut node = inode.data().write();
        let disk = node.inode();
        let times = [inode.atime(), inode.mtime(), inode.ctime()].map(to_disk);
        if times == [disk.atime, disk.mtime, disk.ctime] {
            return Ok(());
        }
        let [atime, mtime, ctime] = times.map(Some);
        let change = AttrChange {
            atime,
            mtime,
            ctime,
            ..AttrChange::default()
        };
        checked(sb, sb.data().core().set_attr(&mut node, &change))
    }

    fn list_xattr(inode: &Inode<Self>, list: &mut List<'_>) -> Result {
        crate::xattr::list(inode, list)
    }

    fn get_acl(inode: &Inode<Self>, kind: Kind) -> Result<Option<Acl>> {
        acl::get(inode, kind)
    }

    fn set_acl(inode: &Inode<Self>, idmap: Idmap<'_>, kind: Kind, acl: Option<Acl>) -> Result {
        acl::set(inode, idmap, kind, acl)
    }

    fn fileattr(inode: &Inode<Self>) -> Result<XFlags> {
        let node = inode.data().read();
        let mut flags = XFlags::default();
        for (bit, flag) in FLAGS {
            if node.inode().flags.get() & bit != 0 {
                flags |= flag;
            }
        }
        if node.has_xattrs() {
            flags |= XFlag::HasAttr;
        }
        if inode.is_reg() {
            flags |= XFlag::Dax;
        }
        Ok(flags)
    }

    fn set_fileattr(inode: &Inode<Self>, attr: FileAttr) -> Result {
        let mut known = XFlags::from(XFlag::HasAttr) | XFlag::Dax;
        let mut flags = 0;
        for (bit, flag) in FLAGS {
            known |= flag;
            if attr.flags.contains(flag) {
                flags |= bit;
            }
        }
        // Every file is without page cache, whatever is asked for.
        if attr.has_others || !known.contains_all(attr.flags) {
            return Err(EOPNOTSUPP);
        }
        let sb = inode.sb();
        let stamp = Stamp::new([Some(inode)]);
        let change = AttrChange {
            flags: Some(InodeFlags(flags)),
            ctime: Some(stamp.now()),
            ..AttrChange::default()
        };
        let mut node = inode.data().write();
        checked(sb, sb.data().core().set_attr(&mut node, &change))?;
        stamp.commit();
        sync_flags(inode, InodeFlags(flags));
        Ok(())
    }
}

impl FiemapOperations for Rdaxfs {
    fn fiemap(inode: &Inode<Self>, mut info: Fiemap<'_>, start: u64, len: u64) -> Result {
        inode.sb().data().core().check_alive().map_err(errno)?;
        let lock = inode.lock_shared();
        info.report::<Self, iomap::Read>(&lock, start, len)
    }
}
