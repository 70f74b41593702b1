// SPDX-License-Identifier: GPL-2.0

//! What a disk can do: `struct queue_limits`.

use crate::bindings;
use kernel::prelude::*;

/// Features of a disk, combined with `|`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Features(bindings::blk_features_t);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);
    /// Completed writes may be volatile until a flush.
    pub const WRITE_CACHE: Self = Self(bindings::BLK_FEAT_WRITE_CACHE);
    /// Single writes can be made durable.
    pub const FUA: Self = Self(bindings::BLK_FEAT_FUA);
    /// Bios complete before `submit_bio` returns.
    pub const SYNCHRONOUS: Self = Self(bindings::BLK_FEAT_SYNCHRONOUS);
    /// Bios with `REQ_NOWAIT` are served without sleeping, or refused with `EAGAIN`.
    pub const NOWAIT: Self = Self(bindings::BLK_FEAT_NOWAIT);
    /// There is a DAX device, see [`BioDisk::attach_dax`](super::BioDisk::attach_dax).
    pub const DAX: Self = Self(bindings::BLK_FEAT_DAX);

    /// `self`, and `other` if `condition` holds.
    pub fn with_if(self, condition: bool, other: Self) -> Self {
        if condition {
            self | other
        } else {
            self
        }
    }
}

impl core::ops::BitOr for Features {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Limits of a disk; [`Limits::new`] has those of plain memory with 512-byte sectors.
#[derive(Clone, Copy)]
pub struct Limits {
    features: Features,
    logical_block_size: u32,
    physical_block_size: u32,
    write_zeroes: bool,
}

impl Limits {
    /// 512-byte logical and page-sized physical blocks, no features.
    pub const fn new() -> Self {
        Self {
            features: Features::NONE,
            logical_block_size: 512,
            physical_block_size: 4096,
            write_zeroes: false,
        }
    }

    /// Sets the features.
    pub fn features(self, features: Features) -> Self {
        Self { features, ..self }
    }

    /// Sets the logical block size: 512 to 4096 bytes, a power of two, else `EINVAL`.
    pub fn logical_block_size(self, bytes: u32) -> Result<Self> {
        if !bytes.is_power_of_two() || !(512..=4096).contains(&bytes) {
            return Err(EINVAL);
        }
        Ok(Self {
            logical_block_size: bytes,
            ..self
        })
    }

    /// Whether [`Op::WriteZeroes`](super::Op::WriteZeroes) is served.
    pub fn write_zeroes(self, yes: bool) -> Self {
        Self {
            write_zeroes: yes,
            ..self
        }
    }

    pub(super) fn to_raw(self) -> bindings::queue_limits {
        bindings::queue_limits {
            features: self.features.0,
            logical_block_size: self.logical_block_size,
            physical_block_size: self.physical_block_size,
            io_min: self.physical_block_size,
            io_opt: self.physical_block_size,
            max_hw_sectors: u32::MAX,
            max_write_zeroes_sectors: if self.write_zeroes {
                u32::MAX >> super::SECTOR_SHIFT
            } else {
                0
            },
            ..pin_init::zeroed()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
