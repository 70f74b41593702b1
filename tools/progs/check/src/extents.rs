// SPDX-License-Identifier: GPL-2.0

//! The extents of an inode, and the chain of blocks that holds those which do not fit into it.

use crate::{
    claims::Owner,
    report::{
        Fix,
        InodeEdit,
        Kind,
        Problem,
        Where, //
    },
    Checker, //
};
use rdaxfs_core::{
    format_types::{
        DiskInode,
        Extent,
        ExtentGroup,
        RawExtent,
        BLOCK_SIZE,
        GROUPS_PER_BLOCK,
        INLINE_EXTENTS,
        MAX_FILE_SIZE, //
    },
    Medium, //
};

/// An extent that makes sense, and where it is.
pub(crate) type Placed = (Where, Extent);

/// The byte where a group of extents is.
pub(crate) fn group_at(block: u64, index: usize) -> u64 {
    let offset = (index as u64).saturating_mul(ExtentGroup::SIZE as u64);
    block.saturating_mul(BLOCK_SIZE).saturating_add(offset)
}

impl<M: Medium> Checker<'_, M> {
    fn group(
        &self,
        inode: &DiskInode,
        block: u64,
        index: usize,
    ) -> Result<ExtentGroup, &'static str> {
        let mut bytes = [0; ExtentGroup::SIZE];
        let loaded = self.medium.load(group_at(block, index), &mut bytes);
        loaded.map_err(|_| "extent group cannot be read")?;
        let (ino, generation) = (inode.ino.get(), inode.generation.get());
        ExtentGroup::decode(&bytes, ino, generation, index).map_err(|bad| bad.what)
    }

    /// Checks the chain of blocks of extents, and returns as many blocks of it as are good.
    pub(crate) fn check_chain(&mut self, inode: &DiskInode) -> Vec<u64> {
        let ino = inode.ino.get();
        let mut chain = Vec::new();
        let mut block = inode.extents.get();
        while block != 0 {
            let end = match chain.last() {
                None => Fix::Inode(ino, InodeEdit::NoChain),
                Some(&last) => Fix::EndChain(ino, last),
            };
            if !self.layout.is_data(block, 1) {
                let text = "chain of extent blocks leads past the volume";
                self.add(Problem::of(Kind::BadChain, ino, text).at(block).fix(end));
                break;
            }
            let groups: Vec<_> = (0..GROUPS_PER_BLOCK)
                .map(|index| self.group(inode, block, index))
                .collect();
            if groups.iter().all(Result::is_err) {
                let text = "chain of extent blocks leads to something else";
                self.add(Problem::of(Kind::BadChain, ino, text).at(block).fix(end));
                break;
            }
            if let Err((_, other)) = self.claims.claim(block, 1, Owner::Extents(ino)) {
                let text = format!("block of extents also has {other}");
                let problem = Problem::of(Kind::BlockUsedTwice, ino, text);
                self.add(problem.at(block).fix(end));
                break;
            }
            chain.push(block);
            for (index, group) in groups.iter().enumerate() {
                if let Err(why) = group {
                    let problem = Problem::of(Kind::BadExtentGroup, ino, *why).at(block);
                    self.add(problem.fix(Fix::EmptyGroup(ino, block, index)));
                }
            }
            block = groups
                .first()
                .and_then(|group| group.as_ref().ok())
                .map_or(0, ExtentGroup::next);
        }
        chain
    }

    /// All extents of an inode as they are on the medium.
    fn raw_extents(&self, inode: &DiskInode, chain: &[u64]) -> Vec<(Where, RawExtent)> {
        let mut all: Vec<(Where, RawExtent)> = (0..INLINE_EXTENTS)
            .map(|slot| (Where::Inode(slot), inode.extent(slot)))
            .collect();
        for &block in chain {
            for index in 0..GROUPS_PER_BLOCK {
                let Ok(group) = self.group(inode, block, index) else {
                    continue;
                };
                let placed = group.extents.iter().enumerate().map(|(place, raw)| {
                    let at = Where::Group {
                        block,
                        index,
                        place,
                    };
                    (at, *raw)
                });
                all.extend(placed);
            }
        }
        all
    }

    /// Checks and claims the extents of a file or directory. Returns those that are good, in order.
    pub(crate) fn check_extents(&mut self, inode: &DiskInode, chain: &[u64]) -> Vec<Placed> {
        let ino = inode.ino.get();
        let mut placed: Vec<Placed> = Vec::new();
        for (at, raw) in self.raw_extents(inode, chain) {
            let why = match raw.get() {
                Ok(None) => continue,
                Ok(Some(extent)) if !self.layout.is_data(extent.pblk, extent.len) => {
                    "extent reaches past the volume"
                }
                Ok(Some(extent)) if extent.end() > MAX_FILE_SIZE.div_ceil(BLOCK_SIZE) => {
                    "extent ends past every file"
                }
                Ok(Some(extent)) => {
                    placed.push((at, extent));
                    continue;
                }
                Err(bad) => bad.what,
            };
            self.drop_extent(Kind::BadExtent, ino, at, why);
        }
        placed.sort_by_key(|(_, extent)| extent.lblk);
        let mut end = 0;
        let mut good = Vec::new();
        for (at, extent) in placed {
            if extent.lblk < end {
                self.drop_extent(Kind::OverlappingExtents, ino, at, "extents overlap");
                continue;
            }
            let claimed = self.claims.claim(extent.pblk, extent.len, Owner::Data(ino));
            if let Err((block, other)) = claimed {
                let text = format!("block also has {other}");
                let problem = Problem::of(Kind::BlockUsedTwice, ino, text).at(block);
                self.add(problem.fix(Fix::Extent(ino, at, None)));
                continue;
            }
            self.report.summary.extents += 1;
            end = extent.end();
            good.push((at, extent));
        }
        good
    }

    fn drop_extent(&mut self, kind: Kind, ino: u64, at: Where, why: &str) {
        let problem = Problem::of(kind, ino, why).fix(Fix::Extent(ino, at, None));
        self.add(match at {
            Where::Group { block, .. } => problem.at(block),
            Where::Inode(_) => problem,
        });
    }

    /// Checks the extents of a regular file.
    pub(crate) fn check_data(&mut self, ino: u64) {
        let Some(inode) = self.inode(ino).filter(DiskInode::is_reg) else {
            return;
        };
        let chain = self.chains.remove(&ino).unwrap_or_default();
        let blocks = inode.size.get().div_ceil(BLOCK_SIZE);
        for (at, extent) in self.check_extents(&inode, &chain) {
            if extent.unwritten || extent.end() <= blocks {
                continue;
            }
            let len = blocks.saturating_sub(extent.lblk);
            let kept = (len > 0).then_some(Extent { len, ..extent });
            let text = format!("blocks from {blocks} of the file on are written, past its end");
            let problem = Problem::of(Kind::WrittenPastEnd, ino, text).at(extent.pblk);
            self.add(problem.fix(Fix::Extent(ino, at, kept)));
        }
    }
}
