// SPDX-License-Identifier: GPL-2.0

//! Info blocks: the signatures by which a namespace belongs to another personality.
//!
//! `ndctl create-namespace` writes one when it makes a namespace `fsdax`, `devdax` or `sector`.
//! Such a namespace keeps its own layout and must not be treated as one flat device.
//!
//! Pure: no kernel type, so that the host tests run this very file.

/// Where an info block may lie, in bytes from the start of the namespace.
pub(crate) const OFFSETS: [u64; 2] = [0, 4096];
/// How many bytes of it tell what it is.
pub(crate) const SIGNATURE_LEN: usize = 16;

/// A personality that owns a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Sector mode.
    Btt,
    /// fsdax mode.
    Pfn,
    /// devdax mode.
    Dax,
}

impl Owner {
    /// The name that `ndctl` gives the mode.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Btt => "sector",
            Self::Pfn => "fsdax",
            Self::Dax => "devdax",
        }
    }

    /// Recognises an info block by its first bytes, found at `offset`.
    pub(crate) fn of(offset: u64, signature: &[u8; SIGNATURE_LEN]) -> Option<Self> {
        match (offset, signature) {
            (_, b"BTT_ARENA_INFO\0\0") => Some(Self::Btt),
            (4096, b"NVDIMM_PFN_INFO\0") => Some(Self::Pfn),
            (4096, b"NVDIMM_DAX_INFO\0") => Some(Self::Dax),
            _ => None,
        }
    }
}
