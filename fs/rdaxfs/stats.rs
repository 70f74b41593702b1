// SPDX-License-Identifier: GPL-2.0

//! What is seen of a mount in `/sys/kernel/debug/rdaxfs/<device>`: counters of page faults, drains,
//! busy blocks.

use crate::medium::Pmem;
use kernel::{
    debugfs::{
        Dir,
        Scope, //
    },
    fmt,
    prelude::*,
    sync::Arc, //
};
use rdax::{
    dax::drain::Drains,
    stat::Counter, //
};
use rdaxfs_core::Volume;

/// Why a fault was not served by a huge page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Address and file offset have different places in a huge page.
    Misaligned,
    /// The huge page reaches beyond the mapping.
    MappingEdge,
    /// The huge page reaches beyond the end of the file.
    EndOfFile,
    /// It is a write to a private copy.
    Copy,
    /// There are no 2 MiB that lie together, aligned, on the volume.
    Extent,
    /// The file has small pages there already.
    SmallEntry,
    /// Somebody still holds some of the pages from before they were mapped the last time.
    Held,
    /// Some of the pages are being taken away.
    Draining,
    /// The mapping is registered with userfaultfd.
    Userfaultfd,
}

const REASONS: [(Fallback, &str); 9] = [
    (Fallback::Misaligned, "misaligned"),
    (Fallback::MappingEdge, "mapping_edge"),
    (Fallback::EndOfFile, "end_of_file"),
    (Fallback::Copy, "copy_on_write"),
    (Fallback::Extent, "extent"),
    (Fallback::SmallEntry, "small_entry"),
    (Fallback::Held, "held"),
    (Fallback::Draining, "draining"),
    (Fallback::Userfaultfd, "userfaultfd"),
];

/// The counters of a mount.
pub(crate) struct Stats {
    /// Faults that mapped a huge page.
    pub(crate) huge: Counter,
    /// Faults that mapped a small one.
    pub(crate) small: Counter,
    /// Faults that ended in a signal.
    pub(crate) errors: Counter,
    fallbacks: [Counter; REASONS.len()],
}

impl Stats {
    /// Makes them in place: on a stack of 16 KiB there is no room for all at once.
    #[inline(never)]
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::init(
            init!(Self {
                huge: Counter::default(),
                small: Counter::default(),
                errors: Counter::default(),
                fallbacks <- pin_init::init_array_from_fn(|_| Counter::default()),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Counts a fault that small pages have to serve.
    pub(crate) fn fall_back(&self, why: Fallback) {
        let mut counters = REASONS.iter().zip(&self.fallbacks);
        if let Some((_, counter)) = counters.find(|((reason, _), _)| *reason == why) {
            counter.add(1);
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pmd_faults {}", self.huge.sum())?;
        writeln!(f, "pte_faults {}", self.small.sum())?;
        writeln!(f, "fault_errors {}", self.errors.sum())?;
        for ((_, name), counter) in REASONS.iter().zip(&self.fallbacks) {
            writeln!(f, "fallback_{} {}", name, counter.sum())?;
        }
        Ok(())
    }
}

/// What the directory of a mount shows.
pub(crate) struct Shown {
    pub(crate) stats: Arc<Stats>,
    pub(crate) drains: Arc<Drains>,
    pub(crate) core: Arc<Volume<Pmem>>,
}

impl Shown {
    fn show_stats(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats.show(f)?;
        writeln!(f, "transactions {}", self.core.transactions())?;
        match self.core.medium().volume().nr_huge_orphans() {
            Some(count) => writeln!(f, "huge_orphans {count}"),
            None => Ok(()),
        }
    }

    fn show_busy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Ok(());
        self.core.for_each_busy(|block, len, age| {
            shown = shown.and_then(|()| writeln!(f, "block={block} blocks={len} age_ms={age}"));
        });
        shown
    }
}

/// The directory of one mount; dropping it removes it, after accesses in progress.
pub(crate) type Directory = Scope<Shown>;

/// Creates the directory of a mount, named like its device.
pub(crate) fn create(root: &Dir, device: &CStr, shown: Shown) -> Result<Pin<KBox<Directory>>> {
    KBox::pin_init(
        root.scope(shown, device, |shown, dir| {
            dir.read_callback_file(c"stats", shown, &|shown: &Shown, f| shown.show_stats(f));
            dir.read_callback_file(c"drains", shown, &|shown: &Shown, f| shown.drains.show(f));
            dir.read_callback_file(c"busy", shown, &|shown: &Shown, f| shown.show_busy(f));
            dir.read_callback_file(c"drain_time_us", shown, &|shown: &Shown, f| {
                fmt::Display::fmt(shown.drains.drain_time(), f)
            });
            dir.read_callback_file(c"gate_wait_us", shown, &|shown: &Shown, f| {
                fmt::Display::fmt(shown.drains.gate_wait(), f)
            });
        }),
        GFP_KERNEL,
    )
}
