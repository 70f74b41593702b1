// SPDX-License-Identifier: GPL-2.0

//! Stores that reach persistence, checked by the compiler.
//!
//! A store to persistent memory is durable in three steps, and each has a type:
//!
//! - [`Dirty`]: it may sit in a CPU cache.
//! - [`InFlight`]: it has left the cache (written back, or stored around it), but is not ordered.
//! - [`Clean`]: a fence has ordered it; it is in the persistence domain of a synchronous region.
//!
//! ```
//! # use kernel::prelude::*;
//! # use rdax::{memremap::PageMap, persist::{Clean, Stored}};
//! # fn publish(_: Stored<Clean>) {}
//! fn store(map: &PageMap) -> Result {
//!     let stored = map.zero(0, 4096)?; // Stored<InFlight>: non-temporal
//!     let stored = stored.fence(); // Stored<Clean>
//!     publish(stored); // a function that takes Stored<Clean> only
//!     Ok(())
//! }
//! ```
//!
//! What is on its way cannot be published:
//!
//! ```compile_fail,E0308
//! # use kernel::prelude::*;
//! # use rdax::{memremap::PageMap, persist::{Clean, Stored}};
//! # fn publish(_: Stored<Clean>) {}
//! fn store(map: &PageMap) -> Result {
//!     publish(map.zero(0, 4096)?);
//!     Ok(())
//! }
//! ```
//!
//! A region with a volatile cache behind the CPU (virtio-pmem) also needs
//! [`Region::flush`](crate::nd::Region::flush).
//!
//! C header: [`include/linux/libnvdimm.h`](srctree/include/linux/libnvdimm.h)

use crate::{
    bindings,
    memremap::PageMap, //
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// In a CPU cache, perhaps.
pub struct Dirty<'m> {
    map: &'m PageMap,
    offset: u64,
    len: u64,
}

/// On its way to memory, unordered.
pub struct InFlight(());

/// In memory.
pub struct Clean(());

/// The state of a store.
pub trait State: private::Sealed {}
impl State for Dirty<'_> {}
impl State for InFlight {}
impl State for Clean {}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Dirty<'_> {}
    impl Sealed for super::InFlight {}
    impl Sealed for super::Clean {}
}

/// A store to persistent memory in state `S`.
pub struct Stored<S: State> {
    state: S,
    _not_thread_safe: PhantomData<*mut ()>,
}

impl<S: State> Stored<S> {
    fn new(state: S) -> Self {
        Self {
            state,
            _not_thread_safe: PhantomData,
        }
    }
}

impl Stored<Dirty<'_>> {
    /// Writes the cache lines of the store back to memory.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn write_back(self) -> Result<Stored<InFlight>> {
        let Dirty { map, offset, len } = self.state;
        map.write_back(offset, len)
    }
}

impl Stored<InFlight> {
    pub(crate) fn in_flight() -> Self {
        Self::new(InFlight(()))
    }

    /// Orders this store, and all before it on this CPU, before all later ones.
    pub fn fence(self) -> Stored<Clean> {
        // SAFETY: a barrier has no precondition.
        unsafe { bindings::rdax_helper_pmem_wmb() };
        Stored::new(Clean(()))
    }

    /// Leaves the ordering to a later flush of the region: a bio without FUA promises no more.
    pub fn leave_to_flush(self) {}
}

impl PageMap {
    /// Copies `data` to byte `offset` through the CPU cache.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn store(&self, offset: u64, data: &[u8]) -> Result<Stored<Dirty<'_>>> {
        let len = data.len() as u64;
        let dst = self.addr(offset, len)?;
        // SAFETY: `addr` checked that `data.len()` bytes are mapped at `dst`. They are no Rust
        // object; `memcpy()` of the kernel copes with concurrent stores from user space.
        unsafe { bindings::memcpy(dst.as_ptr().cast(), data.as_ptr().cast(), data.len()) };
        Ok(Stored::new(Dirty {
            map: self,
            offset,
            len,
        }))
    }

    /// Copies `data` to byte `offset` around the CPU cache.
    #[must_use = "a store that nobody orders is not durable"]
    pub fn store_nt(&self, offset: u64, data: &[u8]) -> Result<Stored<InFlight>> {
        let dst = self.addr(offset, data.len() as u64)?;
        // SAFETY: as in `store`.
        unsafe {
            bindings::rdax_helper_memcpy_flushcache(
                dst.as_ptr().cast(),
                data.as_ptr().cast(),
                data.len(),
            )
        };
        Ok(Stored::in_flight())
    }
}
