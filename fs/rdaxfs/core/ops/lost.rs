// SPDX-License-Identifier: GPL-2.0

//! Blocks of a file that the medium has lost and that cannot be made good.
//!
//! A file gets another block for one whose content nothing asks for: an unwritten one, or one that
//! is overwritten as a whole. The old block is kept from use until the next mount.

use crate::{
    alloc::{
        Purpose,
        Run,
        Taken, //
    },
    medium::{
        InFlight,
        Stored, //
    },
    Error,
    Medium,
    Node,
    Result,
    Span,
    Volume, //
};
use rdaxfs_format::{
    Extent,
    BLOCK_SIZE, //
};

impl<M: Medium> Volume<M> {
    /// Whether block `lblk` of the file is written, and cannot be read.
    pub fn is_lost(&self, node: &Node, lblk: u64) -> Result<bool> {
        let Span::Written(block) = self.map(node, lblk, 1)?.span else {
            return Ok(false);
        };
        let at = block.saturating_mul(BLOCK_SIZE);
        match self.medium().load(at, &mut [0; 8]) {
            Err(Error::Poison) => Ok(true),
            loaded => loaded.map(|()| false),
        }
    }

    /// Puts `data`, a whole block, in place of block `lblk` of the file, which [is
    /// lost](Self::is_lost), and whose page is in no mapping. [`Error::Io`] if there is no other
    /// block.
    pub fn replace_lost(&self, node: &mut Node, lblk: u64, data: &[u8]) -> Result {
        self.begin_change(node)?;
        let taken = self.alloc_other(node)?;
        let at = taken.run().block.saturating_mul(BLOCK_SIZE);
        let stored = Stored::write(self.medium(), at, data)?;
        self.put_other(node, lblk, taken, false, stored)
    }

    /// Gives the file zeroed blocks for those in `run`, which block `lblk` of the file begins, that
    /// are lost, cannot be made good and are not referenced. [`Error::Io`] if there are none.
    pub(super) fn replace_zeroed(&self, node: &mut Node, lblk: u64, run: Run) -> Result {
        self.each_bad(run, |index, block| {
            if self.medium().referenced(block, 1).0 {
                return Err(Error::Io);
            }
            let taken = self.alloc_other(node)?;
            let zeroed = self.zero_run(taken.run())?;
            let lblk = lblk.saturating_add(index);
            self.put_other(node, lblk, taken, false, zeroed)
        })
    }

    /// As [`replace_zeroed`](Self::replace_zeroed), for blocks that are unwritten and stay so.
    pub(super) fn replace_unwritten(&self, node: &mut Node, lblk: u64, run: Run) -> Result {
        node.zeroed = 0..0;
        self.each_bad(run, |index, _| {
            let taken = self.alloc_other(node)?;
            let lblk = lblk.saturating_add(index);
            self.put_other(node, lblk, taken, true, Stored::none())
        })
    }

    /// Calls `f` for each block of a run that cannot be made good, with its place in the run.
    fn each_bad(&self, run: Run, mut f: impl FnMut(u64, u64) -> Result) -> Result {
        let mut found = Err(Error::Io);
        for index in 0..run.len {
            let block = run.block.saturating_add(index);
            let at = block.saturating_mul(BLOCK_SIZE);
            match self.medium().heal(at, BLOCK_SIZE) {
                Err(Error::Poison) => {
                    f(index, block)?;
                    found = Ok(());
                }
                healed => healed?,
            }
        }
        found
    }

    fn alloc_other(&self, node: &Node) -> Result<Taken<'_>> {
        let home = self.home(node.ino());
        match self
            .alloc()?
            .borrow_good(self.medium(), Purpose::Small, None, home)
        {
            Err(Error::NoSpace) => Err(Error::Io),
            taken => taken,
        }
    }

    /// Makes `taken` block `lblk` of the file once `before` is durable. The block that was there
    /// stays taken, as far as the allocator knows.
    fn put_other(
        &self,
        node: &mut Node,
        lblk: u64,
        taken: Taken<'_>,
        unwritten: bool,
        before: Stored<InFlight>,
    ) -> Result {
        let extent = Extent {
            lblk,
            pblk: taken.run().block,
            len: 1,
            unwritten,
        };
        self.publish(node, extent, node.disk, before)?;
        taken.keep();
        Ok(())
    }
}
