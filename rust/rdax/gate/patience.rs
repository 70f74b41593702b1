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

/// Names the tasks that get tickets when patience is over.
///
/// A task that waits for the first page of a call holds nothing, but would with a ticket: one more
/// for the drain to wait for. So such tasks come second. They cannot be told from all that hold
/// something, so they do come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Those that seem to be in the middle of a sweep, if there are any.
    Halfway,
    /// All that wait: this did not help, or there are none.
    Everybody,
}

/// The patience of one drain. Times are milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    interval: u64,
    ends: u64,
    young_until: u64,
    turn: Turn,
}

impl Patience {
    /// Begins at `now`.
    pub(super) fn new(now: u64) -> Self {
        Self {
            interval: FIRST_MS,
            ends: now.saturating_add(FIRST_MS),
            young_until: now.saturating_add(YOUNG_MS),
            turn: Turn::Halfway,
        }
    }

    /// Begins anew, at `now`.
    pub(super) fn restart(&mut self, now: u64) {
        self.ends = now.saturating_add(self.interval);
    }

    /// Begins anew: at `now` there was progress.
    pub(super) fn progress(&mut self, now: u64) {
        self.turn = Turn::Halfway;
        self.restart(now);
    }

    /// Whose turn it is when it is over.
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// Whether the drain has only begun.
    pub(super) fn is_young(&self, now: u64) -> bool {
        now <= self.young_until
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: u64) -> bool {
        now >= self.ends
    }

    /// Begins anew, with twice the interval if it was everybody's turn: at `now` tickets were given
    /// out. The next turn is the other one.
    pub(super) fn granted(&mut self, to: Turn, now: u64) {
        match to {
            Turn::Halfway => self.turn = Turn::Everybody,
            Turn::Everybody => {
                self.turn = Turn::Halfway;
                self.interval = self.interval.saturating_mul(2).min(LONGEST_MS);
            }
        }
        self.restart(now);
    }

    /// The milliseconds that are left.
    pub(super) fn left(&self, now: u64) -> u64 {
        self.ends.saturating_sub(now)
    }
}
