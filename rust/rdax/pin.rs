// SPDX-License-Identifier: GPL-2.0

//! Pages of DAX files that somebody may read and write for a while: a device's DMA, for example.
//!
//! [`Pinned::from_user`] takes pages that are mapped, [`Pinned::from_file`] those of a file range,
//! with no page table in between. Dropping it lets them go. As long as it lives no page is given to
//! another file, whatever happens to this one.
//!
//! If the filesystem is [`Pinnable`] its drains are respected as well: no pin begins where one is
//! in progress, those that are there are waited for, and their holders can be told. Of user
//! memory, pages of other DAX filesystems can be had too, but without that: their `truncate()`
//! waits for the pin, uninterruptibly, and nobody hears of it.
//!
//! What is written is not lost: the CPU's caches are written back when the pin goes, so an
//! `fsync()` that comes later makes it durable. One that comes earlier does not know of it.
//!
//! # Lock order
//!
//! Both take, one after the other and not within each other, `mmap_lock` shared and the gate's
//! spinlock; [`Pinned::from_file`] freeze protection, then `invalidate_lock`. The caller holds none
//! of these, nor `i_rwsem`, and no pin of the same range if it waits.
//!
//! C source: [`mm/gup.c`](srctree/mm/gup.c)

mod file;
mod memory;
pub(crate) mod registry;
mod source;
mod user;

use self::{
    memory::Memory,
    source::Source, //
};
use crate::{
    dax::drain::Gated,
    gate::{
        PageRange,
        Registered, //
    },
    iomap,
    memremap::PAGE_SIZE, //
};
use kernel::prelude::*;

pub use self::registry::Ops;
pub use crate::gate::{
    Notifier,
    Notify, //
};

/// The largest pin, in pages.
pub const MAX_PAGES: u64 = 1 << 16;

/// A filesystem whose files can be pinned. It says so with [`Ops::NEW`].
pub trait Pinnable: Gated {
    /// Where pages to be read are.
    type Read: iomap::Operations<Self>;
    /// Where pages to be written are, holes filled.
    type Write: iomap::Operations<Self>;
}

/// What is going to be done with pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// They are only read.
    Read,
    /// They are written, and maybe read.
    Write,
}

/// What to do if a drain is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait until it is over.
    Open,
    /// Fail with `EBUSY`.
    Not,
}

/// Pages that are pinned; their number may be less than what was asked for.
///
/// The references go first, then what the gates know, which wakes the drains.
pub struct Pinned {
    memory: Memory,
    registered: KVec<Registered<Source>>,
}

/// The pages of `len` bytes from byte `start`: `EINVAL` if these are none, or no whole pages, or
/// too many.
fn whole_pages(start: u64, len: u64) -> Result<PageRange> {
    let end = start.checked_add(len).ok_or(EINVAL)?;
    let is_whole = start % PAGE_SIZE == 0 && len % PAGE_SIZE == 0;
    if !is_whole || end > i64::MAX as u64 || len / PAGE_SIZE > MAX_PAGES {
        return Err(EINVAL);
    }
    PageRange::of_bytes(start, end).ok_or(EINVAL)
}

impl Pinned {
    /// How much is pinned, in bytes.
    pub fn bytes(&self) -> u64 {
        (self.memory.pages() as u64).saturating_mul(PAGE_SIZE)
    }

    /// Whether the drains of the file or files wait for this pin, and tell its notifier.
    pub fn is_registered(&self) -> bool {
        !self.registered.is_empty()
    }

    /// The page frame number of page `index` of the pin: what a device is given.
    pub fn pfn(&self, index: usize) -> Option<u64> {
        self.memory.pfn(index)
    }

    /// Copies from byte `at` of the pin. `ERANGE` beyond its end, `EHWPOISON`.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result {
        self.memory.read(at, out)
    }

    /// Copies to byte `at` of the pin. `ERANGE` beyond its end, `EBADF` if it is to read only.
    pub fn write(&self, at: u64, data: &[u8]) -> Result {
        self.memory.write(at, data)
    }
}
