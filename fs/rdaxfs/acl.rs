// SPDX-License-Identifier: GPL-2.0

//! Access control lists. On the medium they are extended attributes.

use crate::{
    mount::checked,
    stamp::Stamp,
    xattr,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::fs::{
    acl::{
        Acl,
        Inherited,
        Kind,
        XattrBytes, //
    },
    Idmap,
    Inode,
    SuperBlock, //
};
use rdaxfs_core::{
    AttrChange,
    Error as CoreError,
    Locate,
    XattrMode, //
};

/// The name of the attribute.
pub(crate) const fn name(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Access => b"system.posix_acl_access",
        Kind::Default => b"system.posix_acl_default",
    }
}

/// Reads a list.
pub(crate) fn get(inode: &Inode<Rdaxfs>, kind: Kind) -> Result<Option<Acl>> {
    let sb = inode.sb();
    let core = sb.data().core();
    let node = inode.data().read();
    let len = match core.xattr_get(&node, name(kind), None) {
        Err(CoreError::NoAttribute) => return Ok(None),
        len => checked(sb, len)?,
    };
    let mut value = KVec::from_elem(0u8, len, GFP_KERNEL)?;
    checked(sb, core.xattr_get(&node, name(kind), Some(&mut value)))?;
    drop(node);
    Acl::from_xattr(sb, &value).or_else(|err| match err {
        ENOMEM => Err(err),
        _ => checked(
            sb,
            Err(CoreError::corrupt("access control list is invalid").of_inode(inode.ino())),
        ),
    })
}

/// Sets a list, or removes it, and the mode with it. Under `i_rwsem`.
pub(crate) fn set(inode: &Inode<Rdaxfs>, idmap: Idmap<'_>, kind: Kind, acl: Option<Acl>) -> Result {
    if kind == Kind::Default && !inode.is_dir() {
        return acl.map_or(Ok(()), |_| Err(EACCES));
    }
    let (mode, acl) = match (kind, acl) {
        (Kind::Access, Some(acl)) => {
            let (mode, rest) = inode.mode_of_acl(idmap, acl)?;
            (Some(mode), rest)
        }
        (_, acl) => (None, acl),
    };
    let change = AttrChange {
        mode,
        ..AttrChange::default()
    };
    let value = acl
        .as_ref()
        .map(|acl| acl.to_xattr(inode.sb()))
        .transpose()?;
    match xattr::set(inode, name(kind), value.as_deref(), XattrMode::Any, change) {
        // There was none. The mode may change nevertheless.
        Err(ENODATA) => set_mode(inode, change)?,
        done => done?,
    }
    if let Some(mode) = mode {
        inode.set_permissions(mode);
    }
    inode.cache_acl(kind, acl.as_ref());
    Ok(())
}

fn set_mode(inode: &Inode<Rdaxfs>, mut change: AttrChange) -> Result {
    if change.mode.is_none_or(|mode| mode == inode.mode()) {
        return Ok(());
    }
    let sb = inode.sb();
    let stamp = Stamp::new([Some(inode)]);
    change.ctime = Some(stamp.now());
    let mut node = inode.data().write();
    checked(sb, sb.data().core().set_attr(&mut node, &change))?;
    stamp.commit();
    Ok(())
}

/// The lists of a new inode, as they go to the medium.
pub(crate) struct Lists {
    default: Option<XattrBytes>,
    access: Option<XattrBytes>,
}

impl Lists {
    pub(crate) fn new(sb: &SuperBlock<Rdaxfs>, inherited: &Inherited) -> Result<Self> {
        let bytes = |acl: &Option<Acl>| acl.as_ref().map(|acl| acl.to_xattr(sb)).transpose();
        Ok(Self {
            default: bytes(&inherited.default)?,
            access: bytes(&inherited.access)?,
        })
    }

    /// The attributes to create the inode with.
    pub(crate) fn attributes(&self) -> Result<KVec<(&[u8], &[u8])>> {
        let mut attributes = KVec::new();
        for (kind, bytes) in [(Kind::Access, &self.access), (Kind::Default, &self.default)] {
            if let Some(bytes) = bytes {
                attributes.push((name(kind), &**bytes), GFP_KERNEL)?;
            }
        }
        Ok(attributes)
    }

    /// Lets the VFS know what `inode` was created with.
    pub(crate) fn cache(inode: &Inode<Rdaxfs>, inherited: &Inherited) {
        inode.cache_acl(Kind::Access, inherited.access.as_ref());
        inode.cache_acl(Kind::Default, inherited.default.as_ref());
    }
}
