// SPDX-License-Identifier: GPL-2.0

//! `struct file_system_type`.
//!
//! C source: [`fs/filesystems.c`](srctree/fs/filesystems.c)

use super::{
    context,
    inode::InodeCache,
    FileSystem, //
};
use crate::{
    bindings,
    dax::holder,
    pin::registry, //
};
use core::{
    marker::PhantomPinned,
    mem::offset_of, //
};
use kernel::{
    error::to_result,
    module::this_module,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// A filesystem type, which can be mounted as long as this lives.
///
/// Keep it in the module's own structure: lockdep wants the lock classes of a filesystem type in
/// static memory.
///
/// # Invariants
///
/// `fs_type` is registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: FileSystem> {
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    // Inodes are in it until they are freed.
    cache: InodeCache<T>,
    data: T::TypeData,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: nothing in it belongs to a thread.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: shared access reads what does not change.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers the type, with what it keeps for all volumes. `EBUSY` if there is one of that
    /// name.
    pub fn new(data: T::TypeData) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            cache: InodeCache::new()?,
            data,
            fs_type <- Opaque::try_ffi_init(|slot: *mut bindings::file_system_type| {
                // SAFETY: `slot` is valid for writes. The callbacks fit superblocks of a `T`.
                unsafe {
                    slot.write(bindings::file_system_type {
                        name: T::NAME.as_char_ptr(),
                        owner: this_module::<T::OwnerModule>().as_ptr(),
                        fs_flags: Self::FLAGS,
                        init_fs_context: Some(Self::init_fs_context_callback),
                        kill_sb: Some(Self::kill_sb_callback),
                        ..Default::default()
                    });
                    registry::add(slot, T::PINS)?;
                    // All else is initialised by now, so a mount may begin at once.
                    to_result(bindings::register_filesystem(slot))
                        .inspect_err(|_| registry::remove(slot))
                }
            }),
            _pin: PhantomPinned,
        })
    }

    const FLAGS: c_int =
        (bindings::FS_REQUIRES_DEV | bindings::FS_ALLOW_IDMAP | bindings::FS_MGTIME) as c_int;

    /// The registration of a filesystem type.
    ///
    /// # Safety
    ///
    /// `fs_type` is that of a [`Registration<T>`], and stays registered for `'a`.
    pub(super) unsafe fn of<'a>(fs_type: *mut bindings::file_system_type) -> &'a Self {
        // SAFETY: by this function's own requirement the result is the registration.
        unsafe { &*fs_type.byte_sub(offset_of!(Self, fs_type)).cast::<Self>() }
    }

    pub(super) fn cache(&self) -> &InodeCache<T> {
        &self.cache
    }

    pub(super) fn data(&self) -> &T::TypeData {
        &self.data
    }

    /// # Safety
    ///
    /// `fc` is a new context for a `T`.
    unsafe extern "C" fn init_fs_context_callback(fc: *mut kernel::bindings::fs_context) -> c_int {
        // SAFETY: by this function's own requirement. CAST: the kernel crate's bindings know the
        // structure by name only.
        unsafe { context::init::<T>(fc.cast()) }
    }

    /// Undoes a mount: first the inodes go, then the filesystem's data, which may hold the DAX
    /// device, and last the block device.
    ///
    /// # Safety
    ///
    /// `sb` is a superblock of a `T` that is mounted no more, or has not been filled.
    unsafe extern "C" fn kill_sb_callback(sb: *mut bindings::super_block) {
        holder::close(sb);
        // SAFETY: by this function's own requirement. `s_fs_info` is null or the superblock's
        // own `Arc`; after `generic_shutdown_super()` nobody uses it.
        unsafe {
            bindings::generic_shutdown_super(sb);
            let data = core::mem::replace(&mut (*sb).s_fs_info, core::ptr::null_mut());
            if !data.is_null() {
                drop(Arc::from_raw(data.cast_const().cast::<T::SuperData>()));
            }
            bindings::rdax_helper_sb_release_bdev(sb);
        }
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: by the type invariant. Fails only if the type is not registered.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
        registry::remove(self.fs_type.get());
    }
}
