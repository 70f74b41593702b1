// SPDX-License-Identifier: GPL-2.0

//! The drain: taking pages of a DAX file away from all who use them.
//!
//! A page is *held* while it has references beside those of page tables. A drain closes the
//! [`Gate`] to a range of a file, unmaps it, waits until none of its pages is held, but not longer
//! than its [`Limit`], and takes its entries out of the mapping. Where a page still is held then,
//! the holder keeps it: it is an *orphan*, and whoever wants its block asks [`Access::idle_run`]
//! first. The gate stays closed until the [`Invalidate`] is dropped, when the blocks have changed.
//!
//! What the DAX core does not expect, entries of held pages that go, is in the helpers, see
//! [`rust/helpers/drain.c`](srctree/rust/helpers/drain.c).
//!
//! # Lock order
//!
//! `i_rwsem`, `invalidate_lock`, the lock of the gate, `dax_read_lock()` (SRCU), the lock of
//! `i_pages`. While a drain
//! waits it has given `invalidate_lock` back, and is within `dax_read_lock()` so that the page it
//! waits for has a `struct page`.
//!
//! C source: [`fs/dax.c`](srctree/fs/dax.c)

mod pace;
mod report;

use self::pace::Pace;
pub use self::report::Drains;
use self::report::{
    deferred,
    Report, //
};

use super::{
    layout::{
        Invalidate,
        NoFaults, //
    },
    Access,
    OnVolume, //
};
use crate::{
    bindings,
    delay::{
        self,
        Point, //
    },
    fs::Inode,
    gate::{
        ClosedRange,
        Gate,
        PageRange,
        Waited, //
    },
    memremap::PAGE_SIZE,
    sync::NoFs, //
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::msecs_to_jiffies, //
};

/// Pages of a huge page.
const HUGE_PAGES: u64 = bindings::RDAX_PMD_SIZE as u64 / PAGE_SIZE;
/// The last page offset there can be.
pub(super) const LAST_PAGE: u64 = i64::MAX as u64 / PAGE_SIZE;

/// Finds out whether the DAX core's entries are what the helpers take them for; `EOPNOTSUPP` if not.
pub(crate) fn check() -> Result {
    // SAFETY: allocates, and tries an inode of its own.
    if unsafe { bindings::rdax_helper_dax_check_entries() } {
        return Ok(());
    }
    pr_err!("this kernel has other entries in the mappings of DAX files\n");
    Err(EOPNOTSUPP)
}

/// How long a drain waits for those who hold pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Not at all: it fails with `EAGAIN`, if anybody holds a page. Holders are told all the same.
    NoWait,
    /// So many milliseconds. Then it goes ahead and leaves held pages to their holders.
    Millis(u32),
    /// As long as it takes, unless a fatal signal comes.
    ///
    /// Once tasks have waited for `i_rwsem`, which the drain holds, for so many milliseconds without
    /// a break, it goes ahead as after [`Millis`](Self::Millis): one of them can be who holds a page,
    /// as in a `splice()` from a pipe to the file itself, and then neither would ever go on.
    Strict(u32),
}

/// What happens to the entries of pages that are still held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// They go: the blocks leave the file.
    Leave,
    /// They go: the blocks will be at other places in the file. What is dirty is written back, for
    /// it would not be known as that there.
    Move,
    /// They stay, as the blocks do.
    Stay,
}

/// A filesystem whose inodes have a [`Gate`] each.
pub trait Gated: OnVolume {
    /// That of an inode.
    fn gate(data: &Self::InodeData) -> &Gate;

    /// Where the drains of a mount are seen.
    fn drains(data: &Self::SuperData) -> &Drains;

    /// Fails once nothing works any more, for whatever reason. A drain does not wait then.
    fn check_alive(data: &Self::SuperData) -> Result;
}

/// Pages of a file: a range that is not empty.
#[derive(Clone, Copy)]
struct Pages {
    first: u64,
    last: u64,
}

impl Pages {
    const ALL: Self = Self {
        first: 0,
        last: LAST_PAGE,
    };

    /// Those that have bytes from `start` to before `end`.
    fn of_bytes(start: u64, end: u64) -> Option<Self> {
        let first = start / PAGE_SIZE;
        let last = (end.checked_sub(1)? / PAGE_SIZE).min(LAST_PAGE);
        (start < end && first <= last).then_some(Self { first, last })
    }

    /// What is left of them from page `first` on.
    fn since(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// One page.
    fn one(index: u64) -> Self {
        Self {
            first: index,
            last: index,
        }
    }
}

/// A page that is held: its offset in the file, and the page frame number and the references of
/// its folio.
struct Held {
    index: u64,
    counts: bindings::rdax_folio_counts,
}

impl<T: OnVolume> Inode<T> {
    /// Adds the rest of the huge pages at the ends: their entries go as a whole, and who holds some
    /// of one holds all of it.
    fn extend(&self, pages: &mut Pages) {
        let order = |index: u64| {
            // SAFETY: by the type invariant.
            unsafe { bindings::rdax_helper_dax_entry_order(self.as_ptr(), index as usize) }
        };
        let mask = |order: c_uint| 1u64.checked_shl(order).unwrap_or(1).saturating_sub(1);
        pages.first &= !mask(order(pages.first));
        pages.last |= mask(order(pages.last));
    }

    /// The volume, while it can be accessed.
    fn access(&self) -> Result<Access<'_>> {
        T::volume(self.sb().data()).access()
    }

    fn huge_orphans(&self) -> &Atomic<usize> {
        T::volume(self.sb().data()).huge_orphans()
    }

    /// Unmaps pages, and those that a fault is just mapping without `invalidate_lock`, see
    /// [`fault`](super::fault). What is mapped afterwards follows from what the filesystem answers
    /// then. `invalidate_lock` is held exclusively.
    fn unmap(&self, pages: Pages) {
        let count = pages.last.saturating_sub(pages.first).saturating_add(1);
        let volume = T::volume(self.sb().data());
        if let Some(_access) = volume.lends().then(|| volume.access().ok()).flatten() {
            // SAFETY: by the type invariant; while the device is alive pages have a memmap.
            unsafe {
                bindings::rdax_helper_dax_wait_locked(
                    self.as_ptr(),
                    pages.first as usize,
                    pages.last as usize,
                );
            }
        }
        // SAFETY: by the type invariant.
        unsafe {
            let mapping = (*self.as_ptr()).i_mapping;
            bindings::unmap_mapping_pages(mapping, pages.first as usize, count as usize, false);
        }
    }

    /// Whether tasks wait for `i_rwsem`, which this task holds.
    fn is_contended(&self) -> bool {
        // SAFETY: `self` is a live inode, whose rwsem is initialised.
        unsafe { bindings::rdax_helper_inode_is_contended(self.as_ptr()) }
    }

    /// The first held one of some pages. Nobody else takes entries out.
    fn find_held(&self, pages: Pages, _access: &Access<'_>) -> Option<Held> {
        let mut index = pages.first as usize;
        let mut pfn = 0;
        // SAFETY: by the type invariant; while the device is alive pages have a memmap.
        let found = unsafe {
            bindings::rdax_helper_dax_find_held(
                self.as_ptr(),
                &mut index,
                pages.last as usize,
                &mut pfn,
            )
        };
        let mut counts = bindings::rdax_folio_counts::default();
        if !found {
            return None;
        }
        // SAFETY: as above.
        unsafe { bindings::rdax_helper_dax_folio_counts(pfn, &mut counts) };
        Some(Held {
            index: index as u64,
            counts,
        })
    }

    /// Takes the entries of unmapped pages out of the mapping. Nobody else does. Returns how many
    /// of the pages are held.
    fn remove(&self, pages: Pages, blocks: Blocks) -> u64 {
        // Without a device there may be no memmap.
        let access = self.access();
        // SAFETY: by the type invariant; while the device is alive pages have a memmap.
        unsafe {
            bindings::rdax_helper_dax_remove(
                self.as_ptr(),
                pages.first as usize,
                pages.last as usize,
                access.is_ok(),
                blocks == Blocks::Stay,
                self.huge_orphans().as_ptr(),
            )
        }
    }

    /// Takes all entries out of the mapping of an inode that is being evicted, without waiting for
    /// those who hold its pages.
    ///
    /// Does nothing while `invalidate_lock` is held, as it can be of other inodes only.
    ///
    /// Context: process context, sleeps. May be called from memory reclaim, where an inode that is
    /// being evicted has no other user, so that its lock is not waited for.
    pub fn drain_final(&self) {
        delay::point(Point::Evict);
        if let Some(lock) = NoFaults::try_new(self) {
            self.orphan_all(&lock);
        }
    }

    /// Takes all entries out, and leaves held pages to their holders.
    fn remove_all(&self) {
        let held = self.remove(Pages::ALL, Blocks::Leave);
        deferred(self, &PageRange::ALL, held, 0);
    }

    /// Unmaps all from byte `start` on and takes those entries out of the mapping that begin there or
    /// later. Who holds pages keeps them.
    ///
    /// Context: process context, sleeps.
    pub(super) fn orphan_from(&self, start: u64, _lock: &NoFaults<'_, T>) {
        let mut pages = Pages::ALL.since(start.div_ceil(PAGE_SIZE));
        let mut whole = pages;
        self.extend(&mut whole);
        if whole.first < pages.first {
            // The huge page that begins before stays, and may be dirty.
            pages.first = whole.first.saturating_add(HUGE_PAGES);
        }
        if pages.first > LAST_PAGE {
            return;
        }
        self.unmap(pages);
        let held = self.remove(pages, Blocks::Leave);
        if let Some(range) = PageRange::new(pages.first, pages.last.saturating_add(1)) {
            deferred(self, &range, held, 0);
        }
    }

    /// Unmaps all of the file and takes all entries out of its mapping. Who holds pages keeps them.
    ///
    /// Context: process context, sleeps.
    pub(super) fn orphan_all(&self, _lock: &NoFaults<'_, T>) {
        self.unmap(Pages::ALL);
        self.remove_all();
    }

    /// Whether the page at byte `at` of the volume belongs to an orphan, which the DAX core cannot
    /// enter as that of byte `pos`.
    pub(crate) fn is_orphan(&self, pos: u64, at: u64) -> Result<bool> {
        if self.huge_orphans().load(Relaxed) == 0 {
            return Ok(false);
        }
        let access = self.access()?;
        let (index, pfn) = ((pos / PAGE_SIZE) as usize, access.pfn(at / PAGE_SIZE)?);
        // SAFETY: by the type invariant; while the device is alive pages have a memmap.
        Ok(unsafe { bindings::rdax_helper_dax_is_orphan(self.as_ptr(), index, pfn) })
    }

    /// Enters the page at byte `at` of the volume as that of byte `pos`, where an empty small entry
    /// is and `invalidate_lock` is held shared, if it is one of an orphan.
    pub(crate) fn adopt(&self, pos: u64, at: u64) -> Result {
        let access = self.access()?;
        let (index, pfn) = ((pos / PAGE_SIZE) as usize, access.pfn(at / PAGE_SIZE)?);
        delay::point(Point::Adopt);
        // SAFETY: as in `is_orphan`.
        unsafe {
            let huge = self.huge_orphans().as_ptr();
            bindings::rdax_helper_dax_adopt(self.as_ptr(), index, pfn, huge);
        }
        Ok(())
    }

    /// Whether a huge page can be mapped at byte `pos` of the file, where the volume has it at byte
    /// `at`: it is one already, or nobody holds any part of it.
    pub fn may_map_huge(&self, pos: u64, at: u64) -> Result<bool> {
        let index = (pos / PAGE_SIZE) as usize;
        // SAFETY: by the type invariant.
        if unsafe { bindings::rdax_helper_dax_has_huge_entry(self.as_ptr(), index) } {
            return Ok(true);
        }
        let (idle, run) = self.access()?.idle_run(at / PAGE_SIZE, HUGE_PAGES)?;
        Ok(idle && run == HUGE_PAGES)
    }
}

impl Held {
    /// Waits until it no longer is held, `ms` milliseconds at most. Whether that came to pass;
    /// `EINTR` if a fatal signal came.
    fn wait(&self, ms: u32, _access: &Access<'_>) -> Result<bool> {
        let timeout = msecs_to_jiffies(ms) as isize;
        // SAFETY: while the device is alive pages have a memmap.
        let left = unsafe { bindings::rdax_helper_dax_wait_held(self.counts.pfn, timeout) };
        to_result(left.min(0) as c_int).map_err(|_| EINTR)?;
        Ok(left > 0)
    }
}

impl<T: Gated> Invalidate<'_, T> {
    /// Closes the gate to the pages from byte `start` to before byte `end` (`u64::MAX`: to the
    /// last), unmaps them, waits until nobody holds one, but not beyond `limit`, and takes their
    /// entries out.
    ///
    /// Dirty data in the same huge pages, but outside the range, is written back first: its
    /// entries go as well.
    ///
    /// `invalidate_lock` is released while this waits. `EINTR` if a fatal signal came, `EAGAIN` if
    /// it would have to wait and must not, `ENOMEM`, what [`Gated::check_alive`] says; then no
    /// entry is gone.
    pub fn drain_range(&mut self, start: u64, end: u64, limit: Limit, blocks: Blocks) -> Result {
        let Some(mut pages) = Pages::of_bytes(start, end) else {
            return Ok(());
        };
        self.inode().extend(&mut pages);
        let range = PageRange::new(pages.first, pages.last.saturating_add(1)).ok_or(EINVAL)?;
        let inode = self.inode();
        let closed = {
            let _nofs = NoFs::enter();
            Gate::close(T::gate(inode.data()), range)?
        };
        let mut report = Report::new(inode, range);
        delay::point(Point::Closed);
        let waited = self.wait_unheld(&closed, pages, limit, &mut report);
        report.waited();
        let removed = waited.and_then(|()| {
            self.keep_closed(closed);
            delay::point(Point::TakeOut);
            let held = self.take_out(start, end, pages, blocks)?;
            report.deferred(held);
            delay::point(Point::TakenOut);
            Ok(())
        });
        report.done(removed)
    }

    /// Takes the entries of drained pages out. Returns how many of the pages are held.
    fn take_out(&self, start: u64, end: u64, pages: Pages, blocks: Blocks) -> Result<u64> {
        match blocks {
            Blocks::Move => self.write_back(start, end)?,
            Blocks::Leave | Blocks::Stay => self.write_back_edges(start, end)?,
        }
        Ok(self.inode().remove(pages, blocks))
    }

    /// Unmaps pages and waits until none of them is held, or it has waited long enough.
    fn wait_unheld(
        &mut self,
        closed: &ClosedRange<&Gate>,
        pages: Pages,
        limit: Limit,
        report: &mut Report<'_, T>,
    ) -> Result {
        let mut pace = Pace::new();
        let mut rest = pages;
        self.unmap_closed(closed, pages, &mut pace);
        loop {
            delay::point(Point::Unmapped);
            let held = match self.inode().access() {
                Ok(access) => self.inode().find_held(rest, &access),
                // Gone, and all that was on it with it.
                Err(_) => break,
            };
            let pins = closed.pins();
            if held.is_none() && pins == 0 {
                if pace.is_clean() {
                    return Ok(());
                }
                self.unmap_closed(closed, pages, &mut pace);
                rest = pages;
                continue;
            }
            T::check_alive(self.inode().sb().data())?;
            // Also those whose pages become orphans at once, or who may have let go next time.
            closed.notify_pins();
            pace.contended(self.inode().is_contended());
            let Some(ms) = pace.step(limit, report.begun())? else {
                break;
            };
            report.busy(held.as_ref(), pins);
            let progress = self.wait_for(closed, held.as_ref(), ms)?;
            pace.look();
            self.admit(closed, progress, &mut pace, report);
            if let Some(held) = held {
                rest = pages.since(held.index);
            }
            if pace.must_unmap() {
                self.unmap_closed(closed, pages, &mut pace);
                rest = pages;
            }
        }
        // Holders keep their references, but nobody a mapping.
        if !pace.is_clean() {
            self.unmap_closed(closed, pages, &mut pace);
        }
        Ok(())
    }

    /// After a wait: lets tasks through that have to be.
    fn admit(
        &self,
        closed: &ClosedRange<&Gate>,
        progress: bool,
        pace: &mut Pace,
        report: &mut Report<'_, T>,
    ) {
        let inode = self.inode();
        let access = inode.access();
        let held = |index| {
            let access = access.as_ref();
            access.is_ok_and(|access| inode.find_held(Pages::one(index), access).is_some())
        };
        let grant = closed.admit_halfway(held);
        report.admitted(&grant);
        if grant.tickets > 0 {
            return pace.admit();
        }
        if progress {
            closed.progress();
        } else if pace.may_admit() {
            let grant = closed.no_progress(held);
            report.admitted(&grant);
            if grant.tickets > 0 {
                pace.admit();
            }
        }
    }

    fn unmap_closed(&self, closed: &ClosedRange<&Gate>, pages: Pages, pace: &mut Pace) {
        pace.unmap();
        closed.begin_round();
        self.inode().unmap(pages);
    }

    /// Waits for a page, or else for registered pins, with the lock given back. Whether that came
    /// to pass.
    fn wait_for(
        &mut self,
        closed: &ClosedRange<&Gate>,
        held: Option<&Held>,
        ms: u32,
    ) -> Result<bool> {
        self.unlocked(|inode| match (held, inode.access()) {
            (Some(held), Ok(access)) => held.wait(ms, &access),
            (Some(_), Err(_)) => Ok(true),
            (None, _) => Ok(closed.wait_pins(Some(ms.into()))? == Waited::Done),
        })
    }
}
