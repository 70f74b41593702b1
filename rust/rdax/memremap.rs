// SPDX-License-Identifier: GPL-2.0

//! Struct pages for device memory.
//!
//! A [`PageMap`] gives physical ranges that are not System RAM a memmap of type
//! `MEMORY_DEVICE_FS_DAX`, so that they can be mapped into user space, pinned, and reached by
//! `get_user_pages()`. It also is the one way for safe code to touch that memory: every access
//! names an offset into the map and is checked against it.
//!
//! Dropping a [`PageMap`] waits until nobody references its folios: `memunmap_pages()` does not,
//! since mappings and pins of FS_DAX folios hold no reference on the `dev_pagemap`. See
//! `drain` and [`teardown`](crate::teardown).
//!
//! This module does not support `altmap` (the memmap always lives in DRAM), device-private memory
//! or compound `vmemmap_shift` maps.
//!
//! # Examples
//!
//! ```
//! # use kernel::{prelude::*, str::CString};
//! # use rdax::memremap::{MemRegion, PageMap, PhysRange, PAGE_SIZE};
//! // Claim 64 MiB that nothing else owns, give them struct pages, and zero the first.
//! let name = || CString::try_from_fmt(fmt!("example"));
//! let range = PhysRange { start: 4 << 30, len: 64 << 20 };
//! let mut regions = KVec::new();
//! regions.push(MemRegion::request(range, name()?)?, GFP_KERNEL)?;
//! let map = PageMap::new(name()?, regions, -1)?;
//! map.zero(0, PAGE_SIZE)?.fence();
//! ```
//!
//! C header: [`include/linux/memremap.h`](srctree/include/linux/memremap.h),
//! C source: [`mm/memremap.c`](srctree/mm/memremap.c)

mod access;
mod drain;
pub mod layout;
mod region;
pub(crate) mod wait;

pub use self::layout::{
    Pages,
    PhysRange,
    PAGE_SIZE,
    PMD_SIZE, //
};
pub use self::region::MemRegion;

use crate::bindings;
use core::{
    mem::size_of,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// What hears of memory failures in a [`PageMap`].
pub trait FailureHandler: Send + Sync {
    /// The CPU or firmware reported that `pages` of the map lost their data.
    ///
    /// `flags` are the `MF_*` of [`include/linux/mm.h`](srctree/include/linux/mm.h). `EOPNOTSUPP`
    /// leaves the event to the kernel's generic handling, which kills the tasks that map the page.
    ///
    /// Context: process context, may sleep; `mf_mutex` is held.
    fn memory_failure(&self, pages: Pages, flags: i32) -> Result;
}

/// What the C callback reaches through `dev_pagemap::owner`.
#[pin_data]
struct Owner {
    ranges: KVec<PhysRange>,
    #[pin]
    handler: Mutex<Option<Arc<dyn FailureHandler>>>,
}

/// Physical memory with struct pages, mapped in the kernel's linear map.
///
/// # Invariants
///
/// - `pgmap` points at a zero-initialised allocation that `memremap_pages()` has made live, long
///   enough for `owner.ranges.len()` ranges; it stays at its address.
/// - `regions` claims exactly the ranges of `owner.ranges`, each page-aligned.
pub struct PageMap {
    pgmap: KVec<u64>,
    owner: Pin<KBox<Owner>>,
    name: CString,
    // Given back last, after the memmap is gone.
    _regions: KVec<MemRegion>,
}

// SAFETY: a `dev_pagemap` belongs to no thread, and the rest is `Send`.
unsafe impl Send for PageMap {}
// SAFETY: shared access only reads `ranges` and takes the mutex of `handler`.
unsafe impl Sync for PageMap {}

/// A memory-failure handler's stay in a [`PageMap`]; dropping it ends it, after calls in flight.
pub struct FailureRegistration {
    map: Arc<dyn MapOwner>,
}

/// Something that keeps a [`PageMap`] alive.
pub trait MapOwner: Send + Sync {
    /// The map.
    fn page_map(&self) -> &PageMap;
}

impl FailureRegistration {
    /// Makes `handler` hear of memory failures in the map that `map` owns.
    ///
    /// Fails with `EBUSY` if there is a handler already.
    pub fn new(map: Arc<dyn MapOwner>, handler: Arc<dyn FailureHandler>) -> Result<Self> {
        {
            let mut slot = map.page_map().owner.handler.lock();
            if slot.is_some() {
                return Err(EBUSY);
            }
            *slot = Some(handler);
        }
        Ok(Self { map })
    }
}

impl Drop for FailureRegistration {
    fn drop(&mut self) {
        // The handler is dropped after the lock: it may own what sleeps or locks.
        let handler = self.map.page_map().owner.handler.lock().take();
        drop(handler);
    }
}

impl PageMap {
    /// Maps the claimed `regions` one after the other, the struct pages on NUMA node `node`
    /// (negative: any). `name` appears in log lines.
    ///
    /// Fails with `EOPNOTSUPP` if a region is not aligned to [`alignment`], `EINVAL` if there is
    /// none, and with what `memremap_pages()` says, `ENOMEM` above all.
    ///
    /// Context: process context, sleeps.
    pub fn new(name: CString, regions: KVec<MemRegion>, node: i32) -> Result<Self> {
        let mut ranges = KVec::with_capacity(regions.len(), GFP_KERNEL)?;
        for region in &regions {
            if !region.range().is_aligned(alignment()) {
                return Err(EOPNOTSUPP);
            }
            ranges.push(region.range(), GFP_KERNEL)?;
        }
        let count = i32::try_from(ranges.len())?;
        if count == 0 {
            return Err(EINVAL);
        }
        let owner = KBox::pin_init(
            try_pin_init!(Owner {
                ranges,
                handler <- new_mutex!(None, "rdax::memremap::Owner::handler"),
            }),
            GFP_KERNEL,
        )?;
        let mut pgmap = alloc_pgmap(owner.ranges.len())?;
        // CAST: the buffer is at least a `dev_pagemap` long, zeroed, and aligned to its 8 bytes.
        let raw = pgmap.as_mut_ptr().cast::<bindings::dev_pagemap>();
        // SAFETY: `raw` is exclusively ours and has room for `count` ranges after the union's
        // first; a zeroed `dev_pagemap` is what `memremap_pages()` expects.
        unsafe {
            (*raw).type_ = bindings::memory_type_MEMORY_DEVICE_FS_DAX;
            (*raw).ops = &OPS;
            (*raw).owner = core::ptr::from_ref::<Owner>(&owner).cast_mut().cast();
            (*raw).nr_range = count;
            let first = (&raw mut (*raw).__bindgen_anon_1).cast::<bindings::range>();
            for (i, range) in owner.ranges.iter().enumerate() {
                *first.add(i) = bindings::range {
                    start: range.start,
                    end: range.start + (range.len - 1),
                };
            }
        }
        // SAFETY: `raw` describes ranges that `regions` claims exclusively; buffer and owner live
        // until `memunmap_pages()` has returned.
        from_err_ptr(unsafe { bindings::memremap_pages(raw, node) })?;
        // INVARIANT: `memremap_pages()` succeeded just now, on the ranges of `owner.ranges`.
        Ok(Self {
            pgmap,
            owner,
            name,
            _regions: regions,
        })
    }

    /// Number of pages in the map.
    pub fn nr_pages(&self) -> u64 {
        layout::total_pages(&self.owner.ranges)
    }

    /// The physical ranges behind the map, in its order.
    pub fn ranges(&self) -> &[PhysRange] {
        &self.owner.ranges
    }

    /// Returns the name that appears in log lines.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }
}

impl Drop for PageMap {
    fn drop(&mut self) {
        self.drain();
        // CAST: see `new`.
        let raw = self.pgmap.as_mut_ptr().cast::<bindings::dev_pagemap>();
        // SAFETY: by the type invariant the map is live; the drain left no folio referenced or in
        // a file, and this is the last use.
        unsafe { bindings::memunmap_pages(raw) };
    }
}

/// What both ends of a range must be multiples of, in bytes, to get struct pages.
pub fn alignment() -> u64 {
    // SAFETY: returns a constant of the running kernel.
    unsafe { bindings::memremap_compat_align() as u64 }
}

/// A zeroed buffer for a `dev_pagemap` with `count` ranges, 8-byte aligned.
fn alloc_pgmap(count: usize) -> Result<KVec<u64>> {
    const { assert!(core::mem::align_of::<bindings::dev_pagemap>() <= 8) };
    let bytes = count
        .checked_sub(1)
        .and_then(|more| more.checked_mul(size_of::<bindings::range>()))
        .and_then(|more| more.checked_add(size_of::<bindings::dev_pagemap>()))
        .ok_or(EINVAL)?;
    Ok(KVec::from_elem(0u64, bytes.div_ceil(8), GFP_KERNEL)?)
}

/// # Safety
///
/// `pgmap` is the `dev_pagemap` of a live [`PageMap`]; the caller holds a reference on it.
unsafe extern "C" fn memory_failure_callback(
    pgmap: *mut bindings::dev_pagemap,
    pfn: c_ulong,
    nr_pages: c_ulong,
    flags: c_int,
) -> c_int {
    // SAFETY: `owner` was set in `PageMap::new` and outlives `memunmap_pages()`, which waits for
    // the caller's reference.
    let owner = unsafe { NonNull::new_unchecked((*pgmap).owner.cast::<Owner>()).as_ref() };
    kernel::error::from_result(|| {
        let pgoff = layout::page_of(&owner.ranges, pfn as u64).ok_or(ENXIO)?;
        let handler = owner.handler.lock();
        let handler = handler.as_ref().ok_or(EOPNOTSUPP)?;
        handler.memory_failure(
            Pages {
                pgoff,
                len: nr_pages as u64,
            },
            flags,
        )?;
        Ok(0)
    })
}

static OPS: bindings::dev_pagemap_ops = bindings::dev_pagemap_ops {
    memory_failure: Some(memory_failure_callback),
    ..pin_init::zeroed()
};
