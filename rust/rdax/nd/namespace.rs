// SPDX-License-Identifier: GPL-2.0

//! Namespaces: `struct nd_namespace_common` and its two kinds.
//!
//! C source: [`drivers/nvdimm/namespace_devs.c`](srctree/drivers/nvdimm/namespace_devs.c)

use super::{
    binding::Binding,
    region::Region, //
};
use crate::{
    bindings,
    memremap::{
        PageMap,
        PhysRange, //
    }, //
};
use kernel::{
    device,
    error::to_result,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// How a namespace came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ND_DEVICE_NAMESPACE_IO`: the whole of a region without labels.
    Io,
    /// `ND_DEVICE_NAMESPACE_PMEM`: a part of a region, described by labels on the DIMMs.
    Pmem,
}

/// A namespace, for the duration of a callback of the bus.
///
/// # Invariants
///
/// `dev` is a namespace device, being probed by or bound to our driver, its lock held.
pub struct Namespace {
    dev: *mut bindings::device,
    binding: Arc<Binding>,
}

impl Namespace {
    /// `ENODEV` for the devices that the bus makes from namespaces: accepting one of those seeds
    /// makes the bus create the next, without end.
    ///
    /// # Safety
    ///
    /// `dev` is being probed, its lock held, for as long as the result lives.
    pub(super) unsafe fn probe(dev: *mut bindings::device) -> Result<Self> {
        // SAFETY: `dev` is a valid device of the nd bus.
        if !unsafe { bindings::rdax_helper_nd_is_namespace(dev) } {
            return Err(ENODEV);
        }
        // INVARIANT: checked above.
        Ok(Self {
            dev,
            binding: Binding::new()?,
        })
    }

    /// # Safety
    ///
    /// `dev` is bound after a successful [`Self::probe`], its lock held, for as long as the result
    /// lives. `binding` is the one that was made there.
    pub(super) unsafe fn bound(dev: *mut bindings::device, binding: Arc<Binding>) -> Self {
        // INVARIANT: by the caller's promise.
        Self { dev, binding }
    }

    pub(super) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// The bus's own checks: not claimed by another personality, neither locked nor too small,
    /// aligned if the platform provides for struct pages.
    pub fn validate(&self) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe { bindings::rdax_helper_nd_namespace_probe(self.dev) })
    }

    /// The device; log through it.
    pub fn device(&self) -> &device::Device<device::Bound> {
        // SAFETY: by the type invariant the device is bound while `self` lives. CAST: `Device` is
        // a transparent wrapper of `struct device`.
        unsafe { &*self.dev.cast::<device::Device<device::Bound>>() }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        // SAFETY: by the type invariant.
        if unsafe { bindings::rdax_helper_nd_is_pmem_namespace(self.dev) } {
            Kind::Pmem
        } else {
            Kind::Io
        }
    }

    /// Its physical range.
    pub fn range(&self) -> PhysRange {
        let mut range = PhysRange { start: 0, len: 0 };
        // SAFETY: by the type invariant; both kinds begin with a `struct nd_namespace_io`.
        unsafe {
            bindings::rdax_helper_nd_namespace_range(self.dev, &mut range.start, &mut range.len)
        };
        range
    }

    /// The NUMA node, negative if unknown.
    pub fn numa_node(&self) -> i32 {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_dev_to_node(self.dev) }
    }

    /// The logical block size that its label asks for: 512 or 4096 bytes.
    pub fn sector_size(&self) -> u32 {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_sector_size(self.dev) }
    }

    /// Whether the user wants the namespace raw, whatever it contains (`force_raw` in sysfs).
    pub fn force_raw(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_namespace_force_raw(self.dev) }
    }

    /// The name the bus gives a disk on it, such as `pmem0` or `pmem1.2`: the same each time.
    pub fn disk_name(&self) -> Result<CString> {
        let mut name = [0u8; bindings::DISK_NAME_LEN as usize];
        // SAFETY: by the type invariant; two integers and a prefix fit.
        unsafe { bindings::rdax_helper_nd_disk_name(self.dev, name.as_mut_ptr().cast()) };
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| EINVAL)?;
        CString::try_from_fmt(fmt!("{}", name.to_str()?))
    }

    /// The region it is part of.
    pub fn region(&self) -> Region {
        // SAFETY: by the type invariant; a namespace's parent is its region.
        unsafe { Region::of(self.dev, self.binding.clone()) }
    }

    /// A reference that outlives the callback.
    pub fn to_ref(&self) -> NamespaceRef {
        NamespaceRef {
            // SAFETY: by the type invariant the device is valid.
            dev: unsafe { device::Device::get_device(self.dev) },
            binding: self.binding.clone(),
        }
    }

    /// Access to the first `len` bytes, to look for an info block before anybody else has the
    /// range. `EBUSY` if somebody has it.
    pub fn raw_access(&self, len: u64) -> Result<RawAccess<'_>> {
        // SAFETY: by the type invariant; what it allocates is also freed if probe fails.
        to_result(unsafe { bindings::rdax_helper_nd_raw_enable(self.dev, len) })?;
        // INVARIANT: enabled just now.
        Ok(RawAccess {
            namespace: self,
            len,
        })
    }
}

/// Access to the begin of a namespace, see [`Namespace::raw_access`].
///
/// # Invariants
///
/// The namespace is enabled for its first `len` bytes.
pub struct RawAccess<'a> {
    namespace: &'a Namespace,
    len: u64,
}

impl RawAccess<'_> {
    /// Reads `out.len()` bytes at byte `offset`. `ERANGE` beyond the enabled part, `EIO` on
    /// poison.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result {
        let end = offset.checked_add(out.len() as u64).ok_or(ERANGE)?;
        if end > self.len {
            return Err(ERANGE);
        }
        // SAFETY: by the type invariant, and the range was checked.
        to_result(unsafe {
            bindings::rdax_helper_nd_raw_read(
                self.namespace.dev,
                offset,
                out.as_mut_ptr().cast(),
                out.len(),
            )
        })
    }
}

impl Drop for RawAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_nd_raw_disable(self.namespace.dev) };
    }
}

/// A counted reference on a namespace's device, which may be kept for longer than it is bound.
///
/// # Invariants
///
/// `dev` is a namespace, `binding` its own.
pub struct NamespaceRef {
    dev: ARef<device::Device>,
    binding: Arc<Binding>,
}

impl NamespaceRef {
    fn as_raw(&self) -> *mut bindings::device {
        // CAST: `Device` is a transparent wrapper of `struct device`.
        core::ptr::from_ref::<device::Device>(&self.dev)
            .cast_mut()
            .cast()
    }

    /// The device; log through it.
    pub fn device(&self) -> &device::Device {
        &self.dev
    }

    /// Asks the platform to clear poison from `len` bytes at byte `offset` of `map`, which maps
    /// this namespace. Returns how many bytes are good now; a platform without errors of its own
    /// clears all. `ENODEV` once the namespace is unbound.
    ///
    /// Context: process context, may sleep.
    pub fn clear_poison(&self, map: &PageMap, offset: u64, len: u32) -> Result<u64> {
        let phys = map.phys(offset, len.into())?;
        let clear = || {
            // SAFETY: we hold a reference on the device, and while it is bound its bus has a
            // provider, which is asked.
            unsafe { bindings::rdax_helper_nd_clear_poison(self.as_raw(), phys, len) }
        };
        let cleared = self.binding.run(clear).ok_or(ENODEV)?;
        if cleared < 0 {
            return Err(Error::from_errno(i32::try_from(cleared)?));
        }
        Ok(u64::try_from(cleared)?)
    }
}
