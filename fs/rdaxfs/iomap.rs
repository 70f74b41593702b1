// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a file are.
//!
//! Reading, and asking where holes are, changes nothing. A write within the file, or a write
//! fault, fills holes with zeroed blocks first, so that there never is anything to be seen but
//! zeroes or the new data. What a write stores past the end of the file becomes part of it only
//! afterwards, at once with the new size: until then nobody can look at it.
//!
//! # Pages of zeroes
//!
//! They are mapped in place of holes and unwritten blocks that are read, and only there. So who
//! provides written blocks has to see to them:
//!
//! - A write fault replaces the page, or the huge page, that it is for. It provides blocks for
//!   others only where none can be mapped: if the file never had any, or, for a huge page, if
//!   there are no small ones in it.
//! - `write()` unmaps the range when the blocks are there. It does not set `Extent::new`, by which
//!   the DAX core would do that: a fault may have mapped the new blocks in between, and those it
//!   must not forget.
//! - `fallocate()` leaves blocks unwritten, or takes all pages away first.
//!
//! `InodeData::zeroes_mapped` says whether there can be any. It is set and read with the node
//! locked: a fault that was told of a hole before the blocks came has set it.

use crate::{
    error::errno,
    mount::checked,
    node::{
        map_extents,
        sync_blocks, //
    },
    stamp::known,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    fs::Inode,
    iomap::{
        Extent,
        Kind,
        Operations,
        Request, //
    }, //
};
use rdaxfs_core::{
    format_types::{
        BLOCK_SHIFT,
        BLOCK_SIZE,
        HUGE_BLOCKS, //
    },
    Mapping,
    Node,
    Span, //
};

/// Blocks that a write fault makes written at once, of those that are allocated already (64 KiB),
/// unless they need no zeroing: then all of the 2 MiB.
const FAULT_AHEAD: u64 = 16;

/// The first block of a request and how many it touches.
fn blocks(request: &Request) -> (u64, u64) {
    let lblk = request.pos >> BLOCK_SHIFT;
    let end = request.pos.saturating_add(request.len).div_ceil(BLOCK_SIZE);
    (lblk, end.saturating_sub(lblk).max(1))
}

fn extent(mapping: &Mapping, new: bool) -> Extent {
    let addr = |block: u64| block.saturating_mul(BLOCK_SIZE);
    Extent {
        offset: mapping.lblk.saturating_mul(BLOCK_SIZE),
        len: mapping.len.saturating_mul(BLOCK_SIZE),
        kind: match mapping.span {
            Span::Hole => Kind::Hole,
            Span::Unwritten(block) => Kind::Unwritten { addr: addr(block) },
            Span::Written(block) => Kind::Mapped { addr: addr(block) },
        },
        new,
    }
}

fn is_written(mapping: &Mapping) -> bool {
    matches!(mapping.span, Span::Written(_))
}

fn find(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Mapping> {
    let data = inode.data();
    map_extents(inode, blocks(request), request.is_nowait(), |found, _| {
        if request.is_fault() && !request.is_write() && !is_written(&found) {
            data.set_zeroes_mapped();
        }
        found
    })
}

/// To read, and to report extents.
pub(crate) struct Read;

#[vtable]
impl Operations<Rdaxfs> for Read {
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
        Ok(extent(&find(inode, request)?, false))
    }
}

/// To seek: what reads as zeroes without having been written is a hole.
pub(crate) struct Seek;

#[vtable]
impl Operations<Rdaxfs> for Seek {
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
        let mut found = find(inode, request)?;
        if !is_written(&found) {
            found.span = Span::Hole;
        }
        Ok(extent(&found, false))
    }
}

/// To map pages that are written to.
pub(crate) struct WriteFault;

#[vtable]
impl Operations<Rdaxfs> for WriteFault {
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
        begin_fault(inode, request)
    }
}

/// To write.
pub(crate) struct Write;

#[vtable]
impl Operations<Rdaxfs> for Write {
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
        begin_write(inode, request)
    }

    fn end(inode: &Inode<Rdaxfs>, request: &Request, written: u64) -> Result {
        let end = request.pos.saturating_add(written);
        // Nothing is pending where the file was already.
        let inside = request.pos < inode.size() && end <= inode.size();
        if inside {
            return Ok(());
        }
        let data = inode.data();
        let mut node = data.write();
        let core = inode.sb().data().core();
        // Nothing of what is staged remains if this fails.
        let lost = match core.is_staged(&node) {
            true => node.size().min(request.pos),
            false => request.pos,
        };
        let attr = known(inode);
        let done = core.end_write(&mut node, request.pos, written, attr);
        if attr.is_in(node.inode()) {
            data.clear_deferred();
        }
        inode.set_size(node.size());
        sync_blocks(inode, &node);
        // The caller of this forgets errors if anything was written.
        checked(inode.sb(), done).inspect_err(|err| data.fail_write(lost, *err))
    }
}

/// Makes what a write has stored past the end of the file its own, if it is not yet. Under
/// `i_rwsem`, when the write has ended.
pub(crate) fn finish_write(inode: &Inode<Rdaxfs>) {
    let data = inode.data();
    let mut node = data.write();
    let (size, attr) = (node.size(), known(inode));
    let done = inode.sb().data().core().finish_write(&mut node, attr);
    if attr.is_in(node.inode()) {
        data.clear_deferred();
    }
    inode.set_size(node.size());
    if let Err(err) = checked(inode.sb(), done) {
        data.fail_write(size, err);
    }
}

fn begin_write(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
    let data = inode.data();
    if let Some((_, err)) = data.write_failure() {
        return Err(err);
    }
    let core = inode.sb().data().core();
    let (lblk, len) = blocks(request);
    let nowait = request.is_nowait();
    let there = map_extents(inode, (lblk, len), nowait, |found, size| {
        let inside = is_written(&found) && end_of(&found, request) <= size;
        (inside && !data.has_deferred()).then_some(found)
    })?;
    // `write()` of data that is there already, the most common one, takes no more than this.
    if let Some(found) = there {
        return Ok(extent(&found, false));
    }
    if request.is_nowait() {
        return Err(EAGAIN);
    }
    let mut node = data.write();
    if data.is_stored_to() {
        node.set_loose_end();
    }
    let attr = known(inode);
    let found = core.begin_write(&mut node, request.pos, request.len, &attr);
    let found = checked(inode.sb(), found)?;
    if attr.is_in(node.inode()) {
        data.clear_deferred();
    }
    if found.fresh {
        sync_blocks(inode, &node);
    }
    let zeroes = found.fresh && data.zeroes_mapped();
    drop(node);
    let extent = extent(&found, false);
    if zeroes {
        inode.remap_range(extent.offset, extent.len);
    }
    Ok(extent)
}

/// The last byte of a request that lies in `mapping`, plus one.
fn end_of(mapping: &Mapping, request: &Request) -> u64 {
    let end = mapping.lblk.saturating_add(mapping.len);
    let end = end.saturating_mul(BLOCK_SIZE);
    end.min(request.pos.saturating_add(request.len))
}

/// Huge pages have been prepared by the fault handler, and are only looked up.
fn begin_fault(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
    let found = find(inode, request)?;
    if is_written(&found) {
        return Ok(extent(&found, false));
    }
    let (lblk, len) = blocks(request);
    if len >= HUGE_BLOCKS {
        // The DAX core falls back to small pages.
        return Err(EAGAIN);
    }
    let data = inode.data();
    let mut node = data.write();
    let core = inode.sb().data().core();
    let ahead = match found.span {
        Span::Unwritten(_) if !data.zeroes_mapped() => {
            fill_zeroed(inode, &mut node, lblk)?;
            // Not beyond the end of the file: what is there must stay unwritten.
            let end = inode.size().div_ceil(BLOCK_SIZE);
            FAULT_AHEAD.min(end.saturating_sub(lblk)).max(1)
        }
        _ => 1,
    };
    let filled = checked(inode.sb(), core.fill(&mut node, lblk, ahead, false))?;
    sync_blocks(inode, &node);
    Ok(extent(&filled, filled.fresh))
}

/// Makes the 2 MiB around block `lblk` of the file written, as far as the file goes, if all of it is
/// unwritten blocks that need no zeroing: huge pages can be mapped there later.
fn fill_zeroed(inode: &Inode<Rdaxfs>, node: &mut Node, lblk: u64) -> Result {
    let core = inode.sb().data().core();
    let chunk = lblk & !(HUGE_BLOCKS - 1);
    let end = inode.size().div_ceil(BLOCK_SIZE);
    let len = HUGE_BLOCKS.min(end.saturating_sub(chunk));
    if len == 0 || node.zeroed(chunk, len) < len {
        return Ok(());
    }
    let whole = core.map(node, chunk, len).map_err(errno)?;
    if matches!(whole.span, Span::Unwritten(_)) && whole.len == len {
        checked(inode.sb(), core.fill(node, chunk, len, false))?;
    }
    Ok(())
}
