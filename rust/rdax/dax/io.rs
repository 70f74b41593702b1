// SPDX-License-Identifier: GPL-2.0

//! Reading, writing, zeroing and flushing DAX files.
//!
//! C source: [`fs/dax.c`](srctree/fs/dax.c)

use super::OnVolume;
use crate::{
    bindings,
    fs::{
        address_space,
        inode,
        File,
        FileSystem,
        Inode,
        Kiocb, //
    },
    iomap, //
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// # Safety
///
/// `iter` is a valid iterator, and `i_rwsem` of the file is held as its direction needs it.
unsafe fn rw<T: OnVolume, O: iomap::Operations<T>>(
    iocb: &mut Kiocb<'_, T>,
    iter: *mut bindings::iov_iter,
) -> Result<usize> {
    // SAFETY: by this function's own requirement and the type invariant of `Kiocb`.
    let done = unsafe {
        bindings::dax_iomap_rw(
            iocb.as_ptr(),
            iter,
            &iomap::OperationsVTable::<T, O>::VTABLE,
        )
    };
    usize::try_from(done).map_err(|_| match Error::from_errno(done as c_int) {
        // A device that is gone is no address beyond the end.
        ENXIO => EIO,
        err => err,
    })
}

/// Reads from the position of `iocb`, which moves on; returns how many bytes.
pub fn read<T: OnVolume, O: iomap::Operations<T>>(
    iocb: &mut Kiocb<'_, T>,
    to: &mut IovIterDest<'_>,
    _lock: &inode::ReadGuard<'_, T>,
) -> Result<usize> {
    // SAFETY: `to` is valid, and the lock is held.
    unsafe { rw::<T, O>(iocb, to.as_raw()) }
}

/// Writes to the position of `iocb`, which moves on; returns how many bytes.
///
/// The size of the file is the caller's business.
pub fn write<T: OnVolume, O: iomap::Operations<T>>(
    iocb: &mut Kiocb<'_, T>,
    from: &mut IovIterSource<'_>,
    _lock: &inode::WriteGuard<'_, T>,
) -> Result<usize> {
    // SAFETY: `from` is valid, and the lock is held.
    unsafe { rw::<T, O>(iocb, from.as_raw()) }
}

/// Zeroes what has data among `len` bytes from byte `pos`; whether there was any.
///
/// Context: process context, sleeps; `i_rwsem` held.
pub fn zero_range<T: OnVolume, O: iomap::Operations<T>>(
    inode: &Inode<T>,
    pos: u64,
    len: u64,
) -> Result<bool> {
    let mut zeroed = false;
    // SAFETY: by the type invariant of `Inode`.
    to_result(unsafe {
        bindings::dax_zero_range(
            inode.as_ptr(),
            i64::try_from(pos)?,
            i64::try_from(len)?,
            &mut zeroed,
            &iomap::OperationsVTable::<T, O>::VTABLE,
        )
    })?;
    Ok(zeroed)
}

/// Zeroes the block that byte `pos` is in, from there on; see [`zero_range`].
pub fn truncate_page<T: OnVolume, O: iomap::Operations<T>>(
    inode: &Inode<T>,
    pos: u64,
) -> Result<bool> {
    let mut zeroed = false;
    // SAFETY: by the type invariant of `Inode`.
    to_result(unsafe {
        bindings::dax_truncate_page(
            inode.as_ptr(),
            i64::try_from(pos)?,
            &mut zeroed,
            &iomap::OperationsVTable::<T, O>::VTABLE,
        )
    })?;
    Ok(zeroed)
}

/// Flushes from the CPU's caches what was written through mappings, from byte `start` to byte
/// `end`, inclusive, and reports errors that came since the file's last such call.
///
/// The [fence](super::Volume::fence) is left to the caller.
///
/// Context: process context, sleeps.
pub fn write_and_wait_range<T: FileSystem>(file: &File<T>, start: i64, end: i64) -> Result {
    // SAFETY: by the type invariant of `File`.
    to_result(unsafe { bindings::file_write_and_wait_range(file.as_ptr(), start, end) })
}

struct AddressSpace<T>(PhantomData<T>);

impl<T: OnVolume> AddressSpace<T> {
    /// # Safety
    ///
    /// `mapping` is that of an [`Inode<T>`], and `control` is valid.
    unsafe extern "C" fn writepages_callback(
        mapping: *mut bindings::address_space,
        control: *mut bindings::writeback_control,
    ) -> c_int {
        // SAFETY: by this function's own requirement; a mapping's host outlives it.
        let inode = unsafe { Inode::<T>::from_ptr((*mapping).host) };
        let volume = T::volume(inode.sb().data());
        // SAFETY: as above; the volume's device is valid.
        unsafe { bindings::dax_writeback_mapping_range(mapping, volume.dax_device(), control) }
    }

    const OPS: bindings::address_space_operations = bindings::address_space_operations {
        writepages: Some(Self::writepages_callback),
        dirty_folio: Some(bindings::noop_dirty_folio),
        ..pin_init::zeroed()
    };
}

/// The operations on mappings of DAX files.
pub const fn address_space_operations<T: OnVolume>() -> address_space::Ops<T> {
    // SAFETY: the callback takes mappings of inodes of a `T`.
    unsafe { address_space::Ops::new(&AddressSpace::<T>::OPS) }
}
