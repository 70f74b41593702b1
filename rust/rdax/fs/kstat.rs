// SPDX-License-Identifier: GPL-2.0

//! `struct kstat`: what `statx()` tells.
//!
//! C source: [`fs/stat.c`](srctree/fs/stat.c)

use super::Timespec;
use crate::bindings;
use kernel::{
    impl_flags,
    types::Opaque, //
};

impl_flags!(
    /// Attributes beyond the mode.
    #[derive(Debug, Clone, Default, Copy, PartialEq, Eq)]
    pub struct Attributes(u64);

    /// One of [`Attributes`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Attribute {
        /// It cannot be changed.
        Immutable = bindings::STATX_ATTR_IMMUTABLE as u64,
        /// It can only be appended to.
        Append = bindings::STATX_ATTR_APPEND as u64,
        /// Backups leave it out.
        NoDump = bindings::STATX_ATTR_NODUMP as u64,
    }
);

/// The answer to a `statx()`, with all that the VFS knows filled in.
///
/// # Invariants
///
/// Valid and used by nobody else.
#[repr(transparent)]
pub struct Kstat(Opaque<bindings::kstat>);

impl Kstat {
    /// # Safety
    ///
    /// For `'a`, `ptr` is as the type invariant says.
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: by this function's own requirement. CAST: `Self` is transparent.
        unsafe { &mut *ptr.cast() }
    }

    fn inner(&mut self) -> &mut bindings::kstat {
        // SAFETY: by the type invariant.
        unsafe { &mut *self.0.get() }
    }

    /// When the file was created.
    pub fn set_btime(&mut self, time: Timespec) {
        let stat = self.inner();
        stat.btime = time.into();
        stat.result_mask |= bindings::STATX_BTIME;
    }

    /// The attributes that it has, out of those that it could have.
    pub fn set_attributes(&mut self, attributes: Attributes, possible: Attributes) {
        let stat = self.inner();
        stat.attributes |= u64::from(attributes);
        stat.attributes_mask |= u64::from(possible);
    }

    /// What memory and file offset must be multiples of, in bytes, if a file is opened with
    /// `O_DIRECT`.
    pub fn set_dio_align(&mut self, memory: u32, offset: u32) {
        let stat = self.inner();
        stat.dio_mem_align = memory;
        stat.dio_offset_align = offset;
        stat.dio_read_offset_align = offset;
        stat.result_mask |= bindings::STATX_DIOALIGN | bindings::STATX_DIO_READ_ALIGN;
    }
}
