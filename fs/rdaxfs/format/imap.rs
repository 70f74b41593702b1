// SPDX-License-Identifier: GPL-2.0

//! The inode map: a bit for each block of the volume that holds inodes.

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

/// Bytes of a group of the map.
pub const IMAP_GROUP_SIZE: usize = 256;
/// Blocks that a group covers.
pub const IMAP_GROUP_BLOCKS: u64 = (BITMAP as u64) * 8;

const BITMAP: usize = 240;
const MAGIC: u32 = 0x50414d49;

/// A group of the inode map.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ImapGroup {
    crc: U32,
    magic: U32,
    index: U64,
    bits: [u8; BITMAP],
}

const _: () = assert!(size_of::<ImapGroup>() == IMAP_GROUP_SIZE);

impl ImapGroup {
    /// An empty group, the `index`th of the volume.
    pub fn new(index: u64) -> Self {
        Self {
            crc: U32::ZERO,
            magic: U32::new(MAGIC),
            index: U64::new(index),
            bits: [0; BITMAP],
        }
    }

    /// Decodes the `index`th group and checks it.
    pub fn decode(bytes: &[u8], index: u64) -> Result<Self> {
        let group = Self::read_from_bytes(bytes).map_err(|_| Bad::new("inode map is short"))?;
        ensure_eq(group.magic.get(), MAGIC, "inode map has a bad magic")?;
        ensure_eq(
            group.crc.get(),
            group.checksum(),
            "inode map has a bad checksum",
        )?;
        ensure_eq(group.index.get(), index, "inode map has a bad index")?;
        Ok(group)
    }

    /// Whether the `bit`th block of the group holds inodes.
    pub fn get(&self, bit: u64) -> bool {
        let byte = self.bits.get((bit / 8) as usize).copied();
        byte.is_some_and(|byte| byte >> (bit % 8) & 1 != 0)
    }

    /// Says whether the `bit`th block of the group holds inodes.
    pub fn set(&mut self, bit: u64, inodes: bool) {
        if let Some(byte) = self.bits.get_mut((bit / 8) as usize) {
            let mask = 1u8 << (bit % 8);
            if inodes {
                *byte |= mask;
            } else {
                *byte &= !mask;
            }
        }
    }

    /// The blocks of the volume that hold inodes, as far as the group says.
    pub fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        let first = self.index.get().saturating_mul(IMAP_GROUP_BLOCKS);
        let bytes = (0u64..).step_by(8).zip(&self.bits);
        bytes
            .filter(|&(_, &byte)| byte != 0)
            .flat_map(|(at, &byte)| (at..).take(8).filter(move |bit| byte >> (bit % 8) & 1 != 0))
            .map(move |bit| first.saturating_add(bit))
    }

    /// Whether no block of the group holds inodes.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|&byte| byte == 0)
    }

    /// The bytes for the medium, with the checksum filled in.
    pub fn encode(&mut self) -> &[u8] {
        self.crc = U32::new(self.checksum());
        self.as_bytes()
    }

    fn checksum(&self) -> u32 {
        crc32c(0, self.as_bytes().get(4..).unwrap_or_default())
    }
}
