// SPDX-License-Identifier: GPL-2.0

//! Page faults on DAX files.
//!
//! # Lock order
//!
//! `mmap_lock` or a VMA's lock (held by the caller), freeze protection, `invalidate_lock`, the
//! entry of the page in the mapping, what the filesystem locks in its [`iomap`]
//! operations.
//!
//! # Errors
//!
//! For a huge page [`dax_iomap_fault()`](srctree/fs/dax.c) makes every error of the filesystem a
//! fallback to small pages; the fault for the small page, which then follows, meets the error
//! again and reports it. Who wants to know it earlier looks up the extent before.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

mod gate;
mod marker;

use super::{
    drain::Gated,
    layout::InvalidateShared,
    OnVolume, //
};
use crate::{
    bindings,
    fs::{
        File,
        FileSystem,
        Inode,
        SuperBlock, //
    },
    iomap,
    memremap::PAGE_SIZE, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// Binary logarithm of the pages in a huge page that a page middle directory maps.
pub const PMD_ORDER: u32 = (bindings::RDAX_PMD_SIZE as u64 / PAGE_SIZE).trailing_zeros();

const FALLBACK: u32 = bindings::vm_fault_reason_VM_FAULT_FALLBACK;
const NEED_DSYNC: u32 = bindings::vm_fault_reason_VM_FAULT_NEEDDSYNC;
const ERROR: u32 = bindings::vm_fault_reason_VM_FAULT_OOM
    | bindings::vm_fault_reason_VM_FAULT_SIGBUS
    | bindings::vm_fault_reason_VM_FAULT_SIGSEGV
    | bindings::vm_fault_reason_VM_FAULT_HWPOISON
    | bindings::vm_fault_reason_VM_FAULT_HWPOISON_LARGE
    | FALLBACK;

/// What came of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(u32);

impl Outcome {
    /// The fault is tried again.
    const RETRY: Self = Self(bindings::vm_fault_reason_VM_FAULT_RETRY);
    /// Try again with small pages.
    pub const FALLBACK: Self = Self(FALLBACK);
    /// Nothing was done, and the task faults again.
    pub const AGAIN: Self = Self(bindings::vm_fault_reason_VM_FAULT_NOPAGE);
    /// There is nothing to map.
    pub const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);

    /// Whether small pages are to be tried.
    pub fn is_fallback(self) -> bool {
        self.0 & FALLBACK != 0
    }

    /// Whether nothing was mapped and nothing else is to be tried.
    pub fn is_error(self) -> bool {
        self.0 & ERROR & !FALLBACK != 0
    }
}

impl From<Error> for Outcome {
    /// `ENOMEM` invokes the killer of processes, `EHWPOISON` and all others are `SIGBUS`.
    fn from(error: Error) -> Self {
        // SAFETY: maps a number to another.
        Self(unsafe { bindings::rdax_helper_vmf_error(error.to_errno()) })
    }
}

/// A page fault in progress.
///
/// # Invariants
///
/// A valid `struct vm_fault` of a mapping of a file of a `T`, of the task that has it.
pub struct VmFault<'a, T> {
    raw: *mut bindings::vm_fault,
    order: u32,
    /// The page is mapped; it is to become writable.
    mkwrite: bool,
    _file: PhantomData<&'a T>,
    _not_thread_safe: NotThreadSafe,
}

impl<T: FileSystem> VmFault<'_, T> {
    /// # Safety
    ///
    /// `raw` is a fault of this task on a mapping of a file of a `T`, valid for the lifetime. It
    /// asks for 2 to the power of `order` pages; `mkwrite` is true if the page is mapped.
    unsafe fn new(raw: *mut bindings::vm_fault, order: u32, mkwrite: bool) -> Self {
        // INVARIANT: by this function's own requirement.
        Self {
            raw,
            order,
            mkwrite,
            _file: PhantomData,
            _not_thread_safe: NotThreadSafe,
        }
    }

    fn vma(&self) -> *const bindings::vm_area_struct {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).__bindgen_anon_1.vma }
    }

    fn vma_range(&self) -> (usize, usize) {
        // SAFETY: the VMA of a fault is locked, shared at least, so its bounds stay.
        unsafe {
            let vma = self.vma();
            (
                (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start,
                (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_end,
            )
        }
    }

    /// The file.
    pub fn file(&self) -> &File<T> {
        // SAFETY: by the type invariant; the VMA holds its file.
        unsafe { File::from_ptr((*self.vma()).vm_file) }
    }

    /// The inode.
    pub fn inode(&self) -> &Inode<T> {
        self.file().inode()
    }

    /// How large a page is asked for: 2 to the power of this, in pages. 0 or [`PMD_ORDER`].
    pub fn order(&self) -> u32 {
        self.order
    }

    /// The page of the file.
    pub fn pgoff(&self) -> u64 {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).__bindgen_anon_1.pgoff as u64 }
    }

    /// The address, rounded down to a page.
    pub fn address(&self) -> usize {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).__bindgen_anon_1.address }
    }

    /// Whether somebody wants to write, to the file or to a copy.
    pub fn is_write(&self) -> bool {
        // SAFETY: by the type invariant.
        unsafe { (*self.raw).flags & bindings::fault_flag_FAULT_FLAG_WRITE != 0 }
    }

    /// Whether the mapping is shared, so that writes reach the file.
    pub fn is_shared(&self) -> bool {
        // SAFETY: as in `vma_range`.
        let flags = unsafe { (*self.vma()).__bindgen_anon_2.vm_flags };
        flags & bindings::VM_SHARED != 0
    }

    /// Whether the whole page lies in the mapping.
    pub fn fits_mapping(&self) -> bool {
        let size = (PAGE_SIZE as usize) << self.order;
        let first = self.address() & !(size - 1);
        let (start, end) = self.vma_range();
        first >= start && first.checked_add(size).is_some_and(|last| last <= end)
    }

    /// Whether address and file offset have the same place within the page.
    pub fn is_aligned(&self) -> bool {
        let mask = (1u64 << self.order) - 1;
        (self.address() as u64 / PAGE_SIZE) & mask == self.pgoff() & mask
    }

    /// Marks the file as modified now.
    pub fn update_time(&self) -> Result {
        self.file().update_time()
    }

    /// Maps what the `O` answers. Beyond the end of the file that is `SIGBUS`.
    ///
    /// The caller has freeze protection if it is a write to the file.
    pub fn map<O: iomap::Operations<T>>(&self, lock: &InvalidateShared<'_, T>) -> Outcome
    where
        T: OnVolume,
    {
        if self.is_armed() {
            return self.map_armed::<O>(lock);
        }
        self.insert::<O>()
    }

    /// Enters and maps what the `O` answers, by way of the DAX core.
    fn insert<O: iomap::Operations<T>>(&self) -> Outcome
    where
        T: OnVolume,
    {
        let (mut pfn, mut error) = (0, 0);
        // SAFETY: by the type invariant; `T`'s inodes are what the table wants.
        let outcome = unsafe {
            bindings::dax_iomap_fault(
                self.raw,
                self.order,
                &mut pfn,
                &mut error,
                &iomap::OperationsVTable::<T, O>::VTABLE,
            )
        };
        if error == iomap::ORPHAN.to_errno() {
            return self.adopt::<O>();
        }
        if outcome & NEED_DSYNC == 0 {
            return Outcome(outcome);
        }
        // SAFETY: as above; `pfn` was set because the data has to be synchronised first.
        Outcome(unsafe { bindings::dax_finish_sync_fault(self.raw, self.order, pfn) })
    }
}

impl<T: OnVolume> VmFault<'_, T> {
    /// Enters the page of an orphan, so that the fault can be tried again.
    fn adopt<O: iomap::Operations<T>>(&self) -> Outcome {
        let pos = self.pgoff().saturating_mul(PAGE_SIZE);
        let request = iomap::Request::of_fault(pos, self.is_write() && self.is_shared());
        let adopted = O::begin(self.inode(), &request).and_then(|extent| {
            let at = extent.byte_of(pos).ok_or(EAGAIN)?;
            self.inode().adopt(pos, at)
        });
        match adopted {
            // What is in the page table has not changed yet; the task comes again.
            Ok(()) | Err(EAGAIN) => Outcome::AGAIN,
            Err(err) => err.into(),
        }
    }
}

/// How a filesystem serves page faults.
#[vtable]
pub trait Handler<T: OnVolume>: 'static {
    /// A page is not mapped, or not mapped writable.
    ///
    /// Context: process context, sleeps; `mmap_lock` or the VMA's lock is held.
    fn fault(fault: VmFault<'_, T>) -> Outcome;
}

/// A table of operations on mappings of files of a `T`.
pub struct Ops<T: FileSystem>(
    pub(crate) &'static bindings::vm_operations_struct,
    PhantomData<fn(T)>,
);

impl<T: FileSystem> Clone for Ops<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: FileSystem> Copy for Ops<T> {}

impl<T: Gated> Ops<T> {
    /// The table of a [`Handler`].
    pub const fn of<H: Handler<T>>() -> Self {
        Self(&HandlerVTable::<T, H>::VTABLE, PhantomData)
    }
}

struct HandlerVTable<T, H>(PhantomData<(T, H)>);

impl<T: Gated, H: Handler<T>> HandlerVTable<T, H> {
    /// # Safety
    ///
    /// `vmf` is a fault on a mapping of a file of a `T`, and `mkwrite` is true if the page is
    /// mapped.
    unsafe fn serve(vmf: *mut bindings::vm_fault, order: u32, mkwrite: bool) -> u32 {
        // SAFETY: the caller promises that `vmf` is a fault on a mapping of a file of a `T`, and what
        // `mkwrite` says of its page.
        let outcome = H::fault(unsafe { VmFault::new(vmf, order, mkwrite) });
        marker::leave(outcome);
        outcome.0
    }

    /// # Safety
    ///
    /// `vmf` is a fault on a mapping of a file of a `T`.
    unsafe extern "C" fn huge_fault_callback(
        vmf: *mut bindings::vm_fault,
        order: c_uint,
    ) -> bindings::vm_fault_t {
        if order != 0 && order != PMD_ORDER {
            return FALLBACK;
        }
        // SAFETY: by this function's own requirement.
        unsafe { Self::serve(vmf, order, false) }
    }

    /// # Safety
    ///
    /// As for `huge_fault_callback`.
    unsafe extern "C" fn fault_callback(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: by this function's own requirement.
        unsafe { Self::serve(vmf, 0, false) }
    }

    /// # Safety
    ///
    /// As for `huge_fault_callback`; the page is mapped.
    unsafe extern "C" fn mkwrite_callback(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: by this function's own requirement.
        unsafe { Self::serve(vmf, 0, true) }
    }

    /// The second half of a write whose page `fault_callback` has returned locked; see
    /// [`marker`].
    ///
    /// # Safety
    ///
    /// As for `huge_fault_callback`; the page is the fault's, and referenced.
    unsafe extern "C" fn page_mkwrite_callback(
        vmf: *mut bindings::vm_fault,
    ) -> bindings::vm_fault_t {
        // SAFETY: `do_page_mkwrite()` calls this with a fault on a mapping of a file of a `T`, whose
        // page is mapped.
        let outcome = unsafe { VmFault::<T>::new(vmf, 0, true) }.relock();
        marker::leave(outcome);
        outcome.0
    }

    /// Maps nothing ahead. That it is there says that faults need the VMA's lock only.
    ///
    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn map_pages_callback(
        _vmf: *mut bindings::vm_fault,
        _start: c_ulong,
        _end: c_ulong,
    ) -> bindings::vm_fault_t {
        0
    }

    const VTABLE: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(Self::fault_callback),
        huge_fault: Some(Self::huge_fault_callback),
        page_mkwrite: Some(Self::page_mkwrite_callback),
        pfn_mkwrite: Some(Self::mkwrite_callback),
        map_pages: Some(Self::map_pages_callback),
        ..pin_init::zeroed()
    };
}

/// Freeze protection of a write fault: the filesystem is not frozen while it lives.
///
/// # Invariants
///
/// This task has it.
#[must_use = "dropping the guard gives the protection back"]
pub struct PageFault<'a, T: FileSystem>(&'a SuperBlock<T>, NotThreadSafe);

impl<'a, T: FileSystem> PageFault<'a, T> {
    /// Waits while the filesystem is frozen. Sleeps.
    pub fn start(sb: &'a SuperBlock<T>) -> Self {
        // SAFETY: by the type invariant of `SuperBlock`.
        unsafe { bindings::rdax_helper_sb_start_pagefault(sb.as_ptr()) };
        Self(sb, NotThreadSafe)
    }
}

impl<T: FileSystem> Drop for PageFault<'_, T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_sb_end_pagefault(self.0.as_ptr()) };
    }
}
