// SPDX-License-Identifier: GPL-2.0

//! Steps that change files, and read them.

use super::{
    check::check_inode,
    Kind,
    Task,
    MAX,
    NOW, //
};
use crate::common::{
    icache::Ref,
    overlap::{
        doing,
        Overlap, //
    }, //
};
use rdaxfs_core::{
    AttrChange,
    Error,
    Medium,
    Span,
    Volume,
    XattrMode, //
};

impl<'c> Task<'_, 'c> {
    /// Blocks of inodes become data and the other way round.
    pub fn burst(&mut self) {
        let mut inodes: Vec<_> = (0..40).map(|_| self.make_tmpfile()).collect();
        let kept = inodes.swap_remove(0);
        drop(inodes);
        doing("write");
        let mut content = kept.content.write().unwrap();
        write(
            self.world.volume(),
            &kept,
            &mut content.data,
            0,
            &[1; 60_000],
        );
        doing("evict");
    }

    pub(super) fn check_open(&mut self) {
        if let Some(inode) = self.any_open() {
            self.check(&inode, Kind::File);
        }
    }

    /// What is read from the inode is what was stored.
    pub(super) fn check(&self, inode: &Ref<'c>, kind: Kind) {
        doing("read");
        let volume = self.world.volume();
        let content = inode.content.read().unwrap();
        let node = inode.node.read().unwrap();
        check_inode(volume, &node, &content, kind);
    }

    pub(super) fn change_data(&mut self) {
        if let Some(inode) = self.any_open() {
            self.change_data_of(&inode);
        }
    }

    pub(super) fn change_data_of(&mut self, inode: &Ref<'c>) {
        doing("change of data");
        let rng = &mut self.rng;
        let volume = self.world.volume();
        let mut content = inode.content.write().unwrap();
        let mut node = inode.node.write().unwrap();
        let model = &mut content.data;
        let len = model.len() as u64;
        let (mut pos, mut count) = (rng.below(MAX), 1 + rng.below(20_000));
        let op = rng.below(10);
        if (op == 3 || op == 4) && len > 0 {
            (pos, count) = (rng.below(len) / 4096 * 4096, (1 + rng.below(4)) * 4096);
        }
        let end = (pos + count) as usize;
        let ahead = rng.below(2) << 20;
        let keep = rng.below(2) == 0;
        let zero = |model: &mut Vec<u8>, keep: bool| {
            let len = model.len();
            model[(pos as usize).min(len)..end.min(len)].fill(0);
            if !keep {
                model.resize(len.max(end), 0);
            }
        };
        match op {
            0 => {
                volume.set_size(&mut node, pos, NOW()).unwrap();
                model.resize(pos as usize, 0);
            }
            1 => {
                volume.punch(&mut node, pos, count, NOW()).unwrap();
                zero(model, true);
            }
            2 => {
                volume
                    .allocate(&mut node, pos, count, keep, ahead, NOW())
                    .unwrap();
                if !keep {
                    model.resize(model.len().max(end), 0);
                }
            }
            3 => match volume.collapse(&mut node, pos, count, NOW()) {
                Err(Error::Invalid) => assert!(pos + count >= len),
                done => {
                    done.unwrap();
                    model.drain(pos as usize..end);
                }
            },
            4 if len + count <= MAX => match volume.insert(&mut node, pos, count, NOW()) {
                Err(Error::Invalid) => assert!(pos >= len),
                done => {
                    done.unwrap();
                    model.splice(pos as usize..pos as usize, vec![0; count as usize]);
                }
            },
            5 => {
                volume
                    .zero_range(&mut node, pos, count, keep, ahead, NOW())
                    .unwrap();
                zero(model, keep);
            }
            6 => {
                volume.write_zeroes(&mut node, pos, count, NOW()).unwrap();
                zero(model, false);
            }
            7 if pos / 4096 * 4096 < len => {
                let inside = len.div_ceil(4096) - pos / 4096;
                let blocks = inside.min(count.div_ceil(4096));
                volume.fill(&mut node, pos / 4096, blocks, false).unwrap();
            }
            _ => {
                drop(node);
                write(
                    volume,
                    inode,
                    model,
                    pos,
                    &vec![rng.below(255) as u8 + 1; count as usize],
                );
            }
        }
    }

    pub(super) fn change_xattr(&mut self) {
        doing("change of an attribute");
        let Some(inode) = self.any_open() else {
            return;
        };
        let key = self.rng.below(3) as u8;
        let value = vec![key; self.rng.below(9000) as usize];
        let value = (self.rng.below(3) != 0).then_some(value);
        let mut content = inode.content.write().unwrap();
        let mut node = inode.node.write().unwrap();
        let name = format!("user.{key}");
        let done = self.world.volume().xattr_set(
            &mut node,
            name.as_bytes(),
            value.as_deref(),
            XattrMode::Any,
            &AttrChange::default(),
        );
        match value {
            Some(value) => {
                done.unwrap();
                content.xattrs.insert(key, value);
            }
            None if content.xattrs.remove(&key).is_some() => done.unwrap(),
            None => assert_eq!(done, Err(Error::NoAttribute)),
        }
    }

    pub(super) fn change_attr(&mut self) {
        doing("change of attributes");
        if let Some(inode) = self.any_open() {
            let change = AttrChange {
                mode: Some(self.rng.below(0o777) as u16),
                ..AttrChange::default()
            };
            let _content = inode.content.write().unwrap();
            let mut node = inode.node.write().unwrap();
            self.world.volume().set_attr(&mut node, &change).unwrap();
        }
    }
}

/// As `iomap` does: the node is not locked while the data is stored.
pub(super) fn write(
    volume: &Volume<Overlap>,
    inode: &Ref<'_>,
    model: &mut Vec<u8>,
    pos: u64,
    data: &[u8],
) {
    let mut done = 0;
    while done < data.len() {
        let at = pos + done as u64;
        let left = (data.len() - done) as u64;
        let mapping = volume.begin_write(&mut inode.node.write().unwrap(), at, left, &NOW().into());
        let mapping = mapping.unwrap();
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        let offset = at - mapping.lblk * 4096;
        let len = (mapping.len * 4096 - offset).min(left);
        let piece = &data[done..done + len as usize];
        volume.medium().store(block * 4096 + offset, piece).unwrap();
        let mut node = inode.node.write().unwrap();
        volume.end_write(&mut node, at, len, NOW()).unwrap();
        let end = at as usize + piece.len();
        model.resize(model.len().max(end), 0);
        model[at as usize..end].copy_from_slice(piece);
        done += piece.len();
    }
}
