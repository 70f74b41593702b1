// SPDX-License-Identifier: GPL-2.0

//! `struct iomap_ops`: where the bytes of a file lie on its volume.
//!
//! A filesystem answers [`Request`]s with [`Extent`]s. This module turns them into `struct iomap`
//! after checking them: a wrong answer costs the operation `EUCLEAN`, not somebody's memory.
//!
//! Not supported: shared extents (a source to copy from), inline data, delayed allocation.
//!
//! # Examples
//!
//! ```
//! # use kernel::prelude::*;
//! # use rdax::{dax::OnVolume, fs::Inode, iomap::{self, Extent, Kind, Request}};
//! /// One file that is all of the volume.
//! struct Whole;
//!
//! #[vtable]
//! impl<T: OnVolume> iomap::Operations<T> for Whole {
//!     fn begin(inode: &Inode<T>, request: &Request) -> Result<Extent> {
//!         Ok(Extent {
//!             offset: 0,
//!             len: inode.size(),
//!             kind: Kind::Mapped { addr: 0 },
//!             new: false,
//!         })
//!     }
//! }
//! ```
//!
//! C header: [`include/linux/iomap.h`](srctree/include/linux/iomap.h)

use crate::{
    bindings,
    dax::OnVolume,
    fs::Inode,
    memremap::PAGE_SIZE, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};

/// What somebody wants to know of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// First byte of the file.
    pub pos: u64,
    /// Length in bytes, at least 1. The answer may be shorter or longer. `pos + len` is at most
    /// 2⁶³.
    pub len: u64,
    flags: u32,
}

impl Request {
    /// That of a fault for the page at byte `pos`.
    pub(crate) fn of_fault(pos: u64, write: bool) -> Self {
        let write = if write { bindings::IOMAP_WRITE } else { 0 };
        Self {
            pos,
            len: PAGE_SIZE,
            flags: bindings::IOMAP_DAX | bindings::IOMAP_FAULT | write,
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// To write: there must be written blocks at [`Self::pos`], or the request fails.
    pub fn is_write(&self) -> bool {
        self.has(bindings::IOMAP_WRITE)
    }

    /// For a page fault.
    pub fn is_fault(&self) -> bool {
        self.has(bindings::IOMAP_FAULT)
    }

    /// To zero what is there; holes and unwritten extents are passed over.
    pub fn is_zero(&self) -> bool {
        self.has(bindings::IOMAP_ZERO)
    }

    /// To report the extents as they are.
    pub fn is_report(&self) -> bool {
        self.has(bindings::IOMAP_REPORT)
    }

    /// Fail with `EAGAIN` rather than wait.
    pub fn is_nowait(&self) -> bool {
        self.has(bindings::IOMAP_NOWAIT)
    }

    /// To give shared extents blocks of their own.
    pub fn is_unshare(&self) -> bool {
        self.has(bindings::IOMAP_UNSHARE)
    }

    /// To access the memory.
    pub fn is_dax(&self) -> bool {
        self.has(bindings::IOMAP_DAX)
    }
}

/// What a range of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No blocks; reads as zeroes.
    Hole,
    /// Blocks from byte `addr` of the volume on, with data.
    Mapped {
        /// Byte of the volume, a multiple of the page size.
        addr: u64,
    },
    /// Blocks that read as zeroes whatever they contain.
    Unwritten {
        /// Byte of the volume, a multiple of the page size.
        addr: u64,
    },
}

/// A range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First byte of the file, a multiple of the page size.
    pub offset: u64,
    /// Length in bytes, a multiple of the page size, at least one page. It is cut at 2⁶³ − 1.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
    /// It was a hole, so that a fault counts as a major one. A `write()` makes the DAX core forget
    /// the clean pages of the range then, before it unmaps them: they must be pages of zeroes.
    pub new: bool,
}

impl Extent {
    /// Whether byte `pos` of the file is in it.
    pub(crate) fn covers(&self, pos: u64) -> bool {
        pos.checked_sub(self.offset)
            .is_some_and(|skip| skip < self.len)
    }

    /// The byte of the volume where byte `pos` of the file is.
    pub(crate) fn byte_of(&self, pos: u64) -> Option<u64> {
        match self.kind {
            Kind::Mapped { addr } => addr.checked_add(pos.checked_sub(self.offset)?),
            _ => None,
        }
    }
}

/// The answer to a fault on a page that is an [orphan](crate::dax::drain).
pub(crate) const ORPHAN: Error = EBUSY;

/// How a filesystem answers requests.
///
/// Context: process context, may sleep. Within a fault the page's entry in the mapping is locked,
/// so neither operation may wait for entries of the mapping.
#[vtable]
pub trait Operations<T: OnVolume>: 'static {
    /// The extent at [`Request::pos`].
    fn begin(inode: &Inode<T>, request: &Request) -> Result<Extent>;

    /// `written` of [`Request::len`] bytes have been dealt with. The request is that of `begin`
    /// cut to its answer. An error is lost if `written` is not 0.
    fn end(_inode: &Inode<T>, _request: &Request, _written: u64) -> Result {
        Ok(())
    }
}

/// Whether the answer to a request can be used.
pub(crate) fn check(extent: &Extent, request: &Request, size: u64) -> Result {
    let aligned = |value: u64| value % PAGE_SIZE == 0;
    extent.offset.checked_add(extent.len).ok_or(EUCLEAN)?;
    if !extent.covers(request.pos) || !aligned(extent.offset) || !aligned(extent.len) {
        return Err(EUCLEAN);
    }
    match extent.kind {
        Kind::Hole => {}
        Kind::Mapped { addr } | Kind::Unwritten { addr } => {
            let last = addr.checked_add(extent.len).ok_or(EUCLEAN)?;
            if !aligned(addr) || last > size {
                return Err(EUCLEAN);
            }
        }
    }
    // The DAX core would warn of it, and in places take the address all the same.
    if request.is_write() && !matches!(extent.kind, Kind::Mapped { .. }) {
        return Err(EUCLEAN);
    }
    Ok(())
}

/// The table of an implementation of [`Operations`].
pub(crate) struct OperationsVTable<T, O>(PhantomData<(T, O)>);

impl<T: OnVolume, O: Operations<T>> OperationsVTable<T, O> {
    fn request(pos: i64, len: i64, flags: u32) -> Result<Request> {
        let (pos, len) = (u64::try_from(pos)?, u64::try_from(len)?);
        // What reaches beyond the last offset of a file is cut by the caller's own limits.
        if pos.checked_add(len).is_none_or(|end| end > 1 << 63) || len == 0 {
            return Err(EINVAL);
        }
        Ok(Request { pos, len, flags })
    }

    fn fill(inode: &Inode<T>, request: &Request, map: &mut bindings::iomap) -> Result {
        let volume = T::volume(inode.sb().data());
        let extent = O::begin(inode, request)?;
        if check(&extent, request, volume.size()).is_err() {
            pr_err!(
                "{}: inode {}: {:?} is no answer to {:?}\n",
                inode.sb().id(),
                inode.ino(),
                extent,
                request
            );
            return Err(EUCLEAN);
        }
        if request.is_fault() && request.len == PAGE_SIZE {
            // The DAX core cannot enter it; the fault handler can.
            if let Some(at) = extent.byte_of(request.pos) {
                if inode.is_orphan(request.pos, at)? {
                    return Err(ORPHAN);
                }
            }
        }
        // The DAX core counts from the start of the disk, everybody else from that of the
        // partition.
        let base = if request.is_dax() { volume.start() } else { 0 };
        let (kind, addr) = match extent.kind {
            Kind::Hole => (bindings::IOMAP_HOLE, u64::MAX),
            Kind::Mapped { addr } => (bindings::IOMAP_MAPPED, addr.saturating_add(base)),
            Kind::Unwritten { addr } => (bindings::IOMAP_UNWRITTEN, addr.saturating_add(base)),
        };
        map.type_ = kind as u16;
        map.addr = addr;
        map.offset = i64::try_from(extent.offset)?;
        map.length = extent.len.min(i64::MAX as u64 - extent.offset);
        map.flags = if extent.new {
            bindings::IOMAP_F_NEW as u16
        } else {
            0
        };
        map.bdev = volume.block_device();
        map.dax_dev = volume.dax_device();
        Ok(())
    }

    /// # Safety
    ///
    /// `inode` is an [`Inode<T>`]; `map` is valid for writes and nobody else's.
    unsafe extern "C" fn begin_callback(
        inode: *mut bindings::inode,
        pos: i64,
        len: i64,
        flags: c_uint,
        map: *mut bindings::iomap,
        _source: *mut bindings::iomap,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, map) = unsafe { (Inode::<T>::from_ptr(inode), &mut *map) };
        from_result(|| {
            let request = Self::request(pos, len, flags)?;
            Self::fill(inode, &request, map)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `inode` is an [`Inode<T>`].
    unsafe extern "C" fn end_callback(
        inode: *mut bindings::inode,
        pos: i64,
        len: i64,
        written: isize,
        flags: c_uint,
        _map: *mut bindings::iomap,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let inode = unsafe { Inode::<T>::from_ptr(inode) };
        from_result(|| {
            let request = Self::request(pos, len, flags)?;
            O::end(inode, &request, u64::try_from(written).unwrap_or(0))?;
            Ok(0)
        })
    }

    pub(crate) const VTABLE: bindings::iomap_ops = bindings::iomap_ops {
        iomap_begin: Some(Self::begin_callback),
        iomap_end: if O::HAS_END {
            Some(Self::end_callback)
        } else {
            None
        },
        iomap_next: None,
    };
}

/// Where the extents of a file are reported to: `FS_IOC_FIEMAP`.
///
/// # Invariants
///
/// The pointer is valid for `'a`.
pub struct Fiemap<'a>(
    NonNull<bindings::fiemap_extent_info>,
    PhantomData<&'a mut ()>,
);

impl Fiemap<'_> {
    /// # Safety
    ///
    /// `ptr` is valid, and nobody else's, as long as the result is used.
    pub unsafe fn from_ptr(ptr: NonNull<bindings::fiemap_extent_info>) -> Self {
        // INVARIANT: by this function's own requirement.
        Self(ptr, PhantomData)
    }

    /// Reports `len` bytes from byte `start` of a file.
    ///
    /// Context: process context, sleeps; `i_rwsem` held, shared at least, keeps the answer whole.
    pub fn report<T: OnVolume, O: Operations<T>>(
        &mut self,
        inode: &Inode<T>,
        start: u64,
        len: u64,
    ) -> Result {
        // SAFETY: by the type invariants; `iomap_fiemap()` checks the range.
        to_result(unsafe {
            bindings::iomap_fiemap(
                inode.as_ptr(),
                self.0.as_ptr(),
                start,
                len,
                &OperationsVTable::<T, O>::VTABLE,
            )
        })
    }
}

fn seek_result(pos: i64) -> Result<u64> {
    u64::try_from(pos).map_err(|_| Error::from_errno(pos as c_int))
}

/// The first byte at `pos` or after it that lies in a hole; the end of the file is one.
///
/// `ENXIO` beyond the end. Context: process context, sleeps.
pub fn seek_hole<T: OnVolume, O: Operations<T>>(inode: &Inode<T>, pos: i64) -> Result<u64> {
    // SAFETY: by the type invariant of `Inode`.
    seek_result(unsafe {
        bindings::iomap_seek_hole(inode.as_ptr(), pos, &OperationsVTable::<T, O>::VTABLE)
    })
}

/// The first byte at `pos` or after it that is data; `ENXIO` if there is none.
///
/// Context: process context, sleeps.
pub fn seek_data<T: OnVolume, O: Operations<T>>(inode: &Inode<T>, pos: i64) -> Result<u64> {
    // SAFETY: by the type invariant of `Inode`.
    seek_result(unsafe {
        bindings::iomap_seek_data(inode.as_ptr(), pos, &OperationsVTable::<T, O>::VTABLE)
    })
}
