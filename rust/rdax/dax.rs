// SPDX-License-Identifier: GPL-2.0

//! DAX devices: memory that filesystems map into user space directly.
//!
//! This module has the driver's side. It does not support device-dax character devices.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

mod device;

pub use self::device::{
    AccessMode,
    Device,
    Operations,
    RecoveryWrite, //
};

pub(crate) use self::device::Host;
