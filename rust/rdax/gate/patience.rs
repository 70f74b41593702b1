// SPDX-License-Identifier: GPL-2.0

//! When a drain that makes no progress gives out tickets.

/// The first interval, in milliseconds.
pub(super) const FIRST_MS: u64 = 40;
/// How long a drain is young, in milliseconds.
///
/// Until then tasks that are in the middle of a sweep when it begins come to the gate, or after
/// that they have to be patient. If it were longer, those who hold single pages beside each other
/// would let each other in.
pub(super) const YOUNG_MS: u64 = 8;
/// The longest interval, in milliseconds.
///
/// Intervals double so that tasks which come back for more hold up the drain less and less. They
/// stop doubling so that a task which needs many tickets (a vectored read whose buffers descend
/// needs one for each) gets them all in time proportional to their number.
pub(super) const LONGEST_MS: u64 = 320;

/// The patience of one drain. Times are milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    interval: u64,
    ends: u64,
    young_until: u64,
}

impl Patience {
    /// Begins at `now`.
    pub(super) fn new(now: u64) -> Self {
        Self {
            interval: FIRST_MS,
            ends: now.saturating_add(FIRST_MS),
            young_until: now.saturating_add(YOUNG_MS),
        }
    }

    /// Begins anew: at `now` there was progress.
    pub(super) fn restart(&mut self, now: u64) {
        self.ends = now.saturating_add(self.interval);
    }

    /// Whether the drain has only begun.
    pub(super) fn is_young(&self, now: u64) -> bool {
        now <= self.young_until
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.ends
    }

    /// Begins anew, with twice the interval: at `now` tickets were given out.
    pub(super) fn granted(&mut self, now: u64) {
        self.interval = self.interval.saturating_mul(2).min(LONGEST_MS);
        self.restart(now);
    }

    /// The milliseconds that are left.
    pub(super) fn left(&self, now: u64) -> u64 {
        self.ends.saturating_sub(now)
    }
}
