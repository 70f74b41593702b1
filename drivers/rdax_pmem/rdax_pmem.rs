// SPDX-License-Identifier: GPL-2.0

//! A persistent-memory driver: libnvdimm namespaces as disks with DAX.
//!
//! Each namespace becomes `/dev/rpmemN`, a disk whose pages filesystems map into user space. The
//! parts, in the order in which they are set up and, backwards, torn down:
//!
//! - `probe`: checks the namespace, claims it, puts the parts together.
//! - `pmem`: what all parts share: the page map, bad blocks, statistics.
//! - `dax`: DAX operations and memory failures.
//! - `disk`: bios.
//! - `debugfs`: statistics and error injection.
//!
//! See `Documentation/rdax_pmem.rst` for the user's side.
//!
//! C source: [`drivers/nvdimm/pmem.c`](srctree/drivers/nvdimm/pmem.c)

mod dax;
mod debugfs;
mod disk;
mod geometry;
mod info_block;
mod pmem;
mod probe;

rdax::module_nd_driver! {
    type: probe::PmemDriver,
    name: "rdax_pmem",
    authors: ["The rdax authors"],
    description: "Persistent memory driver with DAX, in Rust",
    license: "GPL",
    alias: ["nd:t4*", "nd:t5*"],
    params: {
        drain_ms: u32 {
            default: 5000,
            description: "How long unbinding waits for users of the memory, in milliseconds",
        },
    },
}
