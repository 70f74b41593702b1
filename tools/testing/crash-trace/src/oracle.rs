// SPDX-License-Identifier: GPL-2.0

//! Judges what is seen after a power cut.

use crate::{
    common::tree::{
        File,
        Tree, //
    },
    trace::Part, //
};
use std::{
    collections::BTreeSet,
    ops::Range, //
};

/// A range of a file whose bytes may be old.
#[derive(Clone, Debug)]
pub struct Open {
    pub part: Part,
    /// The file's data when it became so.
    pub old: Vec<u8>,
}

/// Allows one of the trees, oldest first, but for what is open.
pub struct Allowed<'a> {
    pub trees: &'a [Tree],
    pub open: &'a [Open],
}

impl Allowed<'_> {
    /// Says what is wrong with `seen`.
    pub fn check(&self, seen: &Tree) -> Result<(), String> {
        let fits = |upto: usize| self.fits(seen, upto);
        match (0..self.trees.len()).any(fits) {
            true => Ok(()),
            false => Err(self.difference(seen)),
        }
    }

    /// Tells whether `seen` is tree `which`, with bytes of this one and older ones where that is allowed:
    /// data is not stored before what it belongs to is durable.
    fn fits(&self, seen: &Tree, which: usize) -> bool {
        let tree = &self.trees[which];
        if seen == tree {
            return true;
        }
        seen.len() == tree.len()
            && seen
                .iter()
                .zip(tree)
                .all(|((path, file), (other_path, other))| {
                    path == other_path
                        && (file == other || self.fits_open(path, file, other, which))
                })
    }

    fn fits_open(&self, path: &str, file: &File, other: &File, which: usize) -> bool {
        let open: Vec<&Open> = self
            .open
            .iter()
            .filter(|open| open.part.path == path)
            .collect();
        if open.is_empty() || file.data.len() != other.data.len() {
            return false;
        }
        let mut same = file.clone();
        same.data.clone_from(&other.data);
        same == *other
            && (0..file.data.len()).all(|at| {
                let byte = file.data[at];
                byte == other.data[at]
                    || open.iter().any(|open| {
                        open.part.range.contains(&at) && self.was(open, path, at, byte, which)
                    })
            })
    }

    /// Tells whether the byte at `at` has been `byte` since it was durable.
    fn was(&self, open: &Open, path: &str, at: usize, byte: u8, which: usize) -> bool {
        // Past the old end there were zeroes.
        open.old.get(at).copied().unwrap_or(0) == byte
            || self.trees[..=which]
                .iter()
                .filter_map(|tree| tree.get(path)?.data.get(at))
                .any(|&old| old == byte)
    }

    fn difference(&self, seen: &Tree) -> String {
        let mut text = String::from("none of what is allowed:");
        let last = self.trees.len() - 1;
        for (name, tree) in [("before", &self.trees[0]), ("after", &self.trees[last])] {
            let paths: BTreeSet<&String> = seen.keys().chain(tree.keys()).collect();
            for path in paths {
                let (a, b) = (seen.get(path), tree.get(path));
                if a != b {
                    text += &format!("\n'{path}' is   {}", shown(a, b));
                    text += &format!("\n  {name}: {}", shown(b, a));
                }
            }
        }
        text
    }
}

/// A file, with the data that differs from another's.
fn shown(file: Option<&File>, other: Option<&File>) -> String {
    let Some(file) = file else {
        return "none".into();
    };
    let mut short = file.clone();
    let data = std::mem::take(&mut short.data);
    let differs = |at: &usize| other.and_then(|other| other.data.get(*at)) != data.get(*at);
    let parts = match other {
        Some(_) => ranges((0..data.len()).filter(differs)),
        None => Vec::new(),
    };
    let parts = parts.iter().take(4).map(|part| {
        let head: Vec<u8> = data[part.clone()].iter().take(16).copied().collect();
        format!(" {part:?}: {:?}", String::from_utf8_lossy(&head))
    });
    format!("{short:?}, data differs in{}", parts.collect::<String>())
}

fn ranges(places: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for at in places {
        match ranges.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::How;
    use rdaxfs_core::format_types::DiskTime;
    use std::collections::BTreeMap;

    fn tree(mtime: i64, data: &[u8]) -> Tree {
        let file = File {
            ino: 2,
            generation: 1,
            mode: 0o100644,
            nlink: 1,
            owner: (0, 0),
            flags: 0,
            rdev: 0,
            size: data.len() as u64,
            times: [DiskTime::new(mtime, 0); 4],
            xattrs: BTreeMap::new(),
            data: data.to_vec(),
        };
        Tree::from([("/f".to_string(), file)])
    }

    fn open(range: Range<usize>, old: &[u8]) -> Open {
        Open {
            part: Part {
                how: How::Loose,
                path: "/f".into(),
                range,
            },
            old: old.to_vec(),
        }
    }

    fn allows(trees: &[Tree], open: &[Open], seen: &Tree) -> bool {
        Allowed { trees, open }.check(seen).is_ok()
    }

    #[test]
    fn before_or_after_and_nothing_else() {
        let trees = [tree(1, b"old!"), tree(2, b"new!")];
        assert!(trees.iter().all(|seen| allows(&trees, &[], seen)));
        assert!(!allows(&trees, &[], &tree(2, b"old!")));
        assert!(!allows(&trees, &[], &tree(2, b"new!?")));
        assert!(!allows(&trees, &[], &Tree::new()));
        assert!(!allows(&trees[1..], &[], &trees[0]));
    }

    #[test]
    fn data_in_place_may_be_mixed_in_its_range() {
        let trees = [tree(1, b"old!"), tree(2, b"old!"), tree(2, b"new!")];
        let loose = [open(0..2, b"old!")];
        assert!(allows(&trees, &loose, &tree(2, b"nlw!")));
        assert!(!allows(&trees, &loose, &tree(2, b"ned!")));
        assert!(!allows(&trees, &loose, &tree(2, b"xew!")));
    }

    #[test]
    fn data_does_not_come_before_its_times() {
        let trees = [tree(1, b"old!"), tree(2, b"new!")];
        let loose = [open(0..3, b"old!")];
        assert!(!allows(&trees, &loose, &tree(1, b"nld!")));
    }

    #[test]
    fn what_is_lazy_may_be_older_than_the_operation() {
        let trees = [tree(2, b"new!")];
        assert!(!allows(&trees, &[], &tree(2, b"old!")));
        assert!(allows(&trees, &[open(0..3, b"old!")], &tree(2, b"old!")));
        // A hole that was stored to.
        assert!(allows(&trees, &[open(0..4, b"")], &tree(2, b"new\0")));
    }
}
