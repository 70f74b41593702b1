// SPDX-License-Identifier: GPL-2.0

//! `struct export_operations`: file handles, for NFS and `open_by_handle_at()`.
//!
//! A handle is an inode number of 64 bits and a generation, then those of a parent if wanted.
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)

use super::{
    FileSystem,
    Inode,
    SuperBlock, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::aref::ARef, //
};

/// How files are found without a name.
pub trait Operations: FileSystem {
    /// The inode with this number and generation; `ESTALE` if there is none. Numbers come from
    /// users. May sleep.
    fn inode_by_handle(
        sb: &SuperBlock<Self>,
        ino: u64,
        generation: u32,
    ) -> Result<ARef<Inode<Self>>>;

    /// The directory that a directory is in. May sleep.
    fn parent(dir: &Inode<Self>) -> Result<ARef<Inode<Self>>>;
}

/// The table, as a value.
///
/// # Invariants
///
/// The operations fit superblocks of a `T`.
pub struct Ops<T: FileSystem>(&'static bindings::export_operations, PhantomData<fn(T)>);

impl<T: Operations> Ops<T> {
    /// That of `T`.
    // INVARIANT: it is.
    pub const NEW: Self = Self(&ExportVTable::<T>::VTABLE, PhantomData);
}

impl<T: FileSystem> Ops<T> {
    /// # Safety
    ///
    /// `sb` is a superblock of a `T` that nobody else uses.
    pub(super) unsafe fn install(&self, sb: *mut bindings::super_block) {
        // SAFETY: by this function's own requirement and the type invariant.
        unsafe { (*sb).s_export_op = core::ptr::from_ref(self.0).cast() };
    }
}

/// Words of one inode in a handle: the number, low half first, and the generation.
const WORDS: usize = 3;

fn put<T: FileSystem>(words: &mut [u32], inode: &Inode<T>) {
    if let [low, high, generation] = words {
        *low = inode.ino() as u32;
        *high = (inode.ino() >> 32) as u32;
        *generation = inode.generation();
    }
}

fn get(words: Option<&[u32]>) -> Option<(u64, u32)> {
    match words? {
        &[low, high, generation] => Some((u64::from(high) << 32 | u64::from(low), generation)),
        _ => None,
    }
}

struct ExportVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> ExportVTable<T> {
    /// # Safety
    ///
    /// `inode`, and `parent` unless it is null, are inodes of a `T`; `fh` is valid for `*max_len`
    /// words.
    unsafe extern "C" fn encode_fh_callback(
        inode: *mut bindings::inode,
        fh: *mut u32,
        max_len: *mut c_int,
        parent: *mut bindings::inode,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, parent, room) = unsafe {
            (
                Inode::<T>::from_ptr(inode),
                (!parent.is_null()).then(|| Inode::<T>::from_ptr(parent)),
                usize::try_from(*max_len).unwrap_or(0),
            )
        };
        let (len, kind) = match parent {
            None => (WORDS, bindings::fid_type_FILEID_INO64_GEN),
            Some(_) => (2 * WORDS, bindings::fid_type_FILEID_INO64_GEN_PARENT),
        };
        // SAFETY: as above.
        unsafe { *max_len = len as c_int };
        if room < len {
            return bindings::fid_type_FILEID_INVALID as c_int;
        }
        // SAFETY: as above; `len` words fit.
        let words = unsafe {
            fh.write_bytes(0, len);
            core::slice::from_raw_parts_mut(fh, len)
        };
        let (first, second) = words.split_at_mut(WORDS);
        put(first, inode);
        if let Some(parent) = parent {
            put(second, parent);
        }
        kind as c_int
    }

    /// # Safety
    ///
    /// `sb` is a superblock of a `T`, `fid` valid for `len` words.
    unsafe fn decode(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        of: impl FnOnce(&[u32]) -> Option<(u64, u32)>,
    ) -> *mut bindings::dentry {
        // SAFETY: by this function's own requirement.
        let (sb, words) = unsafe {
            let len = usize::try_from(len).unwrap_or(0);
            (
                SuperBlock::<T>::from_ptr(sb),
                core::slice::from_raw_parts(fid.cast::<u32>(), len),
            )
        };
        let Some((ino, generation)) = of(words) else {
            return core::ptr::null_mut();
        };
        Self::alias(T::inode_by_handle(sb, ino, generation))
    }

    fn alias(inode: Result<ARef<Inode<T>>>) -> *mut bindings::dentry {
        match inode {
            // SAFETY: consumes the reference, also if it fails.
            Ok(inode) => unsafe { bindings::d_obtain_alias(ARef::into_raw(inode).cast().as_ptr()) },
            Err(err) => err.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// As for [`Self::decode`].
    unsafe extern "C" fn fh_to_dentry_callback(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        let of = |words: &[u32]| match kind as u32 {
            bindings::fid_type_FILEID_INO64_GEN | bindings::fid_type_FILEID_INO64_GEN_PARENT => {
                get(words.get(..WORDS))
            }
            _ => None,
        };
        // SAFETY: by this function's own requirement.
        unsafe { Self::decode(sb, fid, len, of) }
    }

    /// # Safety
    ///
    /// As for [`Self::decode`].
    unsafe extern "C" fn fh_to_parent_callback(
        sb: *mut bindings::super_block,
        fid: *mut bindings::fid,
        len: c_int,
        kind: c_int,
    ) -> *mut bindings::dentry {
        let of = |words: &[u32]| match kind as u32 {
            bindings::fid_type_FILEID_INO64_GEN_PARENT => get(words.get(WORDS..2 * WORDS)),
            _ => None,
        };
        // SAFETY: by this function's own requirement.
        unsafe { Self::decode(sb, fid, len, of) }
    }

    /// # Safety
    ///
    /// `child` is a directory of a `T`.
    unsafe extern "C" fn get_parent_callback(
        child: *mut bindings::dentry,
    ) -> *mut bindings::dentry {
        // SAFETY: by this function's own requirement.
        Self::alias(T::parent(unsafe { Inode::from_ptr((*child).d_inode) }))
    }

    const VTABLE: bindings::export_operations = bindings::export_operations {
        encode_fh: Some(Self::encode_fh_callback),
        fh_to_dentry: Some(Self::fh_to_dentry_callback),
        fh_to_parent: Some(Self::fh_to_parent_callback),
        get_parent: Some(Self::get_parent_callback),
        ..pin_init::zeroed()
    };
}
