// SPDX-License-Identifier: GPL-2.0

//! What has to change in the list of extents so that a range of the file maps to something else.

use super::{
    Entry,
    ExtentMap, //
};
use crate::{
    env::Vec,
    Result, //
};
use rdaxfs_format::{
    Extent,
    EXTENT_MAX_BLOCKS, //
};

/// Extents that go and extents that come in their place.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) removed: Vec<Entry>,
    pub(crate) added: Vec<Extent>,
}

impl Plan {
    /// Blocks `lo..hi` of the file shall be exactly `with`, which is in order and within them;
    /// what is between is a hole. Neighbours that continue `with` are joined with it.
    pub(crate) fn replace(map: &ExtentMap, lo: u64, hi: u64, with: &[Extent]) -> Result<Self> {
        let mut plan = Self::default();
        let left = map.before(lo).filter(|entry| {
            entry.extent.end() > lo || with.first().is_some_and(|next| joins(&entry.extent, next))
        });
        if let Some(entry) = left {
            plan.removed.push(entry)?;
            plan.add(cut(&entry.extent, 0, lo))?;
        }
        // The left one may reach past the end.
        let mut tail = left.and_then(|entry| cut(&entry.extent, hi, u64::MAX));
        let mut from = lo.max(left.map_or(0, |entry| entry.extent.end()));
        while let Some(entry) = map.at_or_after(from).filter(|entry| entry.extent.lblk < hi) {
            plan.removed.push(entry)?;
            tail = cut(&entry.extent, hi, u64::MAX);
            from = entry.extent.end();
        }
        for extent in with {
            plan.add(Some(*extent))?;
        }
        if tail.is_none() {
            let right = map.at_or_after(hi).filter(|entry| entry.extent.lblk == hi);
            if let Some(entry) = right {
                if plan
                    .added
                    .last()
                    .is_some_and(|last| joins(last, &entry.extent))
                {
                    plan.removed.push(entry)?;
                    tail = Some(entry.extent);
                }
            }
        }
        plan.add(tail)?;
        Ok(plan)
    }

    /// Adds an extent after those that there are, joined with the last one if it continues it.
    fn add(&mut self, extent: Option<Extent>) -> Result {
        match extent {
            Some(extent) => push_joined(&mut self.added, extent),
            None => Ok(()),
        }
    }
}

/// Appends `extent`, joined with the last one if it continues it.
pub(crate) fn push_joined(list: &mut Vec<Extent>, extent: Extent) -> Result {
    match list.last_mut().filter(|last| joins(last, &extent)) {
        Some(last) => {
            last.len = last.len.saturating_add(extent.len);
            Ok(())
        }
        None => list.push(extent),
    }
}

/// Whether `next` continues `extent` in the file and on the volume.
fn joins(extent: &Extent, next: &Extent) -> bool {
    extent.end() == next.lblk
        && extent.pend() == next.pblk
        && extent.unwritten == next.unwritten
        && extent.len.saturating_add(next.len) <= EXTENT_MAX_BLOCKS
}

/// The part of `extent` within blocks `lo..hi` of the file.
pub(crate) fn cut(extent: &Extent, lo: u64, hi: u64) -> Option<Extent> {
    let first = extent.lblk.max(lo);
    let end = extent.end().min(hi);
    let skipped = first.checked_sub(extent.lblk)?;
    let len = end.checked_sub(first).filter(|&len| len > 0)?;
    Some(Extent {
        lblk: first,
        pblk: extent.pblk.checked_add(skipped)?,
        len,
        unwritten: extent.unwritten,
    })
}
