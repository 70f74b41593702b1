// SPDX-License-Identifier: GPL-2.0

//! Block I/O requests.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::SECTOR_SIZE;
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// What a [`Bio`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read into the segments.
    Read,
    /// Write the segments.
    Write,
    /// Nothing but what the flags say.
    Flush,
    /// Write zeroes; there are no segments.
    WriteZeroes,
    /// Anything else; complete it with `EOPNOTSUPP`.
    Other,
}

/// A bio that its driver owns and must [`complete`](Self::complete).
///
/// Dropping it completes it with `EIO`: nobody waits for ever.
///
/// It is completed once, and its data is not used afterwards:
///
/// ```compile_fail,E0382
/// # use rdax::block::Bio;
/// fn twice(bio: Bio) {
///     bio.complete(Ok(()));
///     bio.complete(Ok(()));
/// }
/// ```
///
/// ```compile_fail,E0505
/// # use rdax::block::Bio;
/// fn late(bio: Bio) -> usize {
///     let segments = bio.segments();
///     bio.complete(Ok(()));
///     segments.count()
/// }
/// ```
///
/// # Invariants
///
/// The pointer is a valid bio that was passed to `submit_bio`, and only its owner completes it. Until
/// then `bi_opf` and `bi_iter` do not change; other fields, such as the count of references, may.
pub struct Bio {
    ptr: NonNull<bindings::bio>,
}

// SAFETY: a bio may be completed by any thread.
unsafe impl Send for Bio {}

impl Bio {
    /// # Safety
    ///
    /// `ptr` is a bio passed to `submit_bio`, whose completion is now the caller's duty.
    pub(crate) unsafe fn from_raw(ptr: NonNull<bindings::bio>) -> Self {
        // INVARIANT: by the caller's promise.
        Self { ptr }
    }

    /// Hands the duty to complete the bio to C.
    pub(crate) fn into_raw(self) -> *mut bindings::bio {
        ManuallyDrop::new(self).ptr.as_ptr()
    }

    fn opf(&self) -> bindings::blk_opf_t {
        // SAFETY: by the type invariant the bio is valid and this field does not change. No
        // reference to the whole bio is made, of which others may change what is atomic.
        unsafe { (*self.ptr.as_ptr()).bi_opf }
    }

    fn iter(&self) -> bindings::bvec_iter {
        // SAFETY: `self.ptr` is a bio that `submit_bio` was given and that is not completed before
        // `self` is gone; the field is copied, without a reference to the bio.
        unsafe { (*self.ptr.as_ptr()).bi_iter }
    }

    /// Whether there are segments: operations such as discards have a length, but no data.
    fn has_data(&self) -> bool {
        // SAFETY: by the type invariant the bio is valid; the C side reads `bi_opf` and `bi_iter`.
        unsafe { bindings::rdax_helper_bio_has_data(self.ptr.as_ptr()) }
    }

    /// The operation.
    pub fn op(&self) -> Op {
        match self.opf() & bindings::RDAX_REQ_OP_MASK {
            bindings::req_op_REQ_OP_READ => Op::Read,
            bindings::req_op_REQ_OP_WRITE => {
                if self.has_data() {
                    Op::Write
                } else {
                    Op::Flush
                }
            }
            bindings::req_op_REQ_OP_FLUSH => Op::Flush,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Op::WriteZeroes,
            _ => Op::Other,
        }
    }

    /// Flush the volatile cache before the operation.
    pub fn preflush(&self) -> bool {
        self.opf() & bindings::RDAX_REQ_PREFLUSH != 0
    }

    /// The operation must be durable when it completes.
    pub fn fua(&self) -> bool {
        self.opf() & bindings::RDAX_REQ_FUA != 0
    }

    /// Fail with `EAGAIN` rather than sleep.
    pub fn nowait(&self) -> bool {
        self.opf() & bindings::RDAX_REQ_NOWAIT != 0
    }

    /// First sector, from the start of the whole disk.
    pub fn sector(&self) -> u64 {
        self.iter().bi_sector
    }

    /// Length in bytes.
    pub fn len(&self) -> u32 {
        self.iter().bi_size
    }

    /// Whether the length is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the data, in pieces that each lie in one page. Only [`Op::Read`] and [`Op::Write`]
    /// have any.
    pub fn segments(&self) -> Segments<'_> {
        let mut iter = self.iter();
        if !self.has_data() {
            // There may be a length, but there is no array of pieces.
            iter.bi_size = 0;
        }
        // INVARIANT: `iter` is that of the bio, or at its end.
        Segments { bio: self, iter }
    }

    /// Counts the bio in the disk's I/O statistics while the guard lives, if those are on.
    pub fn account(&self) -> Option<Accounting<'_>> {
        let mut start = 0;
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_bio_start_acct(self.ptr.as_ptr(), &mut start) }.then(|| {
            Accounting {
                bio: self,
                start,
                _not_thread_safe: NotThreadSafe,
            }
        })
    }

    /// Completes the bio.
    pub fn complete(self, result: Result) {
        let ptr = self.into_raw();
        if let Err(err) = result {
            // SAFETY: by the type invariant the bio was ours until now.
            unsafe { (*ptr).bi_status = bindings::errno_to_blk_status(err.to_errno()) };
        }
        // SAFETY: as above; this is the one completion.
        unsafe { bindings::bio_endio(ptr) };
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; `complete` and `into_raw` do not come here.
        unsafe {
            (*self.ptr.as_ptr()).bi_status = bindings::errno_to_blk_status(EIO.to_errno());
            bindings::bio_endio(self.ptr.as_ptr());
        }
    }
}

/// A piece of a [`Bio`]'s data.
///
/// # Invariants
///
/// `bv` lies within one page, which the bio keeps alive for `'a`.
pub struct Segment<'a> {
    bv: bindings::bio_vec,
    sector: u64,
    _bio: PhantomData<&'a Bio>,
}

impl Segment<'_> {
    /// Sector of the first byte.
    pub fn sector(&self) -> u64 {
        self.sector
    }

    /// Byte offset on the disk of the first byte.
    pub fn disk_offset(&self) -> u64 {
        self.sector.saturating_mul(SECTOR_SIZE)
    }

    /// Length in bytes.
    pub fn len(&self) -> u32 {
        self.bv.bv_len
    }

    /// Whether the length is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn page(&self) -> *mut bindings::page {
        self.bv.bv_page
    }

    pub(crate) fn offset(&self) -> u32 {
        self.bv.bv_offset
    }
}

/// Iterator over the [`Segment`]s of a [`Bio`].
///
/// # Invariants
///
/// If `iter.bi_size` is not zero, `bio` has data and `iter` is a position in it.
pub struct Segments<'a> {
    bio: &'a Bio,
    iter: bindings::bvec_iter,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.iter.bi_size == 0 {
            return None;
        }
        let mut bv = bindings::bio_vec::default();
        let sector = self.iter.bi_sector;
        // SAFETY: by the type invariant the bio has data at `iter`, which moves by the length of
        // the piece found there, as `bio_for_each_segment()` does.
        unsafe {
            bindings::rdax_helper_bio_segment(self.bio.ptr.as_ptr(), &self.iter, &mut bv);
            bindings::rdax_helper_bio_advance(self.bio.ptr.as_ptr(), &mut self.iter, bv.bv_len);
        }
        // INVARIANT: `bio_iter_iovec()` yields pieces of single pages.
        Some(Segment {
            bv,
            sector,
            _bio: PhantomData,
        })
    }
}

/// I/O accounting of a [`Bio`] in progress.
pub struct Accounting<'a> {
    bio: &'a Bio,
    start: c_ulong,
    _not_thread_safe: NotThreadSafe,
}

impl Drop for Accounting<'_> {
    fn drop(&mut self) {
        // SAFETY: `start` is what the start of this bio's accounting returned.
        unsafe { bindings::rdax_helper_bio_end_acct(self.bio.ptr.as_ptr(), self.start) };
    }
}
