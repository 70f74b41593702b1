// SPDX-License-Identifier: GPL-2.0

//! DAX (direct access) for persistent memory: safe abstractions over the C side.
//!
//! `rdax.ko` holds this crate; drivers and filesystems use it as a Rust crate and contain no
//! `unsafe` of their own. One module wraps one concept of the C side:
//!
//! | module | wraps |
//! | --- | --- |
//! | [`memremap`] | `struct dev_pagemap`: struct pages for device memory, and their drain |
//! | [`dax`] | `struct dax_device`, from the driver's side and from the filesystem's |
//! | [`iomap`] | `struct iomap_ops`: where the bytes of a file lie |
//! | [`block`] | a bio-based `struct gendisk` |
//! | [`fs`] | the VFS: superblocks, inodes, files and their operations |
//! | [`gate`] | truncate in progress, by range: who may fault and pin meanwhile |
//! | [`pin`] | pages of files that somebody uses for a while, whatever happens to the file |
//! | [`badblocks`] | `struct badblocks` |
//! | [`nd`] | drivers on the libnvdimm bus, namespaces, regions |
//! | [`persist`] | stores that reach persistence: flush and fence as types |
//! | [`sync`] | reader-writer semaphores, waiting on variables |
//! | [`crc32c`] | the checksum |
//! | [`random`] | random numbers |
//! | [`teardown`] | dropping a device that others may still reference |
//! | [`stat`] | event counters |
//! | [`delay`] | delays at random, for tests |
//!
//! # Reading order
//!
//! `samples/rdax_minimal` puts the pieces together in about a hundred lines.

use kernel::prelude::*;

pub mod badblocks;
mod bindings;
pub mod block;
pub mod crc32c;
pub mod dax;
pub mod delay;
pub mod fs;
pub mod gate;
pub mod iomap;
pub mod memremap;
pub mod nd;
pub mod persist;
pub mod pin;
pub mod random;
pub mod stat;
pub mod sync;
pub mod teardown;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

module! {
    type: Rdax,
    name: "rdax",
    authors: ["The rdax authors"],
    description: "DAX abstractions for persistent memory in Rust",
    license: "GPL",
}

struct Rdax {
    _teardown: teardown::Workqueue,
    #[cfg(debug_assertions)]
    _delays: delay::Files,
    // Last: whatever still runs in this module's callbacks ends before its code goes.
    _readers: dax::device::WaitReaders,
}

impl kernel::Module for Rdax {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        dax::device::init();
        dax::holder::init();
        pin::registry::init();
        dax::drain::check()?;
        Ok(Self {
            _teardown: teardown::Workqueue::new()?,
            #[cfg(debug_assertions)]
            _delays: delay::Files::new()?,
            _readers: dax::device::WaitReaders::new()?,
        })
    }
}
