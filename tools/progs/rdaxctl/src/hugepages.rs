// SPDX-License-Identifier: GPL-2.0

//! How much of a file huge pages can map.

use anyhow::{
    Context,
    Result, //
};
use fiemap::{
    FiemapExtent,
    FiemapExtentFlags, //
};
use rdaxfs_progs::{
    alignment,
    device_of, //
};
use serde_json::{
    json,
    Value, //
};
use std::path::Path;

const HUGE: u64 = 2 << 20;

/// Whole huge pages within a run of bytes that is at `logical` in the file and at `physical` in
/// memory.
fn huge_pages(logical: u64, physical: u64, len: u64) -> u64 {
    if logical % HUGE != physical % HUGE {
        return 0;
    }
    let end = logical.saturating_add(len) / HUGE;
    end.saturating_sub(logical.div_ceil(HUGE))
}

/// Extents that continue each other, in the file and in memory, are one for a huge page.
fn joined(extents: &[FiemapExtent]) -> Vec<(u64, u64, u64)> {
    let mut runs: Vec<(u64, u64, u64)> = Vec::new();
    for extent in extents {
        let (logical, physical, len) = (extent.fe_logical, extent.fe_physical, extent.fe_length);
        match runs.last_mut() {
            Some(last) if last.0 + last.2 == logical && last.1 + last.2 == physical => {
                last.2 += len;
            }
            _ => runs.push((logical, physical, len)),
        }
    }
    runs
}

/// Tells how many huge pages `file` has.
pub(crate) fn hugepages(file: &Path) -> Result<Value> {
    let shown = || format!("{}", file.display());
    let size = std::fs::metadata(file).with_context(shown)?.len();
    let extents: std::io::Result<Vec<FiemapExtent>> =
        fiemap::fiemap(file).with_context(shown)?.collect();
    let extents = extents.with_context(shown)?;
    // Blocks are counted from the start of the device, pages from the start of memory.
    let start = device_of(file)
        .and_then(|device| alignment(&device))
        .map_or(0, |found| found.start());
    let pages: u64 = joined(&extents)
        .iter()
        .map(|&(logical, physical, len)| huge_pages(logical, physical.wrapping_add(start), len))
        .sum();
    let bytes: u64 = extents.iter().map(|extent| extent.fe_length).sum();
    let unwritten = FiemapExtentFlags::UNWRITTEN;
    let unwritten = extents
        .iter()
        .filter(|extent| extent.fe_flags.contains(unwritten))
        .count();
    Ok(json!({
        "file": file.display().to_string(),
        "size": size,
        "extents": extents.len(),
        "unwritten_extents": unwritten,
        "mapped_bytes": bytes,
        "huge_pages": pages,
        "huge_pages_possible": size / HUGE,
        "huge_percent": pages.saturating_mul(HUGE).saturating_mul(100).checked_div(bytes).unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_whole_aligned_pages() {
        assert_eq!(huge_pages(0, HUGE, 3 * HUGE), 3);
        assert_eq!(huge_pages(0, HUGE + 4096, 3 * HUGE), 0);
        assert_eq!(huge_pages(4096, HUGE + 4096, 2 * HUGE), 1);
        assert_eq!(huge_pages(4096, 4096, 4096), 0);
    }
}
