// SPDX-License-Identifier: GPL-2.0

//! Blocks that nothing on the medium refers to, but that somebody in memory still does.
//!
//! They are taken as far as the shards know, so nobody gets them, and counted as used. Recovery
//! knows nothing of them: references do not survive a crash.

use super::{
    Allocator,
    Run, //
};
use crate::{
    env::Vec,
    Medium, //
};

/// Such blocks, and since when by the medium's clock.
struct Aside {
    run: Run,
    since: u64,
}

/// Runs of such blocks, in no order.
#[derive(Default)]
pub(super) struct Busy {
    runs: Vec<Aside>,
}

impl Run {
    /// Cuts the first `len` blocks off.
    fn split(&mut self, len: u64) -> Run {
        let len = len.min(self.len);
        let head = Run {
            block: self.block,
            len,
        };
        self.block = self.block.saturating_add(len);
        self.len = self.len.saturating_sub(len);
        head
    }

    /// Cuts off the first blocks that are alike; whether they are referenced.
    pub(super) fn split_alike(&mut self, medium: &impl Medium) -> (bool, Run) {
        let (referenced, len) = medium.referenced(self.block, self.len);
        (referenced, self.split(len.max(1)))
    }
}

impl Allocator {
    /// Gives blocks back, those that are referenced as soon as they no longer are. Returns whether
    /// there was memory to note all of the latter.
    ///
    /// If not, some are free now: who takes them finds out that they are referenced.
    pub(crate) fn release(&self, medium: &impl Medium, mut run: Run) -> bool {
        let mut noted = true;
        while run.len > 0 {
            let (referenced, part) = run.split_alike(medium);
            if !referenced || !self.set_aside(medium, part) {
                noted &= !referenced;
                self.free(part);
            }
        }
        noted
    }

    fn set_aside(&self, medium: &impl Medium, run: Run) -> bool {
        let since = medium.clock_ms();
        let added = self.busy.lock().runs.push(Aside { run, since }).is_ok();
        if added {
            self.busy_blocks.add(run.len);
        }
        added
    }

    /// Frees what is no longer referenced. Returns how many blocks that were.
    pub(crate) fn sweep(&self, medium: &impl Medium) -> u64 {
        if self.busy_blocks.get() == 0 {
            return 0;
        }
        let mut busy = self.busy.lock();
        let mut kept = Vec::new();
        // With room for each run there always is room for what is left of one.
        if kept.reserve(busy.runs.len()).is_err() {
            return 0;
        }
        let mut freed = 0u64;
        let mut left = busy.runs.len();
        while let Some(Aside { mut run, since }) = busy.runs.pop() {
            left = left.saturating_sub(1);
            while run.len > 0 {
                let (referenced, mut part) = run.split_alike(medium);
                if !referenced {
                    self.free(part);
                    freed = freed.saturating_add(part.len);
                    continue;
                }
                if kept.reserve(left.saturating_add(2)).is_err() {
                    part.len = part.len.saturating_add(run.len);
                    run.len = 0;
                }
                // Cannot fail: there is room.
                let _ = kept.push(Aside { run: part, since });
            }
        }
        busy.runs = kept;
        drop(busy);
        self.busy_blocks.sub(freed);
        freed
    }

    /// Blocks that only wait for their last reference to go.
    pub(crate) fn busy_blocks(&self) -> u64 {
        self.busy_blocks.get()
    }

    /// Shows the first block, the length and the age in milliseconds of each run of them to `f`, in
    /// no order.
    pub(crate) fn for_each_busy(&self, medium: &impl Medium, mut f: impl FnMut(u64, u64, u64)) {
        let now = medium.clock_ms();
        for Aside { run, since } in self.busy.lock().runs.iter() {
            f(run.block, run.len, now.saturating_sub(*since));
        }
    }

    /// One of them.
    pub(crate) fn a_busy_block(&self) -> Option<u64> {
        Some(self.busy.lock().runs.first()?.run.block)
    }
}
