// SPDX-License-Identifier: GPL-2.0

//! What ends when a namespace is unbound.
//!
//! A reference on a region or a namespace keeps the `struct device` and what is embedded next to
//! it. It does not keep what the region's driver and the provider of the bus (NFIT, virtio-pmem)
//! have allocated, which flushes and the clearing of poison use. Those are there as long as the
//! namespace is bound, since a bus unbinds its namespaces before its provider goes.
//!
//! # Lock order
//!
//! The namespace's `device_lock` (or none), then [`Binding`], then the locks of the provider.

use crate::{
    new_rwsem,
    sync::RwSem, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Whether a namespace is bound to the driver that it was bound to when this was made.
#[pin_data]
pub(super) struct Binding {
    #[pin]
    bound: RwSem<bool>,
}

impl Binding {
    /// A namespace is being bound.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                bound <- new_rwsem!(true, "rdax::nd::Binding::bound"),
            }),
            GFP_KERNEL,
        )
    }

    /// Runs `f` if the namespace is bound, and keeps it so meanwhile. Sleeps.
    pub(super) fn run<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let bound = self.bound.read();
        bound.then(f)
    }

    /// The namespace is no longer bound: waits for what [runs](Self::run).
    pub(super) fn end(&self) {
        *self.bound.write() = false;
    }
}
