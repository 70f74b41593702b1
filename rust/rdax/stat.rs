// SPDX-License-Identifier: GPL-2.0

//! Event counters that do not bounce a cache line between CPUs.

use crate::bindings;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

const SHARDS: usize = 16;

/// One cache line.
#[repr(align(64))]
struct Shard(Atomic<u64>);

/// A counter that only grows (and wraps). Readers may miss events in flight.
///
/// ```ignore
/// let reads = Counter::new();
/// reads.add(1);
/// ```
pub struct Counter([Shard; SHARDS]);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self([const { Shard(Atomic::new(0)) }; SHARDS])
    }

    /// Counts `n` events. Any context.
    pub fn add(&self, n: u64) {
        // SAFETY: reads the CPU number; stale after a migration, which only costs a cache miss.
        let cpu = unsafe { bindings::rdax_helper_smp_processor_id() };
        if let Some(shard) = self.0.get(cpu as usize % SHARDS) {
            shard.0.fetch_add(n, Relaxed);
        }
    }

    /// The number of events so far.
    pub fn sum(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, shard| sum.wrapping_add(shard.0.load(Relaxed)))
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}
