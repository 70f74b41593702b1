// SPDX-License-Identifier: GPL-2.0

//! `struct xattr_handler`: extended attributes.
//!
//! Lists for access control are not among them, see [`acl`](super::acl).
//!
//! C source: [`fs/xattr.c`](srctree/fs/xattr.c)

use super::{
    FileSystem,
    Inode, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};

/// The part of a name before the first dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// `user.`
    User,
    /// `trusted.`, for the administrator.
    Trusted,
    /// `security.`
    Security,
}

impl Namespace {
    const fn prefix(self) -> &'static CStr {
        match self {
            Self::User => c"user.",
            Self::Trusted => c"trusted.",
            Self::Security => c"security.",
        }
    }
}

/// Whether an attribute must be there before it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMode {
    /// Does not matter.
    Any,
    /// It must not: `EEXIST`.
    Create,
    /// It must: `ENODATA`.
    Replace,
}

/// How a filesystem keeps extended attributes.
pub trait Operations: FileSystem {
    /// Puts the value of an attribute into `value`. `ENODATA` if there is none. `name` is
    /// without its namespace and not empty. May sleep.
    fn get_xattr(
        inode: &Inode<Self>,
        namespace: Namespace,
        name: &[u8],
        value: Buffer<'_>,
    ) -> Result<usize>;

    /// Sets an attribute, or removes it. `i_rwsem` is held. May sleep.
    fn set_xattr(
        inode: &Inode<Self>,
        namespace: Namespace,
        name: &[u8],
        value: Option<&[u8]>,
        mode: SetMode,
    ) -> Result;
}

/// Where a value goes. Each operation returns the length of the value.
///
/// # Invariants
///
/// `ptr` is valid for `len` bytes; if `len` is 0 only the length is asked for.
pub struct Buffer<'a> {
    ptr: *mut u8,
    len: usize,
    _data: PhantomData<&'a mut [u8]>,
}

impl Buffer<'_> {
    /// Has a value of `len` bytes written by `fill`, if the caller wants more than the length.
    /// `ERANGE` if it does not fit.
    pub fn fill(self, len: usize, fill: impl FnOnce(&mut [u8]) -> Result) -> Result<usize> {
        if self.len == 0 {
            return Ok(len);
        }
        if len > self.len {
            return Err(ERANGE);
        }
        // SAFETY: by the type invariant; initialised before there is a reference.
        let slice = unsafe {
            self.ptr.write_bytes(0, len);
            core::slice::from_raw_parts_mut(self.ptr, len)
        };
        fill(slice)?;
        Ok(len)
    }
}

/// Where names are listed.
pub struct List<'a> {
    buffer: Buffer<'a>,
    used: usize,
}

impl List<'_> {
    /// # Safety
    ///
    /// `ptr` is valid for `len` bytes as long as the result lives, or `len` is 0.
    pub(crate) unsafe fn new(ptr: *mut u8, len: usize) -> Self {
        // INVARIANT: by this function's own requirement.
        let buffer = Buffer {
            ptr,
            len,
            _data: PhantomData,
        };
        Self { buffer, used: 0 }
    }

    /// Lists an attribute, unless the caller may not know of it. `ERANGE` if there is no room.
    pub fn add(&mut self, namespace: Namespace, name: &[u8]) -> Result {
        // SAFETY: looks at the current task only.
        if namespace == Namespace::Trusted && !unsafe { bindings::rdax_helper_capable_admin() } {
            return Ok(());
        }
        self.push(&[namespace.prefix().to_bytes(), name, b"\0"])
    }

    /// Lists an access control list.
    pub fn add_acl(&mut self, kind: super::acl::Kind) -> Result {
        self.push(&[match kind {
            super::acl::Kind::Access => b"system.posix_acl_access\0",
            super::acl::Kind::Default => b"system.posix_acl_default\0",
        }])
    }

    fn push(&mut self, parts: &[&[u8]]) -> Result {
        for part in parts {
            let end = self.used.checked_add(part.len()).ok_or(ERANGE)?;
            if self.buffer.len != 0 {
                if end > self.buffer.len {
                    return Err(ERANGE);
                }
                // SAFETY: by the type invariant of `Buffer`, and `end` is within it.
                unsafe {
                    let to = self.buffer.ptr.add(self.used);
                    part.as_ptr().copy_to_nonoverlapping(to, part.len());
                }
            }
            self.used = end;
        }
        Ok(())
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

/// The handlers of a filesystem's attributes, as a value.
///
/// # Invariants
///
/// Ends with null; the handlers fit inodes of a `T`.
pub struct Handlers<T: FileSystem>(
    &'static [*const bindings::xattr_handler; 4],
    PhantomData<fn(T)>,
);

impl<T: Operations> Handlers<T> {
    /// Those of `T`.
    // INVARIANT: so they are.
    pub const NEW: Self = Self(
        &[
            &HandlerVTable::<T, 0>::HANDLER,
            &HandlerVTable::<T, 1>::HANDLER,
            &HandlerVTable::<T, 2>::HANDLER,
            core::ptr::null(),
        ],
        PhantomData,
    );
}

impl<T: FileSystem> Handlers<T> {
    /// # Safety
    ///
    /// `sb` is a superblock of a `T` that nobody else uses.
    pub(super) unsafe fn install(&self, sb: *mut bindings::super_block) {
        // SAFETY: by this function's own requirement and the type invariant.
        unsafe { (*sb).s_xattr = self.0.as_ptr() };
    }
}

struct HandlerVTable<T: Operations, const NAMESPACE: u8>(PhantomData<T>);

impl<T: Operations, const NAMESPACE: u8> HandlerVTable<T, NAMESPACE> {
    const NAMESPACE: Namespace = match NAMESPACE {
        0 => Namespace::User,
        1 => Namespace::Trusted,
        _ => Namespace::Security,
    };

    /// # Safety
    ///
    /// `inode` is one of a `T`, `name` a string, `buffer` valid for `size` bytes.
    unsafe extern "C" fn get_callback(
        _handler: *const bindings::xattr_handler,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *mut c_void,
        size: usize,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, name) = unsafe { (Inode::from_ptr(inode), CStr::from_char_ptr(name)) };
        let value = Buffer {
            ptr: buffer.cast(),
            len: size,
            _data: PhantomData,
        };
        from_result(|| {
            let len = T::get_xattr(inode, Self::NAMESPACE, name.to_bytes(), value)?;
            Ok(c_int::try_from(len)?)
        })
    }

    /// # Safety
    ///
    /// `inode` is one of a `T`, `name` a string, `value` null or `size` bytes.
    unsafe extern "C" fn set_callback(
        _handler: *const bindings::xattr_handler,
        _idmap: *mut bindings::mnt_idmap,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        value: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        let (inode, name, value) = unsafe {
            (
                Inode::from_ptr(inode),
                CStr::from_char_ptr(name),
                (!value.is_null()).then(|| core::slice::from_raw_parts(value.cast::<u8>(), size)),
            )
        };
        let mode = match flags as u32 {
            bindings::XATTR_CREATE => SetMode::Create,
            bindings::XATTR_REPLACE => SetMode::Replace,
            _ => SetMode::Any,
        };
        from_result(|| {
            T::set_xattr(inode, Self::NAMESPACE, name.to_bytes(), value, mode)?;
            Ok(0)
        })
    }

    const HANDLER: bindings::xattr_handler = bindings::xattr_handler {
        prefix: as_char_ptr_in_const_context(Self::NAMESPACE.prefix()),
        get: Some(Self::get_callback),
        set: Some(Self::set_callback),
        ..pin_init::zeroed()
    };
}
