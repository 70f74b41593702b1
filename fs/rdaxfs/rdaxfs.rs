// SPDX-License-Identifier: GPL-2.0

//! rdaxfs: a crash-consistent DAX filesystem.

use kernel::prelude::*;

module! {
    type: RdaxFs,
    name: "rdaxfs",
    authors: ["rdax developers"],
    description: "Crash-consistent DAX filesystem",
    license: "GPL",
}

struct RdaxFs;

impl kernel::Module for RdaxFs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("{}\n", rdaxfs_core::format_types::VERSION);
        Ok(RdaxFs)
    }
}
