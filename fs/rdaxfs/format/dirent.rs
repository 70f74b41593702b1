// SPDX-License-Identifier: GPL-2.0

//! Directory entries: runs of 64-byte slots in the blocks of a directory.

use crate::{
    crc32c,
    ensure,
    ensure_eq,
    ensure_value,
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

/// Bytes of a slot.
pub const DIR_SLOT: usize = 64;
/// Slots in a block.
pub const DIR_SLOTS: usize = 64;
/// Bytes of an entry before its name.
pub const DIRENT_HEAD: usize = 16;
/// The longest name in bytes.
pub const NAME_MAX: usize = 255;

const MAGIC: u8 = 0xd5;

/// What an entry begins with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DirentHead {
    crc: U32,
    magic: u8,
    slots: u8,
    name_len: u8,
    file_type: u8,
    ino: U64,
}

const _: () = assert!(size_of::<DirentHead>() == DIRENT_HEAD);

/// An entry in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirent<'a> {
    /// The inode it names; 0 is a run of free slots.
    pub ino: u64,
    /// How many slots it takes.
    pub slots: usize,
    /// `DT_*`: the type bits of the inode's mode, shifted right by 12.
    pub file_type: u8,
    /// The name; empty for free slots.
    pub name: &'a [u8],
}

impl<'a> Dirent<'a> {
    /// The slots that a name of `len` bytes needs.
    pub fn slots_for(len: usize) -> usize {
        DIRENT_HEAD.saturating_add(len).div_ceil(DIR_SLOT)
    }

    /// A run of free slots.
    pub fn free(slots: usize) -> Self {
        Self {
            ino: 0,
            slots,
            file_type: 0,
            name: &[],
        }
    }

    /// An entry.
    pub fn new(ino: u64, file_type: u8, name: &'a [u8]) -> Self {
        Self {
            ino,
            slots: Self::slots_for(name.len()),
            file_type,
            name,
        }
    }

    /// Whether this is a run of free slots.
    pub fn is_free(&self) -> bool {
        self.ino == 0
    }

    /// Decodes the entry at `slot` of `block`, a directory block of inode `dir`.
    pub fn decode(block: &'a [u8], slot: usize, dir: u64) -> Result<Self> {
        let at = slot.saturating_mul(DIR_SLOT);
        let bytes = block.get(at..).unwrap_or_default();
        let (head, rest) =
            DirentHead::read_from_prefix(bytes).map_err(|_| Bad::new("entry is past its block"))?;
        ensure_eq(head.magic, MAGIC, "entry has a bad magic")?;
        let slots = usize::from(head.slots);
        let name_len = usize::from(head.name_len);
        ensure_value(
            slots > 0 && slots <= DIR_SLOTS.saturating_sub(slot),
            head.slots,
            "entry has a bad number of slots",
        )?;
        let name = rest
            .get(..name_len)
            .ok_or(Bad::new("name ends past its block"))?;
        ensure_eq(
            head.crc.get(),
            checksum(&head, name, dir),
            "entry has a bad checksum",
        )?;
        let dirent = Self {
            ino: head.ino.get(),
            slots,
            file_type: head.file_type,
            name,
        };
        if dirent.is_free() {
            ensure(name.is_empty(), "free slots have a name")?;
        } else {
            ensure_eq(
                slots as u64,
                Self::slots_for(name_len) as u64,
                "entry has a bad number of slots",
            )?;
            ensure(valid_name(name), "entry has a bad name")?;
        }
        Ok(dirent)
    }

    /// Writes the entry to `out` and returns how many bytes it takes there; `dir` is the inode
    /// number of the directory. `None` if `out` is too short.
    pub fn encode(&self, dir: u64, out: &mut [u8]) -> Option<usize> {
        let mut head = DirentHead {
            crc: U32::ZERO,
            magic: MAGIC,
            slots: u8::try_from(self.slots).ok()?,
            name_len: u8::try_from(self.name.len()).ok()?,
            file_type: self.file_type,
            ino: U64::new(self.ino),
        };
        head.crc = U32::new(checksum(&head, self.name, dir));
        let len = DIRENT_HEAD.checked_add(self.name.len())?;
        let (first, rest) = out.get_mut(..len)?.split_at_mut_checked(DIRENT_HEAD)?;
        first.copy_from_slice(head.as_bytes());
        rest.copy_from_slice(self.name);
        Some(len)
    }
}

fn checksum(head: &DirentHead, name: &[u8], dir: u64) -> u32 {
    let crc = crc32c(0, &dir.to_le_bytes());
    let crc = crc32c(crc, head.as_bytes().get(4..).unwrap_or_default());
    crc32c(crc, name)
}

fn valid_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| byte == 0 || byte == b'/')
}
