// SPDX-License-Identifier: GPL-2.0

//! `struct posix_acl`: POSIX access control lists.
//!
//! C source: [`fs/posix_acl.c`](srctree/fs/posix_acl.c)

use super::{
    FileSystem,
    Idmap,
    Inode,
    SuperBlock, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// Which of a file's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who may access it.
    Access,
    /// What new files in it start with; directories only.
    Default,
}

impl Kind {
    pub(crate) fn from_raw(kind: c_int) -> Result<Self> {
        match u32::try_from(kind)? {
            bindings::ACL_TYPE_ACCESS => Ok(Self::Access),
            bindings::ACL_TYPE_DEFAULT => Ok(Self::Default),
            _ => Err(EINVAL),
        }
    }

    pub(crate) fn as_raw(self) -> c_int {
        match self {
            Self::Access => bindings::ACL_TYPE_ACCESS as c_int,
            Self::Default => bindings::ACL_TYPE_DEFAULT as c_int,
        }
    }
}

/// A list.
///
/// # Invariants
///
/// Valid, with a reference that is ours.
pub struct Acl(NonNull<bindings::posix_acl>);

// SAFETY: references are counted atomically, and a shared list does not change.
unsafe impl Send for Acl {}

impl Drop for Acl {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::rdax_helper_posix_acl_release(self.0.as_ptr()) };
    }
}

impl Acl {
    /// # Safety
    ///
    /// `ptr` is null or valid, with a reference that becomes ours.
    unsafe fn from_raw(ptr: *mut bindings::posix_acl) -> Option<Self> {
        // INVARIANT: by this function's own requirement.
        NonNull::new(ptr).map(Self)
    }

    /// # Safety
    ///
    /// `ptr` is null or valid. The result must not outlive it.
    pub(crate) unsafe fn borrow(ptr: *mut bindings::posix_acl) -> Option<Self> {
        // SAFETY: by this function's own requirement.
        unsafe {
            bindings::rdax_helper_posix_acl_dup(ptr);
            Self::from_raw(ptr)
        }
    }

    pub(crate) fn into_raw(self) -> *mut bindings::posix_acl {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// From the format of the extended attribute, with owners in the namespace of `sb`. `None` if
    /// it says nothing.
    pub fn from_xattr<T: FileSystem>(sb: &SuperBlock<T>, value: &[u8]) -> Result<Option<Self>> {
        // SAFETY: by the type invariants; `value` is read only.
        let acl = from_err_ptr(unsafe {
            bindings::posix_acl_from_xattr(
                (*sb.as_ptr()).s_user_ns,
                value.as_ptr().cast(),
                value.len(),
            )
        })?;
        // SAFETY: a new list or null.
        Ok(unsafe { Self::from_raw(acl) })
    }

    /// In the format of the extended attribute.
    pub fn to_xattr<T: FileSystem>(&self, sb: &SuperBlock<T>) -> Result<XattrBytes> {
        let mut len = 0;
        // SAFETY: by the type invariants.
        let bytes = unsafe {
            bindings::posix_acl_to_xattr(
                (*sb.as_ptr()).s_user_ns,
                self.0.as_ptr(),
                &mut len,
                bindings::GFP_KERNEL,
            )
        };
        // INVARIANT: allocated just now, `len` bytes.
        Ok(XattrBytes(NonNull::new(bytes.cast()).ok_or(ENOMEM)?, len))
    }
}

/// A list in the format of the extended attribute.
///
/// # Invariants
///
/// So many bytes from `kmalloc()`.
pub struct XattrBytes(NonNull<u8>, usize);

impl core::ops::Deref for XattrBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: by the type invariant.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr(), self.1) }
    }
}

impl Drop for XattrBytes {
    fn drop(&mut self) {
        // SAFETY: by the type invariant.
        unsafe { bindings::kfree(self.0.as_ptr().cast()) };
    }
}

/// What a new file gets from its directory.
pub struct Inherited {
    /// Type and permissions, without those that the list or the umask takes.
    pub mode: u16,
    /// Its default list, if it is a directory.
    pub default: Option<Acl>,
    /// Its access list.
    pub access: Option<Acl>,
}

impl<T: FileSystem> Inode<T> {
    /// What a file with this mode gets if it is created in this directory. Sleeps.
    pub fn inherit_acl(&self, mut mode: u16) -> Result<Inherited> {
        let (mut default, mut access) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: by the type invariant; the rest is valid for writes.
        to_result(unsafe {
            bindings::posix_acl_create(self.as_ptr(), &mut mode, &mut default, &mut access)
        })?;
        // SAFETY: null, or references that are ours now.
        let (default, access) = unsafe { (Acl::from_raw(default), Acl::from_raw(access)) };
        Ok(Inherited {
            mode,
            default,
            access,
        })
    }

    /// The mode after the access list has been set to `acl`, and what of the list remains to be
    /// kept: nothing if the mode says it all. Under `i_rwsem`.
    pub fn mode_of_acl(&self, idmap: Idmap<'_>, acl: Acl) -> Result<(u16, Option<Acl>)> {
        let mut mode = self.mode();
        let mut raw = acl.0.as_ptr();
        // SAFETY: by the type invariants; the rest is valid for writes.
        to_result(unsafe {
            bindings::posix_acl_update_mode(idmap.as_ptr(), self.as_ptr(), &mut mode, &mut raw)
        })?;
        Ok((mode, (!raw.is_null()).then_some(acl)))
    }

    /// Returns the access list with the permissions of the inode's mode, `None` if there is no list.
    /// Under `i_rwsem`. Sleeps; may call [`get_acl`].
    ///
    /// [`get_acl`]: super::inode::Operations::get_acl
    pub fn acl_of_mode(&self) -> Result<Option<Acl>> {
        // SAFETY: `self` is a live inode: an `Inode` is only seen through a reference that holds it.
        let found =
            from_err_ptr(unsafe { bindings::get_inode_acl(self.as_ptr(), Kind::Access.as_raw()) });
        let mut raw = match found {
            Err(err) if err == EOPNOTSUPP => return Ok(None),
            found => found?,
        };
        if raw.is_null() {
            return Ok(None);
        }
        // SAFETY: `raw` is a list with a reference that is ours. The callee releases it, whatever it
        // returns, and leaves a new list, or null if it fails.
        let changed = to_result(unsafe {
            bindings::__posix_acl_chmod(&mut raw, bindings::GFP_KERNEL, self.mode())
        });
        // SAFETY: the new list, with a reference that is ours, or null.
        let acl = unsafe { Acl::from_raw(raw) };
        changed.map(|()| acl)
    }

    /// Lets the VFS know one of its lists, after it was set. Under `i_rwsem`.
    pub fn cache_acl(&self, kind: Kind, acl: Option<&Acl>) {
        let acl = acl.map_or(core::ptr::null_mut(), |acl| acl.0.as_ptr());
        // SAFETY: by the type invariants; takes a reference of its own.
        unsafe { bindings::set_cached_acl(self.as_ptr(), kind.as_raw(), acl) };
    }
}
