// SPDX-License-Identifier: GPL-2.0

//! Errors, as the kernel's `errno` names them, and what is known of a corrupt structure.

use core::fmt;
use rdaxfs_format::Bad;

/// A structure on the medium that does not check out: where it is and what is wrong with it.
///
/// Shown as `inode 8193 (block 512): bad magic 0x0000, expected 0x4952`, with what is known.
///
/// Every result of the core may hold one, so it is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    bad: Bad,
    /// 0 where it is not known; no inode has this number.
    ino: u64,
    /// [`NOWHERE`] where it is not known.
    block: u64,
}

/// No block of a volume.
const NOWHERE: u64 = u64::MAX;

impl Corrupt {
    const fn new(bad: Bad) -> Self {
        Self {
            bad,
            ino: 0,
            block: NOWHERE,
        }
    }

    /// Returns what is wrong.
    pub fn what(&self) -> &'static str {
        self.bad.what
    }

    /// Returns the number of the inode that it belongs to, where that is known.
    pub fn ino(&self) -> Option<u64> {
        (self.ino != 0).then_some(self.ino)
    }

    /// Returns the block of the volume that it is in, where that is known.
    pub fn block(&self) -> Option<u64> {
        (self.block != NOWHERE).then_some(self.block)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ino(), self.block()) {
            (Some(ino), Some(block)) => write!(f, "inode {ino} (block {block}): ")?,
            (Some(ino), None) => write!(f, "inode {ino}: ")?,
            (None, Some(block)) => write!(f, "block {block}: ")?,
            (None, None) => {}
        }
        self.bad.fmt(f)
    }
}

/// The error of an operation that did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The medium cannot be read or written there (`EIO`).
    Io,
    /// The medium is poisoned there: what it held is lost. Where that was data this becomes
    /// [`Io`](Self::Io), so an operation that fails with it has met lost metadata (`EIO`).
    Poison,
    /// What is on the medium makes no sense (`EUCLEAN`).
    Corrupt(Corrupt),
    /// No room for it (`ENOSPC`).
    NoSpace,
    /// No memory for it (`ENOMEM`).
    NoMemory,
    /// No such entry (`ENOENT`).
    NotFound,
    /// There is an entry of this name (`EEXIST`).
    Exists,
    /// The directory has entries (`ENOTEMPTY`).
    NotEmpty,
    /// The name is too long (`ENAMETOOLONG`).
    NameTooLong,
    /// The file would have too many links (`EMLINK`).
    TooManyLinks,
    /// The file would be too large (`EFBIG`).
    TooBig,
    /// The arguments make no sense (`EINVAL`).
    Invalid,
    /// No such attribute (`ENODATA`).
    NoAttribute,
    /// The caller's buffer is too small (`ERANGE`).
    Range,
    /// The inode is not, or no longer, in use (`ESTALE`).
    Stale,
    /// The volume takes no changes (`EROFS`).
    ReadOnly,
    /// The volume was shut down (`EIO`).
    Shutdown,
    /// A signal came (`EINTR`).
    Interrupted,
}

impl Error {
    /// Returns the error of a structure that does not check out.
    pub const fn corrupt(what: &'static str) -> Self {
        Self::Corrupt(Corrupt::new(Bad::new(what)))
    }

    /// Returns the error of a structure with the wrong value `found`.
    pub const fn corrupt_value(what: &'static str, found: u64) -> Self {
        Self::Corrupt(Corrupt::new(Bad::with(what, found)))
    }
}

impl From<Bad> for Error {
    fn from(bad: Bad) -> Self {
        Self::Corrupt(Corrupt::new(bad))
    }
}

/// Adds to the error of a corrupt structure where it is, unless that is known already.
pub trait Locate: Sized {
    /// The same with an error that says where.
    type Located;

    /// Says that the structure belongs to inode `ino`.
    fn of_inode(self, ino: u64) -> Self::Located;

    /// Says that the structure is in block `block` of the volume.
    fn in_block(self, block: u64) -> Self::Located;
}

impl Locate for Error {
    type Located = Self;

    fn of_inode(mut self, ino: u64) -> Self {
        if let Self::Corrupt(corrupt) = &mut self {
            corrupt.ino = corrupt.ino().unwrap_or(ino);
        }
        self
    }

    fn in_block(mut self, block: u64) -> Self {
        if let Self::Corrupt(corrupt) = &mut self {
            corrupt.block = corrupt.block().unwrap_or(block);
        }
        self
    }
}

impl<T, E: Into<Error>> Locate for core::result::Result<T, E> {
    type Located = Result<T>;

    fn of_inode(self, ino: u64) -> Result<T> {
        self.map_err(|error| error.into().of_inode(ino))
    }

    fn in_block(self, block: u64) -> Result<T> {
        self.map_err(|error| error.into().in_block(block))
    }
}

/// The result of an operation.
pub type Result<T = ()> = core::result::Result<T, Error>;
