// SPDX-License-Identifier: GPL-2.0

//! `struct inode_operations`: what all inodes have.

use super::{
    dir_ops::DirVTable,
    DirOperations,
    Inode, //
};
use crate::{
    bindings,
    fs::{
        acl::{
            self,
            Acl, //
        },
        fileattr::{
            FileAttr,
            XFlags, //
        },
        kstat::Kstat,
        setattr::Setattr,
        xattr,
        FileSystem,
        Idmap,
        Timespec, //
    },
    iomap::Fiemap, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::from_result,
    prelude::*, //
};

/// What can be done with any inode. All may sleep.
pub trait Operations: FileSystem {
    /// Adds to `stat` what the VFS does not know.
    fn getattr(inode: &Inode<Self>, stat: &mut Kstat) -> Result;

    /// Changes attributes. `i_rwsem` is held.
    fn setattr(change: &Setattr<'_, Self>) -> Result;

    /// Makes the inode's times durable. No lock is held for sure.
    fn write_times(inode: &Inode<Self>) -> Result;

    /// Lists all extended attributes and access control lists.
    fn list_xattr(inode: &Inode<Self>, list: &mut xattr::List<'_>) -> Result;

    /// Reads an access control list; the VFS caches it.
    fn get_acl(inode: &Inode<Self>, kind: acl::Kind) -> Result<Option<Acl>>;

    /// Sets or removes an access control list. `i_rwsem` is held.
    fn set_acl(inode: &Inode<Self>, idmap: Idmap<'_>, kind: acl::Kind, acl: Option<Acl>) -> Result;

    /// The attributes that `lsattr` shows.
    fn fileattr(inode: &Inode<Self>) -> Result<XFlags>;

    /// Sets them. `i_rwsem` is held; the VFS has checked privileges.
    fn set_fileattr(inode: &Inode<Self>, attr: FileAttr) -> Result;
}

/// What can be done with an inode that has extents.
pub trait FiemapOperations: Operations {
    /// Tells where bytes `start` to `start + len` are. May sleep.
    fn fiemap(inode: &Inode<Self>, info: Fiemap<'_>, start: u64, len: u64) -> Result;
}

/// A table of operations on inodes of a `T`.
///
/// # Invariants
///
/// The callbacks may be called for an [`Inode<T>`].
pub struct Ops<T: FileSystem>(
    pub(crate) &'static bindings::inode_operations,
    PhantomData<fn(T)>,
);

impl<T: FileSystem> Clone for Ops<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Ops<T> {}

impl<T: Operations> Ops<T> {
    /// For devices, FIFOs and sockets.
    // INVARIANT: the callbacks are made for such inodes; so below.
    pub const SPECIAL: Self = Self(&InodeVTable::<T>::SPECIAL, PhantomData);

    /// For symbolic links, see [`Fresh::set_link`](super::Fresh::set_link).
    pub const SYMLINK: Self = Self(&InodeVTable::<T>::SYMLINK, PhantomData);
}

impl<T: FiemapOperations> Ops<T> {
    /// For regular files.
    pub const REGULAR: Self = Self(&FiemapVTable::<T>::VTABLE, PhantomData);
}

impl<T: DirOperations> Ops<T> {
    /// For directories.
    pub const DIRECTORY: Self = Self(&DirVTable::<T>::VTABLE, PhantomData);
}

pub(super) struct InodeVTable<T: Operations>(PhantomData<T>);

/// Access, modification and change time of an inode.
fn times<T: FileSystem>(inode: &Inode<T>) -> [Timespec; 3] {
    [inode.atime(), inode.mtime(), inode.ctime()]
}

/// Whether changed times may wait.
fn is_lazy(dirty: c_int) -> bool {
    dirty as u32 == bindings::inode_state_flags_enum_I_DIRTY_TIME
}

impl<T: Operations> InodeVTable<T> {
    /// # Safety
    ///
    /// `path` names an inode of a `T`; `stat` is valid and not in use elsewhere.
    unsafe extern "C" fn getattr_callback(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        request_mask: u32,
        _query_flags: c_uint,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, stat) = unsafe {
            let inode = (*(*path).dentry).d_inode;
            bindings::generic_fillattr(idmap, request_mask, inode, stat);
            (Inode::from_ptr(inode), Kstat::from_ptr(stat))
        };
        from_result(|| T::getattr(inode, stat).map(|()| 0))
    }

    /// # Safety
    ///
    /// `dentry` has an inode of a `T`, whose `i_rwsem` is held; the others are valid.
    unsafe extern "C" fn setattr_callback(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let change = unsafe { Setattr::new(Idmap::from_ptr(idmap), dentry, attr) };
        from_result(|| T::setattr(&change).map(|()| 0))
    }

    /// # Safety
    ///
    /// `raw` is an inode of a `T`.
    unsafe extern "C" fn update_time_callback(
        raw: *mut bindings::inode,
        kind: bindings::fs_update_time,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let inode = unsafe { Inode::<T>::from_ptr(raw) };
        let lazy = inode.sb().is_lazytime();
        if !lazy && flags & bindings::RDAX_IOCB_NOWAIT as u32 != 0 {
            return EAGAIN.to_errno();
        }
        let before = times(inode);
        // SAFETY: as above.
        let dirty = unsafe { bindings::inode_update_time(raw, kind, flags) };
        if dirty <= 0 {
            return dirty;
        }
        if lazy && is_lazy(dirty) {
            // SAFETY: as above.
            unsafe { bindings::__mark_inode_dirty(raw, dirty) };
            return 0;
        }
        let set = times(inode);
        from_result(|| match T::write_times(inode) {
            Ok(()) => Ok(0),
            Err(err) => {
                // Unless another task has set them since.
                if times(inode) == set {
                    let [atime, mtime, ctime] = before;
                    inode.set_atime(atime);
                    inode.set_mtime(mtime);
                    inode.set_ctime(ctime);
                }
                Err(err)
            }
        })
    }

    /// # Safety
    ///
    /// `inode` is one of a `T`.
    unsafe extern "C" fn sync_lazytime_callback(inode: *mut bindings::inode) {
        // There is nobody to tell of an error; the filesystem has logged it.
        // SAFETY: by this function's own requirement.
        let _ = T::write_times(unsafe { Inode::from_ptr(inode) });
    }

    /// # Safety
    ///
    /// `dentry` has an inode of a `T`; `list` is valid for `size` bytes.
    unsafe extern "C" fn listxattr_callback(
        dentry: *mut bindings::dentry,
        list: *mut c_char,
        size: usize,
    ) -> isize {
        // SAFETY: by this function's own requirement.
        let (inode, mut list) = unsafe {
            (
                Inode::from_ptr((*dentry).d_inode),
                xattr::List::new(list, size),
            )
        };
        match T::list_xattr(inode, &mut list) {
            Ok(()) => isize::try_from(list.used()).unwrap_or(isize::MAX),
            Err(err) => err.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `inode` is one of a `T`.
    unsafe extern "C" fn get_inode_acl_callback(
        inode: *mut bindings::inode,
        kind: c_int,
        rcu: bool,
    ) -> *mut bindings::posix_acl {
        if rcu {
            return ECHILD.to_ptr();
        }
        // SAFETY: by this function's own requirement.
        let inode = unsafe { Inode::from_ptr(inode) };
        match acl::Kind::from_raw(kind).and_then(|kind| T::get_acl(inode, kind)) {
            Ok(acl) => acl.map_or(core::ptr::null_mut(), Acl::into_raw),
            Err(err) => err.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// `dentry` has an inode of a `T`, whose `i_rwsem` is held; `acl` is valid or null.
    unsafe extern "C" fn set_acl_callback(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        kind: c_int,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, idmap, acl) = unsafe {
            (
                Inode::from_ptr((*dentry).d_inode),
                Idmap::from_ptr(idmap),
                Acl::borrow(acl),
            )
        };
        from_result(|| {
            T::set_acl(inode, idmap, acl::Kind::from_raw(kind)?, acl)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dentry` has an inode of a `T`; `attr` is valid for writes.
    unsafe extern "C" fn fileattr_get_callback(
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let inode = unsafe { Inode::from_ptr((*dentry).d_inode) };
        from_result(|| {
            let flags = T::fileattr(inode)?;
            // SAFETY: by this function's own requirement.
            unsafe { bindings::fileattr_fill_xflags(attr, flags.into()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dentry` has an inode of a `T`, whose `i_rwsem` is held; `attr` is valid.
    unsafe extern "C" fn fileattr_set_callback(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, attr) = unsafe {
            let attr = FileAttr {
                flags: XFlags::from_bits((*attr).fsx_xflags),
                has_others: bindings::rdax_helper_fileattr_has_others(attr),
            };
            (Inode::from_ptr((*dentry).d_inode), attr)
        };
        from_result(|| T::set_fileattr(inode, attr).map(|()| 0))
    }

    /// What any inode has but a symbolic link, which has neither lists nor flags.
    pub(super) const SPECIAL: bindings::inode_operations = bindings::inode_operations {
        get_inode_acl: Some(Self::get_inode_acl_callback),
        set_acl: Some(Self::set_acl_callback),
        fileattr_get: Some(Self::fileattr_get_callback),
        fileattr_set: Some(Self::fileattr_set_callback),
        ..Self::COMMON
    };

    const SYMLINK: bindings::inode_operations = bindings::inode_operations {
        get_link: Some(bindings::simple_get_link),
        ..Self::COMMON
    };

    const COMMON: bindings::inode_operations = bindings::inode_operations {
        getattr: Some(Self::getattr_callback),
        setattr: Some(Self::setattr_callback),
        update_time: Some(Self::update_time_callback),
        sync_lazytime: Some(Self::sync_lazytime_callback),
        listxattr: Some(Self::listxattr_callback),
        ..pin_init::zeroed()
    };
}

struct FiemapVTable<T: FiemapOperations>(PhantomData<T>);

impl<T: FiemapOperations> FiemapVTable<T> {
    /// # Safety
    ///
    /// `inode` is one of a `T`; `info` is valid and not in use elsewhere.
    unsafe extern "C" fn fiemap_callback(
        inode: *mut bindings::inode,
        info: *mut bindings::fiemap_extent_info,
        start: u64,
        len: u64,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let inode = unsafe { Inode::from_ptr(inode) };
        from_result(|| {
            let info = NonNull::new(info).ok_or(EINVAL)?;
            // SAFETY: as above.
            T::fiemap(inode, unsafe { Fiemap::from_ptr(info) }, start, len)?;
            Ok(0)
        })
    }

    const VTABLE: bindings::inode_operations = bindings::inode_operations {
        fiemap: Some(Self::fiemap_callback),
        ..InodeVTable::<T>::SPECIAL
    };
}
