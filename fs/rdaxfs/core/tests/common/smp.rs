// SPDX-License-Identifier: GPL-2.0

//! Threads on one volume: what they share, and what each step may be.

pub mod check;
mod files;
mod names;
mod numbers;

use super::{
    icache::{
        Cache,
        Ref, //
    },
    overlap::Overlap,
    rng::Rng, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    Node,
    Volume, //
};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::AtomicU64,
        Mutex,
        RwLock,
        RwLockWriteGuard, //
    }, //
};

pub const DIRS: u64 = 3;
/// Names in a directory. Files come and go, so blocks of inodes do, too.
const NAMES: u64 = 24;
/// No file grows past this.
const MAX: u64 = 100_000;
pub const NOW: fn() -> DiskTime = || DiskTime::new(3, 0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Dir,
    Link,
    Special,
}

/// What is in a directory. Its lock is the `i_rwsem`.
pub type Entries = BTreeMap<Vec<u8>, (u64, Kind)>;

pub struct Dir<'c> {
    pub inode: Ref<'c>,
    pub entries: RwLock<Entries>,
}

pub struct World<'c> {
    pub cache: &'c Cache,
    pub dirs: Vec<Dir<'c>>,
    /// `s_vfs_rename_mutex`.
    pub renames: Mutex<()>,
    /// A number that was used last.
    pub last: AtomicU64,
}

/// A thread and the files it has open.
pub struct Task<'w, 'c> {
    pub world: &'w World<'c>,
    pub rng: Rng,
    pub open: Vec<Ref<'c>>,
}

fn name(number: u64) -> Vec<u8> {
    format!("{number:0width$}", width = 2 + number as usize * 9).into_bytes()
}

impl<'c> World<'c> {
    fn volume(&self) -> &'c Volume<Overlap> {
        &self.cache.volume
    }

    fn any_dir(&self, rng: &mut Rng) -> &Dir<'c> {
        &self.dirs[rng.below(DIRS) as usize]
    }
}

impl<'w, 'c> Task<'w, 'c> {
    /// Does something.
    pub fn step(&mut self) {
        match self.rng.below(28) {
            0..=3 => self.create(),
            4 => self.tmpfile(),
            5..=7 => self.remove(),
            8 => self.link(),
            9..=11 => self.rename(),
            12 | 13 => self.look_up(),
            14 => self.read_dir(),
            15..=17 => self.change_data(),
            18 => self.change_xattr(),
            19 => self.change_attr(),
            20 | 21 => self.by_number(),
            22 if self.rng.below(8) == 0 => self.find_owner(),
            23 => self.hold(),
            24 => self.close(),
            25 => self.check_open(),
            26 => self.burst(),
            _ => self.usage(),
        }
    }

    fn open(&mut self, inode: Ref<'c>) {
        if self.open.len() >= 4 {
            self.close();
        }
        self.open.push(inode);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let index = self.rng.below(self.open.len() as u64) as usize;
            self.open.swap_remove(index);
        }
    }

    fn any_open(&mut self) -> Option<Ref<'c>> {
        if self.open.is_empty() {
            return None;
        }
        Some(self.open[self.rng.below(self.open.len() as u64) as usize].clone())
    }
}

/// Locks nodes in the order of their numbers.
fn lock_all<'a, const N: usize>(
    inodes: [Option<&'a Ref<'_>>; N],
) -> [Option<RwLockWriteGuard<'a, Node>>; N] {
    let mut order: Vec<usize> = (0..N).filter(|&i| inodes[i].is_some()).collect();
    order.sort_by_key(|&i| inodes[i].map(|inode| inode.ino));
    let mut locked = [const { None }; N];
    for i in order {
        locked[i] = inodes[i].map(|inode| inode.node.write().unwrap());
    }
    locked
}

fn lock_two<'a>(a: &'a Ref<'_>, b: &'a Ref<'_>) -> [RwLockWriteGuard<'a, Node>; 2] {
    lock_all([Some(a), Some(b)]).map(Option::unwrap)
}
