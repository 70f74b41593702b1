// SPDX-License-Identifier: GPL-2.0

//! The superblock: in the first and in the last block of the volume.

use crate::{
    crc32c,
    ensure_eq,
    ensure_value,
    Bad,
    DiskTime,
    Layout,
    Result,
    BLOCK_SHIFT,
    MAX_BLOCKS,
    MIN_BLOCKS, //
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

/// The first eight bytes of a volume: "rdaxfs\r\n".
pub const MAGIC: [u8; 8] = *b"rdaxfs\r\n";
/// Bytes of a superblock.
pub const SUPER_SIZE: usize = 512;
/// The version of the format.
pub const VERSION: u32 = 1;
/// The longest label in bytes.
pub const LABEL_MAX: usize = 64;
/// Features that an older implementation may ignore.
pub const FEATURES_COMPAT: u64 = 0;
/// Features that an older implementation may read past.
pub const FEATURES_RO_COMPAT: u64 = 0;
/// Features that an implementation must know.
pub const FEATURES_INCOMPAT: u64 = 0;

/// Whether the volume was left in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Unmounted.
    Clean,
    /// Mounted, or was when the power went.
    Active,
    /// Something corrupt was found; `fsck.rdaxfs` puts it in order.
    Errors,
}

/// A superblock.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SuperBlock {
    magic: [u8; 8],
    crc: U32,
    version: U32,
    block_shift: U32,
    state: U32,
    /// Features that an older implementation may ignore.
    pub compat: U64,
    /// Features that an older implementation may read past.
    pub ro_compat: U64,
    /// Features that an implementation must know.
    pub incompat: U64,
    /// Identifies the volume.
    pub uuid: [u8; 16],
    /// Its name, filled up with zeros.
    pub label: [u8; LABEL_MAX],
    blocks: U64,
    slots: U64,
    /// The inode number of the root directory.
    pub root: U64,
    /// Grows with each store of the superblock: the larger one of two copies is the newer.
    pub serial: U64,
    /// How often it was mounted.
    pub mounts: U64,
    /// When it was made.
    pub created: DiskTime,
    /// When it was mounted last.
    pub mounted: DiskTime,
    /// When it was checked last.
    pub checked: DiskTime,
    reserved: [u8; 308],
}

const _: () = assert!(size_of::<SuperBlock>() == SUPER_SIZE);

impl SuperBlock {
    /// A superblock for a volume that looks like `layout`, with `root` as its root directory.
    pub fn new(layout: &Layout, uuid: [u8; 16], root: u64, created: DiskTime) -> Self {
        let mut sb: Self = zerocopy::transmute!([0u8; SUPER_SIZE]);
        sb.magic = MAGIC;
        sb.version = U32::new(VERSION);
        sb.block_shift = U32::new(BLOCK_SHIFT);
        sb.blocks = U64::new(layout.blocks);
        sb.slots = U64::new(layout.slots);
        sb.uuid = uuid;
        sb.root = U64::new(root);
        sb.created = created;
        sb.checked = created;
        sb
    }

    /// Whether `bytes` begin as a volume of rdaxfs does, intact or not.
    pub fn has_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Returns how many blocks the volume has of which `bytes` are a superblock that was torn while
    /// it was stored. No store changes its size, so that is not torn.
    pub fn blocks_of_torn(bytes: &[u8]) -> Option<u64> {
        let sb = Self::ref_from_bytes(bytes.get(..SUPER_SIZE)?).ok()?;
        let blocks = sb.blocks.get();
        (sb.magic == MAGIC && (MIN_BLOCKS..=MAX_BLOCKS).contains(&blocks)).then_some(blocks)
    }

    /// Returns whether serial number `one` was given after `other`. They wrap.
    pub fn is_newer(one: u64, other: u64) -> bool {
        (1..1 << 63).contains(&one.wrapping_sub(other))
    }

    /// Decodes a superblock and checks it.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.get(..SUPER_SIZE).unwrap_or_default();
        let sb = Self::read_from_bytes(bytes).map_err(|_| Bad::new("superblock is short"))?;
        ensure_eq(
            u64::from_le_bytes(sb.magic),
            u64::from_le_bytes(MAGIC),
            "superblock has a bad magic",
        )?;
        ensure_eq(sb.crc.get(), sb.checksum(), "superblock has a bad checksum")?;
        ensure_eq(
            sb.version.get(),
            VERSION,
            "superblock has an unknown version",
        )?;
        ensure_eq(
            sb.block_shift.get(),
            BLOCK_SHIFT,
            "superblock has an unknown block shift",
        )?;
        ensure_value(
            sb.state.get() <= 2,
            sb.state.get(),
            "superblock has an unknown state",
        )?;
        let blocks = sb.blocks.get();
        ensure_value(
            (MIN_BLOCKS..=MAX_BLOCKS).contains(&blocks),
            blocks,
            "superblock has a bad number of blocks",
        )?;
        let layout = sb.layout();
        ensure_eq(
            sb.slots.get(),
            layout.slots,
            "superblock has a bad number of journal slots",
        )?;
        ensure_value(
            layout.is_inode_number(sb.root.get()),
            sb.root.get(),
            "superblock has a bad root inode number",
        )?;
        Ok(sb)
    }

    /// Where the volume has what.
    pub fn layout(&self) -> Layout {
        Layout::new(self.blocks.get())
    }

    /// Whether the volume was left in order.
    pub fn state(&self) -> State {
        match self.state.get() {
            0 => State::Clean,
            1 => State::Active,
            _ => State::Errors,
        }
    }

    /// Says whether the volume is left in order.
    pub fn set_state(&mut self, state: State) {
        self.state = U32::new(state as u32);
    }

    /// The label without the zeros that fill it up.
    pub fn label(&self) -> &[u8] {
        let len = self.label.iter().position(|&byte| byte == 0);
        self.label
            .get(..len.unwrap_or(LABEL_MAX))
            .unwrap_or_default()
    }

    /// The bytes for the medium, with the checksum filled in.
    pub fn encode(&mut self) -> &[u8] {
        self.crc = U32::new(self.checksum());
        self.as_bytes()
    }

    fn checksum(&self) -> u32 {
        let bytes = self.as_bytes();
        let crc = crc32c(0, bytes.get(..8).unwrap_or_default());
        crc32c(crc, bytes.get(12..).unwrap_or_default())
    }
}
