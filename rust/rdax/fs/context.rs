// SPDX-License-Identifier: GPL-2.0

//! `struct fs_context`: mounting and remounting.
//!
//! C source: [`fs/fs_context.c`](srctree/fs/fs_context.c)

use super::{
    inode::Inode,
    super_block::{
        OperationsVTable,
        SuperBlock, //
    },
    FileSystem, //
};
use crate::{
    bindings,
    dax::holder, //
};
use core::marker::PhantomData;
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// A mount option, as the user wrote it.
pub struct Parameter<'a> {
    key: &'a CStr,
    value: Option<&'a CStr>,
}

impl Parameter<'_> {
    /// Its name. Options that are not known are answered with `ENOPARAM`, so that the VFS can
    /// see to its own.
    pub fn key(&self) -> &[u8] {
        self.key.to_bytes()
    }

    /// For an option without a value.
    pub fn flag(&self) -> Result {
        match self.value {
            None => Ok(()),
            Some(_) => Err(EINVAL),
        }
    }

    /// The value.
    pub fn string(&self) -> Result<&str> {
        Ok(self.value.ok_or(EINVAL)?.to_str()?)
    }

    /// The value as a number, in decimal, or in hexadecimal after `0x`.
    pub fn u32(&self) -> Result<u32> {
        let value = self.string()?;
        match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => value.parse(),
        }
        .map_err(|_| EINVAL)
    }

    /// Which of the names the value is.
    pub fn one_of<V: Copy>(&self, names: &[(&str, V)]) -> Result<V> {
        let value = self.string()?;
        let found = names.iter().find(|(name, _)| *name == value);
        found.map(|(_, meaning)| *meaning).ok_or(EINVAL)
    }
}

/// How to mount or remount.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Read-only.
    pub read_only: bool,
    /// Whether that is to change; always so for a mount.
    pub change: bool,
    /// Do not log why it fails.
    pub quiet: bool,
}

impl Request {
    /// # Safety
    ///
    /// `fc` is valid.
    unsafe fn new(fc: *mut bindings::fs_context) -> Self {
        // SAFETY: by this function's own requirement.
        let (flags, mask) = unsafe { ((*fc).sb_flags as usize, (*fc).sb_flags_mask as usize) };
        Self {
            read_only: flags & bindings::RDAX_SB_RDONLY != 0,
            change: mask & bindings::RDAX_SB_RDONLY != 0,
            quiet: flags & bindings::RDAX_SB_SILENT != 0,
        }
    }
}

/// Sets up a context: its `fs_private` owns the options.
///
/// # Safety
///
/// `fc` is a new context for a `T`.
pub(super) unsafe fn init<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    from_result(|| {
        // SAFETY: by this function's own requirement. `root` is set for a remount only, and is
        // referenced.
        let mounted = unsafe {
            let root = (*fc).root;
            (!root.is_null()).then(|| SuperBlock::<T>::from_ptr((*root).d_sb))
        };
        let options = KBox::new(T::options(mounted), GFP_KERNEL)?;
        // SAFETY: nobody else uses the context yet.
        unsafe {
            (*fc).fs_private = KBox::into_raw(options).cast();
            (*fc).ops = &ContextVTable::<T>::VTABLE;
        }
        Ok(0)
    })
}

struct ContextVTable<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> ContextVTable<T> {
    /// # Safety
    ///
    /// `fc` was set up by [`init()`] and not freed, and is not used by others meanwhile; so in all
    /// below.
    unsafe fn options<'a>(fc: *mut bindings::fs_context) -> &'a mut T::Options {
        // SAFETY: by this function's own requirement.
        unsafe { &mut *(*fc).fs_private.cast() }
    }

    /// # Safety
    ///
    /// As for [`Self::options`].
    unsafe extern "C" fn free_callback(fc: *mut bindings::fs_context) {
        // SAFETY: by this function's own requirement; this is the last use.
        drop(unsafe { KBox::<T::Options>::from_raw((*fc).fs_private.cast()) });
    }

    /// # Safety
    ///
    /// As for [`Self::options`]; `param` is valid.
    unsafe extern "C" fn parse_param_callback(
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> c_int {
        from_result(|| {
            let mut value = core::ptr::null();
            // SAFETY: by this function's own requirement; strings live as long as `param`.
            let (key, value) = unsafe {
                let key = bindings::rdax_helper_fs_parameter(param, &mut value);
                (
                    CStr::from_char_ptr(key),
                    (!value.is_null()).then(|| CStr::from_char_ptr(value)),
                )
            };
            // SAFETY: by this function's own requirement.
            let options = unsafe { Self::options(fc) };
            let parameter = Parameter { key, value };
            if let Err(err) = T::parse(options, &parameter) {
                if err != kernel::error::code::ENOPARAM {
                    // SAFETY: as above.
                    unsafe { bindings::rdax_helper_bad_parameter(fc, param) };
                }
                return Err(err);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::options`].
    unsafe extern "C" fn get_tree_callback(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { bindings::get_tree_bdev(fc, Some(Self::fill_super_callback)) }
    }

    /// # Safety
    ///
    /// As for [`Self::options`]; `sb` is a new superblock for it.
    unsafe extern "C" fn fill_super_callback(
        sb: *mut bindings::super_block,
        fc: *mut bindings::fs_context,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (options, request) = unsafe { (Self::options(fc), Request::new(fc)) };
        from_result(|| {
            // SAFETY: by this function's own requirement; nobody else uses `sb` yet.
            let data: Arc<T::SuperData> =
                T::fill_super(unsafe { SuperBlock::from_ptr(sb) }, options, request)?;
            // SAFETY: as above. `kill_sb` drops the data, also if this function fails. The
            // tables fit a `T`.
            unsafe {
                (*sb).s_fs_info = Arc::into_raw(data).cast_mut().cast();
                (*sb).s_op = &OperationsVTable::<T>::VTABLE;
                T::XATTR.install(sb);
                T::EXPORT.install(sb);
            }
            // SAFETY: it has its data now.
            let sb = unsafe { SuperBlock::<T>::from_ptr(sb) };
            let root: ARef<Inode<T>> = T::root(sb)?;
            // SAFETY: `d_make_root()` consumes the reference, also if it fails.
            let root = unsafe { bindings::d_make_root(ARef::into_raw(root).cast().as_ptr()) };
            if root.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: as above. `kill_sb` begins by closing it.
            unsafe {
                (*sb.as_ptr()).s_root = root;
                holder::open(sb.as_ptr());
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::options`]; its root is that of a mounted `T`.
    unsafe extern "C" fn reconfigure_callback(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: by this function's own requirement.
        let (sb, options, request) = unsafe {
            (
                SuperBlock::from_ptr((*(*fc).root).d_sb),
                Self::options(fc),
                Request::new(fc),
            )
        };
        from_result(|| {
            // SAFETY: by this function's own requirement; `s_umount` is held.
            to_result(unsafe { bindings::sync_filesystem(sb.as_ptr()) })?;
            T::reconfigure(sb, options, request)?;
            Ok(0)
        })
    }

    const VTABLE: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free_callback),
        parse_param: Some(Self::parse_param_callback),
        get_tree: Some(Self::get_tree_callback),
        reconfigure: Some(Self::reconfigure_callback),
        ..pin_init::zeroed()
    };
}
