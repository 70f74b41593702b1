// SPDX-License-Identifier: GPL-2.0

//! Inodes, each on its own.

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
        DiskInode,
        BLOCK_SIZE,
        INODES_PER_BLOCK,
        INODE_SIZE,
        MODE_TYPE, //
    },
    Medium, //
};
use zerocopy::FromBytes;

/// What is remembered of an inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    pub(crate) generation: u32,
    pub(crate) mode: u16,
    pub(crate) nlink: u32,
    pub(crate) size: u64,
    /// The directory that it says holds it.
    pub(crate) parent: u64,
    /// Entries that name it.
    pub(crate) names: u32,
    /// The first directory with such an entry, and where: block and slot.
    pub(crate) named_in: Option<(u64, u64, usize)>,
    /// Directories in it.
    pub(crate) subdirs: u32,
    /// Entries in it.
    pub(crate) entries: u64,
}

impl Info {
    pub(crate) fn is_dir(&self) -> bool {
        self.mode & MODE_TYPE == rdaxfs_core::format_types::MODE_DIR
    }

    /// `DT_*`.
    pub(crate) fn file_type(&self) -> u8 {
        ((self.mode & MODE_TYPE) >> 12) as u8
    }
}

impl<M: Medium> Checker<'_, M> {
    /// Inode `ino`, which was found to make sense.
    pub(crate) fn inode(&self, ino: u64) -> Option<DiskInode> {
        let mut bytes = [0; INODE_SIZE];
        self.medium
            .load(self.layout.inode_at(ino), &mut bytes)
            .ok()?;
        let decoded = DiskInode::decode(&bytes, ino).ok();
        decoded.or_else(|| sanitized(&bytes, ino))
    }

    /// Checks the inodes in a block.
    pub(crate) fn check_inode_block(&mut self, block: u64) {
        // The map marks each block once.
        let _ = self.claims.claim(block, 1, Owner::Inodes);
        let first = block.saturating_mul(INODES_PER_BLOCK);
        let mut bad = Vec::new();
        let mut hopeless = block != self.layout.inode_block(self.sb.root.get());
        for index in 0..INODES_PER_BLOCK {
            let ino = first.saturating_add(index);
            let mut bytes = [0; INODE_SIZE];
            let loaded = self.medium.load(self.layout.inode_at(ino), &mut bytes);
            if loaded.is_err() {
                bad.push(bad_inode(
                    Kind::Io,
                    ino,
                    "inode cannot be read",
                    InodeEdit::Free,
                ));
                continue;
            }
            match DiskInode::decode(&bytes, ino) {
                Ok(inode) => {
                    hopeless = false;
                    if inode.in_use() {
                        self.note_inode(ino, &inode);
                    }
                }
                Err(why) => {
                    let edit = match sanitized(&bytes, ino) {
                        Some(inode) => {
                            hopeless = false;
                            self.note_inode(ino, &inode);
                            InodeEdit::Sanitize
                        }
                        None => InodeEdit::Free,
                    };
                    bad.push(bad_inode(Kind::BadInode, ino, why.what, edit));
                }
            }
        }
        if hopeless {
            let problem = Problem::new(Kind::BadMapBit, "block holds no inode that makes sense");
            self.add(problem.at(block).fix(Fix::Unmark(block)));
        } else {
            bad.into_iter().for_each(|problem| self.add(problem));
        }
    }

    fn note_inode(&mut self, ino: u64, inode: &DiskInode) {
        self.report.summary.inodes += 1;
        self.report.summary.directories += u64::from(inode.is_dir());
        let info = Info {
            generation: inode.generation.get(),
            mode: inode.mode.get(),
            nlink: inode.nlink.get(),
            size: inode.size.get(),
            parent: inode.parent.get(),
            names: 0,
            named_in: None,
            subdirs: 0,
            entries: 0,
        };
        self.inodes.insert(ino, info);
        let uses_chain = inode.has_extents() || inode.is_symlink();
        if !uses_chain && (inode.extents.get() != 0 || inode.size.get() != 0) {
            let problem = Problem::of(Kind::StrayField, ino, "special file has blocks or a size")
                .fix(Fix::Inode(ino, InodeEdit::NoChain))
                .fix(Fix::Inode(ino, InodeEdit::Size(0)));
            self.add(problem);
        }
    }

    /// Checks that there is a root directory.
    pub(crate) fn check_root(&mut self) {
        let root = self.sb.root.get();
        if !self.inodes.get(&root).is_some_and(Info::is_dir) {
            // Whatever it was, a directory takes its place.
            self.inodes.remove(&root);
            let problem = Problem::of(Kind::NoRoot, root, "there is no root directory");
            self.add(problem.at(root / INODES_PER_BLOCK).fix(Fix::Root));
        }
    }
}

fn bad_inode(kind: Kind, ino: u64, why: &str, edit: InodeEdit) -> Problem {
    let at = ino.saturating_mul(INODE_SIZE as u64);
    Problem::of(kind, ino, why)
        .at(at / BLOCK_SIZE)
        .fix(Fix::Inode(ino, edit))
}

/// An inode that is intact but for values out of range, with others in their place.
fn sanitized(bytes: &[u8; INODE_SIZE], ino: u64) -> Option<DiskInode> {
    let mut inode = DiskInode::read_from_bytes(bytes).ok()?;
    if inode.encode() != bytes {
        return None;
    }
    sanitize(&mut inode);
    DiskInode::decode(inode.encode(), ino).ok()
}

/// Makes values that are out of range such that are not.
pub(crate) fn sanitize(inode: &mut DiskInode) {
    use rdaxfs_core::format_types::{
        DiskTime,
        InodeFlags,
        MAX_FILE_SIZE, //
    };
    inode.flags.set(inode.flags.get() & InodeFlags::ALL);
    inode.size.set(inode.size.get().min(MAX_FILE_SIZE));
    for time in [
        &mut inode.atime,
        &mut inode.mtime,
        &mut inode.ctime,
        &mut inode.btime,
    ] {
        if time.nsec() >= 1_000_000_000 {
            *time = DiskTime::new(time.sec(), 0);
        }
    }
}
