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
//! # Synchronous volumes
//!
//! `dax_synchronous()` cannot be trusted: a `dax_device` keeps the flags of an earlier one whose
//! memory it has, see [`Device::new`](super::Device::new), and no driver of the kernel clears them.
//! A volume that is wrongly taken for synchronous loses what `fsync()` and `MAP_SYNC` have promised.
//! So a volume is synchronous only if that can be verified: if its disk is on a namespace of the
//! libnvdimm bus, whatever its driver, by the namespace's region; if its DAX device was made by this
//! crate, by that device. Of a stacked device (device mapper) neither the members nor a later change
//! of them can be seen; it is taken for asynchronous, which costs a flush but never data.
//!
//! This module does not support devices without struct pages, or DAX devices without a block
//! device.
//!
//! C source: [`drivers/dax/super.c`](srctree/drivers/dax/super.c)

mod access;

pub use self::access::Access;
use self::access::Place;

use super::{
    device,
    holder::{
        self,
        Failure,
        Registration, //
    }, //
};
use crate::{
    bindings,
    fs::{
        super_block,
        FileSystem,
        SuperBlock, //
    },
    memremap::PAGE_SIZE,
    persist::Stored, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Of orphans: not known, since the pages are not always the same, and never to become 0.
const ANY_NUMBER: usize = usize::MAX / 2;
/// Pages of a huge page.
const HUGE_PAGES: u64 = bindings::RDAX_PMD_SIZE as u64 / PAGE_SIZE;

/// A filesystem that lies on a [`Volume`].
pub trait OnVolume: FileSystem {
    /// The volume of a mounted filesystem.
    fn volume(data: &Self::SuperData) -> &Volume;

    /// Something of the volume failed, or is about to. `EOPNOTSUPP` asks the kernel to kill the
    /// processes that map the memory.
    ///
    /// Context: process context within `dax_read_lock()`, may sleep. Unmounting waits for it.
    fn notify_failure(sb: &SuperBlock<Self>, failure: Failure) -> Result;
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
/// size. If `linear` is set, the whole volume is mapped there, and begins with that page frame, as
/// long as the device is alive.
pub struct Volume {
    device: Device,
    start: u64,
    size: u64,
    linear: Option<Place>,
    phys_offset: Option<u64>,
    synchronous: bool,
    huge_orphans: Atomic<usize>,
    lends: Atomic<usize>,
}

// SAFETY: a device reference belongs to no thread; what is at the addresses is no Rust object.
unsafe impl Send for Volume {}
// SAFETY: as above; all C functions that are called with it may run concurrently.
unsafe impl Sync for Volume {}

impl Volume {
    /// The volume under a superblock that is being filled, which hears of its failures once it is
    /// mounted.
    ///
    /// `EOPNOTSUPP` if the block device has no DAX. A DAX device has one holder: the filesystem on
    /// the second partition of a disk hears nothing.
    ///
    /// Context: process context, sleeps.
    pub fn new<T: OnVolume>(sb: &SuperBlock<T, super_block::New>) -> Result<Self> {
        // SAFETY: a valid superblock; these do not change while it is one.
        let (bdev, file) = unsafe { ((*sb.as_ptr()).s_bdev, (*sb.as_ptr()).s_bdev_file) };
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
            pr_err!(
                "{}: no DAX: the driver does not support it, or the volume is not whole pages\n",
                sb.id()
            );
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
        device.hold(sb, start, size)?;
        // INVARIANT: `fs_dax_get_by_bdev()` refuses volumes that are not whole pages.
        let mut volume = Self {
            synchronous: device.is_synchronous(),
            device,
            start,
            size,
            linear: None,
            phys_offset: None,
            huge_orphans: Atomic::new(0),
            lends: Atomic::new(0),
        };
        volume.survey()?;
        Ok(volume)
    }

    /// Learns where the volume lies in memory, and what earlier mounts have left there.
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
        let linear = linear && congruent && !stacked;
        self.huge_orphans = Atomic::new(if linear {
            let _access = self.access()?;
            // SAFETY: the device is alive, and these are its pages, which follow each other.
            (unsafe { bindings::rdax_helper_dax_count_orphans(first.pfn, pages) }) as usize
        } else {
            ANY_NUMBER
        });
        // INVARIANT: pages that follow each other have addresses that do.
        self.linear = linear.then_some(first);
        self.phys_offset = congruent.then_some(offset);
        Ok(())
    }

    /// How many huge [orphans](super::drain) there may be. 0 is not wrong for anybody who has got a
    /// block by way of the locks that were held when its page was taken out of a file.
    pub(crate) fn huge_orphans(&self) -> &Atomic<usize> {
        &self.huge_orphans
    }

    /// How many huge [orphans](super::drain) there are, that nobody has found idle yet; `None` if
    /// the pages are not always the same.
    pub fn nr_huge_orphans(&self) -> Option<usize> {
        self.linear.map(|_| self.huge_orphans.load(Relaxed))
    }

    /// A fault is going to return a locked page, for which drains have to look from now on.
    ///
    /// Context: `invalidate_lock` of the file is held.
    pub(super) fn set_lends(&self) {
        self.lends.store(1, Relaxed);
    }

    /// Whether a fault of a file may have returned a locked page.
    ///
    /// Context: `invalidate_lock` of the file is held exclusively.
    pub(super) fn lends(&self) -> bool {
        self.lends.load(Relaxed) != 0
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

    /// Whether what is flushed from the CPU's caches is durable without a flush of the device, as
    /// far as that could be verified when the volume was made.
    pub fn synchronous(&self) -> bool {
        self.synchronous
    }

    /// Returns what direct I/O on the disk has to be aligned to, in memory and on the disk, in
    /// bytes. Users that stack on a file expect the same of it.
    pub fn dio_align(&self) -> (u32, u32) {
        let (mut memory, mut offset) = (0, 0);
        // SAFETY: `self.device` keeps the block device open until it is dropped.
        unsafe {
            bindings::rdax_helper_bdev_dio_align(
                self.device.bdev.as_ptr(),
                &mut memory,
                &mut offset,
            )
        };
        (memory, offset)
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

    /// Where byte `at` is, if the whole volume is mapped and `len` bytes from there are in it.
    #[inline]
    fn linear_addr(&self, at: u64, len: u64) -> Option<NonNull<u8>> {
        let base = self.linear?.addr;
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
    /// Whether the device is synchronous, and its flag can be believed.
    fn is_synchronous(&self) -> bool {
        // SAFETY: by the type invariant the block device is open, so its disk and the disk's
        // parents are there.
        let region = unsafe { bindings::rdax_helper_bdev_region(self.bdev.as_ptr()) };
        let verified = if region.is_null() {
            device::is_known(self.dax.as_ptr())
        } else {
            // SAFETY: not null, so the region of the namespace that the disk is on.
            unsafe { bindings::rdax_helper_nd_is_sync(region) }
        };
        // SAFETY: by the type invariant the device is referenced.
        verified && unsafe { bindings::dax_synchronous(self.dax.as_ptr()) }
    }

    /// Makes `sb` the device's holder, unless it has one.
    fn hold<T: OnVolume>(
        &mut self,
        sb: &SuperBlock<T, super_block::New>,
        start: u64,
        size: u64,
    ) -> Result {
        let registration = Registration::new(sb, start, size)?;
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
            None => pr_warn!(
                "{}: memory failures go to the filesystem mounted first; this one is not notified\n",
                sb.id()
            ),
        }
        Ok(())
    }
}
