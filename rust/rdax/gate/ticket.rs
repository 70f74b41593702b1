// SPDX-License-Identifier: GPL-2.0

//! Tickets: who may fault in a closed range, and how far.
//!
//! A task that calls `get_user_pages()` holds the pages it has while it faults the next one. If
//! the drain waits for those, and the task for the drain, both wait for ever. So a drain that
//! makes no progress lets tasks that are waiting at that moment through: each with a ticket for
//! *one ascending sweep of faults*, which is one such call. A lower offset is the next call,
//! which holds nothing of this range yet, and so can wait.
//!
//! The same offset again is not a new call as long as the drain has not unmapped the page in
//! between: the fault is retried, or tried huge and then small, or read and then write. If the
//! drain has, it may be either, the same call that came too late for its page or a new one that
//! pins a single page over and over; so one such repetition is let through.
//!
//! Who has been let through may find its page mapped, by another one that has, and need no fault
//! at all; and the next call may be at a higher offset. To be good for that call, which then maps
//! pages for all the others, too, a ticket should not last long. The faults of one call come one
//! after the other. So a ticket is void once the drain has unmapped the range twice since its task
//! woke up, or made a fault.

use super::env::Caller;

/// Who faults: the address of its `struct task_struct`, never followed.
///
/// A task may exit and another get its address, along with a ticket it has not waited for. That is
/// one sweep more for the drain to wait for, no more than a longer sweep of the first would be;
/// the ticket ends as any other, with the sweep or the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskId(pub usize);

/// How many times one ticket lets a task fault on one page after the drain has unmapped it again.
const REPEATS: u32 = 1;
/// How many times the drain may unmap the range between two faults of one sweep.
const ROUNDS: u64 = 1;

/// One ascending sweep of faults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// Page offset of the last fault, or where its task waited.
    pos: u64,
    /// In which round of the drain that was, or its task woke up; none before.
    round: Option<u64>,
    /// Whether there was a fault.
    used: bool,
    /// How often it was repeated in a later round.
    repeats: u32,
}

/// What a fault is to a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// It is part of it.
    Yes,
    /// The sweep is over.
    Over,
}

impl Sweep {
    /// One that begins with the fault at page offset `pos`, which is still to come.
    pub(super) fn new(pos: u64) -> Self {
        Self {
            pos,
            round: None,
            used: false,
            repeats: 0,
        }
    }

    /// Its task has woken up, in `round`.
    pub(super) fn woke(&mut self, round: u64) {
        self.round.get_or_insert(round);
    }

    /// Whether a fault at page offset `pos`, in `round` of the drain, is part of it.
    pub(super) fn fits(&self, pos: u64, round: u64) -> Fits {
        let rounds = self.round.map_or(0, |last| round.wrapping_sub(last));
        let again = pos == self.pos && (rounds == 0 || self.repeats < REPEATS);
        if rounds <= ROUNDS && (pos > self.pos || again) {
            Fits::Yes
        } else {
            Fits::Over
        }
    }

    /// Goes on to the fault at `pos`, in `round`, which fits.
    pub(super) fn advance(&mut self, pos: u64, round: u64) {
        if pos != self.pos || !self.used {
            *self = Self {
                used: true,
                ..Self::new(pos)
            };
        } else if self.round.is_some_and(|last| last != round) {
            self.repeats = self.repeats.saturating_add(1);
        }
        self.round = Some(round);
    }
}

/// A task at a closed range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visitor {
    /// Which.
    pub(super) task: TaskId,
    /// What it is called.
    pub(super) caller: Caller,
    /// The page offset at which it waits, or waited.
    pub(super) pos: u64,
    /// Its ticket; without one, it waits.
    pub(super) sweep: Option<Sweep>,
}
