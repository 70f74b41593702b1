// SPDX-License-Identifier: GPL-2.0

//! `struct super_operations`.

use super::SuperBlock;
use crate::{
    bindings,
    fs::{
        inode::{
            self,
            Inode, //
        },
        FileSystem, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    prelude::*,
    seq_file::SeqFile, //
};

pub(crate) struct OperationsVTable<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> OperationsVTable<T> {
    /// # Safety
    ///
    /// `inode` is one of a `T` that nobody references any more.
    unsafe extern "C" fn evict_inode_callback(raw: *mut bindings::inode) {
        // SAFETY: by this function's own requirement.
        let initialised = unsafe { inode::is_initialised::<T>(raw) };
        if initialised {
            // SAFETY: initialised, and ours alone, until this function returns.
            T::unmap_inode(unsafe { Inode::from_ptr(raw) });
        }
        // SAFETY: the VFS calls this to have it done.
        unsafe { bindings::truncate_inode_pages_final(&raw mut (*raw).i_data) };
        if initialised {
            // SAFETY: as above.
            T::evict_inode(unsafe { Inode::from_ptr(raw) });
        }
        // SAFETY: as above.
        unsafe { bindings::clear_inode(raw) };
    }

    /// # Safety
    ///
    /// `sb` is a superblock of a `T` with data; so in all below.
    unsafe extern "C" fn sync_fs_callback(sb: *mut bindings::super_block, wait: c_int) -> c_int {
        // SAFETY: by this function's own requirement.
        let sb = unsafe { SuperBlock::from_ptr(sb) };
        from_result(|| T::sync_fs(sb, wait != 0).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for [`Self::sync_fs_callback`].
    unsafe extern "C" fn freeze_fs_callback(sb: *mut bindings::super_block) -> c_int {
        // SAFETY: by this function's own requirement.
        let sb = unsafe { SuperBlock::from_ptr(sb) };
        from_result(|| T::freeze_fs(sb).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for [`Self::sync_fs_callback`].
    unsafe extern "C" fn unfreeze_fs_callback(sb: *mut bindings::super_block) -> c_int {
        // SAFETY: by this function's own requirement.
        let sb = unsafe { SuperBlock::from_ptr(sb) };
        from_result(|| T::unfreeze_fs(sb).map(|()| 0))
    }

    /// # Safety
    ///
    /// `dentry` is one of a `T`; `buf` is valid for writes.
    unsafe extern "C" fn statfs_callback(
        dentry: *mut bindings::dentry,
        buf: *mut kernel::bindings::kstatfs,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let sb = unsafe { SuperBlock::<T>::from_ptr((*dentry).d_sb) };
        from_result(|| {
            let statfs = T::statfs(sb)?;
            // SAFETY: by this function's own requirement. CAST: the kernel crate's bindings know
            // the structure by name only.
            unsafe { statfs.fill(sb, buf.cast()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dentry` is one of a `T`; `seq` is valid and not in use elsewhere.
    unsafe extern "C" fn show_options_callback(
        seq: *mut bindings::seq_file,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (sb, seq) = unsafe { (SuperBlock::from_ptr((*dentry).d_sb), SeqFile::from_raw(seq)) };
        from_result(|| T::show_options(sb, seq).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for [`Self::sync_fs_callback`].
    unsafe extern "C" fn shutdown_callback(sb: *mut bindings::super_block) {
        // SAFETY: by this function's own requirement.
        T::shutdown(unsafe { SuperBlock::from_ptr(sb) });
    }

    pub(crate) const VTABLE: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(inode::alloc_inode_callback::<T>),
        free_inode: Some(inode::free_inode_callback::<T>),
        evict_inode: Some(Self::evict_inode_callback),
        sync_fs: Some(Self::sync_fs_callback),
        freeze_fs: Some(Self::freeze_fs_callback),
        unfreeze_fs: Some(Self::unfreeze_fs_callback),
        statfs: Some(Self::statfs_callback),
        show_options: Some(Self::show_options_callback),
        shutdown: Some(Self::shutdown_callback),
        ..pin_init::zeroed()
    };
}
