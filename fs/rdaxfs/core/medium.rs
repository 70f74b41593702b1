// SPDX-License-Identifier: GPL-2.0

//! The medium, and stores to it whose way to persistence the compiler follows.

use crate::{
    Error,
    Result, //
};
use core::marker::PhantomData;

/// Byte-addressable persistent memory.
///
/// A store is durable once a [`flush`](Self::flush) of its bytes and then a [`fence`](Self::fence)
/// came after it. Before that, each cache line of it may or may not reach the medium, in any order;
/// an aligned store of 8 bytes does so as a whole or not at all. The methods may sleep.
pub trait Medium {
    /// Bytes of the volume.
    fn size(&self) -> u64;
    /// Reads `out.len()` bytes from byte `at`. Fails with [`Error::Poison`] if one is poisoned.
    fn load(&self, at: u64, out: &mut [u8]) -> Result;
    /// Stores `data` at byte `at`.
    fn store(&self, at: u64, data: &[u8]) -> Result;
    /// Writes the cache lines of `len` bytes from byte `at` back.
    fn flush(&self, at: u64, len: u64) -> Result;
    /// Makes everything that was flushed durable.
    fn fence(&self) -> Result;
    /// Stores zeros to `len` bytes from byte `at`, flushed. Clears poison from whole blocks; fails
    /// with [`Error::Poison`] where it cannot.
    fn zero(&self, at: u64, len: u64) -> Result;
    /// Clears poison from whole blocks that hold nothing; the others stay what they are. Fails as
    /// [`zero`](Self::zero) does.
    fn heal(&self, _at: u64, _len: u64) -> Result {
        Ok(())
    }
    /// Whether block `block` is referenced in memory, so that its content may still be read or
    /// changed, and of how many of the `len` blocks (at least one) from there on the same is true.
    ///
    /// A block that nobody references, and that no file has, stays so.
    fn referenced(&self, block: u64, len: u64) -> (bool, u64) {
        let _ = block;
        (false, len)
    }
    /// Milliseconds since some moment, by which to tell how long blocks have been referenced.
    fn clock_ms(&self) -> u64 {
        0
    }
    /// Called now and then by operations that take long. Lets others run; fails with
    /// [`Error::Interrupted`] if the caller is to give up.
    fn pause(&self) -> Result {
        Ok(())
    }
}

/// In a CPU cache, perhaps.
pub(crate) struct Dirty;
/// On its way to the medium, in no order.
pub(crate) struct InFlight;
/// On the medium.
pub(crate) struct Clean;

/// Stores to the medium in state `S`.
///
/// # Invariants
///
/// All stores that it stands for are in state `S` at least.
pub(crate) struct Stored<S> {
    at: u64,
    len: u64,
    state: PhantomData<S>,
}

impl<S> Stored<S> {
    fn new(at: u64, len: u64) -> Self {
        Self {
            at,
            len,
            state: PhantomData,
        }
    }
}

impl Stored<Dirty> {
    /// Stores `data` at byte `at`.
    #[must_use = "a store that nobody orders is not durable"]
    pub(crate) fn store(medium: &impl Medium, at: u64, data: &[u8]) -> Result<Self> {
        medium.store(at, data)?;
        Ok(Self::new(at, data.len() as u64))
    }

    /// Sends it on its way.
    #[must_use = "a store that nobody orders is not durable"]
    pub(crate) fn flush(self, medium: &impl Medium) -> Result<Stored<InFlight>> {
        medium.flush(self.at, self.len)?;
        Ok(Stored::new(self.at, self.len))
    }
}

impl Stored<InFlight> {
    /// Stores `data` at byte `at` and sends it on its way.
    #[must_use = "a store that nobody orders is not durable"]
    pub(crate) fn write(medium: &impl Medium, at: u64, data: &[u8]) -> Result<Self> {
        Stored::<Dirty>::store(medium, at, data)?.flush(medium)
    }

    /// Stores zeros to `len` bytes from byte `at` and sends them on their way.
    #[must_use = "a store that nobody orders is not durable"]
    pub(crate) fn zero(medium: &impl Medium, at: u64, len: u64) -> Result<Self> {
        medium.zero(at, len)?;
        Ok(Self::new(at, len))
    }

    /// Leaves it to the next transaction of the same task, which fences before it happens.
    pub(crate) fn leave_to_commit(self) {}

    /// Nothing, to which stores are added.
    pub(crate) fn none() -> Self {
        Self::new(0, 0)
    }

    /// Both.
    pub(crate) fn and(self, _other: Self) -> Self {
        self
    }

    /// Waits until it is on the medium.
    pub(crate) fn fence(self, medium: &impl Medium) -> Result<Stored<Clean>> {
        medium.fence()?;
        Ok(Stored::new(self.at, self.len))
    }
}

/// Checks that bytes `at..at + len` lie within `size`.
pub(crate) fn check_range(size: u64, at: u64, len: u64) -> Result {
    match at.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(Error::corrupt_value(
            "reference past the end of the volume: byte",
            at,
        )),
    }
}
