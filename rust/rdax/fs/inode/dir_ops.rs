// SPDX-License-Identifier: GPL-2.0

//! `struct inode_operations`: what directories have besides.

use super::{
    ops::InodeVTable,
    Fresh,
    Inode,
    Operations, //
};
use crate::{
    bindings,
    fs::{
        Dentry,
        Idmap, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    prelude::*,
    sync::aref::ARef, //
};

/// What can be done with a directory.
///
/// The VFS has checked permissions, and holds the `i_rwsem` of directories that change and of
/// inodes whose names are removed, replaced or added to. All may sleep. A name that is new stands
/// for no inode yet; a name that is to be removed for the right one.
pub trait DirOperations: Operations {
    /// The inode that `name` stands for in `dir`, whose `i_rwsem` is held shared.
    fn lookup(dir: &Inode<Self>, name: &[u8]) -> Result<Option<ARef<Inode<Self>>>>;

    /// Creates a regular file, or what else `mode` says: a device with the number `rdev`, encoded
    /// as `new_encode_dev()` does, a FIFO, a socket.
    fn mknod(
        dir: &Inode<Self>,
        idmap: Idmap<'_>,
        name: &[u8],
        mode: u16,
        rdev: u32,
    ) -> Result<Fresh<Self>>;

    /// Creates a directory.
    fn mkdir(dir: &Inode<Self>, idmap: Idmap<'_>, name: &[u8], mode: u16) -> Result<Fresh<Self>>;

    /// Creates a symbolic link to `target`.
    fn symlink(
        dir: &Inode<Self>,
        idmap: Idmap<'_>,
        name: &[u8],
        target: &CStr,
    ) -> Result<Fresh<Self>>;

    /// Creates a regular file with no name. It is gone when it is closed, unless it is linked.
    fn tmpfile(dir: &Inode<Self>, idmap: Idmap<'_>, mode: u16) -> Result<Fresh<Self>>;

    /// Gives `inode` another name.
    fn link(inode: &Inode<Self>, dir: &Inode<Self>, name: &[u8]) -> Result;

    /// Removes the name of something that is no directory.
    fn unlink(dir: &Inode<Self>, name: &[u8], inode: &Inode<Self>) -> Result;

    /// Removes a directory. `ENOTEMPTY` if there is anything in it.
    fn rmdir(dir: &Inode<Self>, name: &[u8], inode: &Inode<Self>) -> Result;

    /// Gives a file another name.
    fn rename(rename: &Rename<'_, Self>) -> Result;
}

/// What happens to the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// The old one becomes the new one, which may stand for something that is then replaced.
    Replace,
    /// As before, but a character device with number 0 takes the place of the old name.
    Whiteout,
    /// Both are exchanged; each stands for something.
    Exchange,
}

/// A change of names.
pub struct Rename<'a, T: DirOperations> {
    /// The directory of the old name.
    pub old_dir: &'a Inode<T>,
    /// The old name.
    pub old_name: &'a [u8],
    /// What it stands for.
    pub inode: &'a Inode<T>,
    /// The directory of the new name; may be the same.
    pub new_dir: &'a Inode<T>,
    /// The new name.
    pub new_name: &'a [u8],
    /// What that stands for.
    pub target: Option<&'a Inode<T>>,
    /// What is to happen.
    pub mode: RenameMode,
    /// The mount's view of owners, for the whiteout.
    pub idmap: Idmap<'a>,
}

pub(super) struct DirVTable<T: DirOperations>(PhantomData<T>);

impl<T: DirOperations> DirVTable<T> {
    /// # Safety
    ///
    /// `dir` is a directory of a `T`, locked, and `dentry` is a name in it; so in all below, also
    /// for other directories and names. `idmap` is valid.
    unsafe extern "C" fn lookup_callback(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        _flags: c_uint,
    ) -> *mut bindings::dentry {
        // SAFETY: by this function's own requirement.
        let (dir, name) = unsafe { (Inode::from_ptr(dir), Dentry::<T>::from_ptr(dentry).name()) };
        match T::lookup(dir, name) {
            Ok(inode) => {
                let inode = inode.map_or(core::ptr::null_mut(), |inode| {
                    ARef::into_raw(inode).cast().as_ptr()
                });
                // SAFETY: as above; consumes the reference, also if it fails.
                unsafe { bindings::d_splice_alias(inode, dentry) }
            }
            Err(err) => err.to_ptr(),
        }
    }

    /// Creates an inode and makes `dentry` its name.
    ///
    /// # Safety
    ///
    /// As for [`Self::lookup_callback`]; `dentry` stands for nothing yet.
    unsafe fn create(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        make: impl FnOnce(&Inode<T>, &[u8]) -> Result<Fresh<T>>,
    ) -> Result {
        // SAFETY: by this function's own requirement.
        let (dir, name) = unsafe { (Inode::from_ptr(dir), Dentry::<T>::from_ptr(dentry).name()) };
        let inode = make(dir, name)?;
        // SAFETY: as above.
        unsafe { inode.instantiate(dentry) };
        Ok(())
    }

    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn create_callback(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { Self::mknod_callback(idmap, dir, dentry, mode | bindings::S_IFREG as u16, 0) }
    }

    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn mknod_callback(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        rdev: bindings::dev_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement.
            unsafe {
                let idmap = Idmap::from_ptr(idmap);
                let rdev = bindings::rdax_helper_new_encode_dev(rdev);
                Self::create(dir, dentry, |dir, name| {
                    T::mknod(dir, idmap, name, mode, rdev)
                })?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn mkdir_callback(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        let mode = mode | bindings::S_IFDIR as u16;
        // SAFETY: by this function's own requirement.
        let result = unsafe {
            let idmap = Idmap::from_ptr(idmap);
            Self::create(dir, dentry, |dir, name| T::mkdir(dir, idmap, name, mode))
        };
        match result {
            Ok(()) => core::ptr::null_mut(),
            Err(err) => err.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// As for [`Self::create`]; `target` is a string.
    unsafe extern "C" fn symlink_callback(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement.
            unsafe {
                let (idmap, target) = (Idmap::from_ptr(idmap), CStr::from_char_ptr(target));
                Self::create(dir, dentry, |dir, name| {
                    T::symlink(dir, idmap, name, target)
                })?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dir` is a directory of a `T`; `file` is being opened, with a dentry of its own.
    unsafe extern "C" fn tmpfile_callback(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement.
            unsafe {
                let idmap = Idmap::from_ptr(idmap);
                let inode = T::tmpfile(Inode::from_ptr(dir), idmap, mode)?;
                bindings::d_mark_tmpfile(file, inode.as_ptr());
                let dentry = (*file).__bindgen_anon_1.f_path.dentry;
                inode.instantiate(dentry);
                kernel::error::to_result(bindings::finish_open(file, dentry, None))?;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::create`]; `old` stands for an inode of a `T`, which is locked.
    unsafe extern "C" fn link_callback(
        old: *mut bindings::dentry,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, dir, name) = unsafe {
            (
                Inode::<T>::from_ptr((*old).d_inode),
                Inode::from_ptr(dir),
                Dentry::<T>::from_ptr(dentry).name(),
            )
        };
        from_result(|| {
            T::link(inode, dir, name)?;
            // SAFETY: as above; consumes the reference that is taken.
            unsafe {
                bindings::ihold(inode.as_ptr());
                bindings::d_instantiate(dentry, inode.as_ptr());
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::lookup_callback`].
    unsafe fn remove(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        remove: impl FnOnce(&Inode<T>, &[u8], &Inode<T>) -> Result,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (dir, dentry) = unsafe { (Inode::from_ptr(dir), Dentry::<T>::from_ptr(dentry)) };
        from_result(|| {
            remove(dir, dentry.name(), dentry.inode().ok_or(ENOENT)?)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::lookup_callback`].
    unsafe extern "C" fn unlink_callback(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { Self::remove(dir, dentry, T::unlink) }
    }

    /// # Safety
    ///
    /// As for [`Self::lookup_callback`].
    unsafe extern "C" fn rmdir_callback(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { Self::remove(dir, dentry, T::rmdir) }
    }

    /// # Safety
    ///
    /// As for [`Self::lookup_callback`].
    unsafe extern "C" fn rename_callback(
        idmap: *mut bindings::mnt_idmap,
        old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (idmap, old_dir, old, new_dir, new) = unsafe {
            (
                Idmap::from_ptr(idmap),
                Inode::from_ptr(old_dir),
                Dentry::<T>::from_ptr(old),
                Inode::from_ptr(new_dir),
                Dentry::<T>::from_ptr(new),
            )
        };
        // The VFS sees to RENAME_NOREPLACE.
        let mode = match flags & !bindings::RENAME_NOREPLACE {
            0 => RenameMode::Replace,
            bindings::RENAME_WHITEOUT => RenameMode::Whiteout,
            bindings::RENAME_EXCHANGE => RenameMode::Exchange,
            _ => return EINVAL.to_errno(),
        };
        from_result(|| {
            T::rename(&Rename {
                old_dir,
                old_name: old.name(),
                inode: old.inode().ok_or(ENOENT)?,
                new_dir,
                new_name: new.name(),
                target: new.inode(),
                mode,
                idmap,
            })?;
            Ok(0)
        })
    }

    pub(super) const VTABLE: bindings::inode_operations = bindings::inode_operations {
        lookup: Some(Self::lookup_callback),
        create: Some(Self::create_callback),
        link: Some(Self::link_callback),
        unlink: Some(Self::unlink_callback),
        symlink: Some(Self::symlink_callback),
        mkdir: Some(Self::mkdir_callback),
        rmdir: Some(Self::rmdir_callback),
        mknod: Some(Self::mknod_callback),
        rename: Some(Self::rename_callback),
        tmpfile: Some(Self::tmpfile_callback),
        ..InodeVTable::<T>::SPECIAL
    };
}
