// SPDX-License-Identifier: GPL-2.0

//! Disks that are handed bios, not requests.
//!
//! A disk is [`Allocated`] first: its DAX device and its list of bad sectors are attached before
//! anybody can open it. [`BioDisk::add_disk`] makes it [`Live`].
//!
//! C source: [`block/genhd.c`](srctree/block/genhd.c)

use super::{
    Bio,
    Limits, //
};
use crate::{
    badblocks::BadBlocks,
    bindings,
    dax, //
};
use core::{
    fmt::Write,
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    device,
    error::{
        from_err_ptr,
        to_result, //
    },
    module::this_module,
    prelude::*,
    static_lock_class,
    str::NullTerminatedFormatter,
    sync::Arc, //
};

/// How a driver serves its disk.
#[vtable]
pub trait Operations: Send + Sync + Sized + 'static {
    /// Serves `bio`, in the task that submits it. Complete it, now or later.
    ///
    /// Context: process context. May sleep unless [`Bio::nowait`]. The block layer keeps the disk
    /// from going away meanwhile.
    fn submit_bio(&self, bio: Bio);
}

/// A stage in a disk's life.
pub trait Stage {
    #[doc(hidden)]
    const LIVE: bool;
}

/// Not visible yet.
pub struct Allocated;

/// In `/dev`, open to all.
pub struct Live;

impl Stage for Allocated {
    const LIVE: bool = false;
}

impl Stage for Live {
    const LIVE: bool = true;
}

/// A bio-based disk, served by `T`.
///
/// Dropping a live disk syncs and shuts down what is mounted on it, waits for bios in progress and
/// removes it.
///
/// # Invariants
///
/// - `disk` is a valid gendisk of which we hold the driver's reference; its `private_data` points
///   to the `T` that `data` owns. It has been added iff `S` is [`Live`].
/// - `host` says whether the disk is a key of the DAX core's hosts.
pub struct BioDisk<T: Operations, S: Stage> {
    disk: NonNull<bindings::gendisk>,
    host: Option<dax::Host>,
    badblocks_attr: Option<AttrHandle>,
    badblocks: Option<Arc<dyn HasBadBlocks>>,
    data: Arc<T>,
    _stage: PhantomData<S>,
}

// SAFETY: a gendisk belongs to no thread; the rest is `Send`.
unsafe impl<T: Operations, S: Stage> Send for BioDisk<T, S> {}
// SAFETY: shared access only calls C functions that lock for themselves.
unsafe impl<T: Operations, S: Stage> Sync for BioDisk<T, S> {}

/// Something that keeps a [`BadBlocks`] alive.
pub trait HasBadBlocks: Send + Sync {
    /// The list.
    fn badblocks(&self) -> &BadBlocks;
}

impl<T: Operations> BioDisk<T, Allocated> {
    /// Allocates a disk of `sectors` sectors on NUMA node `node` (negative: any).
    ///
    /// `EINVAL` if the name does not fit (31 bytes) or the limits contradict each other.
    pub fn new(name: &CStr, limits: Limits, sectors: u64, node: i32, data: Arc<T>) -> Result<Self> {
        let mut limits = limits.to_raw();
        // SAFETY: `limits` is valid; the lock class is static.
        let raw = from_err_ptr(unsafe {
            bindings::__blk_alloc_disk(&mut limits, node, static_lock_class!().as_ptr())
        })?;
        let disk = NonNull::new(raw).ok_or(ENOMEM)?;
        // INVARIANT: ours since `__blk_alloc_disk()`, and not added.
        let this = Self {
            disk,
            host: None,
            badblocks_attr: None,
            badblocks: None,
            data,
            _stage: PhantomData,
        };
        // SAFETY: nobody else sees the disk yet. `private_data` lives as long as `this.data`.
        unsafe {
            (*raw).fops = &OperationsVTable::<T>::VTABLE;
            (*raw).private_data = Arc::as_ptr(&this.data).cast_mut().cast();
            NullTerminatedFormatter::new(&mut (*raw).disk_name)
                .ok_or(EINVAL)?
                .write_str(name.to_str()?)
                .map_err(|_| EINVAL)?;
            bindings::set_capacity(raw, sectors);
        }
        Ok(this)
    }

    /// Makes `device` the disk's DAX device. The limits must have
    /// [`Features::DAX`](super::Features::DAX).
    pub fn attach_dax<D: dax::Operations>(&mut self, device: &Arc<dax::Device<D>>) -> Result {
        if self.host.is_some() {
            return Err(EBUSY);
        }
        // SAFETY: the disk is valid, and `Drop` takes the entry back before it puts the disk.
        self.host = Some(unsafe { dax::Host::new(device, self.disk) }?);
        Ok(())
    }

    /// Shows `list` as the disk's bad blocks in sysfs.
    pub fn set_badblocks(&mut self, list: Arc<dyn HasBadBlocks>) {
        // SAFETY: the disk is not live yet; `list` is kept until the disk is gone.
        unsafe { (*self.disk.as_ptr()).bb = list.badblocks().as_raw().cast() };
        self.badblocks = Some(list);
    }

    /// Adds the disk below `parent`: from here on it can be opened, and is scanned for partitions.
    ///
    /// On error everything is undone.
    pub fn add_disk(self, parent: &device::Device<device::Bound>) -> Result<BioDisk<T, Live>> {
        // CAST: `Device` is a transparent wrapper of `struct device`.
        let parent = core::ptr::from_ref(parent)
            .cast_mut()
            .cast::<bindings::device>();
        // SAFETY: all of the disk is set up; `parent` is valid, and the disk holds a reference.
        to_result(unsafe {
            bindings::device_add_disk(parent, self.disk.as_ptr(), core::ptr::null_mut())
        })?;
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so each field is moved out once.
        // INVARIANT: the disk has been added.
        let mut live = unsafe {
            BioDisk {
                disk: this.disk,
                host: core::ptr::read(&this.host),
                badblocks_attr: None,
                badblocks: core::ptr::read(&this.badblocks),
                data: core::ptr::read(&this.data),
                _stage: PhantomData,
            }
        };
        if live.badblocks.is_some() {
            live.badblocks_attr = AttrHandle::of(live.disk, c"badblocks");
        }
        Ok(live)
    }
}

impl<T: Operations> BioDisk<T, Live> {
    /// Wakes who polls the `badblocks` attribute: the list has changed.
    pub fn notify_badblocks(&self) {
        if let Some(attr) = &self.badblocks_attr {
            attr.notify();
        }
    }
}

impl<T: Operations, S: Stage> BioDisk<T, S> {
    pub(crate) fn as_raw(&self) -> *mut bindings::gendisk {
        self.disk.as_ptr()
    }
}

impl<T: Operations, S: Stage> Drop for BioDisk<T, S> {
    fn drop(&mut self) {
        // The handle refers to the attribute that `del_gendisk()` removes.
        self.badblocks_attr = None;
        if S::LIVE {
            // SAFETY: by the type invariant the disk was added; it is removed once, here.
            unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        }
        self.host = None;
        // SAFETY: by the type invariant this is our reference. Who still has the disk open gets
        // errors from the block layer, which does not call the driver any more.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
    }
}

/// A reference on one sysfs attribute of a disk.
struct AttrHandle(NonNull<bindings::kernfs_node>);

impl AttrHandle {
    fn of(disk: NonNull<bindings::gendisk>, name: &CStr) -> Option<Self> {
        // SAFETY: the disk has been added, so its device has a directory.
        let node =
            unsafe { bindings::rdax_helper_disk_attr_get(disk.as_ptr(), name.as_char_ptr()) };
        NonNull::new(node).map(Self)
    }

    fn notify(&self) {
        // SAFETY: we hold a reference.
        unsafe { bindings::rdax_helper_kernfs_notify(self.0.as_ptr()) };
    }
}

impl Drop for AttrHandle {
    fn drop(&mut self) {
        // SAFETY: this is our reference.
        unsafe { bindings::kernfs_put(self.0.as_ptr()) };
    }
}

struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    /// # Safety
    ///
    /// Called by the block layer, for a bio to a live disk made by [`BioDisk::<T, _>::new`].
    unsafe extern "C" fn submit_bio_callback(bio: *mut bindings::bio) {
        // SAFETY: `private_data` points to the `T` that the disk's `BioDisk` owns; the block layer
        // holds the queue, so `del_gendisk()` waits for this call.
        let data = unsafe { &*bindings::rdax_helper_bio_disk_private(bio).cast::<T>() };
        let Some(bio) = NonNull::new(bio) else {
            return;
        };
        // SAFETY: the block layer passes the duty to complete the bio to us.
        data.submit_bio(unsafe { Bio::from_raw(bio) });
    }

    const VTABLE: bindings::block_device_operations = bindings::block_device_operations {
        submit_bio: Some(Self::submit_bio_callback),
        owner: this_module::<T::OwnerModule>().as_ptr(),
        ..pin_init::zeroed()
    };
}
