// SPDX-License-Identifier: GPL-2.0

//! The persistent memory under a filesystem.
//!
//! A [`Volume`] is the DAX device of a mounted block device, from the partition's first byte to
//! its last. All access runs within `dax_read_lock()` on a device that is alive, see [`Access`]:
//! unbinding the driver waits for it to end, and what comes later fails with `EIO`.
//!
//! A device that is one linear range is accessed by a fixed address. Others (device mapper, memory
//! with gaps) are asked for each range, because what they map may change.
//!
//! This module does not support devices without struct pages, or DAX devices without a block
//! device.
//!
//! C source: [`drivers/dax/super.c`](srctree/drivers/dax/super.c)

use super::holder::{
    self,
    Holder,
    Registration, //
};
use crate::{
    bindings,
    fs::{
        super_block,
        FileSystem,
        SuperBlock, //
    },
    memremap::PAGE_SIZE,
    persist::{
        InFlight,
        Stored, //
    }, //
};
use core::{
    cell::Cell,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::NotThreadSafe, //
};

/// Pages of a huge page.
const HUGE_PAGES: u64 = bindings::RDAX_PMD_SIZE as u64 / PAGE_SIZE;

/// A filesystem that lies on a [`Volume`].
pub trait OnVolume: FileSystem {
    /// The volume of a mounted filesystem.
    fn volume(data: &Self::SuperData) -> &Volume;
}

/// Our references to a DAX device and to the block device in front of it.
///
/// # Invariants
///
/// `dax` is referenced, and held by `registration`'s token if there is one. `bdev_file` is
/// referenced, and `bdev` is its block device, which so stays open.
struct Device {
    dax: NonNull<bindings::dax_device>,
    bdev: NonNull<bindings::block_device>,
    bdev_file: NonNull<bindings::file>,
    registration: Option<Registration>,
}

impl Drop for Device {
    fn drop(&mut self) {
        let token = self
            .registration
            .as_ref()
            .map_or(ptr::null_mut(), Registration::token);
        // SAFETY: by the type invariant; these are our references.
        unsafe {
            bindings::fs_put_dax(self.dax.as_ptr(), token);
            bindings::fput(self.bdev_file.as_ptr());
        }
    }
}

/// The persistent memory of a mounted block device. Offsets are bytes from its start.
///
/// # Invariants
///
/// The volume is the `size` bytes from byte `start` of the DAX device, both multiples of the page
/// size. If `linear` is set, the whole volume is mapped there as long as the device is alive.
pub struct Volume {
    device: Device,
    start: u64,
    size: u64,
    linear: Option<NonNull<u8>>,
    phys_offset: Option<u64>,
    synchronous: bool,
}

// SAFETY: a device reference belongs to no thread; what is at the addresses is no Rust object.
unsafe impl Send for Volume {}
// SAFETY: as above; all C functions that are called with it may run concurrently.
unsafe impl Sync for Volume {}

impl Volume {
    /// The volume under a superblock that is being filled. `holder` hears of its failures.
    ///
    /// `EOPNOTSUPP` if the block device has no DAX. A DAX device has one holder: on the second
    /// partition of a disk, `holder` hears nothing.
    ///
    /// Context: process context, sleeps.
    pub fn new<T: FileSystem>(
        sb: &SuperBlock<T, super_block::New>,
        holder: Arc<dyn Holder>,
    ) -> Result<Self> {
        let sb = sb.as_ptr();
        // SAFETY: a valid superblock; these do not change while it is one.
        let (bdev, file) = unsafe { ((*sb).s_bdev, (*sb).s_bdev_file) };
        let (bdev, file) = (
            NonNull::new(bdev).ok_or(ENOTBLK)?,
            NonNull::new(file).ok_or(ENOTBLK)?,
        );
        // SAFETY: the superblock keeps its block device open.
        let size = unsafe { bindings::rdax_helper_bdev_bytes(bdev.as_ptr()) };

        let mut start = 0;
        // The offset is known only after the lookup, yet a holder has to be there by then: look
        // it up without one first.
        // SAFETY: the block device is open.
        let probe = unsafe {
            bindings::fs_dax_get_by_bdev(bdev.as_ptr(), &mut start, ptr::null_mut(), ptr::null())
        };
        let Some(dax) = NonNull::new(probe) else {
            pr_err!("the block device does not support DAX\n");
            return Err(EOPNOTSUPP);
        };
        // SAFETY: the file is open.
        unsafe { bindings::rdax_helper_get_file(file.as_ptr()) };
        // INVARIANT: both references were taken just now.
        let mut device = Device {
            dax,
            bdev,
            bdev_file: file,
            registration: None,
        };
        device.hold(start, size, holder)?;
        // INVARIANT: `fs_dax_get_by_bdev()` refuses volumes that are not whole pages.
        let mut volume = Self {
            // SAFETY: by the invariant of `device`.
            synchronous: unsafe { bindings::dax_synchronous(dax.as_ptr()) },
            device,
            start,
            size,
            linear: None,
            phys_offset: None,
        };
        volume.survey()?;
        Ok(volume)
    }

    /// Learns where the volume lies in memory.
    fn survey(&mut self) -> Result {
        let pages = self.size / PAGE_SIZE;
        let (first, len) = self.access()?.locate(0, pages)?;
        let offset = first.pfn % HUGE_PAGES;
        let mut congruent = true;
        let mut linear = true;
        let mut next = len;
        while next < pages && congruent {
            let (found, len) = self.access()?.locate(next, pages - next)?;
            linear &= found.pfn.checked_sub(first.pfn) == Some(next);
            congruent = found.pfn % HUGE_PAGES == (offset + next) % HUGE_PAGES;
            next = next.saturating_add(len);
        }
        // SAFETY: by the invariant of `device`.
        let stacked = unsafe { bindings::rdax_helper_bdev_is_stacked(self.device.bdev.as_ptr()) };
        // INVARIANT: pages that follow each other have addresses that do.
        self.linear = (linear && congruent && !stacked).then_some(first.addr);
        self.phys_offset = congruent.then_some(offset);
        Ok(())
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages block 0 lies behind a huge page's start in physical memory; `None` if
    /// that differs between parts of the volume, which so cannot be mapped by huge pages
    /// everywhere.
    pub fn phys_offset_in_huge(&self) -> Option<u64> {
        self.phys_offset
    }

    /// Whether what is flushed from the CPU's caches is durable.
    pub fn synchronous(&self) -> bool {
        self.synchronous
    }

    /// Orders all stores and flushes of this CPU before all later ones, and makes them durable.
    /// Sleeps if the volume is not [synchronous](Self::synchronous).
    pub fn fence(&self) -> Result {
        Stored::in_flight().fence();
        if self.synchronous {
            return Ok(());
        }
        // SAFETY: by its invariant the device is open.
        to_result(unsafe { bindings::blkdev_issue_flush(self.device.bdev.as_ptr()) })
    }

    /// Begins to access the memory; `EIO` if the device is gone.
    pub fn access(&self) -> Result<Access<'_>> {
        let access = Access {
            volume: self,
            // SAFETY: a read-side section has no precondition.
            section: unsafe { bindings::dax_read_lock() },
            window: Cell::new(None),
            _not_thread_safe: NotThreadSafe,
        };
        // INVARIANT: the device is alive within the section; `kill_dax()` waits for its end.
        // SAFETY: by the invariant of `device`.
        if unsafe { bindings::dax_alive(self.device.dax.as_ptr()) } {
            Ok(access)
        } else {
            Err(EIO)
        }
    }

    /// Where byte `at` is, if the whole volume is mapped and `len` bytes from there are in it.
    #[inline]
    fn linear_addr(&self, at: u64, len: u64) -> Option<NonNull<u8>> {
        let base = self.linear?;
        let end = at.checked_add(len)?;
        // SAFETY: by the type invariant the volume is mapped from `base` on, to beyond `at`.
        (end <= self.size).then(|| unsafe { base.add(at as usize) })
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn dax_device(&self) -> *mut bindings::dax_device {
        self.device.dax.as_ptr()
    }

    pub(crate) fn block_device(&self) -> *mut bindings::block_device {
        self.device.bdev.as_ptr()
    }
}

impl Device {
    /// Makes `holder` the device's holder, unless it has one.
    fn hold(&mut self, start: u64, size: u64, holder: Arc<dyn Holder>) -> Result {
        let registration = Registration::new(start, size, holder)?;
        let mut offset = 0;
        // SAFETY: by the type invariant; the table is static and the token no address.
        let held = unsafe {
            bindings::fs_dax_get_by_bdev(
                self.bdev.as_ptr(),
                &mut offset,
                registration.token(),
                &holder::OPERATIONS,
            )
        };
        match NonNull::new(held) {
            Some(held) => {
                // The same device, of which we have two references now.
                // SAFETY: this gives back the one that `self.dax` was.
                unsafe { bindings::fs_put_dax(self.dax.as_ptr(), ptr::null_mut()) };
                // INVARIANT: held just now.
                self.dax = held;
                self.registration = Some(registration);
            }
            None => pr_warn!("another filesystem hears of the failures of this device\n"),
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Place {
    addr: NonNull<u8>,
    pfn: u64,
}

/// A range that the device was asked for.
#[derive(Clone, Copy)]
struct Window {
    at: u64,
    len: u64,
    addr: NonNull<u8>,
}

/// The right to access the memory of a volume; see [`Volume::access`].
///
/// Unbinding the driver waits for it, so it must not be kept for long. It may sleep.
///
/// # Invariants
///
/// `section` is an open `dax_read_lock()` of this task, and the device was alive within it. So
/// `window`, which the device answered within it, is mapped.
pub struct Access<'a> {
    volume: &'a Volume,
    section: c_int,
    window: Cell<Option<Window>>,
    _not_thread_safe: NotThreadSafe,
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::dax_read_unlock(self.section) };
    }
}

impl Access<'_> {
    /// Asks the device, in pages of the volume. At most `pages` pages, at least one.
    fn ask(&self, page: u64, pages: u64, mode: bindings::dax_access_mode) -> Result<(Place, u64)> {
        let pgoff = page
            .checked_add(self.volume.start / PAGE_SIZE)
            .ok_or(ERANGE)?;
        let mut addr = ptr::null_mut();
        let mut pfn = 0;
        // SAFETY: by the invariants the device is referenced and within a section.
        let len = unsafe {
            bindings::dax_direct_access(
                self.volume.dax_device(),
                pgoff as usize,
                isize::try_from(pages)?,
                mode,
                &mut addr,
                &mut pfn,
            )
        };
        let len = u64::try_from(len).map_err(|_| {
            if len == EHWPOISON.to_errno() as isize {
                EHWPOISON
            } else {
                EIO
            }
        })?;
        let addr = NonNull::new(addr.cast()).ok_or(EIO)?;
        if len == 0 || len > pages {
            return Err(EIO);
        }
        Ok((
            Place {
                addr,
                pfn: pfn as u64,
            },
            len,
        ))
    }

    /// Where pages lie, poisoned or not.
    fn locate(&self, page: u64, pages: u64) -> Result<(Place, u64)> {
        self.ask(page, pages, bindings::dax_access_mode::DAX_RECOVERY_WRITE)
    }

    /// The address of byte `at`, and how many bytes follow it linearly, `len` at most.
    ///
    /// To `read`, poison is `EIO`.
    fn translate(&self, at: u64, len: u64, read: bool) -> Result<(NonNull<u8>, usize)> {
        let end = at.checked_add(len).ok_or(ERANGE)?;
        if end > self.volume.size {
            return Err(ERANGE);
        }
        if let (Some(addr), false) = (self.volume.linear_addr(at, len), read) {
            return Ok((addr, len as usize));
        }
        let window = match self.window.get() {
            Some(window) if at >= window.at && at - window.at < window.len => window,
            _ => self.open_window(at, len, read)?,
        };
        let skip = at.saturating_sub(window.at);
        let usable = window.len.saturating_sub(skip).min(len);
        // SAFETY: `skip` is less than the window's length, which is mapped by the type invariant.
        Ok((unsafe { window.addr.add(skip as usize) }, usable as usize))
    }

    /// Asks for the range of a window: as much as there is, or as little as needed where that is
    /// partly poisoned.
    fn open_window(&self, at: u64, len: u64, read: bool) -> Result<Window> {
        let page = at / PAGE_SIZE;
        let rest = self.volume.size / PAGE_SIZE - page;
        let needed = at
            .saturating_add(len)
            .div_ceil(PAGE_SIZE)
            .saturating_sub(page)
            .clamp(1, rest.max(1));
        let mode = bindings::dax_access_mode::DAX_ACCESS;
        let (place, pages) = match self.ask(page, rest, mode) {
            Err(EHWPOISON) => match self.ask(page, needed, mode) {
                Err(EHWPOISON) if read => self.ask(page, 1, mode).map_err(|_| EIO)?,
                // A store does not mind; but what it leaves behind is no window to read.
                Err(EHWPOISON) => {
                    let (place, pages) = self.locate(page, needed)?;
                    return Ok(Self::window(page, place, pages));
                }
                answer => answer?,
            },
            answer => answer?,
        };
        let window = Self::window(page, place, pages);
        // INVARIANT: just answered.
        self.window.set(Some(window));
        Ok(window)
    }

    fn window(page: u64, place: Place, pages: u64) -> Window {
        Window {
            at: page.saturating_mul(PAGE_SIZE),
            len: pages.saturating_mul(PAGE_SIZE),
            addr: place.addr,
        }
    }

    /// Calls `f` for each linear piece of a range: its address, its offset in the range, and its
    /// length.
    fn pieces(
        &self,
        at: u64,
        len: u64,
        read: bool,
        mut f: impl FnMut(NonNull<u8>, usize, usize) -> Result,
    ) -> Result {
        let mut done = 0;
        while done < len {
            let pos = at.checked_add(done).ok_or(ERANGE)?;
            let (addr, piece) = self.translate(pos, len - done, read)?;
            f(addr, done as usize, piece)?;
            done = done.saturating_add(piece as u64);
        }
        Ok(())
    }

    /// Reads `out.len()` bytes at byte `at`; `EIO` if any of them is poisoned, `ERANGE` if any
    /// lies beyond the end.
    pub fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.pieces(at, out.len() as u64, true, |addr, done, len| {
            let out = out.get_mut(done..done.saturating_add(len)).ok_or(ERANGE)?;
            // SAFETY: `pieces` found `len` bytes mapped at `addr`. User space may write to them;
            // the copy copes with that.
            to_result(unsafe {
                bindings::rdax_helper_copy_mc(out.as_mut_ptr().cast(), addr.as_ptr().cast(), len)
            })
        })
    }

    /// Copies `data` to byte `at`, around the CPU cache. Eight aligned bytes are one store.
    pub fn store(&self, at: u64, data: &[u8]) -> Result<Stored<InFlight>> {
        let copy = |addr: NonNull<u8>, data: &[u8]| {
            // SAFETY: only called with an address where as many bytes are mapped.
            unsafe {
                bindings::rdax_helper_memcpy_flushcache(
                    addr.as_ptr().cast(),
                    data.as_ptr().cast(),
                    data.len(),
                )
            };
        };
        if let Some(addr) = self.volume.linear_addr(at, data.len() as u64) {
            copy(addr, data);
            return Ok(Stored::in_flight());
        }
        self.pieces(at, data.len() as u64, false, |addr, done, len| {
            copy(
                addr,
                data.get(done..done.saturating_add(len)).ok_or(ERANGE)?,
            );
            Ok(())
        })?;
        Ok(Stored::in_flight())
    }

    /// Stores zeroes over `len` bytes at byte `at`, around the CPU cache. Reschedules if long.
    ///
    /// Whole poisoned pages are made good; `EIO` if part of one is to be zeroed.
    pub fn zero(&self, at: u64, len: u64) -> Result<Stored<InFlight>> {
        match self.zero_good(at, len) {
            Err(err) if err == EIO && (at | len) % PAGE_SIZE == 0 => {
                self.zero_pages(at / PAGE_SIZE, len / PAGE_SIZE)?;
            }
            done => done?,
        }
        Ok(Stored::in_flight())
    }

    /// Zeroes what is not poisoned; `EIO` where it is.
    fn zero_good(&self, at: u64, len: u64) -> Result {
        const STEP: usize = 64 * PAGE_SIZE as usize;
        self.pieces(at, len, true, |addr, _, len| {
            for skip in (0..len).step_by(STEP) {
                // SAFETY: `pieces` found `len` bytes mapped at `addr`. An `Access` may sleep.
                unsafe {
                    bindings::rdax_helper_zero_flushcache(
                        addr.as_ptr().add(skip).cast(),
                        STEP.min(len - skip),
                    );
                    bindings::rdax_helper_cond_resched();
                }
            }
            Ok(())
        })
    }

    /// Makes `pages` pages from page `page` of the volume zero, durably after a
    /// [fence](Volume::fence), and good if they were poisoned.
    pub fn zero_pages(&self, page: u64, pages: u64) -> Result {
        let end = page.checked_add(pages).ok_or(ERANGE)?;
        if end > self.volume.size / PAGE_SIZE {
            return Err(ERANGE);
        }
        let start = self.volume.start / PAGE_SIZE;
        for page in page..end {
            // The DAX core takes one page at a time.
            // SAFETY: by the invariants the device is referenced and within a section.
            to_result(unsafe {
                bindings::dax_zero_page_range(
                    self.volume.dax_device(),
                    start.saturating_add(page) as usize,
                    1,
                )
            })
            .map_err(|_| EIO)?;
            // SAFETY: an `Access` may sleep.
            unsafe { bindings::rdax_helper_cond_resched() };
        }
        Ok(())
    }

    /// Writes the CPU cache lines of `len` bytes at byte `at` back, where caches are not
    /// persistent.
    pub fn flush(&self, at: u64, len: u64) -> Result {
        self.pieces(at, len, false, |addr, _, len| {
            // SAFETY: `pieces` found `len` bytes mapped at `addr`.
            unsafe {
                bindings::dax_flush(self.volume.dax_device(), addr.as_ptr().cast(), len);
            }
            Ok(())
        })
    }
}
