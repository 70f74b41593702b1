// SPDX-License-Identifier: GPL-2.0

//! Regular files: reading, writing, seeking, flushing.
//!
//! Data goes to the volume directly. A write is durable when it returns, as all metadata is.

use crate::{
    error::errno,
    fallocate,
    fault::Faults,
    iomap,
    lost,
    stamp::settle,
    Rdaxfs, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};
use rdax::{
    dax::io,
    fs::{
        address_space,
        file,
        inode::Operations as _,
        regular::{
            self,
            Fallocate,
            Whence, //
        },
        File,
        Inode,
        Kiocb, //
    },
    iomap::{
        seek_data,
        seek_hole, //
    }, //
};
use rdaxfs_core::Medium;

/// The operations of regular files.
pub(crate) const OPERATIONS: file::Ops<Rdaxfs> = regular::operations::<Rdaxfs, Files>();

/// The operations of their mappings.
pub(crate) const ADDRESS_SPACE: address_space::Ops<Rdaxfs> = io::address_space_operations();

pub(crate) struct Files;

/// Fails once the filesystem was shut down.
fn check_alive(inode: &Inode<Rdaxfs>) -> Result {
    inode.sb().data().core().check_alive().map_err(errno)
}

#[vtable]
impl regular::Operations<Rdaxfs> for Files {
    type Fault = Faults;

    fn open(inode: &Inode<Rdaxfs>, _file: &File<Rdaxfs>) -> Result {
        check_alive(inode)
    }

    fn read_iter(iocb: &mut Kiocb<'_, Rdaxfs>, to: &mut IovIterDest<'_>) -> Result<usize> {
        let inode = iocb.inode();
        check_alive(inode)?;
        if to.is_empty() {
            return Ok(0);
        }
        let lock = if iocb.is_nowait() {
            inode.try_lock_shared().ok_or(EAGAIN)?
        } else {
            inode.lock_shared()
        };
        let done = io::read::<Rdaxfs, iomap::Read>(iocb, to, &lock);
        drop(lock);
        iocb.file().accessed();
        done
    }

    fn write_iter(iocb: &mut Kiocb<'_, Rdaxfs>, from: &mut IovIterSource<'_>) -> Result<usize> {
        let inode = iocb.inode();
        check_alive(inode)?;
        let lock = if iocb.is_nowait() {
            inode.try_lock().ok_or(EAGAIN)?
        } else {
            inode.lock()
        };
        if iocb.write_checks(from, &lock)? == 0 {
            return Ok(0);
        }
        let data = inode.data();
        if let Err(err) = data.deferring(|| iocb.modified(&lock)) {
            settle(inode)?;
            return Err(err);
        }
        let (start, old_size) = (iocb.pos(), inode.size());
        data.begin_write();
        let mut done = lost::write(iocb, from, &lock);
        if iocb.pos() > inode.size() && data.write_failure().is_none() {
            iomap::finish_write(inode);
        }
        if let Some((failed_at, err)) = data.write_failure() {
            // The DAX core counted what it copied; not all of it became part of the file.
            let failed_at = failed_at.max(start);
            iocb.set_pos(failed_at);
            let kept = usize::try_from(failed_at.saturating_sub(start))?;
            done = if kept > 0 { Ok(kept) } else { Err(err) };
        }
        // Only if nothing was stored within the file, and nothing past its end.
        settle(inode)?;
        drop(lock);
        // The DAX core has fenced the copy, but not the write-back of a line that it stored to in
        // part. The transaction of what extends the file has.
        if iocb.pos() <= old_size || iocb.is_dsync() {
            let medium = inode.sb().data().core().medium();
            medium.fence().map_err(errno)?;
        }
        done
    }

    fn mmap(file: &File<Rdaxfs>) -> Result {
        check_alive(file.inode())
    }

    fn fsync(file: &File<Rdaxfs>, start: i64, end: i64, datasync: bool) -> Result {
        let inode = file.inode();
        check_alive(inode)?;
        io::write_and_wait_range(file, start, end)?;
        if !datasync {
            // All but the times is durable already.
            Rdaxfs::write_times(inode)?;
        }
        inode.sb().data().core().medium().fence().map_err(errno)
    }

    fn fallocate(file: &File<Rdaxfs>, what: Fallocate, offset: u64, len: u64) -> Result {
        fallocate::fallocate(file, what, offset, len)
    }

    fn llseek(file: &File<Rdaxfs>, offset: i64, whence: Whence) -> Result<u64> {
        let inode = file.inode();
        check_alive(inode)?;
        let lock = inode.lock_shared();
        let pos = match whence {
            Whence::Data => seek_data::<Rdaxfs, iomap::Seek>(inode, offset)?,
            Whence::Hole => seek_hole::<Rdaxfs, iomap::Seek>(inode, offset)?,
            Whence::Other(whence) => {
                drop(lock);
                return file.generic_llseek(offset, whence);
            }
        };
        drop(lock);
        file.set_pos(pos)
    }
}
