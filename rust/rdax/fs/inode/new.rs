// SPDX-License-Identifier: GPL-2.0

//! The way of an inode from its allocation until others may use it.
//!
//! [`SuperBlock::iget`] finds an inode or makes a [`New`] one for its number.
//! [`SuperBlock::new_inode`] makes an [`Unhashed`] one, whose number is not known yet; it becomes
//! `New` when it gets one, which is before the inode is on the medium: so a lookup of the number never
//! reads what is being made. Either becomes [`Fresh`] with its data, and an
//! [`Inode`] when it is published: by [`Fresh::publish`], or by the VFS, together with its first
//! name. Who looks the number up meanwhile waits.

use super::{
    Inode,
    Ops,
    Storage, //
};
use crate::{
    bindings,
    fs::{
        address_space,
        file,
        fs_type::Registration,
        FileSystem,
        Idmap,
        SuperBlock, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

/// A `struct kmem_cache` of [`Storage<T>`].
///
/// # Invariants
///
/// A valid cache whose constructor initialises the `struct inode` once.
pub(crate) struct InodeCache<T: FileSystem>(NonNull<bindings::kmem_cache>, PhantomData<T>);

impl<T: FileSystem> InodeCache<T> {
    pub(crate) fn new() -> Result<Self> {
        let size = u32::try_from(size_of::<Storage<T>>())?;
        let align = u32::try_from(align_of::<Storage<T>>())?;
        // SAFETY: the name is static; the constructor gets objects of that size.
        let cache =
            unsafe { bindings::rdax_helper_inode_cache_create(T::NAME.as_char_ptr(), size, align) };
        // INVARIANT: just created so.
        Ok(Self(NonNull::new(cache).ok_or(ENOMEM)?, PhantomData))
    }
}

impl<T: FileSystem> Drop for InodeCache<T> {
    fn drop(&mut self) {
        // SAFETY: no superblock is left, so no inode is, but those that wait for a grace period.
        unsafe {
            bindings::rcu_barrier();
            bindings::kmem_cache_destroy(self.0.as_ptr());
        }
    }
}

/// # Safety
///
/// `sb` is a superblock of a `T`.
pub(crate) unsafe extern "C" fn alloc_inode_callback<T: FileSystem>(
    sb: *mut bindings::super_block,
) -> *mut bindings::inode {
    // SAFETY: by this function's own requirement.
    let storage = unsafe {
        let cache = Registration::<T>::of((*sb).s_type).cache();
        bindings::rdax_helper_alloc_inode_sb(sb, cache.0.as_ptr()).cast::<Storage<T>>()
    };
    if !storage.is_null() {
        // SAFETY: ours alone, and what was in these fields has been dropped.
        unsafe {
            (&raw mut (*storage).initialised)
                .cast::<bool>()
                .write(false);
            (&raw mut (*storage).link)
                .cast::<Option<CString>>()
                .write(None);
        }
    }
    storage.cast()
}

/// # Safety
///
/// `inode` is one of a `T`, or was: nobody uses it, and a grace period has passed.
pub(crate) unsafe extern "C" fn free_inode_callback<T: FileSystem>(inode: *mut bindings::inode) {
    let storage = inode.cast::<Storage<T>>();
    // SAFETY: by this function's own requirement all of it is ours.
    unsafe {
        if is_initialised::<T>(inode) {
            (*storage).data.get_mut().assume_init_drop();
        }
        core::ptr::drop_in_place((*storage).link.get_mut());
        // The cache may be that of a superblock that is gone; this finds it by itself.
        bindings::kfree(storage.cast());
    }
}

/// Whether an inode has its data.
///
/// # Safety
///
/// `inode` is one of a `T` of which this task is the only user, or which others can find.
pub(crate) unsafe fn is_initialised<T: FileSystem>(inode: *mut bindings::inode) -> bool {
    // SAFETY: by this function's own requirement; it is written before others can find it.
    unsafe { *(*inode.cast::<Storage<T>>()).initialised.get() }
}

/// What [`SuperBlock::iget`] found.
pub enum Lookup<T: FileSystem> {
    /// It is in use.
    Found(ARef<Inode<T>>),
    /// It has to be read.
    New(New<T>),
}

impl<T: FileSystem> SuperBlock<T> {
    /// Returns the inode with this number. Sleeps, also while another task reads, makes or evicts the
    /// same one.
    pub fn iget(&self, ino: u64) -> Result<Lookup<T>> {
        // SAFETY: by the type invariant; there is data, so there are operations.
        let inode = unsafe { bindings::iget_locked(self.as_ptr(), ino) };
        // Null is no memory: no inode of a `T` is I_CREATING, see `Unhashed::insert`.
        let inode = NonNull::new(inode).ok_or(ENOMEM)?;
        // SAFETY: a valid inode.
        if unsafe { bindings::rdax_helper_inode_is_new(inode.as_ptr()) } {
            // INVARIANT: new, hashed, and ours to initialise.
            return Ok(Lookup::New(New(inode, PhantomData)));
        }
        // SAFETY: not new, so initialised, unless reading it failed, in which case it is unhashed
        // before the next lookup. The reference is ours.
        Ok(Lookup::Found(unsafe { ARef::from_raw(inode.cast()) }))
    }

    /// An inode for a file that is about to be created. Sleeps.
    pub fn new_inode(&self) -> Result<Unhashed<T>> {
        // SAFETY: by the type invariant; there is data, so there are operations.
        let inode = unsafe { bindings::new_inode(self.as_ptr()) };
        // INVARIANT: new, and known to us only.
        Ok(Unhashed(NonNull::new(inode).ok_or(ENOMEM)?, PhantomData))
    }
}

/// Whom a new inode belongs to, and its mode.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// Type and permissions.
    pub mode: u16,
    /// The user, in the filesystem's user namespace.
    pub uid: u32,
    /// The group, in the filesystem's user namespace.
    pub gid: u32,
}

/// An inode without a number.
///
/// # Invariants
///
/// A new inode of a `T`, not hashed, with no data; the only reference is ours.
pub struct Unhashed<T: FileSystem>(NonNull<bindings::inode>, PhantomData<T>);

impl<T: FileSystem> Unhashed<T> {
    /// Gives it to who creates it, or to the group of a setgid directory, in the mount's view.
    ///
    /// `mode` loses its setgid bit where the creator may not set it.
    pub fn init_owner(&self, idmap: Idmap<'_>, dir: &Inode<T>, mode: u16) -> Owner {
        let inode = self.0.as_ptr();
        // SAFETY: by the type invariants.
        unsafe {
            bindings::inode_init_owner(idmap.as_ptr(), inode, dir.as_ptr(), mode);
            Owner {
                mode: (*inode).i_mode,
                uid: bindings::rdax_helper_i_uid_read(inode),
                gid: bindings::rdax_helper_i_gid_read(inode),
            }
        }
    }

    /// Gives it its number and hashes it. `EUCLEAN` if an inode in use has that number.
    ///
    /// An inode of that number which is evicted, or whose reading fails, is waited for. From now on
    /// tasks that look the number up wait until the inode is published, or dropped. Sleeps.
    pub fn insert(self, ino: u64) -> Result<New<T>> {
        let mut ino = ino;
        let inode = self.0.as_ptr();
        // SAFETY: by the type invariant this is a new inode of its superblock that is not hashed. The
        // callbacks get the address of `ino`, which outlives the call, and expect that. Unlike
        // `insert_inode_locked()` this does not set I_CREATING, for which lookups do not wait.
        let found = unsafe {
            bindings::inode_insert5(
                inode,
                ino,
                Some(has_number),
                Some(set_number),
                (&raw mut ino).cast(),
            )
        };
        if found != inode {
            if !found.is_null() {
                // SAFETY: another inode, whose reference is ours.
                unsafe { bindings::iput(found) };
            }
            return Err(EUCLEAN);
        }
        // INVARIANT: hashed now, new, and ours to initialise.
        Ok(New(ManuallyDrop::new(self).0, PhantomData))
    }
}

/// # Safety
///
/// `inode` is valid, `ino` points to a number.
unsafe extern "C" fn has_number(inode: *mut bindings::inode, ino: *mut c_void) -> c_int {
    // SAFETY: by this function's own requirement; the number of a hashed inode does not change.
    unsafe { ((*inode).i_ino == *ino.cast::<u64>()).into() }
}

/// # Safety
///
/// `inode` is valid and not hashed yet, `ino` points to a number.
unsafe extern "C" fn set_number(inode: *mut bindings::inode, ino: *mut c_void) -> c_int {
    // SAFETY: `inode_insert5()` calls this with the inode that it is about to hash, which no task has
    // found yet, and with the number that `Unhashed::insert()` gave it.
    unsafe { (*inode).i_ino = *ino.cast::<u64>() };
    0
}

impl<T: FileSystem> Drop for Unhashed<T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant the reference is ours.
        unsafe { bindings::iput(self.0.as_ptr()) };
    }
}

/// An inode with a number that others wait for.
///
/// # Invariants
///
/// A hashed inode of a `T` in state `I_NEW`, with no data, of which we hold a reference.
pub struct New<T: FileSystem>(NonNull<bindings::inode>, PhantomData<T>);

impl<T: FileSystem> New<T> {
    /// Its number.
    pub fn ino(&self) -> u64 {
        // SAFETY: by the type invariant.
        unsafe { (*self.0.as_ptr()).i_ino }
    }

    /// Gives it its data. If that fails, who waits for the inode gets an error.
    pub fn init<E>(self, data: impl PinInit<T::InodeData, E>) -> Result<Fresh<T>>
    where
        Error: From<E>,
    {
        let storage = self.0.as_ptr().cast::<Storage<T>>();
        // SAFETY: by the type invariant there is no data yet, and nobody else looks for it.
        unsafe {
            let slot = (*storage).data.get().cast::<T::InodeData>();
            pin_init::raw_try_init(slot, data)?;
            *(*storage).initialised.get() = true;
        }
        // INVARIANT: it has data now; the rest is the same.
        Ok(Fresh(ManuallyDrop::new(self).0, PhantomData))
    }
}

impl<T: FileSystem> Drop for New<T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; gives up our reference.
        unsafe { bindings::iget_failed(self.0.as_ptr()) };
    }
}

/// An inode with its data that others wait for.
///
/// # Invariants
///
/// As for [`New`], but it has its data.
pub struct Fresh<T: FileSystem>(NonNull<bindings::inode>, PhantomData<T>);

impl<T: FileSystem> Deref for Fresh<T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        // SAFETY: by the type invariant.
        unsafe { Inode::from_ptr(self.0.as_ptr()) }
    }
}

impl<T: FileSystem> Fresh<T> {
    /// Its operations.
    pub fn set_ops(&mut self, inode: Ops<T>) {
        // SAFETY: by the type invariants; nobody calls one before the inode is published.
        unsafe { (*self.as_ptr()).i_op = core::ptr::from_ref(inode.0).cast() };
    }

    /// The operations of its open files.
    pub fn set_file_ops(&mut self, file: file::Ops<T>) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).__bindgen_anon_3.i_fop = file.0 };
    }

    /// The operations of its mapping.
    pub fn set_address_space_ops(&mut self, mapping: address_space::Ops<T>) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).i_data.a_ops = mapping.0 };
    }

    /// Makes it a device, a FIFO or a socket, as its mode says; `rdev` is the device, encoded as
    /// [`DirOperations::mknod`](super::DirOperations::mknod) gets it.
    pub fn set_special(&mut self, rdev: u32) {
        // SAFETY: as above.
        unsafe {
            let rdev = bindings::rdax_helper_new_decode_dev(rdev);
            bindings::init_special_inode(self.as_ptr(), self.mode(), rdev);
        }
    }

    /// Where it leads, if it is a symbolic link.
    pub fn set_link(&mut self, target: CString) {
        let storage = self.as_ptr().cast::<Storage<T>>();
        // SAFETY: `self.as_ptr()` is the inode of a live `Storage<T>`, which `New::init` filled in,
        // and until the inode is published this `Fresh` is the only user of its link. Path walks
        // see the link only after that, and it lives as long as the storage.
        unsafe {
            let link = (&mut *(*storage).link.get()).insert(target);
            let target = link.as_char_ptr().cast_mut();
            bindings::rdax_helper_inode_set_link(self.as_ptr(), target);
        }
    }

    /// Wakes who waits for it.
    pub fn publish(self) -> ARef<Inode<T>> {
        let inode = ManuallyDrop::new(self).0;
        // SAFETY: by the type invariant it is new and complete; the reference is ours.
        unsafe {
            bindings::unlock_new_inode(inode.as_ptr());
            ARef::from_raw(inode.cast())
        }
    }

    /// Publishes it under its first name.
    ///
    /// # Safety
    ///
    /// `dentry` is negative, of the same superblock, and its parent is locked.
    pub(crate) unsafe fn instantiate(self, dentry: *mut bindings::dentry) {
        let inode = ManuallyDrop::new(self).0;
        // SAFETY: by the type invariant and this function's own requirement; consumes our
        // reference.
        unsafe { bindings::d_instantiate_new(dentry, inode.as_ptr()) };
    }
}

impl<T: FileSystem> Drop for Fresh<T> {
    fn drop(&mut self) {
        // SAFETY: by the type invariant; gives up our reference.
        unsafe { bindings::iget_failed(self.0.as_ptr()) };
    }
}
