// SPDX-License-Identifier: GPL-2.0

//! Random operations on names, links and attributes, against a tree in memory.

use crate::common::{
    pm::Pm,
    script::{
        dir,
        file,
        look,
        options,
        symlink,
        SIZE, //
    },
    tree::{
        check,
        walk,
        PATTERN, //
    }, //
};
use proptest::prelude::*;
use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    Error,
    FormatOptions,
    NewInode,
    Node,
    Rename,
    RenameKind,
    Volume,
    XattrMode, //
};
use std::collections::BTreeMap;

const NAMES: usize = 14;
const ROOT: usize = 0;

#[derive(Clone, Copy, Debug)]
enum How {
    Move,
    Exchange,
    Whiteout,
}

/// Directories are picked by a number modulo how many there are.
#[derive(Clone, Debug)]
enum Op {
    Create(usize, usize, u8),
    Link(usize, usize, usize, usize),
    Remove(usize, usize),
    Rename(usize, usize, usize, usize, How),
    Xattr(usize, usize, u8, Option<usize>),
    Remount,
}

fn op() -> impl Strategy<Value = Op> {
    let place = || (0..8usize, 0..NAMES);
    let how = prop_oneof![3 => Just(How::Move), 2 => Just(How::Exchange), 1 => Just(How::Whiteout)];
    let size = prop::option::of(prop_oneof![0..100usize, 0..20_000usize]);
    prop_oneof![
        8 => (place(), 0..6u8).prop_map(|((d, n), kind)| Op::Create(d, n, kind)),
        2 => (place(), place()).prop_map(|((d, n), (e, m))| Op::Link(d, n, e, m)),
        4 => place().prop_map(|(d, n)| Op::Remove(d, n)),
        8 => (place(), place(), how).prop_map(|((d, n), (e, m), how)| Op::Rename(d, n, e, m, how)),
        3 => (place(), 0..4u8, size).prop_map(|((d, n), key, size)| Op::Xattr(d, n, key, size)),
        1 => Just(Op::Remount),
    ]
}

const NOW: fn() -> DiskTime = || DiskTime::new(3, 0);

/// Names of 1 to 5 slots.
fn name(number: usize) -> Vec<u8> {
    format!("{number:0width$}", width = 2 + number * 19).into_bytes()
}

/// Calls `f` with what `how` means.
fn with_kind<R>(volume: &Volume<Pm>, how: How, f: impl FnOnce(RenameKind<'_>) -> R) -> R {
    match how {
        How::Move => f(RenameKind::Move),
        How::Exchange => f(RenameKind::Exchange),
        How::Whiteout => {
            let whiteout = NewInode {
                mode: 0o020000,
                ..NewInode::default()
            };
            let root = volume.iget(volume.root()).unwrap();
            let reserved = volume.reserve(&root, whiteout.mode).unwrap();
            let ino = reserved.ino();
            f(RenameKind::Whiteout(
                whiteout,
                reserved.hashed(&ino).unwrap(),
            ))
        }
    }
}

/// What the model knows of an inode.
struct Inode {
    node: Option<Node>,
    /// Of a directory.
    entries: Option<BTreeMap<usize, usize>>,
    parent: usize,
    links: u32,
    xattrs: BTreeMap<u8, Vec<u8>>,
}

struct World {
    pm: Pm,
    volume: Volume<Pm>,
    inodes: Vec<Inode>,
    /// Those that exist.
    dirs: Vec<usize>,
}

impl World {
    fn new() -> Self {
        let pm = Pm::new(vec![PATTERN; SIZE]);
        format(&pm, &FormatOptions::default(), |_, _| {}).unwrap();
        let volume = Volume::mount(pm.clone(), &options()).unwrap();
        let root = Inode {
            node: Some(volume.iget(volume.root()).unwrap()),
            entries: Some(BTreeMap::new()),
            parent: ROOT,
            links: 0,
            xattrs: BTreeMap::new(),
        };
        Self {
            pm,
            volume,
            inodes: vec![root],
            dirs: vec![ROOT],
        }
    }

    fn dir(&self, number: usize) -> usize {
        self.dirs[number % self.dirs.len()]
    }

    fn entry(&self, dir: usize, name: usize) -> Option<usize> {
        self.inodes[dir].entries.as_ref()?.get(&name).copied()
    }

    fn entries(&mut self, dir: usize) -> &mut BTreeMap<usize, usize> {
        self.inodes[dir].entries.as_mut().unwrap()
    }

    fn is_dir(&self, inode: usize) -> bool {
        self.inodes[inode].entries.is_some()
    }

    fn take(&mut self, inode: usize) -> Node {
        self.inodes[inode].node.take().unwrap()
    }

    fn give(&mut self, inode: usize, node: Node) {
        self.inodes[inode].node = Some(node);
    }

    fn is_within(&self, mut inode: usize, ancestor: usize) -> bool {
        while inode != ancestor && inode != ROOT {
            inode = self.inodes[inode].parent;
        }
        inode == ancestor
    }

    fn add(&mut self, dir: usize, name: usize, node: Node, is_dir: bool) {
        let inode = self.inodes.len();
        self.inodes.push(Inode {
            node: Some(node),
            entries: is_dir.then(BTreeMap::new),
            parent: dir,
            links: 1,
            xattrs: BTreeMap::new(),
        });
        if is_dir {
            self.dirs.push(inode);
        }
        self.entries(dir).insert(name, inode);
    }

    /// `inode` lost a name.
    fn unlinked(&mut self, inode: usize) {
        self.inodes[inode].links -= 1;
        if self.inodes[inode].links == 0 {
            self.dirs.retain(|&dir| dir != inode);
            let mut node = self.take(inode);
            assert_eq!(node.inode().nlink.get(), 0);
            self.volume.evict(&mut node).unwrap();
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Create(d, n, kind) => self.create(self.dir(d), n, kind),
            Op::Link(d, n, e, m) => self.link((self.dir(d), n), (self.dir(e), m)),
            Op::Remove(d, n) => self.remove(self.dir(d), n),
            Op::Rename(d, n, e, m, how) => self.rename((self.dir(d), n), (self.dir(e), m), how),
            Op::Xattr(d, n, key, size) => self.xattr(self.dir(d), n, key, size),
            Op::Remount => {
                self.volume.deactivate().unwrap();
                self.volume = Volume::mount(self.pm.clone(), &options()).unwrap();
                for inode in self.inodes.iter_mut().filter(|inode| inode.node.is_some()) {
                    let ino = inode.node.as_ref().unwrap().ino();
                    inode.node = Some(self.volume.iget(ino).unwrap());
                }
            }
        }
    }

    fn create(&mut self, d: usize, n: usize, kind: u8) {
        let target = vec![b't'; 60 * (n + 1)];
        let new = match kind {
            0 | 1 => dir(),
            2 => symlink(&target),
            3 => NewInode {
                mode: 0o010600,
                ..NewInode::default()
            },
            _ => file(),
        };
        let mut parent = self.take(d);
        let made = self.volume.create(&mut parent, &name(n), &new, NOW());
        self.give(d, parent);
        match self.entry(d, n) {
            Some(_) => assert_eq!(made.err(), Some(Error::Exists)),
            None => self.add(d, n, made.unwrap(), kind < 2),
        }
    }

    fn link(&mut self, (d, n): (usize, usize), (e, m): (usize, usize)) {
        let Some(inode) = self.entry(d, n).filter(|&inode| !self.is_dir(inode)) else {
            return;
        };
        let (mut node, mut parent) = (self.take(inode), self.take(e));
        let linked = self.volume.link(&mut parent, &name(m), &mut node, NOW());
        self.give(inode, node);
        self.give(e, parent);
        if self.entry(e, m).is_some() {
            assert_eq!(linked, Err(Error::Exists));
            return;
        }
        linked.unwrap();
        self.inodes[inode].links += 1;
        self.entries(e).insert(m, inode);
    }

    fn remove(&mut self, d: usize, n: usize) {
        let Some(inode) = self.entry(d, n) else {
            return;
        };
        let (mut node, mut parent) = (self.take(inode), self.take(d));
        let full = self.inodes[inode]
            .entries
            .as_ref()
            .is_some_and(|e| !e.is_empty());
        let removed = match self.is_dir(inode) {
            true => self.volume.rmdir(&mut parent, &name(n), &mut node, NOW()),
            false => self.volume.unlink(&mut parent, &name(n), &mut node, NOW()),
        };
        self.give(inode, node);
        self.give(d, parent);
        if full {
            assert_eq!(removed, Err(Error::NotEmpty));
            return;
        }
        removed.unwrap();
        self.entries(d).remove(&n);
        self.unlinked(inode);
    }

    fn rename(&mut self, (d, n): (usize, usize), (e, m): (usize, usize), how: How) {
        let (Some(inode), target) = (self.entry(d, n), self.entry(e, m)) else {
            return;
        };
        // What the VFS does not let through.
        let exchange = matches!(how, How::Exchange);
        let types = target.is_some_and(|t| self.is_dir(t) != self.is_dir(inode));
        let loops = self.is_within(e, inode) || target.is_some_and(|t| self.is_within(d, t));
        if target == Some(inode) || loops || (exchange && target.is_none()) || (!exchange && types)
        {
            return;
        }
        let (mut node, mut from) = (self.take(inode), self.take(d));
        let mut to = (d != e).then(|| self.take(e));
        let mut over = target.map(|target| self.take(target));
        let done = with_kind(&self.volume, how, |kind| {
            let rename = Rename {
                from: &mut from,
                from_name: &name(n),
                to: to.as_mut(),
                to_name: &name(m),
                node: &mut node,
                target: over.as_mut(),
                kind,
            };
            self.volume.rename(rename, NOW())
        });
        self.give(inode, node);
        self.give(d, from);
        if let Some(to) = to {
            self.give(e, to);
        }
        if let (Some(over), Some(target)) = (over, target) {
            self.give(target, over);
            let entries = self.inodes[target].entries.as_ref();
            if !exchange && entries.is_some_and(|entries| !entries.is_empty()) {
                assert_eq!(done.err(), Some(Error::NotEmpty));
                return;
            }
        }
        let whiteout = done.unwrap();
        self.entries(d).remove(&n);
        self.entries(e).insert(m, inode);
        self.inodes[inode].parent = e;
        match (target, exchange) {
            (Some(target), true) => {
                self.entries(d).insert(n, target);
                self.inodes[target].parent = d;
            }
            (Some(target), false) => self.unlinked(target),
            (None, _) => {}
        }
        if let Some(whiteout) = whiteout {
            self.add(d, n, whiteout, false);
        }
    }

    fn xattr(&mut self, d: usize, n: usize, key: u8, size: Option<usize>) {
        let Some(inode) = self.entry(d, n) else {
            return;
        };
        let value = size.map(|size| vec![key + 1; size]);
        let mut node = self.take(inode);
        let attr = AttrChange::default();
        let name = [b'u', b'.', b'a' + key];
        let set = self
            .volume
            .xattr_set(&mut node, &name, value.as_deref(), XattrMode::Any, &attr);
        self.give(inode, node);
        let xattrs = &mut self.inodes[inode].xattrs;
        match value {
            Some(value) => {
                set.unwrap();
                xattrs.insert(key, value);
            }
            None => assert_eq!(set.is_ok(), xattrs.remove(&key).is_some()),
        }
    }

    /// Paths and inodes below `dir`.
    fn paths(&self, dir: usize, path: &str, all: &mut BTreeMap<String, usize>) {
        all.insert(format!("{path}/"), dir);
        for (&n, &inode) in self.inodes[dir].entries.as_ref().unwrap() {
            let path = format!("{path}/{}", String::from_utf8(name(n)).unwrap());
            match self.is_dir(inode) {
                true => self.paths(inode, &path, all),
                false => drop(all.insert(path, inode)),
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        check(&self.pm).map_err(TestCaseError::fail)?;
        let tree = walk(&self.volume).map_err(TestCaseError::fail)?;
        let mut paths = BTreeMap::new();
        self.paths(ROOT, "", &mut paths);
        prop_assert!(
            tree.keys().eq(paths.keys()),
            "{:?} {:?}",
            tree.keys(),
            paths
        );
        for (path, file) in &tree {
            let inode = &self.inodes[paths[path]];
            prop_assert_eq!(inode.node.as_ref().map(Node::ino), Some(file.ino));
            prop_assert!(inode.xattrs.values().eq(file.xattrs.values()));
        }
        prop_assert!(look(&Pm::new(self.pm.image())).map_err(TestCaseError::fail)? == tree);
        Ok(())
    }

    fn clear(&mut self) {
        while self.dirs.len() > 1 || !self.entries(ROOT).is_empty() {
            for dir in self.dirs.clone().into_iter().rev() {
                let names: Vec<usize> = self.inodes[dir]
                    .entries
                    .iter()
                    .flatten()
                    .map(|e| *e.0)
                    .collect();
                for n in names {
                    self.remove(dir, n);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn namespace(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        let fresh = world.volume.usage();
        for (number, op) in ops.iter().enumerate() {
            world.apply(op);
            if number % 8 == 7 {
                world.check()?;
            }
        }
        world.check()?;
        world.clear();
        world.check()?;
        let usage = world.volume.usage();
        prop_assert_eq!(usage.free, fresh.free);
        prop_assert_eq!(usage.inodes, 1);
    }
}
