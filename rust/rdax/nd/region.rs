// SPDX-License-Identifier: GPL-2.0

//! Regions: what a namespace is part of, and how its writes become durable.
//!
//! C source: [`drivers/nvdimm/region_devs.c`](srctree/drivers/nvdimm/region_devs.c)

use super::binding::Binding;
use crate::{
    badblocks::BadBlocks,
    bindings,
    block::{
        Bio,
        BioDisk,
        Live,
        Operations, //
    },
    memremap::PhysRange, //
};
use core::ptr::NonNull;
use kernel::{
    device,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// Who completes a bio after [`Region::flush_for`].
pub enum Flushed {
    /// The caller, with this result.
    Now(Bio, Result),
    /// The region, when its flush is done.
    Later,
}

/// A counted reference on a region.
///
/// It may be kept for longer than the namespace is bound that it was got from. What needs the
/// region's driver or provider fails with `ENODEV` then.
///
/// # Invariants
///
/// `region` is the region that `_dev` keeps alive; `binding` is that of a namespace of it.
pub struct Region {
    region: NonNull<bindings::nd_region>,
    binding: Arc<Binding>,
    _dev: ARef<device::Device>,
}

// SAFETY: a region belongs to no thread.
unsafe impl Send for Region {}
// SAFETY: the C functions called may run concurrently.
unsafe impl Sync for Region {}

impl Region {
    /// # Safety
    ///
    /// `dev` is a valid namespace device, `binding` its own.
    pub(super) unsafe fn of(dev: *mut bindings::device, binding: Arc<Binding>) -> Self {
        // SAFETY: the parent of a namespace is its region, alive as long as the child; the device
        // is embedded in the region.
        unsafe {
            let region = bindings::rdax_helper_nd_region(dev);
            // INVARIANT: the reference is on the device inside `region`.
            Self {
                region: NonNull::new_unchecked(region),
                binding,
                _dev: device::Device::get_device(bindings::rdax_helper_nd_region_device(region)),
            }
        }
    }

    fn as_raw(&self) -> *mut bindings::nd_region {
        self.region.as_ptr()
    }

    /// Makes all that has left the CPU caches durable. `ENODEV` once the namespace is unbound.
    ///
    /// Context: process context, may sleep.
    pub fn flush(&self) -> Result {
        let flush = || {
            // SAFETY: `_dev` keeps the region, and while its namespace is bound what flushes it is
            // there.
            unsafe { bindings::rdax_helper_nd_flush(self.as_raw(), core::ptr::null_mut()) }
        };
        to_result(self.binding.run(flush).ok_or(ENODEV)?)
    }

    /// As [`Self::flush`], for a bio: the region may complete it later instead of waiting.
    pub fn flush_for(&self, bio: Bio) -> Flushed {
        let raw = bio.into_raw();
        let flush = || {
            // SAFETY: `_dev` keeps the region, and while its namespace is bound what flushes it is
            // there; `raw` is valid and its completion was ours.
            unsafe { bindings::rdax_helper_nd_flush(self.as_raw(), raw) }
        };
        let ret = self.binding.run(flush).unwrap_or(ENODEV.to_errno());
        if ret > 0 {
            return Flushed::Later;
        }
        // SAFETY: `raw` came from `into_raw` of a valid bio, and the region did not take it.
        let bio = unsafe { Bio::from_raw(NonNull::new_unchecked(raw)) };
        Flushed::Now(bio, to_result(ret))
    }

    /// Whether the region can make single writes durable: `None` if nothing is known, in which
    /// case persistence cannot be guaranteed.
    pub fn has_flush(&self) -> Option<bool> {
        // SAFETY: by the type invariant.
        let ret = unsafe { bindings::rdax_helper_nd_has_flush(self.as_raw()) };
        (ret >= 0).then_some(ret > 0)
    }

    /// Whether CPU caches are lost with the power.
    pub fn has_cache(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_has_cache(self.as_raw()) != 0 }
    }

    /// Whether what the CPU has flushed is durable without a flush of the region.
    pub fn is_sync(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_is_sync(self.as_raw()) }
    }

    /// Whether the region is read-only.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_region_read_only(self.as_raw()) }
    }

    /// Adds to `list` what the platform knows to be bad in `range`, as sectors from its start.
    pub fn populate_badblocks(&self, list: &BadBlocks, range: PhysRange) {
        let populate = || {
            // SAFETY: `_dev` keeps the region, and while its namespace is bound its bus has a
            // provider; `list` is initialised.
            unsafe {
                bindings::rdax_helper_nd_badblocks_populate(
                    self.as_raw(),
                    list.as_raw(),
                    range.start,
                    range.len,
                )
            };
        };
        // Without a bus there is nothing to be known.
        let _ = self.binding.run(populate);
    }

    /// Makes a disk read-only if its region is, and writable if not.
    ///
    /// `ENODEV` if the disk was not added below a [`Namespace`](super::Namespace).
    pub fn apply_read_only<T: Operations>(disk: &BioDisk<T, Live>) -> Result {
        // SAFETY: a live disk is a valid gendisk that was added, so its parent does not change. The
        // C side checks that the parent's parent is a region before it uses it as one.
        to_result(unsafe { bindings::rdax_helper_nd_check_and_set_ro(disk.as_raw()) })
    }
}
