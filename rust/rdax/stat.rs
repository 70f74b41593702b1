// SPDX-License-Identifier: GPL-2.0

//! Event counters that do not bounce a cache line between CPUs, and histograms of times.

use crate::bindings;
use kernel::{
    fmt,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::Delta, //
};

const SHARDS: usize = 16;

/// One cache line.
#[repr(align(64))]
struct Shard(Atomic<u64>);

/// A counter that only grows (and wraps). Readers may miss events in flight.
///
/// ```
/// # use rdax::stat::Counter;
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

/// The last bucket but one ends at 2^24 microseconds, which are 17 seconds.
const BUCKETS: usize = 26;

/// How often something took how long, in powers of two of a microsecond. For what happens seldom:
/// all CPUs count in one place.
pub struct Histogram([Atomic<u64>; BUCKETS]);

impl Histogram {
    /// One without events.
    pub const fn new() -> Self {
        Self([const { Atomic::new(0) }; BUCKETS])
    }

    /// Counts an event that took so long. Any context.
    pub fn add(&self, time: Delta) {
        let micros = u64::try_from(time.as_nanos() / 1000).unwrap_or(0);
        let bits = micros
            .checked_ilog2()
            .map_or(0, |log| log.saturating_add(1));
        let bucket = (bits as usize).min(BUCKETS - 1);
        if let Some(count) = self.0.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many events there were in each bucket: bucket n is for those below 2^n microseconds
    /// that are not in an earlier one, the last for all others.
    pub fn counts(&self) -> [u64; BUCKETS] {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Histogram {
    /// A line for each bucket that is not empty: below how many microseconds, and how often.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bucket, count) in self.counts().into_iter().enumerate() {
            if count == 0 {
                continue;
            }
            if bucket == BUCKETS - 1 {
                writeln!(f, "inf {count}")?;
            } else {
                writeln!(f, "{} {count}", 1u64 << bucket)?;
            }
        }
        Ok(())
    }
}
