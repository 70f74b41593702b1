// SPDX-License-Identifier: GPL-2.0

//! Page faults: freeze protection, times, a huge page if there can be one, and the DAX core.
//!
//! Metadata is durable when the fault returns, so mappings with `MAP_SYNC` need nothing more.

use crate::{
    error::errno,
    iomap,
    mount::checked,
    node::sync_blocks,
    stats::Fallback,
    Rdaxfs, //
};
use kernel::prelude::*;
use rdax::{
    dax::{
        fault::{
            Handler,
            Outcome,
            PageFault,
            VmFault,
            PMD_ORDER, //
        },
        layout::InvalidateShared, //
    },
    fs::Inode, //
};
use rdaxfs_core::{
    format_types::{
        BLOCK_SIZE,
        HUGE_BLOCKS, //
    },
    Mapping,
    Span, //
};

pub(crate) struct Faults;

#[vtable]
impl Handler<Rdaxfs> for Faults {
    fn fault(fault: &VmFault<'_, Rdaxfs>) -> Outcome {
        let stats = fault.inode().sb().data().stats();
        let huge = fault.order() == PMD_ORDER;
        let outcome = match huge.then(|| obstacle(fault)).flatten() {
            Some(why) => Err(why),
            None => serve(fault),
        };
        match outcome {
            Err(why) => {
                stats.fall_back(why);
                Outcome::FALLBACK
            }
            Ok(outcome) => {
                if outcome.is_error() {
                    stats.errors.add(1);
                } else if outcome.is_fallback() {
                    // The DAX core has said so, with blocks that would do.
                    stats.fall_back(Fallback::SmallEntry);
                } else if huge {
                    stats.huge.add(1);
                } else {
                    stats.small.add(1);
                }
                outcome
            }
        }
    }
}

/// Why there can be no huge page, before anything is locked. The DAX core looks again.
fn obstacle(fault: &VmFault<'_, Rdaxfs>) -> Option<Fallback> {
    let last = fault.pgoff() | (HUGE_BLOCKS - 1);
    if !fault.is_aligned() {
        Some(Fallback::Misaligned)
    } else if fault.is_write() && !fault.is_shared() {
        Some(Fallback::Copy)
    } else if !fault.fits_mapping() {
        Some(Fallback::MappingEdge)
    } else if last >= fault.inode().size().div_ceil(BLOCK_SIZE) {
        Some(Fallback::EndOfFile)
    } else {
        None
    }
}

fn serve(fault: &VmFault<'_, Rdaxfs>) -> Result<Outcome, Fallback> {
    let inode = fault.inode();
    let writes = fault.is_write() && fault.is_shared();
    let _frozen = writes.then(|| PageFault::start(inode.sb()));
    if writes {
        if let Err(err) = fault.update_time() {
            return Ok(err.into());
        }
    }
    let lock = InvalidateShared::new(inode);
    if fault.order() == PMD_ORDER {
        let lblk = fault.pgoff() & !(HUGE_BLOCKS - 1);
        match prepare_huge(inode, lblk, writes) {
            Ok(None) => {}
            Ok(Some(why)) => return Err(why),
            Err(err) => return Ok(err.into()),
        }
    }
    Ok(if writes {
        fault.map::<iomap::WriteFault>(&lock)
    } else {
        fault.map::<iomap::Read>(&lock)
    })
}

/// Why no huge page can be mapped at block `lblk` of the file, if so: all of it has to be a hole
/// that is only read, or written blocks that lie together and aligned. To write, holes become that
/// if possible.
///
/// The errors of this are those of the fault; if they came from within the DAX core, it would make
/// them fallbacks.
fn prepare_huge(inode: &Inode<Rdaxfs>, lblk: u64, writes: bool) -> Result<Option<Fallback>> {
    let data = inode.data();
    let core = inode.sb().data().core();
    let node = data.read();
    let found = core.map(&node, lblk, HUGE_BLOCKS).map_err(errno)?;
    drop(node);
    if found.len < HUGE_BLOCKS || !is_aligned(inode, &found) {
        return Ok(Some(Fallback::Extent));
    }
    if !writes || matches!(found.span, Span::Written(_)) {
        return Ok(None);
    }
    let mut node = data.write();
    if data.zeroes_mapped() && inode.has_small_pages(lblk) {
        return Ok(Some(Fallback::SmallEntry));
    }
    let filled = checked(inode.sb(), core.fill(&mut node, lblk, HUGE_BLOCKS, true))?;
    sync_blocks(inode, &node);
    let written = matches!(filled.span, Span::Written(_));
    if written && filled.len >= HUGE_BLOCKS && is_aligned(inode, &filled) {
        Ok(None)
    } else {
        Ok(Some(Fallback::Extent))
    }
}

/// Whether the blocks, if there are any, begin where a huge page of the CPU does.
fn is_aligned(inode: &Inode<Rdaxfs>, mapping: &Mapping) -> bool {
    let block = match mapping.span {
        Span::Hole => return true,
        Span::Unwritten(block) | Span::Written(block) => block,
    };
    let volume = inode.sb().data().core().medium().volume();
    // Where parts of the volume differ, the DAX core finds out.
    volume
        .phys_offset_in_huge()
        .is_none_or(|offset| block.saturating_add(offset) % HUGE_BLOCKS == 0)
}
