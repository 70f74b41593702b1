// SPDX-License-Identifier: GPL-2.0

//! The tree: links, parents, and whether everything hangs on the root.

use crate::{
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
        BLOCK_SIZE, //
    },
    Medium, //
};
use std::collections::BTreeSet;

impl<M: Medium> Checker<'_, M> {
    /// Checks link counts, parents and that there are no cycles.
    pub(crate) fn check_tree(&mut self) {
        let inodes = std::mem::take(&mut self.inodes);
        for (&ino, info) in &inodes {
            self.check_links(ino, info);
        }
        let root = self.sb.root.get();
        let dirs = inodes.iter().filter(|(_, info)| info.is_dir());
        let mut walked = BTreeSet::from([root]);
        for (&ino, _) in dirs {
            let mut path = BTreeSet::new();
            let mut here = ino;
            // A directory without a name ends the way up: that it has none is reported already.
            while !walked.contains(&here) && path.insert(here) {
                match inodes.get(&here).and_then(|info| info.named_in) {
                    Some((dir, ..)) => here = dir,
                    None => break,
                }
            }
            let unnamed = inodes.get(&here).is_none_or(|info| info.named_in.is_none());
            if !walked.contains(&here) && !unnamed {
                self.cut_cycle(here, inodes.get(&here));
            }
            walked.append(&mut path);
        }
        self.inodes = inodes;
    }

    /// Takes the name of directory `ino` away, which is in a cycle. It is lost then.
    fn cut_cycle(&mut self, ino: u64, info: Option<&Info>) {
        let Some((dir, block, slot)) = info.and_then(|info| info.named_in) else {
            return;
        };
        let mut bytes = vec![0; BLOCK_SIZE as usize];
        let loaded = self
            .medium
            .load(block.saturating_mul(BLOCK_SIZE), &mut bytes);
        let slots = loaded
            .ok()
            .and_then(|()| Dirent::decode(&bytes, slot, dir).ok())
            .map_or(1, |dirent| dirent.slots);
        let text = format!("directory is within itself, by way of directory {dir}");
        let problem = Problem::of(Kind::Cycle, ino, text).at(block);
        self.add(problem.fix(Fix::FreeSlots(dir, block, slot, slots)));
    }

    fn check_links(&mut self, ino: u64, info: &Info) {
        let root = ino == self.sb.root.get();
        let links = match info.is_dir() {
            true => info.subdirs.saturating_add(2),
            false => info.names,
        };
        if info.names == 0 && !root {
            return self.check_nameless(ino, info, links);
        }
        if info.nlink != links {
            let text = format!("link count is {} instead of {links}", info.nlink);
            let fix = Fix::Inode(ino, InodeEdit::Links(links));
            self.add(Problem::of(Kind::WrongLinkCount, ino, text).fix(fix));
        }
        let parent = match info.named_in {
            Some((dir, ..)) if !root => dir,
            _ => ino,
        };
        if info.is_dir() && info.parent != parent {
            let text = format!("parent is {} instead of {parent}", info.parent);
            let fix = Fix::Inode(ino, InodeEdit::Parent(parent));
            self.add(Problem::of(Kind::WrongParent, ino, text).fix(fix));
        }
    }

    fn check_nameless(&mut self, ino: u64, info: &Info, links: u32) {
        if info.nlink != 0 {
            let what = if info.is_dir() { "directory" } else { "file" };
            let text = format!("{what} of {} bytes has no name", info.size);
            let problem = Problem::of(Kind::Lost, ino, text);
            return self.add(problem.fix(Fix::Reconnect(ino)));
        }
        if info.entries != 0 {
            let text = "directory has no link, but entries";
            let fix = Fix::Inode(ino, InodeEdit::Links(links));
            return self.add(Problem::of(Kind::WrongLinkCount, ino, text).fix(fix));
        }
        let text = format!(
            "file of generation {} was open but has no name",
            info.generation
        );
        let fix = Fix::Inode(ino, InodeEdit::Free);
        self.add(Problem::of(Kind::Orphan, ino, text).fix(fix));
    }
}
