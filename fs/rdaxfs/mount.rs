// SPDX-License-Identifier: GPL-2.0

//! What the glue keeps with a mounted volume.

use crate::{
    error::errno,
    failure,
    medium::Pmem,
    options::{
        OnError,
        Options, //
    },
    stats::{
        Directory,
        Stats, //
    },
    Rdaxfs, //
};
use kernel::{
    prelude::*,
    str::CString,
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
        Failure,
        OnVolume, //
    },
    fs::SuperBlock, //
};
use rdaxfs_core::{
    Error as CoreError,
    Volume, //
};

/// A mounted volume.
pub(crate) struct Mount {
    // Shows `stats`.
    _directory: Option<Pin<KBox<Directory>>>,
    stats: Arc<Stats>,
    device: CString,
    on_error: Atomic<u32>,
    /// Made read-only by an error: until it is mounted anew.
    stopped: Atomic<bool>,
    // Last: the device.
    core: Volume<Pmem>,
}

impl Mount {
    #[inline(never)]
    pub(crate) fn new(
        core: Volume<Pmem>,
        device: CString,
        options: &Options,
        stats: Arc<Stats>,
        directory: Option<Pin<KBox<Directory>>>,
    ) -> Self {
        Self {
            _directory: directory,
            stats,
            device,
            on_error: Atomic::new(options.on_error as u32),
            stopped: Atomic::new(false),
            core,
        }
    }

    /// The volume.
    pub(crate) fn core(&self) -> &Volume<Pmem> {
        &self.core
    }

    /// Its counters.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The options in force.
    pub(crate) fn options(&self) -> Options {
        Options {
            on_error: OnError::from_raw(self.on_error.load(Relaxed)),
        }
    }

    /// Replaces the options.
    pub(crate) fn set_options(&self, options: &Options) {
        self.on_error.store(options.on_error as u32, Relaxed);
    }

    /// Whether an error has made it read-only.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The number of an error. If metadata is damaged this also does what `errors=` says.
    fn fail(&self, error: CoreError) -> Error {
        match error {
            CoreError::Corrupt(what) => self.damaged("corrupt", what),
            CoreError::Poison => self.damaged("poisoned", "metadata is lost"),
            _ => {}
        }
        errno(error)
    }

    fn damaged(&self, how: &str, what: &str) {
        let action = self.options().on_error;
        if action == OnError::RemountReadOnly && self.is_stopped() {
            // Has been said; one damaged directory can be looked at very often.
            return;
        }
        pr_err!(
            "{}: {}: {} ({})\n",
            *self.device,
            how,
            what,
            action.consequence()
        );
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

    /// The name of the device, for messages.
    pub(crate) fn device(&self) -> &CStr {
        &self.device
    }

    /// Memory that failed held metadata in block `block`: nothing works from now on.
    pub(crate) fn lose_metadata(&self, what: &str, block: u64) -> Error {
        pr_err!(
            "{}: memory failed: block {}, {}: shutting down\n",
            *self.device,
            block,
            what
        );
        self.core.shut_down();
        EUCLEAN
    }

    /// Nothing works from now on.
    pub(crate) fn shut_down(&self) {
        if self.core.check_alive().is_ok() {
            pr_err!("{}: shut down\n", *self.device);
        }
        self.core.shut_down();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // There is nobody to tell, and a volume that is not marked clean is recovered.
        if let Err(error) = self.core.deactivate() {
            self.fail(error);
        }
    }
}

/// The result of an operation of the core on `sb`, with what an error entails.
pub(crate) fn checked<V>(sb: &SuperBlock<Rdaxfs>, result: rdaxfs_core::Result<V>) -> Result<V> {
    result.map_err(|error| {
        let number = sb.data().fail(error);
        if sb.data().is_stopped() && !sb.is_read_only() {
            sb.set_read_only();
        }
        number
    })
}

impl OnVolume for Rdaxfs {
    fn volume(mount: &Mount) -> &dax::Volume {
        mount.core.medium().volume()
    }

    fn notify_failure(sb: &SuperBlock<Self>, failure: Failure) -> Result {
        failure::notify(sb, failure)
    }
}
