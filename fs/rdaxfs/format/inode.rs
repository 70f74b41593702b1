// SPDX-License-Identifier: GPL-2.0

//! Inodes: 256 bytes, 16 in a block.

use crate::{
    crc32c,
    ensure_eq,
    ensure_value,
    Bad,
    RawExtent,
    Result,
    MAX_FILE_SIZE, //
};
use zerocopy::{
    little_endian::{
        I64,
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

/// Bytes of an inode.
pub const INODE_SIZE: usize = 256;
/// Inodes in a block.
pub const INODES_PER_BLOCK: u64 = 16;
/// Extents in an inode.
pub const INLINE_EXTENTS: usize = 8;
/// Bytes of a symbolic link's target in an inode.
pub const INLINE_BYTES: usize = 128;

/// The bits of the mode that give the type (`S_IFMT`).
pub const MODE_TYPE: u16 = 0o170000;
/// Directory.
pub const MODE_DIR: u16 = 0o040000;
/// Regular file.
pub const MODE_REG: u16 = 0o100000;
/// Symbolic link.
pub const MODE_LNK: u16 = 0o120000;

const MAGIC: u16 = 0x4952;

/// Flags of an inode that a user can set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InodeFlags(pub u32);

impl InodeFlags {
    /// Nothing about the file may change (`FS_IMMUTABLE_FL`).
    pub const IMMUTABLE: u32 = 1 << 0;
    /// Data can only be appended (`FS_APPEND_FL`).
    pub const APPEND: u32 = 1 << 1;
    /// Not to be dumped (`FS_NODUMP_FL`).
    pub const NODUMP: u32 = 1 << 2;
    /// The access time stays (`FS_NOATIME_FL`).
    pub const NOATIME: u32 = 1 << 3;
    /// Writes are synchronous (`FS_SYNC_FL`).
    pub const SYNC: u32 = 1 << 4;
    /// All that there are.
    pub const ALL: u32 = (1 << 5) - 1;
}

/// Seconds since 1970 and nanoseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct DiskTime {
    sec: I64,
    nsec: U32,
}

impl DiskTime {
    /// A time; `nsec` is below 10^9.
    pub fn new(sec: i64, nsec: u32) -> Self {
        Self {
            sec: I64::new(sec),
            nsec: U32::new(nsec),
        }
    }

    /// Seconds since 1970.
    pub fn sec(&self) -> i64 {
        self.sec.get()
    }

    /// Nanoseconds.
    pub fn nsec(&self) -> u32 {
        self.nsec.get()
    }
}

/// An inode. A free one has mode 0 and keeps its number and generation.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DiskInode {
    crc: U32,
    magic: U16,
    /// Type and permissions (`i_mode`).
    pub mode: U16,
    /// The inode's own number.
    pub ino: U64,
    /// Owner.
    pub uid: U32,
    /// Group.
    pub gid: U32,
    /// Directory entries that name it; subdirectories add to a directory's.
    pub nlink: U32,
    /// [`InodeFlags`].
    pub flags: U32,
    /// Bytes.
    pub size: U64,
    /// Grows each time the number is used again.
    pub generation: U32,
    /// Device number of a special file, as `new_encode_dev()` has it.
    pub rdev: U32,
    /// The first block of extents (0: all extents are in the inode).
    pub extents: U64,
    /// The first block of the extended attributes (0: none).
    pub xattrs: U64,
    /// The directory that holds this directory.
    pub parent: U64,
    /// Last access.
    pub atime: DiskTime,
    /// Last change of the data.
    pub mtime: DiskTime,
    /// Last change of the inode.
    pub ctime: DiskTime,
    /// Creation.
    pub btime: DiskTime,
    reserved: U64,
    /// Extents, or a short symbolic link's target.
    pub inline: [u8; INLINE_BYTES],
}

const _: () = assert!(size_of::<DiskInode>() == INODE_SIZE);

impl DiskInode {
    /// A free inode.
    pub fn free(ino: u64, generation: u32) -> Self {
        let mut inode = zerocopy::transmute!([0u8; INODE_SIZE]);
        let Self {
            magic,
            ino: number,
            generation: count,
            ..
        } = &mut inode;
        *magic = U16::new(MAGIC);
        *number = U64::new(ino);
        *count = U32::new(generation);
        inode
    }

    /// Decodes the inode with number `ino` and checks it.
    pub fn decode(bytes: &[u8], ino: u64) -> Result<Self> {
        let inode = Self::read_from_bytes(bytes).map_err(|_| Bad::new("inode is short"))?;
        ensure_eq(inode.magic.get(), MAGIC, "bad magic")?;
        ensure_eq(inode.crc.get(), inode.checksum(), "bad checksum")?;
        ensure_eq(inode.ino.get(), ino, "bad inode number")?;
        if inode.in_use() {
            inode.check()?;
        }
        Ok(inode)
    }

    fn check(&self) -> Result {
        let known = matches!(
            self.mode.get() & MODE_TYPE,
            MODE_DIR | MODE_REG | MODE_LNK | 0o010000 | 0o020000 | 0o060000 | 0o140000
        );
        ensure_value(known, self.mode.get(), "unknown file type in mode")?;
        ensure_value(
            self.size.get() <= MAX_FILE_SIZE,
            self.size.get(),
            "bad size",
        )?;
        ensure_value(
            self.flags.get() & !InodeFlags::ALL == 0,
            self.flags.get(),
            "unknown flags",
        )?;
        for time in [self.atime, self.mtime, self.ctime, self.btime] {
            ensure_value(time.nsec() < 1_000_000_000, time.nsec(), "bad nanoseconds")?;
        }
        Ok(())
    }

    /// Whether there is a file.
    pub fn in_use(&self) -> bool {
        self.mode.get() != 0
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode.get() & MODE_TYPE == MODE_DIR
    }

    /// Whether it is a regular file.
    pub fn is_reg(&self) -> bool {
        self.mode.get() & MODE_TYPE == MODE_REG
    }

    /// Whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.mode.get() & MODE_TYPE == MODE_LNK
    }

    /// Whether its blocks are given by extents: regular files and directories.
    pub fn has_extents(&self) -> bool {
        self.is_reg() || self.is_dir()
    }

    /// The `index`th extent in the inode.
    pub fn extent(&self, index: usize) -> RawExtent {
        let at = index.saturating_mul(size_of::<RawExtent>());
        let bytes = self.inline.get(at..).unwrap_or_default();
        RawExtent::read_from_prefix(bytes).map_or(RawExtent::EMPTY, |(extent, _)| extent)
    }

    /// Sets the `index`th extent in the inode.
    pub fn set_extent(&mut self, index: usize, extent: RawExtent) {
        let at = index.saturating_mul(size_of::<RawExtent>());
        let place = self.inline.get_mut(at..).unwrap_or_default();
        for (to, from) in place.iter_mut().zip(extent.as_bytes()) {
            *to = *from;
        }
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
