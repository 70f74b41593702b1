// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a file are.
//!
//! Reading, and asking where holes are, changes nothing. A write within the file, or a write
//! fault, fills holes with zeroed blocks first, so that there never is anything to be seen but
//! zeroes or the new data. What a write stores past the end of the file becomes part of it only
//! afterwards, at once with the new size: until then nobody can look at it.
//!
//! Blocks may be provided for more pages than the one that is asked for. In place of the others,
//! pages of zeroes may be mapped; a write fault replaces them page by page, and `write()` unmaps
//! them if there may be any.

use crate::{
    error::errno,
    mount::checked,
    node::{
        mtime,
        sync_blocks, //
    },
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    dax::layout::NoFaults,
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
    Span, //
};

/// Blocks that a write fault makes written at once, of those that are allocated already (64 KiB).
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
    let node = if request.is_nowait() {
        data.try_read()?
    } else {
        data.read()
    };
    let (lblk, len) = blocks(request);
    let core = inode.sb().data().core();
    let found = core.map(&node, lblk, len).map_err(errno)?;
    if request.is_fault() && !request.is_write() && !is_written(&found) {
        data.set_zeroes_mapped();
    }
    Ok(found)
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

/// To write, by `write()` or a fault.
pub(crate) struct Write;

#[vtable]
impl Operations<Rdaxfs> for Write {
    fn begin(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
        if request.is_fault() {
            begin_fault(inode, request)
        } else {
            begin_write(inode, request)
        }
    }

    fn end(inode: &Inode<Rdaxfs>, request: &Request, written: u64) -> Result {
        let end = request.pos.saturating_add(written);
        // Nothing is pending where the file was already.
        let inside = request.pos < inode.size() && end <= inode.size();
        if request.is_fault() || inside {
            return Ok(());
        }
        let data = inode.data();
        let mut node = data.write();
        let core = inode.sb().data().core();
        let done = core.end_write(&mut node, request.pos, written, mtime(inode));
        inode.set_size(node.size());
        sync_blocks(inode, &node);
        // The caller of this forgets errors if anything was written.
        checked(inode.sb(), done).inspect_err(|err| data.fail_write(request.pos, *err))
    }
}

fn begin_write(inode: &Inode<Rdaxfs>, request: &Request) -> Result<Extent> {
    let data = inode.data();
    if let Some((_, err)) = data.write_failure() {
        return Err(err);
    }
    let core = inode.sb().data().core();
    let (lblk, len) = blocks(request);
    {
        let node = if request.is_nowait() {
            data.try_read()?
        } else {
            data.read()
        };
        let found = core.map(&node, lblk, len).map_err(errno)?;
        // `write()` of data that is there already, the most common one, takes no more than this.
        let ready = is_written(&found) && !data.zeroes_mapped();
        if ready && end_of(&found, request) <= node.size() {
            return Ok(extent(&found, false));
        }
    }
    if request.is_nowait() {
        return Err(EAGAIN);
    }
    // Who reads a hole through a mapping has zeroes there, or is about to: they go when the hole
    // is filled, and faults find the blocks afterwards. `IOMAP_F_NEW` would have the DAX core do
    // this, but it forgets pages that a racing fault has mapped meanwhile without unmapping them.
    let faults = NoFaults::new(inode);
    let mut node = data.write();
    let found = core.begin_write(&mut node, request.pos, request.len);
    let found = checked(inode.sb(), found)?;
    if found.fresh {
        sync_blocks(inode, &node);
    }
    let zeroes_mapped = data.zeroes_mapped();
    drop(node);
    let found = extent(&found, false);
    if zeroes_mapped {
        inode.unmap_mapping_range(found.offset, found.len, false);
    }
    drop(faults);
    Ok(found)
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
    // Not beyond the end of the file: what is there must stay unwritten.
    let rest = inode.size().div_ceil(BLOCK_SIZE).saturating_sub(lblk);
    let ahead = match found.span {
        Span::Unwritten(_) => FAULT_AHEAD.min(rest).max(1),
        _ => 1,
    };
    let data = inode.data();
    let mut node = data.write();
    let core = inode.sb().data().core();
    let filled = checked(inode.sb(), core.fill(&mut node, lblk, ahead, false))?;
    sync_blocks(inode, &node);
    Ok(extent(&filled, filled.fresh))
}
