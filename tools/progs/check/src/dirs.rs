// SPDX-License-Identifier: GPL-2.0

//! Directories: their shape, and their entries.

use crate::{
    extents::Placed,
    inodes::Info,
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
        Dirent,
        DiskInode,
        Extent,
        BLOCK_SIZE,
        DIR_SLOTS, //
    },
    Medium, //
};
use std::collections::HashSet;

impl<M: Medium> Checker<'_, M> {
    /// Checks that a directory has a written block for each block of its size, and no other.
    /// Returns the extents as they are to be.
    pub(crate) fn check_shape(&mut self, inode: &DiskInode, placed: Vec<Placed>) -> Vec<Placed> {
        let ino = inode.ino.get();
        let mut kept = Vec::new();
        let mut fixes = Vec::new();
        let mut end = 0u64;
        let mut why = None;
        for (at, extent) in placed {
            if extent.unwritten {
                why = Some("directory has unwritten blocks");
                fixes.push(Fix::Extent(ino, at, None));
                continue;
            }
            let moved = Extent {
                lblk: end,
                ..extent
            };
            if moved != extent {
                why = why.or(Some("directory has a hole"));
                fixes.push(Fix::Extent(ino, at, Some(moved)));
            }
            end = end.saturating_add(extent.len);
            kept.push((at, moved));
        }
        let size = end.saturating_mul(BLOCK_SIZE);
        if inode.size.get() != size {
            why = why.or(Some("directory has another size than its blocks"));
            fixes.push(Fix::Inode(ino, InodeEdit::Size(size)));
        }
        if let Some(why) = why {
            let mut problem = Problem::of(Kind::BadDirShape, ino, why);
            for fix in fixes {
                problem = problem.fix(fix);
            }
            self.add(problem);
        }
        kept
    }

    /// Checks the entries of a directory.
    pub(crate) fn check_dir(&mut self, dir: u64) {
        let placed = self.dirs.remove(&dir).unwrap_or_default();
        let mut names = HashSet::new();
        let mut bytes = vec![0; BLOCK_SIZE as usize];
        for (_, extent) in placed {
            for block in extent.pblk..extent.pend() {
                let loaded = self
                    .medium
                    .load(block.saturating_mul(BLOCK_SIZE), &mut bytes);
                if loaded.is_err() {
                    let problem = Problem::of(Kind::Io, dir, "directory block cannot be read");
                    self.add(
                        problem
                            .at(block)
                            .fix(Fix::FreeSlots(dir, block, 0, DIR_SLOTS)),
                    );
                    continue;
                }
                self.check_dir_block(dir, block, &bytes, &mut names);
            }
        }
    }

    fn check_dir_block(
        &mut self,
        dir: u64,
        block: u64,
        bytes: &[u8],
        names: &mut HashSet<Vec<u8>>,
    ) {
        let mut slot = 0;
        while slot < DIR_SLOTS {
            match Dirent::decode(bytes, slot, dir) {
                Ok(dirent) => {
                    if !dirent.is_free() {
                        self.check_entry(dir, (block, slot), &dirent, names);
                    }
                    slot += dirent.slots.max(1);
                }
                Err(why) => {
                    let next = (slot + 1..DIR_SLOTS)
                        .find(|&next| Dirent::decode(bytes, next, dir).is_ok())
                        .unwrap_or(DIR_SLOTS);
                    let problem = Problem::of(Kind::BadEntry, dir, why.to_string()).at(block);
                    self.add(problem.fix(Fix::FreeSlots(dir, block, slot, next - slot)));
                    slot = next;
                }
            }
        }
    }

    fn check_entry(
        &mut self,
        dir: u64,
        (block, slot): (u64, usize),
        dirent: &Dirent<'_>,
        names: &mut HashSet<Vec<u8>>,
    ) {
        let name = String::from_utf8_lossy(dirent.name);
        let info = self.inodes.get(&dirent.ino);
        let dropped = match info {
            None => Some((Kind::DanglingEntry, "names no inode in use")),
            Some(_) if dirent.ino == self.sb.root.get() => {
                Some((Kind::DirLinkedTwice, "names the root directory"))
            }
            Some(_) if dirent.ino == dir => Some((Kind::Cycle, "names its own directory")),
            Some(info) if info.is_dir() && info.named_in.is_some() => {
                Some((Kind::DirLinkedTwice, "is the second name of a directory"))
            }
            Some(_) if names.contains(dirent.name) => Some((Kind::DuplicateName, "is there twice")),
            Some(_) => None,
        };
        if let Some((kind, why)) = dropped {
            let text = format!("entry {name:?} (inode {}) {why}", dirent.ino);
            let fix = Fix::FreeSlots(dir, block, slot, dirent.slots);
            self.add(Problem::of(kind, dir, text).at(block).fix(fix));
            return;
        }
        let file_type = info.map_or(0, Info::file_type);
        if file_type != dirent.file_type {
            let text = format!(
                "entry {name:?} (inode {}) has type {} instead of {file_type}",
                dirent.ino, dirent.file_type
            );
            let fix = Fix::FileType(dir, block, slot, file_type);
            self.add(
                Problem::of(Kind::WrongFileType, dir, text)
                    .at(block)
                    .fix(fix),
            );
        }
        names.insert(dirent.name.to_vec());
        self.report.summary.entries += 1;
        let mut subdir = false;
        if let Some(info) = self.inodes.get_mut(&dirent.ino) {
            info.names = info.names.saturating_add(1);
            info.named_in.get_or_insert((dir, block, slot));
            subdir = info.is_dir();
        }
        if let Some(info) = self.inodes.get_mut(&dir) {
            info.entries += 1;
            info.subdirs = info.subdirs.saturating_add(subdir.into());
        }
    }
}
