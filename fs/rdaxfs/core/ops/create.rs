// SPDX-License-Identifier: GPL-2.0

//! New inodes, and new names for inodes.

use super::touch;
use crate::{
    blob::NewBlob,
    dir::Insertion,
    error::Locate,
    itable::{
        NewNumber,
        Reserved, //
    },
    journal::Tx,
    ops::xattr,
    Error,
    Medium,
    Node,
    Result,
    Vec,
    Volume, //
};
use rdaxfs_format::{
    Dirent,
    DiskInode,
    DiskTime,
    InodeFlags,
    INLINE_BYTES,
    INODE_SIZE,
    LINK_MAX,
    MODE_DIR,
    MODE_LNK,
    MODE_TYPE,
    NAME_MAX,
    SYMLINK_MAX, //
};

/// What a new inode is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewInode<'a> {
    /// Type and permissions.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a special file.
    pub rdev: u32,
    /// Flags.
    pub flags: InodeFlags,
    /// Target of a symbolic link.
    pub target: &'a [u8],
    /// Extended attributes: names with their prefix, and values.
    pub xattrs: &'a [(&'a [u8], &'a [u8])],
}

/// An inode on its way into a transaction.
pub(super) struct Birth<'v> {
    pub(super) node: Node,
    number: NewNumber<'v>,
    xattrs: NewBlob<'v>,
    target: NewBlob<'v>,
}

impl Birth<'_> {
    /// It is there.
    pub(super) fn finish(self) -> Node {
        let mut node = self.node;
        node.blob_blocks = self.xattrs.len().saturating_add(self.target.len());
        self.xattrs.keep();
        self.target.keep();
        self.number.keep();
        node
    }
}

/// `DT_*` of a mode.
pub(super) fn file_type(mode: u16) -> u8 {
    ((mode & MODE_TYPE) >> 12) as u8
}

pub(super) fn check_name(name: &[u8]) -> Result {
    match name {
        b"" | b"." | b".." => Err(Error::Invalid),
        _ if name.len() > NAME_MAX => Err(Error::NameTooLong),
        _ if name.iter().any(|&byte| byte == 0 || byte == b'/') => Err(Error::Invalid),
        _ => Ok(()),
    }
}

/// One more link.
pub(super) fn add_link(disk: &mut DiskInode) -> Result {
    let nlink = disk.nlink.get();
    if nlink >= LINK_MAX {
        return Err(Error::TooManyLinks);
    }
    disk.nlink.set(nlink.saturating_add(1));
    Ok(())
}

/// One link less.
pub(super) fn drop_link(disk: &mut DiskInode) -> Result {
    let nlink = disk.nlink.get().checked_sub(1);
    disk.nlink
        .set(nlink.ok_or(Error::corrupt("fewer links than names").of_inode(disk.ino.get()))?);
    Ok(())
}

impl<M: Medium> Volume<M> {
    /// Prepares a new inode with `nlink` links and adds all of it but the inode itself to `tx`.
    pub(super) fn give_birth<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        number: NewNumber<'v>,
        new: &NewInode<'_>,
        nlink: u32,
        parent: u64,
        now: DiskTime,
    ) -> Result<Birth<'v>> {
        let ino = number.ino();
        let mut old = [0; INODE_SIZE];
        self.medium().load(self.layout().inode_at(ino), &mut old)?;
        let old = DiskInode::decode(&old, ino)
            .of_inode(ino)
            .in_block(self.layout().inode_block(ino))?;
        if old.in_use() {
            return Err(Error::corrupt("inode is in use twice").of_inode(ino));
        }
        let generation = old.generation.get().wrapping_add(1);
        let mut disk = DiskInode::free(ino, generation);
        disk.mode.set(new.mode);
        disk.uid.set(new.uid);
        disk.gid.set(new.gid);
        disk.rdev.set(new.rdev);
        disk.flags.set(new.flags.0 & InodeFlags::ALL);
        disk.nlink.set(nlink);
        disk.atime = now;
        disk.btime = now;
        touch(&mut disk, now);
        if disk.is_dir() {
            disk.parent.set(parent);
        }
        let owner = (ino, generation);
        let target = self.put_target(tx, &mut disk, new, owner)?;
        let encoded = xattr::encode(new.xattrs)?;
        let (xattrs, stored) = NewBlob::write(self.medium(), self.alloc()?, owner, &encoded)?;
        tx.after(stored);
        disk.xattrs.set(xattrs.head());
        Ok(Birth {
            node: Node::new(disk)?,
            number,
            xattrs,
            target,
        })
    }

    fn put_target<'v>(
        &'v self,
        tx: &mut Tx<'_, M>,
        disk: &mut DiskInode,
        new: &NewInode<'_>,
        owner: (u64, u32),
    ) -> Result<NewBlob<'v>> {
        let target = if new.mode & MODE_TYPE == MODE_LNK {
            new.target
        } else {
            &[]
        };
        if target.len() > SYMLINK_MAX {
            return Err(Error::NameTooLong);
        }
        disk.size.set(target.len() as u64);
        let far = if target.len() > INLINE_BYTES {
            target
        } else {
            &[]
        };
        if let Some(place) = disk.inline.get_mut(..target.len()) {
            place.copy_from_slice(target);
        }
        let (blob, stored) = NewBlob::write(self.medium(), self.alloc()?, owner, far)?;
        tx.after(stored);
        if !far.is_empty() {
            disk.extents.set(blob.head());
        }
        Ok(blob)
    }

    /// Reserves the number of a free inode for an inode of mode `mode` in `dir`: near its directory, but
    /// directories spread.
    pub fn reserve(&self, dir: &Node, mode: u16) -> Result<Reserved<'_>> {
        self.check_writable()?;
        let mut home = self.home(dir.ino());
        if mode & MODE_TYPE == MODE_DIR {
            home = home.wrapping_add(dir.disk.nlink.get() as usize);
        }
        self.inodes()
            .reserve(self.medium(), self.journal(), self.alloc()?, home)
    }

    /// Makes a new inode at `number` with the name `name` in `dir`.
    pub fn create_at(
        &self,
        dir: &mut Node,
        name: &[u8],
        new: &NewInode<'_>,
        number: NewNumber<'_>,
        now: DiskTime,
    ) -> Result<Node> {
        check_name(name)?;
        if self.lookup(dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        let is_dir = new.mode & MODE_TYPE == MODE_DIR;
        let mut tx = self.begin()?;
        let nlink = if is_dir { 2 } else { 1 };
        let mut birth = self.give_birth(&mut tx, number, new, nlink, dir.ino(), now)?;
        let mut parent = dir.disk;
        touch(&mut parent, now);
        if is_dir {
            add_link(&mut parent)?;
        }
        let dirent = Dirent::new(birth.node.disk.ino.get(), file_type(new.mode), name);
        let inserted = self.insert_entry(&mut tx, dir, &mut parent, &dirent)?;
        tx.inode(&mut birth.node.disk)?;
        tx.inode(&mut parent)?;
        tx.commit()?;
        dir.disk = parent;
        self.inserted(dir, name, inserted);
        Ok(birth.finish())
    }

    /// Makes a new inode at `number` without a name. Unless it gets one, it is gone after a crash.
    pub fn tmpfile_at(
        &self,
        dir: &Node,
        new: &NewInode<'_>,
        number: NewNumber<'_>,
        now: DiskTime,
    ) -> Result<Node> {
        if new.mode & MODE_TYPE == MODE_DIR {
            return Err(Error::Invalid);
        }
        let mut tx = self.begin()?;
        let mut birth = self.give_birth(&mut tx, number, new, 0, dir.ino(), now)?;
        tx.inode(&mut birth.node.disk)?;
        tx.commit()?;
        Ok(birth.finish())
    }

    /// As [`create_at`](Self::create_at), for a program that is the only task on its volume.
    #[cfg(not(CONFIG_RUST))]
    pub fn create(
        &self,
        dir: &mut Node,
        name: &[u8],
        new: &NewInode<'_>,
        now: DiskTime,
    ) -> Result<Node> {
        check_name(name)?;
        if self.lookup(dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        let reserved = self.reserve(dir, new.mode)?;
        let ino = reserved.ino();
        self.create_at(dir, name, new, reserved.hashed(&ino)?, now)
    }

    /// As [`tmpfile_at`](Self::tmpfile_at), for a program that is the only task on its volume.
    #[cfg(not(CONFIG_RUST))]
    pub fn tmpfile(&self, dir: &Node, new: &NewInode<'_>, now: DiskTime) -> Result<Node> {
        let reserved = self.reserve(dir, new.mode)?;
        let ino = reserved.ino();
        self.tmpfile_at(dir, new, reserved.hashed(&ino)?, now)
    }

    /// Gives `node`, which is no directory, one more name: `name` in `dir`.
    pub fn link(&self, dir: &mut Node, name: &[u8], node: &mut Node, now: DiskTime) -> Result {
        check_name(name)?;
        if node.disk.mode.get() & MODE_TYPE == MODE_DIR {
            return Err(Error::Invalid);
        }
        if self.lookup(dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        let mut disk = node.disk;
        add_link(&mut disk)?;
        disk.ctime = now;
        let mut parent = dir.disk;
        touch(&mut parent, now);
        let mut tx = self.begin()?;
        let dirent = Dirent::new(node.ino(), file_type(disk.mode.get()), name);
        let inserted: Insertion<'_> = self.insert_entry(&mut tx, dir, &mut parent, &dirent)?;
        tx.inode(&mut disk)?;
        tx.inode(&mut parent)?;
        tx.commit()?;
        node.disk = disk;
        dir.disk = parent;
        self.inserted(dir, name, inserted);
        Ok(())
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, node: &Node) -> Result<Vec<u8>> {
        self.check_alive()?;
        if !node.disk.is_symlink() {
            return Err(Error::Invalid);
        }
        if let Some(target) = node.inline_target() {
            return Vec::copied(target);
        }
        let head = node.disk.extents.get();
        let target = crate::blob::read(self.medium(), self.layout(), node.owner(), head)?;
        if target.len() as u64 != node.size() {
            return Err(
                Error::corrupt_value("symbolic link has a bad length", node.size())
                    .of_inode(node.ino()),
            );
        }
        Ok(target)
    }
}
