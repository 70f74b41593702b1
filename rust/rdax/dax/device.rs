// SPDX-License-Identifier: GPL-2.0

//! `struct dax_device` and `struct dax_operations`.
//!
//! A driver says where a page of its device lies in its [`PageMap`]; this module turns that into
//! addresses and page frame numbers, after checking it. So a wrong answer of a driver costs an
//! error, not memory safety.
//!
//! # Examples
//!
//! ```ignore
//! struct Ram(PageMap);
//!
//! #[vtable]
//! impl dax::Operations for Ram {
//!     fn page_map(&self) -> &PageMap {
//!         &self.0
//!     }
//!     fn direct_access(&self, pgoff: u64, _: u64, _: AccessMode) -> Result<Pages> {
//!         let len = self.0.nr_pages().checked_sub(pgoff).ok_or(ERANGE)?;
//!         Ok(Pages { pgoff, len })
//!     }
//!     fn zero_page_range(&self, pgoff: u64, nr_pages: u64) -> Result {
//!         self.0.zero(pgoff * PAGE_SIZE, nr_pages * PAGE_SIZE)?.fence();
//!         Ok(())
//!     }
//! }
//!
//! let device = dax::Device::new(Arc::new(Ram(map), GFP_KERNEL)?)?;
//! device.set_synchronous();
//! ```
//!
//! C source: [`drivers/dax/super.c`](srctree/drivers/dax/super.c)

use crate::{
    bindings,
    memremap::{
        PageMap,
        Pages,
        PAGE_SIZE, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    iov::IovIterSource,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Arc, //
    }, //
};

/// Why somebody wants to access a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// To read or write it; poison must be refused.
    Access,
    /// To overwrite it through [`Operations::recovery_write`], poisoned or not.
    RecoveryWrite,
}

/// How a driver serves its DAX device.
///
/// Context of all operations: process context within `dax_read_lock()`, which is an SRCU read-side
/// section; [`Device::kill`] waits for them.
#[vtable]
pub trait Operations: Send + Sync + Sized + 'static {
    /// The memory behind the device.
    fn page_map(&self) -> &PageMap;

    /// Which pages of [`Self::page_map`] are page `pgoff` of the device and those after it?
    ///
    /// The answer may be longer or shorter than `nr_pages`, not empty. Must not sleep.
    /// `EHWPOISON` if the first page is poisoned and `mode` is [`AccessMode::Access`], `ERANGE`
    /// beyond the end.
    fn direct_access(&self, pgoff: u64, nr_pages: u64, mode: AccessMode) -> Result<Pages>;

    /// Makes pages zero, durably once the region is flushed, and good if they were poisoned.
    ///
    /// May sleep.
    fn zero_page_range(&self, pgoff: u64, nr_pages: u64) -> Result;

    /// Overwrites what may be poisoned; returns how many bytes were written.
    ///
    /// May sleep.
    fn recovery_write(&self, _write: RecoveryWrite<'_>) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Data to be written over pages that may be poisoned.
pub struct RecoveryWrite<'a> {
    pgoff: u64,
    within: usize,
    len: usize,
    iter: &'a mut IovIterSource<'a>,
}

impl RecoveryWrite<'_> {
    /// Byte offset on the device.
    pub fn offset(&self) -> u64 {
        self.pgoff
            .saturating_mul(PAGE_SIZE)
            .saturating_add(self.within as u64)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the data at byte `offset` of `map`; returns how many bytes.
    pub fn copy_to(self, map: &PageMap, offset: u64) -> usize {
        map.write_iter(offset, self.len, self.iter)
    }
}

/// A DAX device, served by `T`.
///
/// Dropping it kills it, see [`Self::kill`].
///
/// # Invariants
///
/// `dev` is a valid `dax_device` of which we hold a reference; its private pointer is that of
/// `ops`.
pub struct Device<T: Operations> {
    dev: NonNull<bindings::dax_device>,
    killed: Atomic<bool>,
    ops: Arc<T>,
}

// SAFETY: a `dax_device` belongs to no thread; `ops` is `Send` and `Sync`.
unsafe impl<T: Operations> Send for Device<T> {}
// SAFETY: as above; all methods call C functions that may run concurrently.
unsafe impl<T: Operations> Sync for Device<T> {}

impl<T: Operations> Device<T> {
    /// Allocates a DAX device. Nobody finds it until a disk is its host, see
    /// [`BioDisk::attach_dax`](crate::block::BioDisk::attach_dax).
    pub fn new(ops: Arc<T>) -> Result<Self> {
        let private = Arc::as_ptr(&ops).cast_mut().cast();
        // SAFETY: the table is static; `private` stays valid until `kill_dax()` in `Drop`.
        let dev =
            from_err_ptr(unsafe { bindings::alloc_dax(private, &OperationsVTable::<T>::VTABLE) })?;
        // INVARIANT: `alloc_dax()` returned a reference.
        Ok(Self {
            dev: NonNull::new(dev).ok_or(ENOMEM)?,
            killed: Atomic::new(false),
            ops,
        })
    }

    /// Copies to the device need not be flushed: they go around the CPU cache.
    pub fn set_nocache(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::set_dax_nocache(self.dev.as_ptr()) };
    }

    /// Copies from the device survive machine checks.
    pub fn set_nomc(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::set_dax_nomc(self.dev.as_ptr()) };
    }

    /// What the CPU has flushed is durable, so `MAP_SYNC` can be had.
    pub fn set_synchronous(&self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::set_dax_synchronous(self.dev.as_ptr()) };
    }

    /// Whether `dax_flush()` writes CPU cache lines back: needed unless they are persistent.
    pub fn set_write_cache(&self, on: bool) {
        // SAFETY: by the type invariant.
        unsafe { bindings::dax_write_cache(self.dev.as_ptr(), on) };
    }

    /// Tells the holder, a filesystem or a mapped device, that `len` bytes at byte `offset` lost
    /// their data. `EOPNOTSUPP` if it does not want to know, `ENXIO` once the device is dead.
    ///
    /// Context: process context, may sleep.
    pub fn notify_failure(&self, offset: u64, len: u64, flags: i32) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe {
            bindings::dax_holder_notify_failure(self.dev.as_ptr(), offset, len, flags)
        })
    }

    /// Tells the holder that the device goes away, then makes every access fail with `ENXIO`.
    ///
    /// When this returns no operation is running and none will start. Pages mapped before stay
    /// mapped. Doing it again does nothing.
    ///
    /// Context: process context, sleeps.
    pub fn kill(&self) {
        if !self.killed.xchg(true, Full) {
            // SAFETY: by the type invariant.
            unsafe { bindings::kill_dax(self.dev.as_ptr()) };
        }
    }

    /// What serves the device.
    pub fn operations(&self) -> &T {
        &self.ops
    }
}

impl<T: Operations> Drop for Device<T> {
    fn drop(&mut self) {
        self.kill();
        // SAFETY: this is our reference. Other holders see a dead device, whose private pointer
        // nobody follows.
        unsafe { bindings::put_dax(self.dev.as_ptr()) };
    }
}

/// A disk's entry among the DAX core's hosts: filesystems find the DAX device through it.
///
/// # Invariants
///
/// `disk` is a key of the DAX core's hosts.
pub(crate) struct Host {
    disk: NonNull<bindings::gendisk>,
    // The device outlives the entry.
    _device: Arc<dyn Send + Sync>,
}

impl Host {
    /// # Safety
    ///
    /// `disk` is valid and stays so until the result is dropped.
    pub(crate) unsafe fn new<T: Operations>(
        device: &Arc<Device<T>>,
        disk: NonNull<bindings::gendisk>,
    ) -> Result<Self> {
        // SAFETY: both are valid; the entry goes before either.
        to_result(unsafe { bindings::dax_add_host(device.dev.as_ptr(), disk.as_ptr()) })?;
        // INVARIANT: added just now.
        Ok(Self {
            disk,
            _device: device.clone(),
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::dax_remove_host(self.disk.as_ptr()) };
    }
}

struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    /// # Safety
    ///
    /// `dev` is the `dax_device` of a [`Device<T>`] whose `kill` has not returned.
    unsafe fn data<'a>(dev: *mut bindings::dax_device) -> &'a T {
        // SAFETY: the private pointer is that of the `Arc<T>` in the `Device<T>`, which lives
        // until all operations have returned.
        unsafe { &*bindings::dax_get_private(dev).cast::<T>() }
    }

    /// # Safety
    ///
    /// As for [`Self::data`]; `kaddr` and `pfn` are null or valid for writes.
    unsafe extern "C" fn direct_access_callback(
        dev: *mut bindings::dax_device,
        pgoff: c_ulong,
        nr_pages: c_long,
        mode: bindings::dax_access_mode,
        kaddr: *mut *mut c_void,
        pfn: *mut c_ulong,
    ) -> c_long {
        // SAFETY: by this function's own requirement.
        let ops = unsafe { Self::data(dev) };
        let mode = if mode == bindings::dax_access_mode::DAX_RECOVERY_WRITE {
            AccessMode::RecoveryWrite
        } else {
            AccessMode::Access
        };
        let answer = || -> Result<(u64, u64)> {
            let wanted = u64::try_from(nr_pages)?;
            let pages = ops.direct_access(pgoff as u64, wanted, mode)?;
            let (first, linear) = ops.page_map().locate(pages.pgoff)?;
            Ok((first, pages.len.min(linear)))
        };
        match answer() {
            Ok((first, len)) => {
                // SAFETY: by this function's own requirement; `first` is in the linear map.
                unsafe {
                    if !kaddr.is_null() {
                        *kaddr = bindings::rdax_helper_pfn_to_virt(first);
                    }
                    if !pfn.is_null() {
                        *pfn = first as c_ulong;
                    }
                }
                c_long::try_from(len).unwrap_or(c_long::MAX)
            }
            Err(err) => err.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// As for [`Self::data`].
    unsafe extern "C" fn zero_page_range_callback(
        dev: *mut bindings::dax_device,
        pgoff: c_ulong,
        nr_pages: usize,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let ops = unsafe { Self::data(dev) };
        from_result(|| {
            ops.zero_page_range(pgoff as u64, nr_pages as u64)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::data`]; `iter` is a valid source. `addr` comes from `direct_access`.
    unsafe extern "C" fn recovery_write_callback(
        dev: *mut bindings::dax_device,
        pgoff: c_ulong,
        addr: *mut c_void,
        len: usize,
        iter: *mut bindings::iov_iter,
    ) -> usize {
        // SAFETY: by this function's own requirement.
        let (ops, iter) = unsafe { (Self::data(dev), IovIterSource::from_raw(iter)) };
        ops.recovery_write(RecoveryWrite {
            pgoff: pgoff as u64,
            within: addr as usize % PAGE_SIZE as usize,
            len,
            iter,
        })
    }

    const VTABLE: bindings::dax_operations = bindings::dax_operations {
        direct_access: Some(Self::direct_access_callback),
        zero_page_range: Some(Self::zero_page_range_callback),
        recovery_write: if T::HAS_RECOVERY_WRITE {
            Some(Self::recovery_write_callback)
        } else {
            None
        },
    };
}
