// SPDX-License-Identifier: GPL-2.0

//! `struct file_operations` of regular files without page cache.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/uapi/linux/falloc.h`](srctree/include/uapi/linux/falloc.h)

use super::{
    file,
    inode::Flag,
    ioctl,
    File,
    Inode,
    Kiocb, //
};
use crate::{
    bindings,
    dax::{
        drain::Gated,
        fault, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    module::this_module,
    prelude::*, //
};

/// What `fallocate()` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallocate {
    /// Blocks where there are none.
    Allocate {
        /// The size of the file stays.
        keep_size: bool,
    },
    /// A hole. The size stays.
    PunchHole,
    /// Zeroes, without blocks having to be written.
    ZeroRange {
        /// The size of the file stays.
        keep_size: bool,
    },
    /// Cut the range out.
    CollapseRange,
    /// Insert a hole.
    InsertRange,
    /// Blocks of the file's own where they are shared.
    Unshare {
        /// The size of the file stays.
        keep_size: bool,
    },
    /// Zeroes in written blocks, so that later writes need no change of metadata.
    WriteZeroes,
}

impl Fallocate {
    fn new(mode: u32) -> Result<Self> {
        let keep_size = mode & bindings::FALLOC_FL_KEEP_SIZE != 0;
        match mode & !bindings::FALLOC_FL_KEEP_SIZE {
            0 => Ok(Self::Allocate { keep_size }),
            bindings::FALLOC_FL_PUNCH_HOLE => Ok(Self::PunchHole),
            bindings::FALLOC_FL_ZERO_RANGE => Ok(Self::ZeroRange { keep_size }),
            bindings::FALLOC_FL_COLLAPSE_RANGE => Ok(Self::CollapseRange),
            bindings::FALLOC_FL_INSERT_RANGE => Ok(Self::InsertRange),
            bindings::FALLOC_FL_UNSHARE_RANGE => Ok(Self::Unshare { keep_size }),
            bindings::FALLOC_FL_WRITE_ZEROES => Ok(Self::WriteZeroes),
            _ => Err(EOPNOTSUPP),
        }
    }
}

/// How `lseek()` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// To the next data.
    Data,
    /// To the next hole.
    Hole,
    /// Anything else, for [`File::generic_llseek`].
    Other(i32),
}

/// The operations of regular files.
///
/// Context of all: process context, may sleep, no lock held. Writing operations have freeze
/// protection, but page faults.
#[vtable]
pub trait Operations<T: Gated + ioctl::Operations>: 'static {
    /// Serves page faults.
    type Fault: fault::Handler<T>;

    /// The file is being opened.
    fn open(_inode: &Inode<T>, _file: &File<T>) -> Result {
        Ok(())
    }

    /// The last descriptor of the file is closed.
    fn release(_inode: &Inode<T>, _file: &File<T>) {}

    /// Reads from the position of `iocb`; how many bytes.
    fn read_iter(iocb: &mut Kiocb<'_, T>, to: &mut IovIterDest<'_>) -> Result<usize>;

    /// Writes to the position of `iocb`; how many bytes.
    fn write_iter(iocb: &mut Kiocb<'_, T>, from: &mut IovIterSource<'_>) -> Result<usize>;

    /// The file is being mapped. `mmap_lock` is held.
    fn mmap(_file: &File<T>) -> Result {
        Ok(())
    }

    /// Makes the bytes from `start` to `end`, inclusive, durable; what is needed to find them
    /// too, and all other metadata unless it is `datasync`.
    fn fsync(file: &File<T>, start: i64, end: i64, datasync: bool) -> Result;

    /// Does `what` with `len` bytes from byte `offset`; both are in the limits of the filesystem,
    /// `len` is not 0.
    fn fallocate(file: &File<T>, what: Fallocate, offset: u64, len: u64) -> Result;

    /// Moves the position of the file; where it is then.
    fn llseek(file: &File<T>, offset: i64, whence: Whence) -> Result<u64>;
}

/// The table of an implementation of [`Operations`].
pub const fn operations<T: Gated + ioctl::Operations, O: Operations<T>>() -> file::Ops<T> {
    // SAFETY: the callbacks take files of a `T`.
    unsafe { file::Ops::new(&OperationsVTable::<T, O>::VTABLE) }
}

fn size_result(result: Result<usize>) -> isize {
    match result {
        Ok(size) => isize::try_from(size).unwrap_or(isize::MAX),
        Err(err) => err.to_errno() as isize,
    }
}

struct OperationsVTable<T, O>(PhantomData<(T, O)>);

impl<T: Gated + ioctl::Operations, O: Operations<T>> OperationsVTable<T, O> {
    /// # Safety
    ///
    /// `file` is being opened and `inode`, its inode, is an [`Inode<T>`].
    unsafe extern "C" fn open_callback(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement both are valid while this runs.
            let (inode_ref, file_ref) = unsafe { (Inode::from_ptr(inode), File::from_ptr(file)) };
            // Faults enter DAX entries, which the VFS takes for others in a mapping that is not DAX.
            if !inode_ref.has_flag(Flag::Dax) {
                return Err(EINVAL);
            }
            // SAFETY: by this function's own requirement.
            kernel::error::to_result(unsafe { bindings::rdax_helper_dax_file_open(inode, file) })?;
            O::open(inode_ref, file_ref)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` is an open file of a `T`, `inode` its inode.
    unsafe extern "C" fn release_callback(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { O::release(Inode::from_ptr(inode), File::from_ptr(file)) };
        0
    }

    /// # Safety
    ///
    /// `iocb` is a read of a file of a `T`, into `to`.
    unsafe extern "C" fn read_iter_callback(
        iocb: *mut bindings::kiocb,
        to: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: by this function's own requirement.
        size_result(unsafe { O::read_iter(&mut Kiocb::from_ptr(iocb), IovIterDest::from_raw(to)) })
    }

    /// # Safety
    ///
    /// `iocb` is a write to a file of a `T`, of `from`.
    unsafe extern "C" fn write_iter_callback(
        iocb: *mut bindings::kiocb,
        from: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: by this function's own requirement.
        size_result(unsafe {
            O::write_iter(&mut Kiocb::from_ptr(iocb), IovIterSource::from_raw(from))
        })
    }

    /// # Safety
    ///
    /// `desc` is of a mapping of a file of a `T`.
    unsafe extern "C" fn mmap_prepare_callback(desc: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement.
            let file = unsafe { File::<T>::from_ptr((*desc).file) };
            O::mmap(file)?;
            let volume = T::volume(file.inode().sb().data());
            // SAFETY: by this function's own requirement.
            let wants_sync = unsafe { bindings::rdax_helper_vma_is_sync(desc) };
            if wants_sync && !volume.synchronous() {
                return Err(EOPNOTSUPP);
            }
            file.accessed();
            // SAFETY: by this function's own requirement; the table takes files of a `T`.
            unsafe {
                (*desc).vm_ops = fault::Ops::<T>::of::<O::Fault>().0;
                bindings::rdax_helper_vma_set_hugepage(desc);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` is an open file of a `T`.
    unsafe extern "C" fn fsync_callback(
        file: *mut bindings::file,
        start: i64,
        end: i64,
        datasync: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: by this function's own requirement.
            O::fsync(unsafe { File::from_ptr(file) }, start, end, datasync != 0)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `fsync_callback`.
    unsafe extern "C" fn fallocate_callback(
        file: *mut bindings::file,
        mode: c_int,
        offset: i64,
        len: i64,
    ) -> c_long {
        from_result(|| {
            let what = Fallocate::new(mode as u32)?;
            let (offset, len) = (u64::try_from(offset)?, u64::try_from(len)?);
            // SAFETY: by this function's own requirement.
            O::fallocate(unsafe { File::from_ptr(file) }, what, offset, len)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `fsync_callback`.
    unsafe extern "C" fn llseek_callback(
        file: *mut bindings::file,
        offset: i64,
        whence: c_int,
    ) -> i64 {
        let whence = match whence as u32 {
            bindings::SEEK_DATA => Whence::Data,
            bindings::SEEK_HOLE => Whence::Hole,
            _ => Whence::Other(whence),
        };
        // SAFETY: by this function's own requirement.
        match O::llseek(unsafe { File::from_ptr(file) }, offset, whence) {
            Ok(pos) => i64::try_from(pos).unwrap_or(i64::MAX),
            Err(err) => err.to_errno().into(),
        }
    }

    const VTABLE: bindings::file_operations = bindings::file_operations {
        owner: this_module::<O::OwnerModule>().as_ptr(),
        fop_flags: bindings::RDAX_FOP_REGULAR,
        open: Some(Self::open_callback),
        release: if O::HAS_RELEASE {
            Some(Self::release_callback)
        } else {
            None
        },
        read_iter: Some(Self::read_iter_callback),
        write_iter: Some(Self::write_iter_callback),
        mmap_prepare: Some(Self::mmap_prepare_callback),
        get_unmapped_area: Some(bindings::thp_get_unmapped_area),
        fsync: Some(Self::fsync_callback),
        fallocate: Some(Self::fallocate_callback),
        setlease: Some(bindings::generic_setlease),
        llseek: Some(Self::llseek_callback),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        unlocked_ioctl: Some(ioctl::unlocked_ioctl_callback::<T>),
        compat_ioctl: bindings::compat_ptr_ioctl,
        ..pin_init::zeroed()
    };
}
