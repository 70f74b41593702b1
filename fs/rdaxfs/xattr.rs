// SPDX-License-Identifier: GPL-2.0

//! Extended attributes. On the medium their names are with the prefix.

use crate::{
    acl,
    mount::checked,
    stamp::Stamp,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::fs::{
    acl::Kind,
    xattr::{
        Buffer,
        List,
        Namespace,
        Operations,
        SetMode, //
    },
    Inode, //
};
use rdaxfs_core::{
    format_types::NAME_MAX,
    AttrChange,
    XattrMode, //
};

const NAMESPACES: [(Namespace, &[u8]); 3] = [
    (Namespace::User, b"user."),
    (Namespace::Trusted, b"trusted."),
    (Namespace::Security, b"security."),
];

fn full_name(namespace: Namespace, name: &[u8]) -> Result<KVec<u8>> {
    let found = NAMESPACES.iter().find(|(other, _)| *other == namespace);
    let (_, prefix) = found.ok_or(EOPNOTSUPP)?;
    let len = prefix.len().saturating_add(name.len());
    if len > NAME_MAX {
        return Err(ERANGE);
    }
    let mut full = KVec::with_capacity(len, GFP_KERNEL)?;
    full.extend_from_slice(prefix, GFP_KERNEL)?;
    full.extend_from_slice(name, GFP_KERNEL)?;
    Ok(full)
}

impl Operations for Rdaxfs {
    fn get_xattr(
        inode: &Inode<Self>,
        namespace: Namespace,
        name: &[u8],
        value: Buffer<'_>,
    ) -> Result<usize> {
        let name = full_name(namespace, name)?;
        let sb = inode.sb();
        let core = sb.data().core();
        let node = inode.data().read();
        let len = checked(sb, core.xattr_get(&node, &name, None))?;
        value.fill(len, |out| {
            checked(sb, core.xattr_get(&node, &name, Some(out))).map(|_| ())
        })
    }

    fn set_xattr(
        inode: &Inode<Self>,
        namespace: Namespace,
        name: &[u8],
        value: Option<&[u8]>,
        mode: SetMode,
    ) -> Result {
        let name = full_name(namespace, name)?;
        let mode = match mode {
            SetMode::Any => XattrMode::Any,
            SetMode::Create => XattrMode::Create,
            SetMode::Replace => XattrMode::Replace,
        };
        set(inode, &name, value, mode, AttrChange::default())
    }
}

/// Sets or removes the attribute with this full name, and changes `attr` with it. Under `i_rwsem`.
pub(crate) fn set(
    inode: &Inode<Rdaxfs>,
    name: &[u8],
    value: Option<&[u8]>,
    mode: XattrMode,
    mut attr: AttrChange,
) -> Result {
    let sb = inode.sb();
    let stamp = Stamp::new([Some(inode)]);
    attr.ctime = Some(stamp.now());
    let mut node = inode.data().write();
    let done = sb
        .data()
        .core()
        .xattr_set(&mut node, name, value, mode, &attr);
    checked(sb, done)?;
    crate::node::sync_blocks(inode, &node);
    stamp.commit();
    Ok(())
}

/// Lists all attributes, access control lists among them.
pub(crate) fn list(inode: &Inode<Rdaxfs>, list: &mut List<'_>) -> Result {
    let sb = inode.sb();
    let node = inode.data().read();
    let mut result = Ok(());
    let listed = sb.data().core().xattr_list(&node, &mut |full| {
        if result.is_ok() {
            result = list_one(full, list);
        }
    });
    checked(sb, listed)?;
    result
}

fn list_one(full: &[u8], list: &mut List<'_>) -> Result {
    for (namespace, prefix) in NAMESPACES {
        if let Some(name) = full.strip_prefix(prefix) {
            return list.add(namespace, name);
        }
    }
    for kind in [Kind::Access, Kind::Default] {
        if full == acl::name(kind) {
            return list.add_acl(kind);
        }
    }
    // Of a namespace that does not exist any more, or not yet.
    Ok(())
}
