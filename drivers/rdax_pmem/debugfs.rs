// SPDX-License-Identifier: GPL-2.0

//! Statistics and error injection, in `/sys/kernel/debug/rdax_pmem/<disk>/`.

use crate::{
    geometry::parse_range,
    pmem::Pmem, //
};
use kernel::{
    debugfs::{
        Dir,
        Scope,
        ScopedDir, //
    },
    prelude::*,
    sync::Arc,
    uaccess::UserSliceReader, //
};
use rdax::{
    badblocks::BadRange,
    stat::Counter, //
};

/// The directory of one device; dropping it removes it, after accesses in progress.
pub(crate) type Directory = Scope<Arc<Pmem>>;

/// Creates the directory of a device.
pub(crate) fn create(root: &Dir, disk: &CStr, pmem: Arc<Pmem>) -> Result<Pin<KBox<Directory>>> {
    KBox::pin_init(
        root.scope(pmem, disk, |pmem, dir| {
            let stats = &pmem.stats;
            counter(dir, c"direct_access", &stats.direct_access);
            counter(dir, c"bio_read_bytes", &stats.bio_read_bytes);
            counter(dir, c"bio_write_bytes", &stats.bio_write_bytes);
            counter(dir, c"flushes", &stats.flushes);
            counter(dir, c"poison_events", &stats.poison_events);
            counter(dir, c"poison_cleared_bytes", &stats.poison_cleared_bytes);
            dir.write_only_callback_file(c"inject_badblock", pmem, &inject);
            dir.write_only_callback_file(c"clear_badblock", pmem, &clear);
        }),
        GFP_KERNEL,
    )
}

fn counter<'data>(dir: &ScopedDir<'data, '_>, name: &CStr, counter: &'data Counter) {
    dir.read_callback_file(name, counter, &|counter, f| {
        writeln!(f, "{}", counter.sum())
    });
}

fn inject(pmem: &Arc<Pmem>, reader: &mut UserSliceReader) -> Result {
    pmem.mark_bad(read_range(reader)?)
}

fn clear(pmem: &Arc<Pmem>, reader: &mut UserSliceReader) -> Result {
    pmem.unmark_bad(read_range(reader)?)
}

/// Reads `"SECTOR COUNT"`.
fn read_range(reader: &mut UserSliceReader) -> Result<BadRange> {
    let mut buf = [0u8; 64];
    let text = buf.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(text)?;
    let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
    let (sector, len) = parse_range(text).ok_or(EINVAL)?;
    Ok(BadRange { sector, len })
}
