// SPDX-License-Identifier: GPL-2.0

//! What the glue keeps with a mounted volume.

use crate::{
    error::{
        errno,
        Corrupt, //
    },
    failure,
    iomap,
    medium::Pmem,
    node::InodeData,
    options::{
        Choice,
        Drain,
        OnError,
        Options, //
    },
    stats::{
        self,
        Directory,
        Shown,
        Stats, //
    },
    unfreed::Unfreed,
    Rdaxfs, //
};
use kernel::{
    debugfs::Dir,
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};
use rdax::{
    dax::{
        self,
        drain::{
            Drains,
            Gated,
            Limit, //
        },
        watch::{
            Watch,
            Watcher, //
        },
        Failure,
        OnVolume, //
    },
    fs::{
        Log,
        SuperBlock, //
    },
    gate::Gate,
    pin::Pinnable,
    sync::NoFs, //
};
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    Alone,
    Error as CoreError,
    Volume, //
};

/// A mounted volume.
pub(crate) struct Mount {
    // First: it uses `core`.
    watch: Watch<Sweeper>,
    _directory: Option<Pin<KBox<Directory>>>,
    stats: Arc<Stats>,
    drains: Arc<Drains>,
    log: Log,
    on_error: Atomic<u32>,
    drain: Atomic<u32>,
    drain_ms: Atomic<u32>,
    /// Made read-only by an error: until it is mounted anew.
    stopped: Atomic<bool>,
    unfreed: Unfreed,
    // Last: the device.
    core: Arc<Volume<Pmem>>,
}

/// Frees blocks when their last reference goes.
struct Sweeper(Arc<Volume<Pmem>>);

impl Watcher for Sweeper {
    fn look(&self) -> Option<u64> {
        // Reclaim may evict an inode, which has blocks to free.
        let _nofs = NoFs::enter();
        self.0.sweep().map(|block| block.saturating_mul(BLOCK_SIZE))
    }

    fn volume(&self) -> &dax::Volume {
        self.0.medium().volume()
    }
}

impl Mount {
    /// One that is seen in a directory of `root`.
    #[inline(never)]
    pub(crate) fn new(
        core: Arc<Volume<Pmem>>,
        log: Log,
        device: &CStr,
        options: &Options,
        root: &Dir,
    ) -> Result<Self> {
        let (stats, drains) = (Stats::new()?, Drains::new()?);
        let shown = Shown {
            stats: stats.clone(),
            drains: drains.clone(),
            core: core.clone(),
        };
        // What cannot be shown does not matter.
        let directory = stats::create(root, device, shown).ok();
        Ok(Self {
            watch: Watch::new(Sweeper(core.clone()))?,
            _directory: directory,
            stats,
            drains,
            log,
            on_error: Atomic::new(options.on_error as u32),
            drain: Atomic::new(options.drain as u32),
            drain_ms: Atomic::new(options.drain_ms),
            stopped: Atomic::new(false),
            unfreed: Unfreed::new()?,
            core,
        })
    }

    /// Sees to it that blocks which are referenced become free when they no longer are.
    pub(crate) fn watch_busy(&self) {
        if self.core.busy_blocks() != 0 {
            self.watch.kick();
        }
    }

    /// The volume.
    pub(crate) fn core(&self) -> &Volume<Pmem> {
        &self.core
    }

    /// The inodes that there was no memory to free.
    pub(crate) fn unfreed(&self) -> &Unfreed {
        &self.unfreed
    }

    /// Its counters.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The options in force.
    pub(crate) fn options(&self) -> Options {
        Options {
            on_error: OnError::from_raw(self.on_error.load(Relaxed)),
            drain: Drain::from_raw(self.drain.load(Relaxed)),
            drain_ms: self.drain_ms.load(Relaxed),
        }
    }

    /// Replaces the options.
    pub(crate) fn set_options(&self, options: &Options) {
        self.on_error.store(options.on_error as u32, Relaxed);
        self.drain.store(options.drain as u32, Relaxed);
        self.drain_ms.store(options.drain_ms, Relaxed);
    }

    /// How long an operation waits for those who hold pages.
    pub(crate) fn drain_limit(&self) -> Limit {
        self.options().drain_limit()
    }

    /// Whether an error has made it read-only.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The number of an error. If metadata is damaged this also does what `errors=` says.
    fn fail(&self, error: CoreError) -> Error {
        match error {
            CoreError::Corrupt(corrupt) => {
                self.damaged(fmt!("{}; run fsck.rdaxfs", Corrupt(corrupt)));
            }
            CoreError::Poison => self.damaged(fmt!("metadata is lost in failed memory")),
            _ => {}
        }
        errno(error)
    }

    fn damaged(&self, what: fmt::Arguments<'_>) {
        let action = self.options().on_error;
        if action == OnError::RemountReadOnly && self.is_stopped() {
            // It was said when the volume was stopped.
            return;
        }
        // One damaged directory can be looked at very often.
        if self.log.may_log() {
            self.log.err(fmt!("{what} ({})", action.consequence()));
        }
        // Best effort: a volume that takes no changes is not marked.
        let _ = self.core.mark_errors();
        match action {
            OnError::Continue => {}
            OnError::RemountReadOnly => {
                self.core.forbid_changes();
                self.stopped.store(true, Relaxed);
            }
            OnError::Shutdown => self.core.shut_down(),
        }
    }

    /// The log of the volume.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        for ino in self.unfreed.take() {
            // Inodes hold the superblock, so none is left in memory. What fails here, the next mount frees.
            if let Err(error) = self.core.free_unnamed(Alone(ino)) {
                self.fail(error);
            }
        }
        // There is nobody to tell, and a volume that is not marked clean is recovered.
        if let Err(error) = self.core.deactivate() {
            self.fail(error);
        }
    }
}

/// Memory that failed held metadata in block `block`: nothing works from now on.
pub(crate) fn lose_metadata(sb: &SuperBlock<Rdaxfs>, what: &str, block: u64) -> Error {
    let mount = sb.data();
    mount.log.err(fmt!(
        "memory failed: block {block}, {what}: shutting down; run fsck.rdaxfs"
    ));
    mount.core.shut_down();
    sb.report_metadata(EIO);
    EUCLEAN
}

/// Nothing works from now on.
pub(crate) fn shut_down(sb: &SuperBlock<Rdaxfs>) {
    let mount = sb.data();
    if mount.core.check_alive().is_ok() {
        mount.log.err(fmt!("shut down"));
        sb.report_shutdown();
    }
    mount.core.shut_down();
}

/// The result of an operation of the core on `sb`, with what an error entails.
pub(crate) fn checked<V>(sb: &SuperBlock<Rdaxfs>, result: rdaxfs_core::Result<V>) -> Result<V> {
    result.map_err(|error| {
        let stopped = sb.data().is_stopped();
        let number = sb.data().fail(error);
        if is_damage(error) && !stopped {
            sb.report_metadata(number);
        }
        if sb.data().is_stopped() && !sb.is_read_only() {
            sb.set_read_only();
        }
        number
    })
}

fn is_damage(error: CoreError) -> bool {
    matches!(error, CoreError::Corrupt(_) | CoreError::Poison)
}

impl OnVolume for Rdaxfs {
    fn volume(mount: &Mount) -> &dax::Volume {
        mount.core.medium().volume()
    }

    fn notify_failure(sb: &SuperBlock<Self>, failure: Failure) -> Result {
        failure::notify(sb, failure)
    }
}

impl Pinnable for Rdaxfs {
    type Read = iomap::Read;
    type Write = iomap::WriteFault;
}

impl Gated for Rdaxfs {
    fn gate(data: &InodeData) -> &Gate {
        data.gate()
    }

    fn drains(mount: &Mount) -> &Drains {
        &mount.drains
    }

    fn check_alive(mount: &Mount) -> Result {
        mount.core.check_alive().map_err(errno)
    }
}
