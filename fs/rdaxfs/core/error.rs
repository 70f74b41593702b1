// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, as the kernel's `errno` names it.

use rdaxfs_format::Bad;

/// Why an operation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The medium cannot be read or written there (`EIO`).
    Io,
    /// The medium is poisoned there: what it held is lost. Where that was data this becomes
    /// [`Io`](Self::Io), so an operation that fails with it has met lost metadata (`EIO`).
    Poison,
    /// What is on the medium makes no sense; says what (`EUCLEAN`).
    Corrupt(&'static str),
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

impl From<Bad> for Error {
    fn from(bad: Bad) -> Self {
        Self::Corrupt(bad.0)
    }
}

/// What operations return.
pub type Result<T = ()> = core::result::Result<T, Error>;
