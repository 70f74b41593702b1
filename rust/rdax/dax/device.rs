// SPDX-License-Identifier: GPL-2.0

//! `struct dax_device` and `struct dax_operations`.
//!
//! A driver says where a page of its device lies in its [`PageMap`]; this module turns that into
//! addresses and page frame numbers, after checking it. So a wrong answer of a driver costs an
//! error, not memory safety.
//!
//! # Properties
//!
//! The C side makes a `dax_device` of memory that an earlier one has left behind, and does not
//! clear `dax_device::flags`. What a device is told to be by [`Properties`] therefore is all
//! decided when it is made, see [`Device::new`].
//!
//! # Examples
//!
//! ```
//! # use kernel::{prelude::*, sync::Arc};
//! # use rdax::{dax::{self, AccessMode, Device, Properties}};
//! # use rdax::memremap::{PageMap, Pages, PAGE_SIZE};
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
//!         let bytes = |pages: u64| pages.checked_mul(PAGE_SIZE).ok_or(ERANGE);
//!         self.0.zero(bytes(pgoff)?, bytes(nr_pages)?)?.fence();
//!         Ok(())
//!     }
//! }
//!
//! fn device(map: PageMap) -> Result<Device<Ram>> {
//!     let properties = Properties {
//!         synchronous: true,
//!         write_cache: false,
//!     };
//!     Device::new(Arc::new(Ram(map), GFP_KERNEL)?, properties)
//! }
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
    ptr::{
        self,
        NonNull, //
    }, //
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

/// What the memory of a DAX device is like.
///
/// `DAXDEV_NOCACHE` and `DAXDEV_NOMC` are no choice: every [`Device`] has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// What the CPU has flushed is durable without a flush of the device, so `MAP_SYNC` can be
    /// had.
    pub synchronous: bool,
    /// CPU caches are lost with the power, so `dax_flush()` writes their lines back.
    pub write_cache: bool,
}

/// How many stale objects [`Device::new`] sets aside to get one that is not.
const MAX_PARKED: usize = 256;

/// A reference on a `dax_device` that `alloc_dax()` made. Dropping it kills the device first.
///
/// # Invariants
///
/// The pointer is a valid `dax_device`, alive or killed, of which this is a counted reference.
struct DaxDevice(NonNull<bindings::dax_device>);

// SAFETY: a `dax_device` belongs to no thread; the C functions called with one lock or are atomic.
unsafe impl Send for DaxDevice {}
// SAFETY: the C functions that `&DaxDevice` reaches take their own locks or are atomic.
unsafe impl Sync for DaxDevice {}

impl DaxDevice {
    /// # Safety
    ///
    /// The operations of `vtable` can be called with `private` until the result is dropped.
    unsafe fn alloc(
        private: *mut c_void,
        vtable: &'static bindings::dax_operations,
    ) -> Result<Self> {
        // SAFETY: the table is static; the caller vouches for `private`.
        let dev = from_err_ptr(unsafe { bindings::alloc_dax(private, vtable) })?;
        // INVARIANT: `alloc_dax()` returns a live device with one reference, which is ours.
        Ok(Self(NonNull::new(dev).ok_or(ENOMEM)?))
    }

    fn as_ptr(&self) -> *mut bindings::dax_device {
        self.0.as_ptr()
    }

    fn is_synchronous(&self) -> bool {
        // SAFETY: by the type invariant the device is valid; the C side tests one bit.
        unsafe { bindings::dax_synchronous(self.as_ptr()) }
    }

    /// Sets all of `dax_device::flags`, whatever was left in them.
    ///
    /// The C side can clear `DAXDEV_WRITE_CACHE`, but neither of the others, and of these it tells
    /// `DAXDEV_SYNC` alone. `DAXDEV_NOCACHE` and `DAXDEV_NOMC` are set always: they make copies
    /// that go around the CPU cache and survive machine checks, which is right for any memory.
    ///
    /// `synchronous` must be true if [`Self::is_synchronous`] is.
    fn set_properties(&self, properties: Properties) {
        let dev = self.as_ptr();
        // SAFETY: by the type invariant the device is valid; the C side sets and clears bits.
        unsafe {
            if properties.synchronous {
                bindings::set_dax_synchronous(dev);
            }
            bindings::dax_write_cache(dev, properties.write_cache);
            bindings::set_dax_nocache(dev);
            bindings::set_dax_nomc(dev);
        }
    }
}

impl Drop for DaxDevice {
    fn drop(&mut self) {
        // SAFETY: by the type invariant this is a reference of ours. `kill_dax()` may be called
        // again. Other references are on a dead device, whose private pointer the DAX core does not
        // follow.
        unsafe {
            bindings::kill_dax(self.as_ptr());
            bindings::put_dax(self.as_ptr());
        }
    }
}

kernel::sync::global_lock! {
    /// The addresses of the devices that this crate has made, so that their flags are known.
    // SAFETY: `init` is called before any other use, when the module is loaded.
    unsafe(uninit) static DEVICES: Mutex<KVec<usize>> = KVec::new();
}

/// To be called once, when the module is loaded.
pub(crate) fn init() {
    // SAFETY: called once, before any other use.
    unsafe { DEVICES.init() };
}

/// Waits, when it is dropped, until every `dax_read_lock()` section that has begun has ended.
///
/// `fs_put_dax()` does not wait for a `notify_failure()` that another task has begun, so the code of
/// that may run after the last filesystem is gone. `kill_dax()` of any device waits for the
/// sections of all of them; having the device from the start, this cannot fail.
pub(crate) struct WaitReaders(#[expect(dead_code)] DaxDevice);

impl WaitReaders {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: without operations there is nothing to be called.
        let dev = from_err_ptr(unsafe { bindings::alloc_dax(ptr::null_mut(), ptr::null()) })?;
        // INVARIANT: `alloc_dax()` returns a live device with one reference, which is ours.
        Ok(Self(DaxDevice(NonNull::new(dev).ok_or(ENOMEM)?)))
    }
}

/// A device's entry in `DEVICES`, until it is dropped.
struct Known(usize);

impl Known {
    fn new(dev: &DaxDevice) -> Result<Self> {
        let addr = dev.as_ptr().addr();
        DEVICES.lock().push(addr, GFP_KERNEL)?;
        Ok(Self(addr))
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let mut devices = DEVICES.lock();
        if let Some(index) = devices.iter().position(|addr| *addr == self.0) {
            // The order says nothing, and the entry is of no use any more.
            let _ = devices.remove(index);
        }
        if devices.is_empty() {
            // A static is not dropped when the module goes.
            *devices = KVec::new();
        }
    }
}

/// Whether `dev` was made by [`Device::new`] and has not been dropped, so that its flags are what
/// its driver wanted.
///
/// The caller holds a reference on `dev`; an address in the list then is that of the same device.
pub(crate) fn is_known(dev: *mut bindings::dax_device) -> bool {
    DEVICES.lock().contains(&dev.addr())
}

/// A DAX device, served by `T`.
///
/// Dropping it kills it, see [`Self::kill`].
///
/// # Invariants
///
/// The private pointer of `dev` is that of `ops`.
pub struct Device<T: Operations> {
    // Taken from the list before the reference goes.
    _known: Known,
    dev: DaxDevice,
    killed: Atomic<bool>,
    // Dropped last: `dev` is dead by then.
    ops: Arc<T>,
}

impl<T: Operations> Device<T> {
    /// Allocates a DAX device. It can be looked up once a disk is its host, see
    /// [`BioDisk::attach_dax`](crate::block::BioDisk::attach_dax).
    ///
    /// A `dax_device` that an earlier, synchronous one has left behind still says that it is
    /// synchronous, and nothing can clear that. If `properties` say otherwise, such objects are
    /// set aside, so that the allocator has to offer others, and are freed before this returns.
    /// `EBUSY` if the first 256 are all stale.
    ///
    /// Context: process context, sleeps.
    pub fn new(ops: Arc<T>, properties: Properties) -> Result<Self> {
        let private = Arc::as_ptr(&ops).cast_mut().cast();
        let mut parked = KVec::new();
        let dev = loop {
            // SAFETY: `private` points to the `T` of `ops`, as the functions of the table expect.
            // It is valid until `dev` is dropped: those in `parked` go before this returns, and
            // `Device` drops `dev` before `ops`.
            let dev = unsafe { DaxDevice::alloc(private, &OperationsVTable::<T>::VTABLE) }?;
            if properties.synchronous || !dev.is_synchronous() {
                break dev;
            }
            if parked.len() == MAX_PARKED {
                pr_err!(
                    "{}: all free DAX devices still say that they are synchronous; unload drivers that are not in use and bind again\n",
                    ops.page_map().name()
                );
                return Err(EBUSY);
            }
            parked.push(dev, GFP_KERNEL)?;
        };
        dev.set_properties(properties);
        // INVARIANT: `dev` was made with the pointer of `ops`.
        Ok(Self {
            _known: Known::new(&dev)?,
            dev,
            killed: Atomic::new(false),
            ops,
        })
    }

    /// Tells the holder, a filesystem or a mapped device, that `len` bytes at byte `offset` lost
    /// their data. `EOPNOTSUPP` if it does not want to know, `ENXIO` once the device is dead.
    ///
    /// Context: process context, may sleep.
    pub fn notify_failure(&self, offset: u64, len: u64, flags: i32) -> Result {
        // SAFETY: `dev` holds a reference, so the device is valid.
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
            // SAFETY: `dev` holds a reference, so the device is valid.
            unsafe { bindings::kill_dax(self.dev.as_ptr()) };
        }
    }

    /// Returns what the C side says that the memory is like.
    pub fn properties(&self) -> Properties {
        Properties {
            synchronous: self.dev.is_synchronous(),
            // SAFETY: `dev` holds a reference, so the device is valid; the C side tests one bit.
            write_cache: unsafe { bindings::dax_write_cache_enabled(self.dev.as_ptr()) },
        }
    }

    /// Returns what serves the device.
    pub fn operations(&self) -> &T {
        &self.ops
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
    /// `dev` is a `dax_device` that [`Device::<T>::new`] made, and `kill_dax()` has not returned.
    unsafe fn data<'a>(dev: *mut bindings::dax_device) -> &'a T {
        // SAFETY: the private pointer is that of an `Arc<T>` that `Device<T>` drops after the
        // device, and `kill_dax()` in `DaxDevice::drop` waits until all operations have returned.
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
