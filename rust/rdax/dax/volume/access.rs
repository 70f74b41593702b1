// SPDX-License-Identifier: GPL-2.0

//! Checked access to the memory of a volume.
//!
//! All copies are done by C functions that expect concurrent access: user space may have the same
//! pages mapped.

use super::Volume;
use crate::{
    bindings,
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
    types::NotThreadSafe, //
};

#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) addr: NonNull<u8>,
    pub(super) pfn: u64,
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

impl Volume {
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
    pub(super) fn locate(&self, page: u64, pages: u64) -> Result<(Place, u64)> {
        self.ask(page, pages, bindings::dax_access_mode::DAX_RECOVERY_WRITE)
    }

    /// The page frame of a page, and how many follow it linearly, `pages` at most.
    pub(crate) fn frame(&self, page: u64, pages: u64) -> Result<(u64, u64)> {
        let end = page.checked_add(pages).ok_or(ERANGE)?;
        if end > self.volume.size / PAGE_SIZE || pages == 0 {
            return Err(ERANGE);
        }
        if let Some(first) = self.volume.linear {
            return Ok((first.pfn.saturating_add(page), pages));
        }
        let (place, pages) = self.locate(page, pages)?;
        Ok((place.pfn, pages))
    }

    /// Whether nobody references page `page` of the volume and no file has it entered, and how many
    /// of the `pages` pages from there on (at least one) are alike.
    ///
    /// Pages that are in no file stay idle as long as nobody enters them in one.
    pub fn idle_run(&self, page: u64, pages: u64) -> Result<(bool, u64)> {
        let (pfn, pages) = self.frame(page, pages)?;
        let mut idle = false;
        // SAFETY: by the type invariant these pages have a memmap.
        let run = unsafe {
            let huge = self.volume.huge_orphans.as_ptr();
            bindings::rdax_helper_dax_idle_run(pfn, pages, &mut idle, huge)
        };
        Ok((idle, run))
    }

    /// The page frame of page `page` of the volume, poisoned or not.
    pub(crate) fn pfn(&self, page: u64) -> Result<u64> {
        Ok(self.frame(page, 1)?.0)
    }

    /// The address of byte `at`, and how many bytes follow it linearly, `len` at most.
    ///
    /// To `read`, poison is `EHWPOISON`.
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
                Err(EHWPOISON) if read => self.ask(page, 1, mode)?,
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

    /// Reads `out.len()` bytes at byte `at`; `EHWPOISON` if any of them is poisoned, `ERANGE` if
    /// any lies beyond the end.
    pub fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.pieces(at, out.len() as u64, true, |addr, done, len| {
            let out = out.get_mut(done..done.saturating_add(len)).ok_or(ERANGE)?;
            // SAFETY: `pieces` found `len` bytes mapped at `addr`. User space may write to them;
            // the copy copes with that.
            to_result(unsafe {
                bindings::rdax_helper_copy_mc(out.as_mut_ptr().cast(), addr.as_ptr().cast(), len)
            })
            .map_err(|_| EHWPOISON)
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
    /// Whole poisoned pages are made good; `EHWPOISON` if that fails, or if part of one is to be
    /// zeroed.
    pub fn zero(&self, at: u64, len: u64) -> Result<Stored<InFlight>> {
        match self.zero_good(at, len) {
            Err(EHWPOISON) if (at | len) % PAGE_SIZE == 0 => {
                self.zero_pages(at / PAGE_SIZE, len / PAGE_SIZE)?;
            }
            done => done?,
        }
        Ok(Stored::in_flight())
    }

    /// Zeroes what is not poisoned; `EHWPOISON` where it is.
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
    /// [fence](Volume::fence), and good if they were poisoned; `EHWPOISON` if that fails.
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
            .map_err(|err| if err == ENXIO { EIO } else { EHWPOISON })?;
            // SAFETY: an `Access` may sleep.
            unsafe { bindings::rdax_helper_cond_resched() };
        }
        Ok(())
    }

    /// Makes those of `pages` pages from page `page` of the volume that are poisoned good, and
    /// zero; `EHWPOISON` if that fails.
    pub fn heal_pages(&self, page: u64, pages: u64) -> Result {
        let end = page.checked_add(pages).ok_or(ERANGE)?;
        if end > self.volume.size / PAGE_SIZE {
            return Err(ERANGE);
        }
        let mode = bindings::dax_access_mode::DAX_ACCESS;
        let mut next = page;
        while next < end {
            // Some drivers refuse a range of which any page is poisoned.
            let good = match self.ask(next, end - next, mode) {
                Err(EHWPOISON) => self.ask(next, 1, mode),
                answer => answer,
            };
            let done = match good {
                Ok((_, good)) => good,
                Err(EHWPOISON) => {
                    self.zero_pages(next, 1)?;
                    1
                }
                Err(err) => return Err(err),
            };
            next = next.saturating_add(done);
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
