// SPDX-License-Identifier: GPL-2.0

//! A DAX device with a disk over a reserved range of RAM, as small as it gets.
//!
//! Boot with `memmap=256M$4G`, which hides that range from the kernel, then:
//!
//! ```text
//! insmod rdax_minimal.ko start=0x100000000 size=0x10000000
//! mkfs.ext4 /dev/rdax_minimal0
//! mount -o dax=always /dev/rdax_minimal0 /mnt
//! ```

use kernel::{
    faux,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use rdax::{
    block::{
        Bio,
        BioDisk,
        Features,
        Limits,
        Live,
        Op, //
    },
    dax::{
        AccessMode,
        Device,
        Properties, //
    },
    memremap::{
        MemRegion,
        PageMap,
        Pages,
        PhysRange,
        PAGE_SIZE, //
    }, //
};

module! {
    type: Minimal,
    name: "rdax_minimal",
    authors: ["The rdax authors"],
    description: "Sample: a DAX device over reserved RAM",
    license: "GPL",
    params: {
        start: u64 {
            default: 0,
            description: "Physical start of the reserved range, in bytes",
        },
        size: u64 {
            default: 0,
            description: "Its size in bytes",
        },
    },
}

/// The memory behind the device.
struct Ram(PageMap);

#[vtable]
impl rdax::dax::Operations for Ram {
    fn page_map(&self) -> &PageMap {
        &self.0
    }

    fn direct_access(&self, pgoff: u64, _nr_pages: u64, _mode: AccessMode) -> Result<Pages> {
        let len = self.0.nr_pages().checked_sub(pgoff).ok_or(ERANGE)?;
        Ok(Pages { pgoff, len })
    }

    fn zero_page_range(&self, pgoff: u64, nr_pages: u64) -> Result {
        let bytes = |pages: u64| pages.checked_mul(PAGE_SIZE).ok_or(ERANGE);
        self.0.zero(bytes(pgoff)?, bytes(nr_pages)?)?.fence();
        Ok(())
    }
}

impl Ram {
    fn serve(&self, bio: &Bio) -> Result {
        for segment in bio.segments() {
            let offset = segment.disk_offset();
            match bio.op() {
                Op::Read => self.0.read_segment(offset, &segment)?,
                Op::Write => self.0.write_segment(offset, &segment)?.leave_to_flush(),
                _ => return Err(EOPNOTSUPP),
            }
        }
        Ok(())
    }
}

#[vtable]
impl rdax::block::Operations for Ram {
    fn submit_bio(&self, bio: Bio) {
        let result = self.serve(&bio);
        bio.complete(result);
    }
}

/// Fields are dropped in this order: first the disk, last the memory.
struct Minimal {
    _disk: BioDisk<Ram, Live>,
    _dax: Arc<Device<Ram>>,
    _parent: faux::Registration,
}

impl kernel::Module for Minimal {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let range = PhysRange {
            start: module_parameters::start.value(),
            len: module_parameters::size.value(),
        };
        let name = || CString::try_from_fmt(fmt!("rdax_minimal"));
        let mut regions = KVec::new();
        regions.push(MemRegion::request(range, name()?)?, GFP_KERNEL)?;
        let ram = Arc::new(Ram(PageMap::new(name()?, regions, -1)?), GFP_KERNEL)?;

        let properties = Properties {
            synchronous: true,
            write_cache: false,
        };
        let dax = Arc::new(Device::new(ram.clone(), properties)?, GFP_KERNEL)?;
        let limits = Limits::new().features(Features::SYNCHRONOUS | Features::DAX);
        let parent = faux::Registration::new(c"rdax_minimal", None)?;
        let sectors = range.len / 512;
        let mut disk = BioDisk::new(c"rdax_minimal0", limits, sectors, -1, ram)?;
        disk.attach_dax(&dax)?;
        Ok(Self {
            _disk: disk.add_disk(parent.as_ref().as_ref())?,
            _dax: dax,
            _parent: parent,
        })
    }
}
