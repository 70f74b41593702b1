// SPDX-License-Identifier: GPL-2.0

//! Page faults: the gate, freeze protection, times, a huge page if there can be one, and the DAX
//! core.
//!
//! Metadata is durable when the fault returns, so mappings with `MAP_SYNC` need nothing more.

use crate::{
    iomap,
    mount::checked,
    node::{
        map_extents,
        sync_blocks, //
    },
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
    fs::Inode,
    gate::Passage, //
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
    fn fault(fault: VmFault<'_, Rdaxfs>) -> Outcome {
        match attempt(&fault) {
            Err(Obstacle::Gate) => fault.wait_at_gate(),
            Err(Obstacle::Fallback(why)) => {
                fault.inode().sb().data().stats().fall_back(why);
                Outcome::FALLBACK
            }
            Ok(outcome) => {
                count(&fault, outcome);
                outcome
            }
        }
    }
}

/// Why a fault was not served.
enum Obstacle {
    /// The page is being taken away.
    Gate,
    /// There can be no huge page.
    Fallback(Fallback),
}

impl From<Fallback> for Obstacle {
    fn from(why: Fallback) -> Self {
        Self::Fallback(why)
    }
}

fn count(fault: &VmFault<'_, Rdaxfs>, outcome: Outcome) {
    let stats = fault.inode().sb().data().stats();
    if outcome.is_error() {
        stats.errors.add(1);
    } else if outcome.is_fallback() {
        // The DAX core has said so, with blocks that would do.
        stats.fall_back(Fallback::SmallEntry);
    } else if fault.order() == PMD_ORDER {
        stats.huge.add(1);
    } else {
        stats.small.add(1);
    }
}

fn attempt(fault: &VmFault<'_, Rdaxfs>) -> Result<Outcome, Obstacle> {
    let huge = fault.order() == PMD_ORDER;
    if let Some(why) = huge.then(|| obstacle(fault)).flatten() {
        return Err(why.into());
    }
    pass(fault, fault.enter())?;
    serve(fault)
}

/// Huge pages do not wait: the small one that is tried next may lie beside the range.
fn pass(fault: &VmFault<'_, Rdaxfs>, passage: Passage) -> Result<(), Obstacle> {
    match passage {
        Passage::Open | Passage::Admitted => Ok(()),
        Passage::Closed if fault.order() == PMD_ORDER => Err(Fallback::Draining.into()),
        Passage::Closed => Err(Obstacle::Gate),
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
    } else if fault.is_armed() {
        Some(Fallback::Userfaultfd)
    } else if last >= fault.inode().size().div_ceil(BLOCK_SIZE) {
        Some(Fallback::EndOfFile)
    } else {
        None
    }
}

fn serve(fault: &VmFault<'_, Rdaxfs>) -> Result<Outcome, Obstacle> {
    let inode = fault.inode();
    let writes = fault.is_write() && fault.is_shared();
    let _frozen = writes.then(|| PageFault::start(inode.sb()));
    if writes {
        inode.data().set_stored_to();
        if let Err(err) = fault.update_time() {
            return Ok(err.into());
        }
    }
    let lock = InvalidateShared::new(inode);
    pass(fault, fault.recheck(&lock))?;
    if fault.order() == PMD_ORDER {
        let lblk = fault.pgoff() & !(HUGE_BLOCKS - 1);
        match prepare_huge(inode, lblk, writes) {
            Ok(None) => {}
            Ok(Some(why)) => return Err(why.into()),
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
    let found = map_extents(inode, (lblk, HUGE_BLOCKS), false, |found, _| found)?;
    if found.len < HUGE_BLOCKS || !is_aligned(inode, &found) {
        return Ok(Some(Fallback::Extent));
    }
    if let Span::Written(block) = found.span {
        return held(inode, lblk, block);
    }
    if !writes {
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

/// Why a huge page cannot be entered at block `lblk` of the file, unless it is there already, or
/// small ones are: that the DAX core finds out.
fn held(inode: &Inode<Rdaxfs>, lblk: u64, block: u64) -> Result<Option<Fallback>> {
    let pos = lblk.saturating_mul(BLOCK_SIZE);
    let at = block.saturating_mul(BLOCK_SIZE);
    let free = inode.may_map_huge(pos, at)? || inode.has_small_pages(lblk);
    Ok((!free).then_some(Fallback::Held))
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
