// SPDX-License-Identifier: GPL-2.0

//! Inodes without a name and without a user that there was no memory to free.
//!
//! Evicting an inode cannot fail. Where memory is short for its transaction, its number is noted here, for
//! which there always is a place, and the next operation on names frees it. What is not noted, since
//! there are too many, the next mount frees.

use crate::{
    inode::Claimed,
    mount::checked,
    Rdaxfs, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use rdax::fs::{
    inode::Lookup,
    SuperBlock, //
};

/// How many can be noted.
const PLACES: usize = 64;

/// The numbers of such inodes; 0 is none.
pub(crate) struct Unfreed {
    numbers: KVec<Atomic<u64>>,
    /// Whether there may be any.
    some: Atomic<bool>,
}

impl Unfreed {
    pub(crate) fn new() -> Result<Self> {
        let mut numbers = KVec::with_capacity(PLACES, GFP_KERNEL)?;
        for _ in 0..PLACES {
            numbers.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            numbers,
            some: Atomic::new(false),
        })
    }

    /// Notes an inode; returns whether there was a place.
    fn note(&self, ino: u64) -> bool {
        let free = |place: &Atomic<u64>| place.cmpxchg(0, ino, Relaxed).is_ok();
        let noted = self.numbers.iter().any(free);
        self.some.store(true, Relaxed);
        noted
    }

    /// Takes all out.
    pub(crate) fn take(&self) -> impl Iterator<Item = u64> + '_ {
        let some = self.some.load(Relaxed) && self.some.xchg(false, Relaxed);
        let places = if some { &*self.numbers } else { &[] };
        let numbers = places.iter().map(|place| place.xchg(0, Relaxed));
        numbers.filter(|&ino| ino != 0)
    }
}

/// Notes that inode `ino`, which is being evicted, could not be freed.
pub(crate) fn note(sb: &SuperBlock<Rdaxfs>, ino: u64) {
    if !sb.data().unfreed().note(ino) {
        sb.data().log().warn(fmt!(
            "inode {ino}: no memory to free it; the next mount does"
        ));
    }
}

/// Frees the inodes that could not be freed before. Sleeps; the caller holds no node, and the volume is
/// neither frozen nor read-only as long as this runs.
pub(crate) fn free(sb: &SuperBlock<Rdaxfs>) {
    for ino in sb.data().unfreed().take() {
        let freed = match sb.iget(ino) {
            Ok(Lookup::New(new)) => checked(sb, sb.data().core().free_unnamed(Claimed(new))),
            // It is in use again; whoever uses it evicts it.
            Ok(Lookup::Found(_inode)) => Ok(()),
            Err(error) => Err(error),
        };
        if freed.is_err_and(|error| error == ENOMEM) {
            note(sb, ino);
        }
    }
}
