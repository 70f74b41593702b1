// SPDX-License-Identifier: GPL-2.0

//! Bio-based block devices.
//!
//! The kernel crate has request-based ones (`kernel::block::mq`). Persistent memory has no queue:
//! a bio is served by the task that submits it.
//!
//! This module does not support zoned devices, discard, polling or integrity.
//!
//! # Examples
//!
//! ```
//! # use kernel::{device, prelude::*, sync::Arc};
//! # use rdax::{block::{self, Bio, BioDisk, Features, Limits, Live, Op}, dax, memremap::PageMap};
//! struct Ram(PageMap);
//!
//! #[vtable]
//! impl block::Operations for Ram {
//!     fn submit_bio(&self, bio: Bio) {
//!         let result = bio.segments().try_for_each(|segment| match bio.op() {
//!             Op::Read => self.0.read_segment(segment.disk_offset(), &segment),
//!             _ => Err(EOPNOTSUPP),
//!         });
//!         bio.complete(result);
//!     }
//! }
//!
//! fn make<D: dax::Operations>(
//!     ram: Arc<Ram>,
//!     sectors: u64,
//!     device: &Arc<dax::Device<D>>,
//!     parent: &device::Device<device::Bound>,
//! ) -> Result<BioDisk<Ram, Live>> {
//!     let limits = Limits::new().features(Features::DAX);
//!     let mut disk = BioDisk::new(c"ram0", limits, sectors, -1, ram)?;
//!     disk.attach_dax(device)?;
//!     disk.add_disk(parent) // open to all from here on, until it is dropped
//! }
//! ```
//!
//! C headers: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h),
//! [`include/linux/bio.h`](srctree/include/linux/bio.h)

mod bio;
mod bio_disk;
mod limits;

pub use self::bio::{
    Accounting,
    Bio,
    Op,
    Segment,
    Segments, //
};
pub use self::bio_disk::{
    Allocated,
    BioDisk,
    HasBadBlocks,
    Live,
    Operations,
    Stage, //
};
pub use self::limits::{
    Features,
    Limits, //
};

/// Bytes in a sector, the unit of block addresses.
pub const SECTOR_SIZE: u64 = 512;
/// Binary logarithm of [`SECTOR_SIZE`].
pub const SECTOR_SHIFT: u32 = 9;
