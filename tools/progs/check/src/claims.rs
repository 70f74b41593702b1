// SPDX-License-Identifier: GPL-2.0

//! Which blocks are used by whom.

use std::{
    collections::BTreeMap,
    fmt, //
};

/// Who uses blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Inodes are in it.
    Inodes,
    /// Extents of an inode are in it.
    Extents(u64),
    /// Attributes or the target of an inode are in it.
    Blob(u64),
    /// Data of an inode is in it.
    Data(u64),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inodes => f.write_str("the inodes"),
            Self::Extents(ino) => write!(f, "the extents of inode {ino}"),
            Self::Blob(ino) => write!(f, "the attributes or target of inode {ino}"),
            Self::Data(ino) => write!(f, "inode {ino}"),
        }
    }
}

/// Runs of used blocks: first block, block after the last, owner. They do not overlap.
#[derive(Default)]
pub(crate) struct Claims {
    runs: BTreeMap<u64, (u64, Owner)>,
    blocks: u64,
}

impl Claims {
    /// Claims `len` blocks from `block`, or says which of them has which owner already.
    pub(crate) fn claim(&mut self, block: u64, len: u64, owner: Owner) -> Result<(), (u64, Owner)> {
        let end = block.saturating_add(len);
        if let Some((&first, &(last, other))) = self.runs.range(..end).next_back() {
            if last > block {
                return Err((first.max(block), other));
            }
        }
        self.runs.insert(block, (end, owner));
        self.blocks = self.blocks.saturating_add(len);
        Ok(())
    }

    /// Who has `block`.
    pub(crate) fn owner(&self, block: u64) -> Option<Owner> {
        let (_, &(end, owner)) = self.runs.range(..=block).next_back()?;
        (block < end).then_some(owner)
    }

    /// How many blocks are claimed.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }
}
