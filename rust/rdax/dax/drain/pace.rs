// SPDX-License-Identifier: GPL-2.0

//! How often a drain looks, unmaps and lets tasks through.

use super::Limit;
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// How long to wait for one page before looking again, in milliseconds, when the drain has just begun
/// or let tasks through. Then about as long as that is ago;
const FIRST_STEP_MS: u32 = 4;
/// but no longer than this.
const STEP_MS: u32 = 20;
/// How often to look, once tasks were let through, before there may be more of them. Where it takes
/// long to get on a CPU, the first have not had the time to let go.
const LOOKS: u32 = 5;

/// The pace of one drain, and what it has let happen to its pages.
pub(super) struct Pace {
    /// When it last let tasks through, which may map pages then whenever the lock is not held. Until
    /// the drain unmaps those, others can get them without a fault.
    admitted: Option<Instant<Monotonic>>,
    /// How often it has looked since.
    looks: u32,
    unmapped: Instant<Monotonic>,
    /// Nothing can have been mapped since.
    clean: bool,
    /// Since when tasks have waited for `i_rwsem` each time the drain looked.
    contended: Option<Instant<Monotonic>>,
}

impl Pace {
    /// Before the range is unmapped first.
    pub(super) fn new() -> Self {
        Self {
            admitted: None,
            looks: 0,
            unmapped: Instant::now(),
            clean: true,
            contended: None,
        }
    }

    /// The drain has looked whether tasks wait for `i_rwsem`.
    pub(super) fn contended(&mut self, contended: bool) {
        self.contended = contended.then(|| self.contended.unwrap_or_else(Instant::now));
    }

    /// Tasks are let through.
    pub(super) fn admit(&mut self) {
        self.admitted = Some(Instant::now());
        self.looks = 0;
    }

    /// The drain has waited, without the lock, and has it again.
    pub(super) fn look(&mut self) {
        self.looks = self.looks.saturating_add(1);
        self.clean = self.admitted.is_none();
    }

    /// The range is unmapped, under the lock.
    pub(super) fn unmap(&mut self) {
        self.unmapped = Instant::now();
        self.clean = true;
    }

    /// Whether nothing in the range can be mapped.
    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    /// Whether more tasks may be let through.
    pub(super) fn may_admit(&self) -> bool {
        self.admitted.is_none() || self.looks >= LOOKS
    }

    /// Whether it is time to unmap again. Not after each page that is let go of: those who were let
    /// through have to get on.
    pub(super) fn must_unmap(&self) -> bool {
        !self.clean && self.unmapped.elapsed().as_millis() >= FIRST_STEP_MS.into()
    }

    /// How many milliseconds to wait now, of a drain that began at `begun`; `None` if it has been
    /// long enough, `EAGAIN` if it must not wait.
    pub(super) fn step(&self, limit: Limit, begun: Instant<Monotonic>) -> Result<Option<u32>> {
        let age = begun.elapsed().as_millis();
        let since = self.admitted.map_or(age, |at| at.elapsed().as_millis());
        let left = match limit {
            Limit::NoWait => return Err(EAGAIN),
            Limit::Strict(ms) => self.contended.map_or(i64::MAX, |since| {
                i64::from(ms).saturating_sub(since.elapsed().as_millis())
            }),
            Limit::Millis(ms) => i64::from(ms).saturating_sub(age),
        };
        let step = since.clamp(FIRST_STEP_MS.into(), STEP_MS.into());
        Ok(u32::try_from(left.min(step)).ok().filter(|&ms| ms > 0))
    }
}
