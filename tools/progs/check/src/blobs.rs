// SPDX-License-Identifier: GPL-2.0

//! What inodes have in blobs: extended attributes, and the targets of long symbolic links.

use crate::{
    claims::Owner,
    report::{
        Fix,
        InodeEdit,
        Kind,
        Problem, //
    },
    Checker, //
};
use rdaxfs_core::{
    format_types::{
        Blob,
        DiskInode,
        BLOB_PAYLOAD,
        BLOCK_SIZE,
        INLINE_BYTES,
        NAME_MAX,
        SYMLINK_MAX,
        XATTR_TOTAL_MAX,
        XATTR_VALUE_MAX, //
    },
    Medium, //
};
use std::collections::HashSet;

/// Why a blob is bad.
struct Bad {
    kind: Kind,
    block: u64,
    text: String,
}

impl<M: Medium> Checker<'_, M> {
    /// Checks everything of an inode but the data of a regular file and the entries of a directory.
    pub(crate) fn check_metadata(&mut self, ino: u64) {
        let Some(inode) = self.inode(ino) else {
            return;
        };
        if inode.has_extents() {
            let chain = self.check_chain(&inode);
            if inode.is_dir() {
                let placed = self.check_extents(&inode, &chain);
                let placed = self.check_shape(&inode, placed);
                self.dirs.insert(ino, placed);
            } else if !chain.is_empty() {
                self.chains.insert(ino, chain);
            }
        }
        if inode.is_symlink() {
            self.check_target(&inode);
        }
        self.check_xattrs(&inode);
    }

    fn check_target(&mut self, inode: &DiskInode) {
        let ino = inode.ino.get();
        let bad = |text: &str| Bad {
            kind: Kind::BadTarget,
            block: 0,
            text: text.into(),
        };
        let size = inode.size.get();
        let checked = if size == 0 || size > SYMLINK_MAX as u64 {
            Err(bad("symbolic link has a bad length"))
        } else if size <= INLINE_BYTES as u64 {
            if inode.extents.get() != 0 {
                let text = "short symbolic link has a target in blocks too";
                let problem = Problem::of(Kind::StrayField, ino, text);
                self.add(problem.fix(Fix::Inode(ino, InodeEdit::NoChain)));
            }
            let target = inode.inline.get(..size as usize).unwrap_or_default();
            Ok(target.to_vec())
        } else {
            self.read_blob(inode, inode.extents.get(), size)
        };
        let checked = checked.and_then(|target| match target {
            _ if target.len() as u64 != size => {
                Err(bad("symbolic link has another length than its target"))
            }
            _ if target.contains(&0) => Err(bad("target of symbolic link has a zero in it")),
            _ => Ok(()),
        });
        if let Err(bad) = checked {
            self.add_bad(ino, bad, InodeEdit::Free);
            self.inodes.remove(&ino);
        }
    }

    fn check_xattrs(&mut self, inode: &DiskInode) {
        let head = inode.xattrs.get();
        if head == 0 || !self.inodes.contains_key(&inode.ino.get()) {
            return;
        }
        let checked = self
            .read_blob(inode, head, XATTR_TOTAL_MAX as u64)
            .and_then(|bytes| {
                check_attributes(&bytes).map_err(|text| Bad {
                    kind: Kind::BadXattrs,
                    block: head,
                    text: text.into(),
                })
            });
        if let Err(bad) = checked {
            self.add_bad(inode.ino.get(), bad, InodeEdit::NoXattrs);
        }
    }

    fn add_bad(&mut self, ino: u64, bad: Bad, edit: InodeEdit) {
        let problem = Problem::of(bad.kind, ino, bad.text).fix(Fix::Inode(ino, edit));
        self.add(match bad.block {
            0 => problem,
            block => problem.at(block),
        });
    }

    /// Reads a blob of at most `max` bytes and claims its blocks.
    fn read_blob(&mut self, inode: &DiskInode, head: u64, max: u64) -> Result<Vec<u8>, Bad> {
        let (ino, generation) = (inode.ino.get(), inode.generation.get());
        let mut bytes = Vec::new();
        let mut block = head;
        let mut raw = vec![0; BLOCK_SIZE as usize];
        let bad = |kind, block, text: &str| Bad {
            kind,
            block,
            text: text.into(),
        };
        for _ in 0..XATTR_TOTAL_MAX.div_ceil(BLOB_PAYLOAD) {
            if !self.layout.is_data(block, 1) {
                let text = "chain of blob blocks leads past the volume";
                return Err(bad(Kind::BadChain, block, text));
            }
            let loaded = self.medium.load(block.saturating_mul(BLOCK_SIZE), &mut raw);
            loaded.map_err(|_| bad(Kind::Io, block, "blob cannot be read"))?;
            let blob = Blob::decode(&raw, ino, generation)
                .map_err(|why| bad(Kind::BadChain, block, why.what))?;
            if let Err((_, other)) = self.claims.claim(block, 1, Owner::Blob(ino)) {
                let text = format!("block of a blob also has {other}");
                return Err(bad(Kind::BlockUsedTwice, block, &text));
            }
            bytes.extend_from_slice(blob.payload);
            if bytes.len() as u64 > max {
                return Err(bad(Kind::BadChain, block, "blob is too long"));
            }
            block = blob.next;
            if block == 0 {
                return Ok(bytes);
            }
        }
        Err(bad(
            Kind::BadChain,
            block,
            "chain of blob blocks is too long",
        ))
    }
}

/// Checks encoded attributes: length of the name (1 byte), length of the value (4 bytes), name,
/// value; one after the other.
fn check_attributes(bytes: &[u8]) -> Result<(), &'static str> {
    const CUT: &str = "attribute is cut off";
    let mut names = HashSet::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (&[name_len, a, b, c, d], tail) = rest.split_first_chunk().ok_or(CUT)?;
        let value_len = u32::from_le_bytes([a, b, c, d]) as usize;
        let (name, tail) = tail.split_at_checked(name_len.into()).ok_or(CUT)?;
        let (_, tail) = tail.split_at_checked(value_len).ok_or(CUT)?;
        if name.is_empty() || name.len() > NAME_MAX || name.contains(&0) {
            return Err("attribute has a bad name");
        }
        if value_len > XATTR_VALUE_MAX {
            return Err("attribute has a value that is too long");
        }
        if !names.insert(name) {
            return Err("attribute is there twice");
        }
        rest = tail;
    }
    Ok(())
}
