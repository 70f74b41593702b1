// SPDX-License-Identifier: GPL-2.0

//! Steps that compare what is read with what was stored.

use super::{
    name,
    Entries,
    Kind,
    Task,
    NAMES, //
};
use crate::common::{
    icache::Content,
    overlap::{
        doing,
        Overlap, //
    }, //
};
use rdaxfs_core::{
    Medium,
    Node,
    Volume, //
};
use std::collections::BTreeMap;

impl Task<'_, '_> {
    pub(super) fn look_up(&mut self) {
        doing("lookup");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let name = name(self.rng.below(NAMES));
        let entries = dir.entries.read().unwrap();
        let mut node = dir.inode.node.write().unwrap();
        let found = world.volume().lookup(&mut node, &name).unwrap();
        drop(node);
        let expected = entries.get(&name);
        assert_eq!(found.map(|found| found.ino), expected.map(|entry| entry.0));
        let Some(&(ino, kind)) = expected else {
            return;
        };
        let inode = world.cache.iget(ino).expect("a name names an inode");
        drop(entries);
        self.check(&inode, kind);
        if kind == Kind::File {
            self.open(inode);
        }
    }

    pub(super) fn read_dir(&mut self) {
        doing("readdir");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let entries = dir.entries.read().unwrap();
        let mut node = dir.inode.node.write().unwrap();
        check_dir(world.volume(), &mut node, &entries);
    }
}

pub fn check_inode(volume: &Volume<Overlap>, node: &Node, content: &Content, kind: Kind) {
    let ino = node.ino();
    let types = [
        (Kind::File, 0o100000),
        (Kind::Dir, 0o040000),
        (Kind::Link, 0o120000),
    ];
    if let Some((_, mode)) = types.iter().find(|(other, _)| *other == kind) {
        assert_eq!(node.inode().mode.get() & 0o170000, *mode, "inode {ino}");
    }
    if kind == Kind::File {
        assert_eq!(node.size(), content.data.len() as u64, "inode {ino}");
        let mut data = vec![0; content.data.len().next_multiple_of(4096)];
        for extent in node.iter_extents().filter(|extent| !extent.unwritten) {
            for index in 0..extent.len {
                let pos = (extent.lblk + index) as usize * 4096;
                if let Some(place) = data.get_mut(pos..pos + 4096) {
                    let at = (extent.pblk + index) * 4096;
                    volume.medium().load(at, place).unwrap();
                }
            }
        }
        data.truncate(content.data.len());
        assert!(data == content.data, "inode {ino} has other data");
    }
    if kind == Kind::Link {
        assert_eq!(*volume.read_link(node).unwrap(), *content.target);
    }
    let mut names = Vec::new();
    volume
        .xattr_list(node, &mut |name| names.push(name.to_vec()))
        .unwrap();
    assert_eq!(names.len(), content.xattrs.len(), "inode {ino}");
    for (key, value) in &content.xattrs {
        let name = format!("user.{key}");
        let mut found = vec![0; value.len()];
        let len = volume.xattr_get(node, name.as_bytes(), Some(&mut found));
        assert_eq!(len, Ok(value.len()));
        assert!(found == *value, "inode {ino} has another attribute");
    }
}

pub fn check_dir(volume: &Volume<Overlap>, node: &mut Node, entries: &Entries) {
    let mut found = BTreeMap::new();
    volume
        .readdir(node, 0, &mut |entry| {
            let old = found.insert(entry.name.to_vec(), entry.ino);
            assert!(old.is_none(), "a name is there twice");
            true
        })
        .unwrap();
    let expected = entries.iter();
    let expected: BTreeMap<_, _> = expected
        .map(|(name, entry)| (name.clone(), entry.0))
        .collect();
    assert_eq!(found, expected);
}
