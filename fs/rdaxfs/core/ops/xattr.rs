// SPDX-License-Identifier: GPL-2.0

//! Extended attributes: all of an inode in one blob, which each change writes anew.
//!
//! The blob is a list of: length of the name (1 byte), length of the value (4 bytes, little endian),
//! name, value.

use crate::{
    alloc::Run,
    blob::{
        self,
        NewBlob, //
    },
    error::Locate,
    ops::AttrChange,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use rdaxfs_format::{
    NAME_MAX,
    XATTR_TOTAL_MAX,
    XATTR_VALUE_MAX, //
};

/// What has to be there before an attribute is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Anything.
    Any,
    /// Not the attribute (`XATTR_CREATE`).
    Create,
    /// The attribute (`XATTR_REPLACE`).
    Replace,
}

const HEAD: usize = 5;

fn push(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Error::Range);
    }
    if value.len() > XATTR_VALUE_MAX {
        return Err(Error::TooBig);
    }
    bytes.push(name.len() as u8)?;
    bytes.extend(&(value.len() as u32).to_le_bytes())?;
    bytes.extend(name)?;
    bytes.extend(value)?;
    if bytes.len() > XATTR_TOTAL_MAX {
        return Err(Error::NoSpace);
    }
    Ok(())
}

/// The bytes for `attributes`.
pub(super) fn encode(attributes: &[(&[u8], &[u8])]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (name, value) in attributes {
        push(&mut bytes, name, value)?;
    }
    Ok(bytes)
}

/// The first attribute in `bytes`, and what comes after it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let parts = || {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let (name_len, value_len) = head.split_first()?;
        let value_len = u32::from_le_bytes(value_len.try_into().ok()?);
        let (name, rest) = rest.split_at_checked((*name_len).into())?;
        let (value, rest) = rest.split_at_checked(usize::try_from(value_len).ok()?)?;
        Some((name, value, rest))
    };
    parts().ok_or(Error::corrupt("attribute is cut off"))
}

fn find<'b>(bytes: &'b [u8], name: &[u8]) -> Result<Option<&'b [u8]>> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (other, value, next) = split(rest)?;
        if other == name {
            return Ok(Some(value));
        }
        rest = next;
    }
    Ok(None)
}

impl<M: Medium> Volume<M> {
    fn xattrs(&self, node: &Node) -> Result<Vec<u8>> {
        self.check_alive()?;
        blob::read(
            self.medium(),
            self.layout(),
            node.owner(),
            node.disk.xattrs.get(),
        )
    }

    /// The value of attribute `name` (with its prefix) goes to `out`, if there is one; returns its
    /// length. `Error::Range` if `out` is too short.
    pub fn xattr_get(&self, node: &Node, name: &[u8], out: Option<&mut [u8]>) -> Result<usize> {
        if !node.has_xattrs() {
            return Err(Error::NoAttribute);
        }
        let bytes = self.xattrs(node)?;
        let value = find(&bytes, name)
            .of_inode(node.ino())?
            .ok_or(Error::NoAttribute)?;
        if let Some(out) = out {
            out.get_mut(..value.len())
                .ok_or(Error::Range)?
                .copy_from_slice(value);
        }
        Ok(value.len())
    }

    /// Calls `show` with the name of each attribute.
    pub fn xattr_list(&self, node: &Node, show: &mut dyn FnMut(&[u8])) -> Result {
        let bytes = self.xattrs(node)?;
        let mut rest = &*bytes;
        while !rest.is_empty() {
            let (name, _, next) = split(rest).of_inode(node.ino())?;
            show(name);
            rest = next;
        }
        Ok(())
    }

    /// Sets attribute `name` to `value`, or removes it (`None`), and changes `attr` with it.
    pub fn xattr_set(
        &self,
        node: &mut Node,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
        attr: &AttrChange,
    ) -> Result {
        let old = self.xattrs(node)?;
        let exists = find(&old, name).of_inode(node.ino())?.is_some();
        match (exists, mode, value) {
            (true, XattrMode::Create, _) => return Err(Error::Exists),
            (false, XattrMode::Replace, _) | (false, _, None) => return Err(Error::NoAttribute),
            _ => {}
        }
        let mut bytes = Vec::new();
        let mut rest = &*old;
        while !rest.is_empty() {
            let (other, value, next) = split(rest).of_inode(node.ino())?;
            if other != name {
                push(&mut bytes, other, value)?;
            }
            rest = next;
        }
        if let Some(value) = value {
            push(&mut bytes, name, value)?;
        }
        self.replace_xattrs(node, &bytes, attr)
    }

    fn replace_xattrs(&self, node: &mut Node, bytes: &[u8], attr: &AttrChange) -> Result {
        let mut old: Vec<Run> = Vec::new();
        blob::chain(
            self.medium(),
            self.layout(),
            node.owner(),
            node.disk.xattrs.get(),
            |block, _| old.push(Run { block, len: 1 }),
        )?;
        let (new, stored) = NewBlob::write(self.medium(), self.alloc()?, node.owner(), bytes)?;
        let mut disk = node.disk;
        attr.apply(&mut disk);
        disk.xattrs.set(new.head());
        let mut tx = self.begin()?;
        tx.after(stored);
        tx.inode(&mut disk)?;
        tx.commit()?;
        node.disk = disk;
        let others = node.blob_blocks.saturating_sub(old.len() as u64);
        node.blob_blocks = others.saturating_add(new.len());
        new.keep();
        for &run in old.iter() {
            self.free_blocks(run);
        }
        Ok(())
    }
}
