// SPDX-License-Identifier: GPL-2.0

//! Blobs: chains of blocks that are written once, for what does not fit into an inode (extended
//! attributes, the target of a long symbolic link).

use crate::{
    crc32c,
    ensure_eq,
    Bad,
    Result, //
};
use zerocopy::{
    little_endian::{
        U32,
        U64, //
    },
    FromBytes as _,
    IntoBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

/// Bytes of the payload of one block.
pub const BLOB_PAYLOAD: usize = 4096 - size_of::<Head>();

const MAGIC: u32 = 0x424f4c42;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    crc: U32,
    magic: U32,
    owner: U64,
    next: U64,
    generation: U32,
    len: U32,
}

/// One block of a blob.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The next block (0: none).
    pub next: u64,
    /// What it holds.
    pub payload: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Decodes a block of a blob of inode `owner` in its `generation`.
    pub fn decode(block: &'a [u8], owner: u64, generation: u32) -> Result<Self> {
        let (head, rest) = Head::read_from_prefix(block).map_err(|_| Bad::new("blob is short"))?;
        ensure_eq(head.magic.get(), MAGIC, "blob has a bad magic")?;
        let payload = usize::try_from(head.len.get())
            .ok()
            .and_then(|len| rest.get(..len));
        let payload = payload.ok_or(Bad::with(
            "blob is longer than a block:",
            head.len.get().into(),
        ))?;
        ensure_eq(
            head.crc.get(),
            checksum(&head, payload),
            "blob has a bad checksum",
        )?;
        ensure_eq(head.owner.get(), owner, "blob has a bad owner")?;
        ensure_eq(
            head.generation.get(),
            generation,
            "blob has a bad generation",
        )?;
        Ok(Self {
            next: head.next.get(),
            payload,
        })
    }

    /// Writes the block to `out` and returns how many bytes it takes there. `None` if it is too
    /// short.
    pub fn encode(&self, owner: u64, generation: u32, out: &mut [u8]) -> Option<usize> {
        let mut head = Head {
            crc: U32::ZERO,
            magic: U32::new(MAGIC),
            owner: U64::new(owner),
            next: U64::new(self.next),
            generation: U32::new(generation),
            len: U32::new(u32::try_from(self.payload.len()).ok()?),
        };
        head.crc = U32::new(checksum(&head, self.payload));
        let len = size_of::<Head>().checked_add(self.payload.len())?;
        let (first, rest) = out
            .get_mut(..len)?
            .split_at_mut_checked(size_of::<Head>())?;
        first.copy_from_slice(head.as_bytes());
        rest.copy_from_slice(self.payload);
        Some(len)
    }
}

fn checksum(head: &Head, payload: &[u8]) -> u32 {
    let crc = crc32c(0, head.as_bytes().get(4..).unwrap_or_default());
    crc32c(crc, payload)
}
