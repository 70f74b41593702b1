// SPDX-License-Identifier: GPL-2.0

//! Writing over blocks whose content is lost.
//!
//! The DAX core makes good what the platform can. Where it cannot, the write ends there with
//! `EFAULT`. A block that is overwritten as a whole is then exchanged for another one; one of which
//! a part would still be lost is `EIO`.
//!
//! # Lock order
//!
//! `i_rwsem` (held by the caller), `invalidate_lock`, the node.

use crate::{
    error::errno,
    iomap,
    mount::checked,
    node::sync_blocks,
    Rdaxfs, //
};
use kernel::{
    iov::IovIterSource,
    prelude::*, //
};
use rdax::{
    dax::{
        drain::Blocks,
        io,
        layout::Invalidate, //
    },
    fs::{
        inode::WriteGuard,
        Kiocb, //
    }, //
};
use rdaxfs_core::format_types::{
    BLOCK_SHIFT,
    BLOCK_SIZE, //
};

/// Writes to the position of `iocb`, which moves on; returns how many bytes.
pub(crate) fn write(
    iocb: &mut Kiocb<'_, Rdaxfs>,
    from: &mut IovIterSource<'_>,
    lock: &WriteGuard<'_, Rdaxfs>,
) -> Result<usize> {
    let mut total = 0usize;
    loop {
        let done = io::write::<Rdaxfs, iomap::Write>(iocb, from, lock);
        total = total.saturating_add(done.unwrap_or(0));
        if from.is_empty() || lock.data().write_failure().is_some() {
            return if total > 0 { Ok(total) } else { done };
        }
        match exchange(iocb, from, lock) {
            Ok(0) if total == 0 => return done,
            Err(err) if total == 0 => return Err(err),
            Ok(0) | Err(_) => return Ok(total),
            Ok(len) => total = total.saturating_add(len),
        }
        if from.is_empty() {
            return Ok(total);
        }
    }
}

/// If the block at the position of `iocb` is lost, writes it to another one. Returns how many bytes
/// were written, 0 if it is not lost.
fn exchange(
    iocb: &mut Kiocb<'_, Rdaxfs>,
    from: &mut IovIterSource<'_>,
    lock: &WriteGuard<'_, Rdaxfs>,
) -> Result<usize> {
    let core = lock.sb().data().core();
    let (pos, lblk) = (iocb.pos(), iocb.pos() >> BLOCK_SHIFT);
    if iocb.is_nowait() || !core.is_lost(&lock.data().read(), lblk).map_err(errno)? {
        return Ok(0);
    }
    // What the file has of the block.
    let len = BLOCK_SIZE.min(lock.size().saturating_sub(pos));
    let len = usize::try_from(len)?;
    if pos % BLOCK_SIZE != 0 || from.len() < len || len == 0 {
        return Err(EIO);
    }
    let mut block = KVec::from_elem(0u8, BLOCK_SIZE as usize, GFP_KERNEL)?;
    let data = block.get_mut(..len).ok_or(EINVAL)?;
    if from.copy_from_iter(data) < len {
        return Err(EFAULT);
    }
    let end = pos.saturating_add(BLOCK_SIZE);
    let limit = lock.sb().data().drain_limit();
    let mut pages = Invalidate::new(lock);
    pages.drain_range(pos, end, limit, Blocks::Leave)?;
    let mut node = lock.data().write();
    checked(lock.sb(), core.replace_lost(&mut node, lblk, &block))?;
    sync_blocks(lock, &node);
    drop(node);
    iocb.set_pos(pos.saturating_add(len as u64));
    Ok(len)
}
