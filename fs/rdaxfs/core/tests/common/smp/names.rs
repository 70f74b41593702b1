// SPDX-License-Identifier: GPL-2.0

//! Steps that change names.

use super::{
    lock_all,
    lock_two,
    name,
    Entries,
    Kind,
    Task,
    DIRS,
    NAMES,
    NOW, //
};
use crate::common::{
    icache::{
        Content,
        Ref, //
    },
    overlap::doing,
    script::{
        self,
        file,
        symlink, //
    }, //
};
use rdaxfs_core::{
    Error,
    NewInode,
    Rename,
    RenameKind, //
};
use std::{
    collections::btree_map::Entry,
    sync::{
        atomic::Ordering,
        RwLockWriteGuard, //
    }, //
};

impl<'c> Task<'_, 'c> {
    pub(super) fn create(&mut self) {
        doing("create");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let name = name(self.rng.below(NAMES));
        let target = vec![b't'; 10 + self.rng.below(4000) as usize];
        let value = vec![7; self.rng.below(6000) as usize];
        let attributes = [(&b"user.0"[..], &*value)];
        let mut content = Content::default();
        let (kind, mut new) = match self.rng.below(8) {
            0 => (Kind::Dir, script::dir()),
            1 => {
                content.target.clone_from(&target);
                (Kind::Link, symlink(&target))
            }
            2 => (
                Kind::Special,
                NewInode {
                    mode: 0o010600,
                    ..NewInode::default()
                },
            ),
            _ => (Kind::File, file()),
        };
        if self.rng.below(4) == 0 {
            new.xattrs = &attributes;
            content.xattrs.insert(0, value.clone());
        }
        let mut entries = dir.entries.write().unwrap();
        // As the module does: reserve, hash, commit.
        let volume = world.volume();
        let reserved = volume
            .reserve(&dir.inode.node.read().unwrap(), new.mode)
            .unwrap();
        let ino = reserved.ino();
        let claim = world.cache.insert(ino);
        let mut node = dir.inode.node.write().unwrap();
        let number = reserved.hashed(&claim).unwrap();
        let made = volume.create_at(&mut node, &name, &new, number, NOW());
        drop(node);
        match entries.get(&name) {
            Some(_) => assert_eq!(made.err(), Some(Error::Exists)),
            None => {
                entries.insert(name, (ino, kind));
                let inode = world.cache.publish(claim, made.unwrap(), Some(content));
                world.last.store(ino, Ordering::Relaxed);
                drop(entries);
                if kind == Kind::File {
                    self.open(inode);
                }
            }
        }
    }

    pub(super) fn tmpfile(&mut self) {
        let inode = self.make_tmpfile();
        if self.rng.below(2) == 0 {
            self.change_data_of(&inode);
            self.link_to(&inode);
        }
        self.open(inode);
    }

    pub(super) fn make_tmpfile(&mut self) -> Ref<'c> {
        doing("tmpfile");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let volume = world.volume();
        let reserved = volume
            .reserve(&dir.inode.node.read().unwrap(), file().mode)
            .unwrap();
        let claim = world.cache.insert(reserved.ino());
        let node = dir.inode.node.write().unwrap();
        let number = reserved.hashed(&claim).unwrap();
        let made = volume.tmpfile_at(&node, &file(), number, NOW()).unwrap();
        drop(node);
        world.last.store(made.ino(), Ordering::Relaxed);
        world.cache.publish(claim, made, Some(Content::default()))
    }

    pub(super) fn link(&mut self) {
        // A file that was deleted gets no name.
        let Some(inode) = self.any_open() else {
            return;
        };
        if inode.node.read().unwrap().inode().nlink.get() != 0 {
            self.link_to(&inode);
        }
    }

    pub(super) fn link_to(&mut self, inode: &Ref<'c>) {
        doing("link");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let name = name(self.rng.below(NAMES));
        let mut entries = dir.entries.write().unwrap();
        let _content = inode.content.write().unwrap();
        let [mut parent, mut node] = lock_two(&dir.inode, inode);
        let done = world.volume().link(&mut parent, &name, &mut node, NOW());
        inode.sync_nlink(&node);
        match entries.entry(name) {
            Entry::Occupied(_) => assert_eq!(done, Err(Error::Exists)),
            Entry::Vacant(entry) => {
                done.unwrap();
                entry.insert((inode.ino, Kind::File));
            }
        }
    }

    pub(super) fn remove(&mut self) {
        doing("remove");
        let world = self.world;
        let dir = world.any_dir(&mut self.rng);
        let name = name(self.rng.below(NAMES));
        let mut entries = dir.entries.write().unwrap();
        let Some(&(ino, kind)) = entries.get(&name) else {
            return;
        };
        let inode = world.cache.iget(ino).expect("a name names an inode");
        let content = inode.content.write().unwrap();
        let [mut parent, mut node] = lock_two(&dir.inode, &inode);
        let volume = world.volume();
        match kind {
            Kind::Dir => volume.rmdir(&mut parent, &name, &mut node, NOW()).unwrap(),
            _ => volume.unlink(&mut parent, &name, &mut node, NOW()).unwrap(),
        }
        inode.sync_nlink(&node);
        entries.remove(&name);
        drop((parent, node));
        drop(content);
        drop(entries);
        doing("evict");
    }

    pub(super) fn rename(&mut self) {
        doing("rename");
        let world = self.world;
        let (d, e) = (self.rng.below(DIRS), self.rng.below(DIRS));
        let (n, m) = (name(self.rng.below(NAMES)), name(self.rng.below(NAMES)));
        let how = self.rng.below(3);
        let _renames = world.renames.lock().unwrap();
        let (from, to) = (&world.dirs[d as usize], &world.dirs[e as usize]);
        let mut locked: Vec<(u64, RwLockWriteGuard<'_, Entries>)> = Vec::new();
        for number in [d.min(e), d.max(e)] {
            if locked.last().is_none_or(|(other, _)| *other != number) {
                let entries = world.dirs[number as usize].entries.write().unwrap();
                locked.push((number, entries));
            }
        }
        let mut of = |number: u64, name: &[u8]| {
            let found = locked.iter_mut().find(|(other, _)| *other == number);
            found.unwrap().1.get(name).copied()
        };
        let (Some(source), target) = (of(d, &n), of(e, &m)) else {
            return;
        };
        let exchange = how == 1 && target.is_some();
        let types = target.is_some_and(|t| (t.1 == Kind::Dir) != (source.1 == Kind::Dir));
        if target.is_some_and(|t| t.0 == source.0) || (!exchange && types) {
            return;
        }
        let inode = world.cache.iget(source.0).expect("a name names an inode");
        let over = target.map(|t| world.cache.iget(t.0).expect("a name names an inode"));
        // In the order of their numbers.
        let mut contents = vec![&inode.content];
        contents.extend(over.as_ref().map(|over| &over.content));
        if over.as_ref().is_some_and(|over| over.ino < inode.ino) {
            contents.reverse();
        }
        let contents: Vec<_> = contents.iter().map(|c| c.write().unwrap()).collect();
        let volume = world.volume();
        let whiteout = NewInode {
            mode: 0o020000,
            ..NewInode::default()
        };
        let reserved = (how == 2).then(|| {
            let node = from.inode.node.read().unwrap();
            volume.reserve(&node, whiteout.mode).unwrap()
        });
        let claim = reserved.as_ref().map(|r| world.cache.insert(r.ino()));
        let mut nodes = lock_all([
            Some(&from.inode),
            (d != e).then_some(&to.inode),
            Some(&inode),
            over.as_ref(),
        ]);
        let [Some(from_node), to_node, Some(node), over_node] = &mut nodes else {
            unreachable!()
        };
        let kind = match (exchange, reserved.as_ref().zip(claim.as_ref())) {
            (true, _) => RenameKind::Exchange,
            (_, Some((reserved, claim))) => {
                RenameKind::Whiteout(whiteout, reserved.hashed(claim).unwrap())
            }
            _ => RenameKind::Move,
        };
        let rename = Rename {
            from: from_node,
            from_name: &n,
            to: to_node.as_deref_mut(),
            to_name: &m,
            node,
            target: over_node.as_deref_mut(),
            kind,
        };
        let done = volume.rename(rename, NOW()).unwrap();
        inode.sync_nlink(node);
        if let (Some(over), Some(node)) = (&over, over_node) {
            over.sync_nlink(node);
        }
        drop(nodes);
        let mut set = |number: u64, name: &[u8], entry: Option<(u64, Kind)>| {
            let found = locked.iter_mut().find(|(other, _)| *other == number);
            let entries = &mut found.unwrap().1;
            match entry {
                Some(entry) => entries.insert(name.to_vec(), entry),
                None => entries.remove(name),
            }
        };
        let left = done.map(|node| (node.ino(), Kind::Special));
        set(d, &n, target.filter(|_| exchange).or(left));
        set(e, &m, Some(source));
        match (left, claim) {
            (Some(_), Some(claim)) => world.cache.forget(claim),
            (_, claim) => drop(claim),
        }
        drop(reserved);
        drop(contents);
        drop(locked);
        doing("evict");
    }
}
