// SPDX-License-Identifier: GPL-2.0

//! Steps that look for inodes and blocks by their numbers.

use super::{
    files::write,
    Task, //
};
use crate::common::{
    icache::Lookup,
    overlap::doing, //
};
use rdaxfs_core::{
    Medium,
    Role,
    Span, //
};
use std::sync::atomic::Ordering;

impl Task<'_, '_> {
    /// As a handle does: numbers in use, that were in use, and that never were.
    pub fn by_number(&mut self) {
        doing("lookup by number");
        let numbers = self.world.volume().layout().blocks * 16;
        for _ in 0..8 {
            let last = self.world.last.load(Ordering::Relaxed);
            let ino = match self.rng.below(8) {
                0..=2 => last,
                3..=5 => last / 16 * 16 + self.rng.below(16),
                6 => last.saturating_sub(200) + self.rng.below(400),
                _ => self.rng.below(numbers + 100),
            };
            if let Some(inode) = self.world.cache.iget(ino) {
                let node = inode.node.read().unwrap();
                assert_eq!(node.ino(), ino);
                assert!(node.inode().in_use());
            }
            doing("lookup by number");
        }
    }

    pub fn find_owner(&mut self) {
        doing("search for an owner");
        let (volume, cache) = (self.world.volume(), self.world.cache);
        let mut blocks = (0..100).map(|_| self.rng.below(volume.layout().blocks));
        let Some(block) = blocks.find(|&block| volume.role(block) == Role::Inode) else {
            return;
        };
        let mut held = None;
        let found = volume.find_owner(block, |ino| match cache.find(ino) {
            Lookup::New(claim) => Some(claim),
            Lookup::Found(inode) => {
                held = held.or(volume.held(&inode.node.read().unwrap(), block));
                None
            }
        });
        found.unwrap();
    }

    /// Blocks that are referenced stay what they are, whatever becomes of their file.
    pub(super) fn hold(&mut self) {
        let volume = self.world.volume();
        let inode = self.make_tmpfile();
        write(
            volume,
            &inode,
            &mut inode.content.write().unwrap().data,
            0,
            &[1; 4096],
        );
        let Span::Written(block) = volume.map(&inode.node.read().unwrap(), 0, 1).unwrap().span
        else {
            panic!("a block that was written is not");
        };
        volume.medium().get(block);
        drop(inode);
        for stamp in 0..20u64 {
            doing("stores to blocks that are held");
            let stamp = (stamp << 32 | self.rng.below(1 << 32)).to_le_bytes();
            volume.medium().store(block * 4096 + 8, &stamp).unwrap();
            self.by_number();
            doing("loads from blocks that are held");
            let mut found = [0; 8];
            volume.medium().load(block * 4096 + 8, &mut found).unwrap();
            assert_eq!(found, stamp, "block {block} was given to another file");
        }
        volume.medium().put(block);
        volume.sweep();
    }

    pub(super) fn usage(&mut self) {
        doing("usage");
        let volume = self.world.volume();
        let usage = volume.usage();
        assert!(usage.free <= usage.blocks);
        volume.busy_blocks();
        volume.superblock();
        volume.for_each_busy(|_, _, _| {});
        volume.sweep();
    }
}
