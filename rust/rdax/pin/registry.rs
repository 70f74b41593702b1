// SPDX-License-Identifier: GPL-2.0

//! Which types of filesystems have gates: a file in the kernel does not say whether this crate made
//! its filesystem, nor which `T` it was.

use super::{
    file,
    Memory,
    PageRange,
    Pinnable, //
};
use crate::{
    bindings,
    fs::{
        FileSystem,
        Inode, //
    },
    gate::Gate, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// What can be done with files of one type of filesystem.
pub(super) struct VTable {
    /// The gate of an inode of that type, which lives as long as the inode.
    pub(super) gate: unsafe fn(*mut bindings::inode) -> NonNull<Gate>,
    /// Takes references to the pages of a file of that type, see [`file::pin`].
    pub(super) pin: unsafe fn(*mut bindings::file, PageRange, &mut Memory) -> Result,
}

/// How files of a `T` are pinned, if they can be.
///
/// # Invariants
///
/// The functions are for a `T`.
pub struct Ops<T: FileSystem>(Option<&'static VTable>, PhantomData<fn(T)>);

impl<T: FileSystem> Ops<T> {
    /// Not at all. User memory can be pinned all the same, without a gate.
    pub const NONE: Self = Self(None, PhantomData);
}

impl<T: Pinnable> Ops<T> {
    /// As the filesystem's [`Pinnable`] says.
    pub const NEW: Self = Self(Some(&Self::VTABLE), PhantomData);

    const VTABLE: VTable = VTable {
        gate: Self::gate,
        pin: file::pin::<T>,
    };

    /// # Safety
    ///
    /// `inode` is one of a `T`, and referenced.
    unsafe fn gate(inode: *mut bindings::inode) -> NonNull<Gate> {
        // SAFETY: by this function's own requirement.
        T::gate(unsafe { Inode::<T>::from_ptr(inode) }.data()).into()
    }
}

struct Entry {
    fs_type: usize,
    vtable: &'static VTable,
}

kernel::sync::global_lock! {
    // SAFETY: initialised when the module is, before any filesystem type can be registered.
    unsafe(uninit) static TYPES: Mutex<KVec<Entry>> = KVec::new();
}

/// To be called once, when the module is initialised.
pub(crate) fn init() {
    // SAFETY: called once.
    unsafe { TYPES.init() };
}

/// Makes a type known that is about to be registered.
pub(crate) fn add<T: FileSystem>(
    fs_type: *const bindings::file_system_type,
    ops: Ops<T>,
) -> Result {
    let Some(vtable) = ops.0 else {
        return Ok(());
    };
    let fs_type = fs_type as usize;
    TYPES.lock().push(Entry { fs_type, vtable }, GFP_KERNEL)?;
    Ok(())
}

/// Forgets a type that is not registered any more. It may be unknown.
pub(crate) fn remove(fs_type: *const bindings::file_system_type) {
    let mut types = TYPES.lock();
    types.retain(|entry| entry.fs_type != fs_type as usize);
    if types.is_empty() {
        // Nobody drops a static.
        *types = KVec::new();
    }
}

/// The functions for files of a type. As long as there is an open one they are there.
pub(super) fn find(fs_type: *const bindings::file_system_type) -> Option<&'static VTable> {
    let types = TYPES.lock();
    let mut known = types.iter();
    Some(
        known
            .find(|entry| entry.fs_type == fs_type as usize)?
            .vtable,
    )
}
