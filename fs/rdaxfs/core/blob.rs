// SPDX-License-Identifier: GPL-2.0

//! Blobs: bytes of an inode in a chain of blocks, written as a whole and then only replaced.

use crate::{
    alloc::{
        Allocator,
        Purpose,
        Taken, //
    },
    env::Vec,
    error::Locate,
    medium::{
        InFlight,
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    Blob,
    Layout,
    BLOB_PAYLOAD,
    BLOCK_SIZE,
    XATTR_TOTAL_MAX, //
};

const MAX_BLOCKS: usize = XATTR_TOTAL_MAX.div_ceil(BLOB_PAYLOAD);

/// A blob that nothing refers to yet.
pub(crate) struct NewBlob<'a> {
    blocks: Vec<Taken<'a>>,
}

impl<'a> NewBlob<'a> {
    /// Writes `bytes` for inode `ino` in its `generation`; no bytes take no block.
    pub(crate) fn write(
        medium: &impl Medium,
        alloc: &'a Allocator,
        (ino, generation): (u64, u32),
        bytes: &[u8],
    ) -> Result<(Self, Stored<InFlight>)> {
        let mut blob = Self { blocks: Vec::new() };
        let mut stored = Stored::none();
        let mut block = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
        let home = alloc.shard_of(ino / 16);
        for payload in bytes.chunks(BLOB_PAYLOAD).rev() {
            let taken = alloc.borrow_good(medium, Purpose::Small, None, home)?;
            let next = blob.head();
            let len = Blob { next, payload }.encode(ino, generation, &mut block);
            let written = len.and_then(|len| block.get(..len)).ok_or(Error::TooBig)?;
            let at = taken.run().block.saturating_mul(BLOCK_SIZE);
            stored = stored.and(Stored::write(medium, at, written)?);
            blob.blocks.push(taken)?;
        }
        Ok((blob, stored))
    }

    /// Its first block (0: none).
    pub(crate) fn head(&self) -> u64 {
        self.blocks.last().map_or(0, |taken| taken.run().block)
    }

    /// How many blocks it takes.
    pub(crate) fn len(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// An inode on the medium refers to it now.
    pub(crate) fn keep(mut self) {
        while let Some(taken) = self.blocks.pop() {
            taken.keep();
        }
    }
}

/// Walks the chain of blocks that begins at block `head` (0: empty): each block with what is in it.
pub(crate) fn chain(
    medium: &impl Medium,
    layout: &Layout,
    (ino, generation): (u64, u32),
    head: u64,
    mut visit: impl FnMut(u64, &Blob<'_>) -> Result,
) -> Result {
    if head == 0 {
        return Ok(());
    }
    let mut bytes = Vec::filled(BLOCK_SIZE as usize, 0u8)?;
    let mut block = head;
    for _ in 0..MAX_BLOCKS {
        if !layout.is_data(block, 1) {
            return Err(Error::corrupt_value("blob has a bad next block", block).of_inode(ino));
        }
        medium.load(block.saturating_mul(BLOCK_SIZE), &mut bytes)?;
        let blob = Blob::decode(&bytes, ino, generation)
            .of_inode(ino)
            .in_block(block)?;
        visit(block, &blob)?;
        block = blob.next;
        if block == 0 {
            return Ok(());
        }
    }
    Err(Error::corrupt("chain of blob blocks is too long").of_inode(ino))
}

/// Whether block `wanted`, which need not be readable, is in the chain that begins at block `head`
/// (0: empty).
pub(crate) fn has_block(
    medium: &impl Medium,
    layout: &Layout,
    owner: (u64, u32),
    head: u64,
    wanted: u64,
) -> bool {
    let mut found = head == wanted;
    // It may well end at the wanted block.
    let _ = chain(medium, layout, owner, head, |_, blob| {
        found |= blob.next == wanted;
        Ok(())
    });
    found
}

/// All bytes of the blob that begins at block `head` (0: empty).
pub(crate) fn read(
    medium: &impl Medium,
    layout: &Layout,
    owner: (u64, u32),
    head: u64,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    chain(medium, layout, owner, head, |_, blob| {
        bytes.extend(blob.payload)
    })?;
    Ok(bytes)
}
