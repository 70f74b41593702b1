// SPDX-License-Identifier: GPL-2.0

//! Who hears of failures of a DAX device: its holder.
//!
//! The DAX core calls a holder within `dax_read_lock()`, for whose end a filesystem cannot wait.
//! So what the core keeps is a number, never reused, that is looked up here. It leads to a
//! superblock only from when that is mounted until its inodes begin to go; unmounting waits for
//! the calls that found it.
//!
//! # Lock order
//!
//! `dax_read_lock()` (or `s_umount`, of a superblock that comes or goes), then `Member::mounted`,
//! then the locks of the filesystem. `HOLDERS` is taken on its own, and nothing inside it.
//!
//! C source: [`drivers/dax/super.c`](srctree/drivers/dax/super.c)

use super::OnVolume;
use crate::{
    bindings,
    fs::{
        super_block,
        SuperBlock, //
    }, //
};
use core::ptr;
use kernel::{
    error::from_result,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

/// `len` bytes from byte `offset` of a volume lost their data.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFailure {
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// What `memory_failure()` was called with.
    pub(super) flags: c_int,
}

/// What failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// Some memory.
    Memory(MemoryFailure),
    /// The device goes away; every access fails once the filesystem has returned.
    Removal,
}

/// A superblock that may be told.
///
/// # Invariants
///
/// While `mounted` is true, `sb` is a superblock of the `T` that `notify` was made for, and has its
/// data and its inodes.
#[pin_data]
struct Member {
    sb: *mut bindings::super_block,
    /// # Safety
    ///
    /// The superblock has its data and its inodes.
    notify: unsafe fn(*mut bindings::super_block, Failure) -> Result,
    #[pin]
    mounted: Mutex<bool>,
}

// SAFETY: a superblock belongs to no thread.
unsafe impl Send for Member {}
// SAFETY: `sb` is not written after `Member` is made, and is followed with `mounted` locked only.
unsafe impl Sync for Member {}

/// # Safety
///
/// `sb` is a superblock of a `T` that has its data and its inodes.
unsafe fn notify_superblock<T: OnVolume>(
    sb: *mut bindings::super_block,
    failure: Failure,
) -> Result {
    // SAFETY: by this function's own requirement.
    T::notify_failure(unsafe { SuperBlock::from_ptr(sb) }, failure)
}

impl Member {
    fn notify(&self, failure: Failure) -> Result {
        let mounted = self.mounted.lock();
        if !*mounted {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: by the type invariant `sb` has its data and its inodes now, and `close` waits for
        // the lock that is held here before they go.
        unsafe { (self.notify)(self.sb, failure) }
    }
}

struct Entry {
    id: usize,
    /// Whose it is, until that is [closed](close): null from then on, since the volume may live
    /// longer than its superblock, at whose address another one can be made then.
    sb: *mut bindings::super_block,
    /// Where the volume lies on the DAX device, in bytes.
    start: u64,
    size: u64,
    member: Arc<Member>,
}

// SAFETY: the address of a superblock belongs to no thread; `Entry` does not follow it.
unsafe impl Send for Entry {}

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

/// From now on `sb` is told of failures, if it is a holder.
///
/// # Safety
///
/// `sb` has its data and can have inodes, until [`close`] has returned.
pub(crate) unsafe fn open(sb: *mut bindings::super_block) {
    let holders = HOLDERS.lock();
    let found = holders.iter().find(|entry| entry.sb == sb);
    let member = found.map(|entry| entry.member.clone());
    drop(holders);
    if let Some(member) = member {
        // INVARIANT: an entry's address is that of a superblock that has not been closed, so this
        // is the one that `Registration::new` was given; the rest is the caller's promise.
        *member.mounted.lock() = true;
    }
}

/// Waits until nobody tells `sb` anything, and lets nobody begin to.
///
/// Every superblock goes through this before its memory can be another's, whether or not it was
/// mounted.
///
/// Context: `s_umount` held, sleeps; as long as the filesystem needs to handle a failure.
pub(crate) fn close(sb: *mut bindings::super_block) {
    // There is one entry for each volume that was made of it.
    while let Some(member) = forget(sb) {
        *member.mounted.lock() = false;
    }
}

/// Takes `sb` from one of its entries.
fn forget(sb: *mut bindings::super_block) -> Option<Arc<Member>> {
    let mut holders = HOLDERS.lock();
    let found = holders.iter_mut().find(|entry| entry.sb == sb)?;
    found.sb = ptr::null_mut();
    Some(found.member.clone())
}

/// An entry in the list of holders, until it is dropped.
pub(crate) struct Registration(usize);

impl Registration {
    /// Registers `sb`, whose volume is the `size` bytes from byte `start` of a DAX device.
    pub(crate) fn new<T: OnVolume>(
        sb: &SuperBlock<T, super_block::New>,
        start: u64,
        size: u64,
    ) -> Result<Self> {
        let member = Arc::pin_init(
            try_pin_init!(Member {
                sb: sb.as_ptr(),
                notify: notify_superblock::<T>,
                mounted <- new_mutex!(false, "rdax::dax::holder"),
            }),
            GFP_KERNEL,
        )?;
        let id = NEXT.fetch_add(1, Relaxed);
        HOLDERS.lock().push(
            Entry {
                id,
                sb: sb.as_ptr(),
                start,
                size,
                member,
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
        if holders.is_empty() {
            // A static is not dropped when the module goes.
            *holders = KVec::new();
        }
        drop(holders);
        drop(removed);
    }
}

fn notify(token: *mut c_void, offset: u64, len: u64, flags: c_int) -> Result {
    let holders = HOLDERS.lock();
    let entry = holders
        .iter()
        .find(|entry| entry.id == token.addr())
        .ok_or(EOPNOTSUPP)?;
    let (start, size, member) = (entry.start, entry.size, entry.member.clone());
    drop(holders);

    if flags & bindings::mf_flags_MF_MEM_PRE_REMOVE as c_int != 0 {
        return member.notify(Failure::Removal);
    }
    let first = offset.max(start);
    let end = offset.saturating_add(len).min(start.saturating_add(size));
    if first >= end {
        return Err(EOPNOTSUPP);
    }
    member.notify(Failure::Memory(MemoryFailure {
        offset: first - start,
        len: end - first,
        flags,
    }))
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
