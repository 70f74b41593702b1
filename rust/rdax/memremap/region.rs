// SPDX-License-Identifier: GPL-2.0

//! Exclusive claims on physical address ranges.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use super::PhysRange;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    str::CString, //
};

/// An exclusive claim on a physical range, as `/proc/iomem` shows it.
///
/// # Invariants
///
/// `range` is claimed in `iomem_resource` under `name`, which lives as long; `range.end()` exists.
pub struct MemRegion {
    range: PhysRange,
    name: CString,
}

impl MemRegion {
    /// Claims `range`, under `name`.
    ///
    /// Fails with `EBUSY` if somebody holds any part of it, and with `EINVAL` if the range is
    /// empty, wraps around, or touches System RAM.
    pub fn request(range: PhysRange, name: CString) -> Result<Self> {
        range.end().ok_or(EINVAL)?;
        let len = usize::try_from(range.len)?;
        // SAFETY: a read-only walk of the resource tree under its lock.
        let ram = unsafe {
            bindings::region_intersects(
                range.start,
                len,
                bindings::RDAX_IORESOURCE_SYSTEM_RAM,
                bindings::IORES_DESC_NONE as c_ulong,
            )
        };
        if ram != bindings::REGION_DISJOINT as i32 {
            return Err(EINVAL);
        }
        // SAFETY: `name` lives as long as the claim; its heap buffer does not move.
        let resource = unsafe {
            bindings::__request_region(
                &raw mut bindings::iomem_resource,
                range.start,
                range.len,
                name.as_char_ptr(),
                0,
            )
        };
        NonNull::new(resource).ok_or(EBUSY)?;
        // INVARIANT: claimed just now.
        Ok(Self { range, name })
    }

    /// The claimed range.
    pub fn range(&self) -> PhysRange {
        self.range
    }

    /// The name of the claim.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

impl Drop for MemRegion {
    fn drop(&mut self) {
        // SAFETY: by the type invariant this claim is ours.
        unsafe {
            bindings::__release_region(
                &raw mut bindings::iomem_resource,
                self.range.start,
                self.range.len,
            )
        };
    }
}
