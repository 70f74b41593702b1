// SPDX-License-Identifier: GPL-2.0

//! Who hears of failures of a DAX device: its holder.
//!
//! The DAX core calls a holder within `dax_read_lock()`, for whose end a filesystem cannot wait.
//! So what the core keeps is a number, never reused, that is looked up here.
//!
//! # Lock order
//!
//! `dax_read_lock()`, then `HOLDERS`, inside which nothing is taken.
//!
//! C source: [`drivers/dax/super.c`](srctree/drivers/dax/super.c)

use crate::bindings;
use core::ptr;
use kernel::{
    error::from_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `len` bytes from byte `offset` of the volume lost their data.
    Memory {
        /// First byte.
        offset: u64,
        /// Length in bytes.
        len: u64,
    },
    /// The device goes away; every access fails from now on.
    Removal,
}

/// Hears of failures of a volume.
pub trait Holder: Send + Sync {
    /// Something failed. `EOPNOTSUPP` asks the kernel to kill the processes that map the memory.
    ///
    /// Context: process context, may sleep; may run until after the volume is dropped.
    fn notify_failure(&self, failure: Failure) -> Result;
}

struct Entry {
    id: usize,
    /// Where the volume lies on the DAX device, in bytes.
    start: u64,
    size: u64,
    holder: Arc<dyn Holder>,
}

kernel::sync::global_lock! {
    // SAFETY: `init` is called before any other use, when the module is loaded.
    unsafe(uninit) static HOLDERS: Mutex<KVec<Entry>> = KVec::new();
}

static NEXT: Atomic<usize> = Atomic::new(1);

/// To be called once, when the module is loaded.
pub(crate) fn init() {
    // SAFETY: called once, before any other use.
    unsafe { HOLDERS.init() };
}

/// An entry in the list of holders, until it is dropped.
pub(crate) struct Registration(usize);

impl Registration {
    /// Registers the holder of the `size` bytes from byte `start` of a DAX device.
    pub(crate) fn new(start: u64, size: u64, holder: Arc<dyn Holder>) -> Result<Self> {
        let id = NEXT.fetch_add(1, Relaxed);
        HOLDERS.lock().push(
            Entry {
                id,
                start,
                size,
                holder,
            },
            GFP_KERNEL,
        )?;
        Ok(Self(id))
    }

    /// What the DAX core is to keep: not null, and no address.
    pub(crate) fn token(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut holders = HOLDERS.lock();
        let found = holders.iter().position(|entry| entry.id == self.0);
        let removed = found.map(|index| holders.remove(index));
        drop(holders);
        // The holder's own code runs without the lock.
        drop(removed);
    }
}

fn notify(token: *mut c_void, offset: u64, len: u64, flags: c_int) -> Result {
    let holders = HOLDERS.lock();
    let entry = holders
        .iter()
        .find(|entry| entry.id == token.addr())
        .ok_or(EOPNOTSUPP)?;
    let (start, size, holder) = (entry.start, entry.size, entry.holder.clone());
    drop(holders);

    if flags & bindings::mf_flags_MF_MEM_PRE_REMOVE as c_int != 0 {
        return holder.notify_failure(Failure::Removal);
    }
    let first = offset.max(start);
    let end = offset.saturating_add(len).min(start.saturating_add(size));
    if first >= end {
        return Err(EOPNOTSUPP);
    }
    holder.notify_failure(Failure::Memory {
        offset: first - start,
        len: end - first,
    })
}

/// # Safety
///
/// `dev` is a valid `dax_device`.
unsafe extern "C" fn notify_failure_callback(
    dev: *mut bindings::dax_device,
    offset: u64,
    len: u64,
    flags: c_int,
) -> c_int {
    // SAFETY: by this function's own requirement.
    let token = unsafe { bindings::dax_holder(dev) };
    from_result(|| {
        notify(token, offset, len, flags)?;
        Ok(0)
    })
}

pub(crate) static OPERATIONS: bindings::dax_holder_operations = bindings::dax_holder_operations {
    notify_failure: Some(notify_failure_callback),
};
