// SPDX-License-Identifier: GPL-2.0

//! Pins of file ranges.
//!
//! There is no page table that a drain could clear, so the pin is registered in the gate before it
//! looks for its pages. A page that is not in the mapping is entered: so that drains find the
//! reference, and no fault makes a huge page of it.
//!
//! # Lock order
//!
//! Freeze protection, `invalidate_lock`, what the filesystem locks in its [`iomap`] operations, the
//! lock of `i_pages`.

use super::{
    memory::Memory,
    source::{
        FileRef,
        Source, //
    },
    whole_pages,
    Intent,
    Notifier,
    PageRange,
    Pinnable,
    Pinned,
    Wait, //
};
use crate::{
    bindings,
    dax::{
        fault::PageFault,
        layout::NoFaults, //
    },
    delay::{
        self,
        Point, //
    },
    fs::{
        File,
        Inode, //
    },
    gate::Gate,
    iomap::{
        self,
        Extent,
        Operations,
        Request, //
    },
    memremap::PAGE_SIZE,
    sync::NoFs, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    fs::file::LocalFile,
    prelude::*, //
};

/// How many pages are pinned before others get `invalidate_lock`.
const BATCH: u64 = 512;

/// Adds references to pages of a file: from the first of `range` on, until one is not there.
/// Without any that is an error: `ENXIO` for a hole that is to be read, or beyond the end.
///
/// Context: process context, sleeps; the range is registered.
///
/// # Safety
///
/// `file` is an open file of a `T`.
pub(super) unsafe fn pin<T: Pinnable>(
    file: *mut bindings::file,
    range: PageRange,
    memory: &mut Memory,
) -> Result {
    // SAFETY: by this function's own requirement.
    let file = unsafe { File::<T>::from_ptr(file) };
    let inode = file.inode();
    let writes = memory.intent() == Intent::Write;
    let _frozen = writes.then(|| PageFault::start(inode.sb()));
    if writes {
        file.update_time()?;
    }
    let mut first = range.first();
    while first < range.end() {
        let last = range.end().min(first.saturating_add(BATCH));
        let lock = NoFaults::new(inode);
        match pin_batch(&lock, first, last, memory) {
            Err(_) if memory.pages() > 0 => return Ok(()),
            done => done?,
        }
        first = last;
    }
    Ok(())
}

fn pin_batch<T: Pinnable>(
    lock: &NoFaults<'_, T>,
    first: u64,
    end: u64,
    memory: &mut Memory,
) -> Result {
    let inode = lock.inode();
    let mut extent = None;
    for index in first..end {
        let pos = index.checked_mul(PAGE_SIZE).ok_or(ENXIO)?;
        if pos >= inode.size() {
            return Err(ENXIO);
        }
        let found = match extent.filter(|extent: &Extent| extent.covers(pos)) {
            Some(found) => found,
            None => look_up(inode, pos, memory.intent())?,
        };
        let at = found.byte_of(pos).ok_or(ENXIO)?;
        pin_page(lock, index, at, memory)?;
        extent = Some(found);
    }
    Ok(())
}

/// Where the page at byte `pos` is, and what follows it.
fn look_up<T: Pinnable>(inode: &Inode<T>, pos: u64, intent: Intent) -> Result<Extent> {
    let request = Request::of_fault(pos, intent == Intent::Write);
    let extent = match intent {
        Intent::Read => T::Read::begin(inode, &request),
        Intent::Write => T::Write::begin(inode, &request),
    }?;
    iomap::check(&extent, &request, T::volume(inode.sb().data()).size())?;
    Ok(extent)
}

/// Adds page `index` of the file, which is at byte `at` of the volume.
fn pin_page<T: Pinnable>(
    lock: &NoFaults<'_, T>,
    index: u64,
    at: u64,
    memory: &mut Memory,
) -> Result {
    let inode = lock.inode();
    let volume = T::volume(inode.sb().data());
    let access = volume.access()?;
    let pfn = access.pfn(at / PAGE_SIZE)?;
    // Reclaim may want the lock.
    let _nofs = NoFs::enter();
    // SAFETY: a valid inode, the lock is held, and while the device is alive the page has a memmap.
    let page = unsafe {
        bindings::rdax_helper_dax_forget_hole(inode.as_ptr(), index as usize);
        to_result(bindings::rdax_helper_dax_pin(
            inode.as_ptr(),
            index as usize,
            pfn,
            volume.huge_orphans().as_ptr(),
        ))?;
        bindings::rdax_helper_pfn_page(pfn)
    };
    // SAFETY: the reference was taken just now.
    unsafe { memory.push(page) }
}

impl Pinned {
    /// Pins `len` bytes of a file from byte `pos`: whole pages. If not all are there it pins those
    /// before. What is to be written gets blocks; a hole that is to be read has no page.
    ///
    /// The file stays open. A `notifier` is told when a drain wants any of the pages; its last
    /// reference must not be the one given here.
    ///
    /// `EINVAL` if these are no whole pages; `EBADF` if the file is not open for that; `EOPNOTSUPP`
    /// if it is no regular file of a [`Pinnable`] filesystem; `ENXIO` if the first page is a hole
    /// and to be read, or beyond the end; `EBUSY` with [`Wait::Not`] if any of it is being drained;
    /// `EHWPOISON`; `EINTR` if a fatal signal came; `ENOMEM`, and what the filesystem says when it
    /// allocates.
    ///
    /// Context: process context; sleeps. With [`Wait::Not`] it still waits for locks and writers.
    pub fn from_file(
        file: &LocalFile,
        pos: u64,
        len: u64,
        intent: Intent,
        wait: Wait,
        notifier: Option<&Notifier>,
    ) -> Result<Self> {
        let range = whole_pages(pos, len)?;
        let file = NonNull::new(file.as_ptr()).ok_or(EBADF)?;
        // SAFETY: the file is referenced for now, so it can be once more.
        let file = unsafe {
            bindings::rdax_helper_get_file(file.as_ptr());
            FileRef::from_raw(file)
        };
        // SAFETY: a valid file.
        to_result(unsafe {
            bindings::rdax_helper_pin_check_file(file.as_ptr(), intent == Intent::Write)
        })?;
        let source = Source::of(&file).ok_or(EOPNOTSUPP)?;
        let pages = usize::try_from(range.end().saturating_sub(range.first()))?;
        let mut registered = KVec::with_capacity(1, GFP_KERNEL)?;
        let pin = loop {
            match Gate::register(source.clone(), range, notifier.cloned()) {
                Err(EBUSY) if wait == Wait::Open => source.wait_open(range)?,
                done => break done?,
            }
        };
        registered.push(pin, GFP_KERNEL)?;
        delay::point(Point::Registered);
        let mut memory = Memory::of_file(pages, intent)?;
        source.pin(range, &mut memory)?;
        Ok(Self { memory, registered })
    }
}
