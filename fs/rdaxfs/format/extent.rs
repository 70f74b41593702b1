// SPDX-License-Identifier: GPL-2.0

//! Extents, and the groups that hold those which do not fit into an inode.

use crate::{
    crc32c,
    ensure,
    ensure_eq,
    ensure_value,
    Bad,
    Result,
    MAX_BLOCKS, //
};
use zerocopy::{
    little_endian::{
        U16,
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

/// The most blocks of one extent.
pub const EXTENT_MAX_BLOCKS: u64 = (1 << 24) - 1;
/// Extents in a group.
pub const GROUP_EXTENTS: usize = 14;
/// Groups in a block of extents.
pub const GROUPS_PER_BLOCK: usize = 16;

const GROUP_MAGIC: u16 = 0x5845;
const LBLK_BITS: u32 = 52;
const PBLK_BITS: u32 = 40;
const UNWRITTEN: u64 = 1 << 63;

/// A run of blocks of a file.
///
/// # Invariants
///
/// `len` is in `1..=EXTENT_MAX_BLOCKS`, `lblk + len` is at most 2^52 and `pblk + len` at most
/// [`MAX_BLOCKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first block in the file.
    pub lblk: u64,
    /// The first block on the volume.
    pub pblk: u64,
    /// How many blocks.
    pub len: u64,
    /// Allocated, but reads as zeros.
    pub unwritten: bool,
}

impl Extent {
    /// The block of the file after the last one.
    pub fn end(&self) -> u64 {
        self.lblk.saturating_add(self.len)
    }

    /// The block of the volume after the last one.
    pub fn pend(&self) -> u64 {
        self.pblk.saturating_add(self.len)
    }

    /// The block of the file that is in block `block` of the volume.
    pub fn lblk_of(&self, block: u64) -> Option<u64> {
        let offset = block.checked_sub(self.pblk)?;
        let inside = offset < self.len;
        inside.then_some(self.lblk.saturating_add(offset))
    }
}

/// An extent as it is on the medium; all zeros is an empty place.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawExtent {
    logical: U64,
    physical: U64,
}

impl RawExtent {
    /// An empty place.
    pub const EMPTY: Self = Self {
        logical: U64::ZERO,
        physical: U64::ZERO,
    };

    /// Encodes `extent`.
    pub fn new(extent: &Extent) -> Self {
        let flag = if extent.unwritten { UNWRITTEN } else { 0 };
        Self {
            logical: U64::new(extent.lblk & ((1 << LBLK_BITS) - 1) | flag),
            physical: U64::new(
                (extent.pblk & (MAX_BLOCKS - 1)) | ((extent.len & EXTENT_MAX_BLOCKS) << PBLK_BITS),
            ),
        }
    }

    /// Decodes it; `None` is an empty place.
    pub fn get(&self) -> Result<Option<Extent>> {
        let (logical, physical) = (self.logical.get(), self.physical.get());
        if logical == 0 && physical == 0 {
            return Ok(None);
        }
        let extent = Extent {
            lblk: logical & ((1 << LBLK_BITS) - 1),
            pblk: physical & (MAX_BLOCKS - 1),
            len: physical >> PBLK_BITS,
            unwritten: logical & UNWRITTEN != 0,
        };
        let unused = !UNWRITTEN & !((1 << LBLK_BITS) - 1);
        ensure_value(
            logical & unused == 0,
            logical & unused,
            "extent has unknown flags",
        )?;
        ensure(extent.len != 0, "extent is empty")?;
        ensure_value(
            extent.end() <= 1 << LBLK_BITS,
            extent.end(),
            "extent ends past every file:",
        )?;
        ensure_value(
            extent.pend() <= MAX_BLOCKS,
            extent.pend(),
            "extent ends past every volume:",
        )?;
        Ok(Some(extent))
    }
}

/// 256 bytes of a block of extents.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ExtentGroup {
    crc: U32,
    magic: U16,
    index: U16,
    owner: U64,
    next: U64,
    generation: U32,
    reserved: U32,
    /// The extents, in no order, with empty places between them.
    pub extents: [RawExtent; GROUP_EXTENTS],
}

const _: () = assert!(size_of::<ExtentGroup>() == ExtentGroup::SIZE);

impl ExtentGroup {
    /// Bytes of a group.
    pub const SIZE: usize = 256;

    /// An empty group, the `index`th of its block, of inode `owner` in its `generation`. `next` is
    /// the next block of extents (0: none), and only group 0 has it.
    pub fn new(owner: u64, generation: u32, index: usize, next: u64) -> Self {
        Self {
            crc: U32::ZERO,
            magic: U16::new(GROUP_MAGIC),
            index: U16::new(index as u16),
            owner: U64::new(owner),
            next: U64::new(next),
            generation: U32::new(generation),
            reserved: U32::ZERO,
            extents: [RawExtent::EMPTY; GROUP_EXTENTS],
        }
    }

    /// Decodes a group and checks that it belongs where it was found.
    pub fn decode(bytes: &[u8], owner: u64, generation: u32, index: usize) -> Result<Self> {
        let group = Self::read_from_bytes(bytes).map_err(|_| Bad::new("extent group is short"))?;
        ensure_eq(
            group.magic.get(),
            GROUP_MAGIC,
            "extent group has a bad magic",
        )?;
        ensure_eq(
            group.crc.get(),
            group.checksum(),
            "extent group has a bad checksum",
        )?;
        ensure_eq(
            u64::from(group.index.get()),
            index as u64,
            "extent group has a bad index",
        )?;
        ensure_eq(group.owner.get(), owner, "extent group has a bad owner")?;
        ensure_eq(
            group.generation.get(),
            generation,
            "extent group has a bad generation",
        )?;
        ensure_value(
            index == 0 || group.next.get() == 0,
            group.next.get(),
            "extent group has a next block:",
        )?;
        Ok(group)
    }

    /// The next block of extents (0: none).
    pub fn next(&self) -> u64 {
        self.next.get()
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
