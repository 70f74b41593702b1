// SPDX-License-Identifier: GPL-2.0

//! The volume as the core sees it.
//!
//! Stores go around the CPU's caches, so flushing them again is not needed. Data is written by the
//! DAX core, which does the same on every device that says so; all that can be mounted do.

use crate::error::{
    from_kernel,
    CoreResult, //
};
use kernel::{
    current,
    time::{
        ClockSource,
        Monotonic, //
    }, //
};
use rdax::{
    dax::Volume,
    delay::{
        self,
        Point, //
    }, //
};
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    Error,
    Medium, //
};

/// Bytes that are zeroed while the device cannot go (2 MiB).
const STEP: u64 = 1 << 21;

/// The memory of a mounted volume.
pub(crate) struct Pmem(Volume);

impl Pmem {
    pub(crate) fn new(volume: Volume) -> Self {
        Self(volume)
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.0
    }
}

impl Medium for Pmem {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> CoreResult {
        let access = self.0.access().map_err(from_kernel)?;
        access.load(at, out).map_err(from_kernel)
    }

    fn store(&self, at: u64, data: &[u8]) -> CoreResult {
        let access = self.0.access().map_err(from_kernel)?;
        let stored = access.store(at, data).map_err(from_kernel)?;
        stored.leave_to_flush();
        Ok(())
    }

    fn flush(&self, _at: u64, _len: u64) -> CoreResult {
        Ok(())
    }

    fn fence(&self) -> CoreResult {
        self.0.fence().map_err(from_kernel)
    }

    fn zero(&self, at: u64, len: u64) -> CoreResult {
        let mut done = 0;
        while done < len {
            let part = STEP.min(len.saturating_sub(done));
            let from = at.checked_add(done).ok_or(Error::Range)?;
            let access = self.0.access().map_err(from_kernel)?;
            let stored = access.zero(from, part).map_err(from_kernel)?;
            stored.leave_to_flush();
            done = done.saturating_add(part);
        }
        Ok(())
    }

    fn heal(&self, at: u64, len: u64) -> CoreResult {
        let access = self.0.access().map_err(from_kernel)?;
        let pages = (at / BLOCK_SIZE, len / BLOCK_SIZE);
        access.heal_pages(pages.0, pages.1).map_err(from_kernel)
    }

    fn referenced(&self, block: u64, len: u64) -> (bool, u64) {
        delay::point(Point::IdleRun);
        let access = self.0.access();
        let found = access.and_then(|access| access.idle_run(block, len));
        delay::point(Point::IdleRan);
        match found {
            Ok((idle, run)) => (!idle, run),
            // Without a device nobody gets it anyway.
            Err(_) => (true, len),
        }
    }

    fn clock_ms(&self) -> u64 {
        u64::try_from(Monotonic::ktime_get() / 1_000_000).unwrap_or(0)
    }

    fn pause(&self) -> CoreResult {
        // Zeroing reschedules by itself.
        match current!().signal_pending() {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}
