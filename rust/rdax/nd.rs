// SPDX-License-Identifier: GPL-2.0

//! The libnvdimm bus: drivers, namespaces, regions.
//!
//! A *region* is a range of persistent memory with its way to flush; a *namespace* is a part of it
//! that a driver can have. This module does not support drivers of regions, DIMMs or the btt, pfn
//! and dax devices that the bus makes from namespaces.
//!
//! C headers: [`include/linux/nd.h`](srctree/include/linux/nd.h),
//! [`include/linux/libnvdimm.h`](srctree/include/linux/libnvdimm.h)

mod binding;
mod driver;
mod namespace;
mod region;

pub use self::driver::{
    Adapter,
    Driver,
    Event, //
};
pub use self::namespace::{
    Kind,
    Namespace,
    NamespaceRef,
    RawAccess, //
};
pub use self::region::{
    Flushed,
    Region, //
};
