// SPDX-License-Identifier: GPL-2.0

//! Pins of user memory.
//!
//! The references are got through the page table, which a drain clears: so they are either seen by
//! it or not got. The gate keeps a pin from being kept that began between the drain's closing it
//! and its unmapping.

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
    Pinned,
    Wait, //
};
use crate::{
    bindings,
    delay::{
        self,
        Point, //
    },
    gate::{
        Gate,
        Registered, //
    },
    memremap::PAGE_SIZE, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Pages of user memory that are mapped from one file, one after the other.
struct Run {
    file: Option<FileRef>,
    first: u64,
    pages: usize,
}

/// Why pages were not kept.
enum Refused {
    /// A drain wants them.
    Closed(Source, PageRange),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(err: Error) -> Self {
        Self::Failed(err)
    }
}

impl Run {
    /// What is mapped at `addr`, at most `max` pages.
    fn at(addr: usize, max: usize) -> Self {
        let (mut first, mut pages) = (0, 0);
        // SAFETY: looks at the address space of the current task.
        let file = unsafe { bindings::rdax_helper_pin_vma_file(addr, &mut first, &mut pages) };
        // SAFETY: the reference is ours.
        let file = NonNull::new(file).map(|file| unsafe { FileRef::from_raw(file) });
        Self {
            pages: if file.is_some() {
                pages.clamp(1, max)
            } else {
                1
            },
            file,
            first: first as u64,
        }
    }

    fn source(&self) -> Option<Source> {
        Source::of(self.file.as_ref()?)
    }

    fn range(&self) -> Result<PageRange> {
        let end = self.first.saturating_add(self.pages as u64);
        PageRange::new(self.first, end).ok_or(EFAULT)
    }

    /// Whether these pages are those that it says.
    fn check(&self, pages: &[*mut bindings::page]) -> Result {
        let file = self.file.as_ref();
        let file = file.map_or(core::ptr::null_mut(), FileRef::as_ptr);
        for (index, page) in (self.first..).zip(pages) {
            // SAFETY: the page is pinned, the file null or referenced.
            to_result(unsafe {
                bindings::rdax_helper_pin_check_page(*page, file, index as usize)
            })?;
        }
        Ok(())
    }
}

/// Calls `f` with each run of the mappings at `addr`, and where in the range it begins.
fn for_each_run<E>(
    addr: usize,
    pages: usize,
    mut f: impl FnMut(Run, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut done = 0;
    while done < pages {
        let at = addr.saturating_add(done.saturating_mul(PAGE_SIZE as usize));
        let run = Run::at(at, pages - done);
        let next = done.saturating_add(run.pages);
        f(run, done)?;
        done = next;
    }
    Ok(())
}

/// `EBUSY` if any of the mappings is being drained.
fn check_open(addr: usize, pages: usize) -> Result {
    for_each_run(addr, pages, |run, _| match run.source() {
        Some(source) if source.closed_after_pin(run.range()?) => Err(EBUSY),
        _ => Ok(()),
    })
}

/// Keeps pinned pages, unless drains want any. Then they are let go.
fn keep(memory: Memory, addr: usize, notifier: Option<&Notifier>) -> Result<Pinned, Refused> {
    let mut registered = KVec::<Registered<Source>>::new();
    for_each_run(addr, memory.pages(), |run, done| {
        let pages = memory.list().get(done..done.saturating_add(run.pages));
        run.check(pages.ok_or(EFAULT)?)?;
        let Some(source) = run.source() else {
            return Ok(());
        };
        let range = run.range()?;
        // The references have been taken, so this sees a drain that does not see them.
        if source.closed_after_pin(range) {
            return Err(Refused::Closed(source, range));
        }
        let Some(notifier) = notifier else {
            return Ok(());
        };
        match Gate::register(source.clone(), range, Some(notifier.clone())) {
            Ok(pin) => registered.push(pin, GFP_KERNEL).map_err(Error::from)?,
            Err(EBUSY) => return Err(Refused::Closed(source, range)),
            Err(err) => return Err(err.into()),
        }
        Ok(())
    })?;
    Ok(Pinned { memory, registered })
}

impl Pinned {
    /// Pins `len` bytes of the current task's memory from address `addr`: whole pages, mapped from
    /// DAX files. If not all are there it pins those before.
    ///
    /// A `notifier` is told when a drain wants pages, of filesystems that are
    /// [`Pinnable`](super::Pinnable); with one, the pin keeps their files open. Its last reference
    /// must not be the one given here.
    ///
    /// `EINVAL` if these are no whole pages, `EFAULT` if the first is not mapped, or not writable
    /// with [`Intent::Write`], or if the mapping changes meanwhile; `EOPNOTSUPP` if it is no DAX
    /// file's; `EBUSY` with [`Wait::Not`] if any of it is being drained; `EINTR` if a fatal signal
    /// came; `ENOMEM`.
    ///
    /// Context: a system call of that task; may fault and sleep. With [`Wait::Not`] it does not
    /// wait for drains that were there when it was called; page faults may wait for others.
    pub fn from_user(
        addr: usize,
        len: usize,
        intent: Intent,
        wait: Wait,
        notifier: Option<&Notifier>,
    ) -> Result<Self> {
        let range = whole_pages(addr as u64, len as u64)?;
        let pages = usize::try_from(range.end().saturating_sub(range.first()))?;
        loop {
            if wait == Wait::Not {
                check_open(addr, pages)?;
            }
            let memory = Memory::of_user(addr, pages, intent)?;
            delay::point(Point::Referenced);
            match keep(memory, addr, notifier) {
                Ok(pinned) => return Ok(pinned),
                Err(Refused::Failed(err)) => return Err(err),
                Err(Refused::Closed(..)) if wait == Wait::Not => return Err(EBUSY),
                Err(Refused::Closed(source, range)) => source.wait_open(range)?,
            }
        }
    }
}
