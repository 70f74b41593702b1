// SPDX-License-Identifier: GPL-2.0

//! DAX devices: memory that filesystems map into user space directly.
//!
//! A driver makes a [`Device`]; a filesystem finds it as its [`Volume`]. Files on it are read and
//! written by [`io`], mapped by [`fault`], and taken back by [`drain`], under the locks of [`layout`],
//! or by [`failure`] when memory fails or goes.
//!
//! This module does not support device-dax character devices.
//!
//! C header: [`include/linux/dax.h`](srctree/include/linux/dax.h)

pub(crate) mod device;
pub mod drain;
pub mod failure;
pub mod fault;
pub(crate) mod holder;
pub mod io;
pub mod layout;
mod volume;
pub mod watch;

pub use self::device::{
    AccessMode,
    Device,
    Operations,
    Properties,
    RecoveryWrite, //
};
pub use self::holder::{
    Failure,
    MemoryFailure, //
};
pub use self::volume::{
    Access,
    OnVolume,
    Volume, //
};

pub(crate) use self::device::Host;
