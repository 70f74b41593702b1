// SPDX-License-Identifier: GPL-2.0

//! `struct iattr`: `chmod`, `chown`, `utimes` and `truncate`.
//!
//! C source: [`fs/attr.c`](srctree/fs/attr.c)

use super::{
    acl::Acl,
    inode::WriteGuard,
    FileSystem,
    Idmap,
    Inode, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A change of attributes of an inode whose `i_rwsem` is held.
///
/// # Invariants
///
/// All are valid for `'a`; the dentry's inode is an [`Inode<T>`], and its `i_rwsem` is held.
pub struct Setattr<'a, T: FileSystem> {
    idmap: Idmap<'a>,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
    _fs: PhantomData<&'a T>,
}

impl<'a, T: FileSystem> Setattr<'a, T> {
    /// # Safety
    ///
    /// As the type invariant says.
    pub(super) unsafe fn new(
        idmap: Idmap<'a>,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> Self {
        // INVARIANT: by this function's own requirement.
        Self {
            idmap,
            dentry,
            attr,
            _fs: PhantomData,
        }
    }

    /// The inode.
    pub fn inode(&self) -> &'a Inode<T> {
        // SAFETY: by the type invariant.
        unsafe { Inode::from_ptr((*self.dentry).d_inode) }
    }

    /// Its `i_rwsem`, which is held exclusively.
    pub fn lock(&self) -> HeldGuard<'a, T> {
        // SAFETY: by the type invariant it is held; `HeldGuard` does not release it.
        HeldGuard(ManuallyDrop::new(unsafe {
            WriteGuard::assume_held(self.inode())
        }))
    }

    fn has(&self, what: u32) -> bool {
        // SAFETY: by the type invariant.
        unsafe { (*self.attr).ia_valid & what != 0 }
    }

    /// Whether the caller may, and the values make sense. Has to be asked first.
    ///
    /// A file whose size changes gets new times, whether or not that was asked for.
    pub fn prepare(&self) -> Result {
        // SAFETY: by the type invariant.
        to_result(unsafe {
            bindings::setattr_prepare(self.idmap.as_ptr(), self.dentry, self.attr)
        })?;
        let times = bindings::ATTR_CTIME | bindings::ATTR_MTIME;
        let resized = self.size().is_some_and(|size| size != self.inode().size());
        if resized && !self.has(times) {
            // SAFETY: as above; the VFS has filled both times in.
            unsafe { (*self.attr).ia_valid |= times };
        }
        Ok(())
    }

    /// The new size in bytes, if that is to change.
    pub fn size(&self) -> Option<u64> {
        // SAFETY: by the type invariant.
        let size = unsafe { (*self.attr).ia_size };
        self.has(bindings::ATTR_SIZE)
            .then(|| u64::try_from(size).unwrap_or(0))
    }

    /// Sets what the VFS knows of the inode, all but the size, then calls `commit`. If that
    /// fails the inode is as before.
    pub fn apply(&self, commit: impl FnOnce(&Inode<T>) -> Result) -> Result {
        let inode = self.inode();
        let before = Saved::of(inode);
        // SAFETY: by the type invariant.
        unsafe { bindings::setattr_copy(self.idmap.as_ptr(), inode.as_ptr(), self.attr) };
        let result = commit(inode);
        if result.is_err() {
            before.restore(inode);
        }
        result
    }

    /// Returns the access list that belongs to the mode that the inode has now, `None` if there is
    /// no list or it stays as it is. Called from the closure of [`apply`](Self::apply), so that mode
    /// and list are stored together. Sleeps; may call [`get_acl`].
    ///
    /// C source: `posix_acl_chmod()`, without the call of `set_acl`.
    ///
    /// [`get_acl`]: super::inode::Operations::get_acl
    pub fn chmod_acl(&self) -> Result<Option<Acl>> {
        match self.has(bindings::ATTR_MODE) {
            true => self.inode().acl_of_mode(),
            false => Ok(None),
        }
    }
}

/// A guard for a lock that somebody else releases.
pub struct HeldGuard<'a, T: FileSystem>(ManuallyDrop<WriteGuard<'a, T>>);

impl<'a, T: FileSystem> Deref for HeldGuard<'a, T> {
    type Target = WriteGuard<'a, T>;

    fn deref(&self) -> &WriteGuard<'a, T> {
        &self.0
    }
}

/// What [`Setattr::apply`] may have to undo.
struct Saved {
    mode: u16,
    uid: bindings::kuid_t,
    gid: bindings::kgid_t,
    times: [super::Timespec; 3],
}

impl Saved {
    fn of<T: FileSystem>(inode: &Inode<T>) -> Self {
        // SAFETY: by the type invariant; `i_rwsem` is held.
        let (uid, gid) = unsafe { ((*inode.as_ptr()).i_uid, (*inode.as_ptr()).i_gid) };
        Self {
            mode: inode.mode(),
            uid,
            gid,
            times: [inode.atime(), inode.mtime(), inode.ctime()],
        }
    }

    fn restore<T: FileSystem>(self, inode: &Inode<T>) {
        let [atime, mtime, ctime] = self.times;
        inode.set_permissions(self.mode);
        inode.set_atime(atime);
        inode.set_mtime(mtime);
        inode.set_ctime(ctime);
        // SAFETY: as above. Permissions are checked without the lock.
        unsafe {
            (&raw mut (*inode.as_ptr()).i_uid).write_volatile(self.uid);
            (&raw mut (*inode.as_ptr()).i_gid).write_volatile(self.gid);
        }
    }
}
