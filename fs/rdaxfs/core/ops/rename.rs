// SPDX-License-Identifier: GPL-2.0

//! Renaming, in all its forms.

use super::{
    create::{
        add_link,
        check_name,
        drop_link,
        file_type,
        NewInode, //
    },
    touch, //
};
use crate::{
    dir::{
        Found,
        Insertion, //
    },
    itable::NewNumber,
    journal::Tx,
    Error,
    Medium,
    Node,
    Result,
    Volume, //
};
use rdaxfs_format::{
    Dirent,
    DiskInode,
    DiskTime, //
};

/// What becomes of the two names.
pub enum RenameKind<'a> {
    /// The old one goes.
    Move,
    /// The old one names this new inode, made at this number.
    Whiteout(NewInode<'a>, NewNumber<'a>),
    /// Each names what the other one did.
    Exchange,
}

/// What to rename.
pub struct Rename<'a> {
    /// The directory of the old name.
    pub from: &'a mut Node,
    /// The old name.
    pub from_name: &'a [u8],
    /// The directory of the new name, unless it is the same.
    pub to: Option<&'a mut Node>,
    /// The new name.
    pub to_name: &'a [u8],
    /// What the old name names.
    pub node: &'a mut Node,
    /// What the new name names, if anything. It loses the name, or gets the old one.
    pub target: Option<&'a mut Node>,
    /// What becomes of the names.
    pub kind: RenameKind<'a>,
}

/// Inodes as they will be.
struct Disks {
    from: DiskInode,
    /// The same as `from` if there is one directory.
    to: Option<DiskInode>,
    node: DiskInode,
    target: Option<DiskInode>,
}

impl Disks {
    fn new(rename: &Rename<'_>, now: DiskTime) -> Self {
        let mut disks = Self {
            from: rename.from.disk,
            to: rename.to.as_ref().map(|to| to.disk),
            node: rename.node.disk,
            target: rename.target.as_ref().map(|target| target.disk),
        };
        touch(&mut disks.from, now);
        if let Some(to) = &mut disks.to {
            touch(to, now);
        }
        disks.node.ctime = now;
        if let Some(target) = &mut disks.target {
            target.ctime = now;
        }
        disks
    }

    /// The old name goes, and what the new one named loses it.
    fn prepare_move(&mut self) -> Result {
        if self.to.is_some() {
            self.move_links(false)?;
        }
        self.drop_target()
    }

    fn to(&mut self) -> &mut DiskInode {
        self.to.as_mut().unwrap_or(&mut self.from)
    }

    /// A directory gets another parent.
    fn move_links(&mut self, exchange: bool) -> Result {
        let (from, to) = (self.from.ino, self.to().ino);
        if self.node.is_dir() {
            self.node.parent = to;
            drop_link(&mut self.from)?;
            add_link(self.to())?;
        }
        let target_dir = self.target.is_some_and(|target| target.is_dir());
        if let Some(target) = self.target.as_mut().filter(|_| exchange && target_dir) {
            target.parent = from;
            drop_link(self.to())?;
            add_link(&mut self.from)?;
        }
        Ok(())
    }

    /// The target loses its name.
    fn drop_target(&mut self) -> Result {
        let Some(target) = &mut self.target else {
            return Ok(());
        };
        if target.is_dir() {
            target.nlink.set(0);
            drop_link(self.to())
        } else {
            drop_link(target)
        }
    }

    fn store<M: Medium>(&mut self, tx: &mut Tx<'_, M>) -> Result {
        tx.inode(&mut self.from)?;
        tx.inode(&mut self.node)?;
        if let Some(to) = &mut self.to {
            tx.inode(to)?;
        }
        if let Some(target) = &mut self.target {
            tx.inode(target)?;
        }
        Ok(())
    }

    fn finish(&self, rename: &mut Rename<'_>) {
        rename.from.disk = self.from;
        rename.node.disk = self.node;
        if let (Some(to), Some(disk)) = (&mut rename.to, self.to) {
            to.disk = disk;
        }
        if let (Some(target), Some(disk)) = (&mut rename.target, self.target) {
            target.disk = disk;
        }
    }
}

impl<M: Medium> Volume<M> {
    /// Renames. Returns the whiteout, if one was made.
    pub fn rename(&self, mut rename: Rename<'_>, now: DiskTime) -> Result<Option<Node>> {
        check_name(rename.from_name)?;
        check_name(rename.to_name)?;
        let old = self.entry_of(rename.from, rename.from_name, rename.node)?;
        let to = rename.to.as_deref_mut().unwrap_or(&mut *rename.from);
        let new = match &rename.target {
            Some(target) => Some(self.entry_of(to, rename.to_name, target)?),
            None if self.lookup(to, rename.to_name)?.is_some() => return Err(Error::Exists),
            None => None,
        };
        if matches!(rename.kind, RenameKind::Exchange) {
            let new = new.ok_or(Error::NotFound)?;
            return self.exchange(rename, old, new, now).map(|()| None);
        }
        if let Some(target) = rename
            .target
            .as_deref_mut()
            .filter(|node| node.disk.is_dir())
        {
            if !self.is_empty_dir(target)? {
                return Err(Error::NotEmpty);
            }
        }
        match rename.kind {
            RenameKind::Whiteout(whiteout, number) => self
                .leave_whiteout(rename, old, new, (whiteout, number), now)
                .map(Some),
            _ => self.replace(rename, old, new, now).map(|()| None),
        }
    }

    fn exchange(&self, mut rename: Rename<'_>, old: Found, new: Found, now: DiskTime) -> Result {
        let mut disks = Disks::new(&rename, now);
        if disks.to.is_some() {
            disks.move_links(true)?;
        }
        let mut tx = self.begin()?;
        let entry = Dirent::new(new.ino, new.file_type, rename.from_name);
        self.replace_entry(&mut tx, rename.from, old.place, &entry)?;
        let to = rename.to.as_deref().unwrap_or(&*rename.from);
        let entry = Dirent::new(old.ino, old.file_type, rename.to_name);
        self.replace_entry(&mut tx, to, new.place, &entry)?;
        disks.store(&mut tx)?;
        tx.commit()?;
        disks.finish(&mut rename);
        Ok(())
    }

    fn replace(
        &self,
        mut rename: Rename<'_>,
        old: Found,
        new: Option<Found>,
        now: DiskTime,
    ) -> Result {
        let mut disks = Disks::new(&rename, now);
        disks.prepare_move()?;
        let mut tx = self.begin()?;
        let inserted = self.store_new(&mut tx, &mut rename, &mut disks, &old, new.as_ref())?;
        // The directory that also gets the new name keeps its blocks.
        let moves = disks.to.is_some();
        let entry = (old.place, rename.from_name);
        let removal = self.remove_entry(&mut tx, rename.from, &mut disks.from, entry, moves)?;
        disks.store(&mut tx)?;
        tx.commit()?;
        disks.finish(&mut rename);
        self.added(&mut rename, inserted);
        self.removed(rename.from, rename.from_name, removal);
        Ok(())
    }

    /// As [`replace`](Self::replace), with `whiteout` under the old name afterwards.
    // On its own, since few renames need a second new inode on the stack.
    #[inline(never)]
    fn leave_whiteout(
        &self,
        mut rename: Rename<'_>,
        old: Found,
        new: Option<Found>,
        (whiteout, number): (NewInode<'_>, NewNumber<'_>),
        now: DiskTime,
    ) -> Result<Node> {
        let mut disks = Disks::new(&rename, now);
        disks.prepare_move()?;
        let mut tx = self.begin()?;
        let inserted = self.store_new(&mut tx, &mut rename, &mut disks, &old, new.as_ref())?;
        let parent = rename.from.ino();
        let mut birth = self.give_birth(&mut tx, number, &whiteout, 1, parent, now)?;
        let entry = Dirent::new(birth.node.ino(), file_type(whiteout.mode), rename.from_name);
        self.replace_entry(&mut tx, rename.from, old.place, &entry)?;
        tx.inode(&mut birth.node.disk)?;
        disks.store(&mut tx)?;
        tx.commit()?;
        disks.finish(&mut rename);
        self.added(&mut rename, inserted);
        Ok(birth.finish())
    }

    /// The new name is there.
    fn added(&self, rename: &mut Rename<'_>, inserted: Option<Insertion<'_>>) {
        if let Some(inserted) = inserted {
            let to = rename.to.as_deref_mut().unwrap_or(&mut *rename.from);
            self.inserted(to, rename.to_name, inserted);
        }
    }

    /// Adds the new name to `tx`.
    fn store_new<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        rename: &mut Rename<'_>,
        disks: &mut Disks,
        old: &Found,
        new: Option<&Found>,
    ) -> Result<Option<Insertion<'v>>> {
        let to = rename.to.as_deref_mut().unwrap_or(&mut *rename.from);
        let entry = Dirent::new(old.ino, old.file_type, rename.to_name);
        match new {
            Some(found) => {
                self.replace_entry(tx, to, found.place, &entry)?;
                Ok(None)
            }
            None => self.insert_entry(tx, to, disks.to(), &entry).map(Some),
        }
    }
}
