// SPDX-License-Identifier: GPL-2.0

//! The gate's protocol: what is done under the lock, what is ordered by barriers, who wakes whom.

use super::{
    chain,
    env::{
        Env,
        Killed,
        NoMemory,
        Waited, //
    },
    range::PageRange,
    state::{
        Access,
        Closed,
        Passage,
        Pin, //
    },
    ticket::Visitor, //
};
use core::ops::Deref;

/// Why there is no pin, or no end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The range is being drained.
    Closed,
    /// Memory ran out.
    NoMemory,
    /// A fatal signal came.
    Killed,
}

impl From<NoMemory> for Refused {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<Killed> for Refused {
    fn from(_: Killed) -> Self {
        Self::Killed
    }
}

/// What a drain that made no progress got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How many tasks have got tickets.
    pub tickets: usize,
    /// Milliseconds until it may be time to give out more.
    pub next_ms: u64,
}

/// Whether nothing at all drains: one load, no ordering.
#[inline]
pub(super) fn is_idle<E: Env>(env: &E) -> bool {
    env.word() == 0
}

/// What the gate says to an access, before `invalidate_lock` is taken.
#[inline]
pub(super) fn enter<E: Env>(env: &E, access: &Access) -> Passage {
    if is_idle(env) {
        return Passage::Open;
    }
    env.locked(|state| state.passage(access))
}

/// What the gate says to an access under `invalidate_lock`; if that is not `Closed`, the access
/// is made.
#[inline]
pub(super) fn recheck<E: Env>(env: &E, access: &Access) -> Passage {
    if is_idle(env) {
        return Passage::Open;
    }
    env.locked(|state| {
        let passage = state.passage(access);
        if passage == Passage::Admitted {
            state.advance(access);
        }
        passage
    })
}

/// Waits until the access has another chance: the range is open, or the task has a ticket.
pub(super) fn wait_access<E: Env>(env: &E, access: &Access) -> Result<(), Refused> {
    let visitor = chain::alloc::<E, _>(Visitor {
        task: access.task,
        caller: E::caller(),
        pos: access.pos,
        sweep: None,
    })?;
    let mut visitor = Some(visitor);
    let drain = env.locked(|state| {
        let closed = state.obstacle(access)?;
        // What a task that had the same address has left.
        closed.forget(access.task);
        closed.arrive(visitor.take()?);
        Some(closed.id)
    });
    let Some(drain) = drain else {
        return Ok(());
    };
    let waited = env.wait(
        || {
            env.locked(|state| match state.closed(drain) {
                Some(closed) => closed.lets_go_on(access.task),
                None => true,
            })
        },
        None,
    );
    env.locked(|state| match (state.closed(drain), &waited) {
        (Some(closed), Ok(_)) => closed.woke(access.task),
        (Some(closed), Err(_)) => closed.forget(access.task),
        (None, _) => {}
    });
    waited?;
    Ok(())
}

/// Waits until nothing drains in `range`.
pub(super) fn wait_open<E: Env>(env: &E, range: &PageRange) -> Result<(), Killed> {
    env.wait(|| !env.locked(|state| state.is_closed(range)), None)
        .map(drop)
}

/// Whether a drain wants what was pinned: to be asked when the references have been taken.
///
/// Includes the full barrier that pairs with the one of [`close`]: either this sees the gate
/// closed, or the drain sees the references.
pub(super) fn closed_after_pin<E: Env>(env: &E, range: &PageRange) -> bool {
    E::full_barrier();
    !is_idle(env) && env.locked(|state| state.is_closed(range))
}

/// Registers a pin, unless something drains in its range.
///
/// That is one critical section, and so is closing the gate: either this comes first, and the
/// drain finds the pin, or it sees the gate closed. The lock orders the rest.
pub(super) fn register<E: Env, G: Deref<Target = E>>(
    gate: G,
    range: PageRange,
    notifier: Option<E::Notifier>,
) -> Result<Registered<E, G>, Refused> {
    let mut pin = Some(chain::alloc::<E, _>(Pin::new(range, notifier))?);
    let id = gate.locked(|state| {
        if state.is_closed(&range) {
            return None;
        }
        pin.take().map(|pin| state.pin(pin))
    });
    match id {
        Some(id) => Ok(Registered { gate, id }),
        None => Err(Refused::Closed),
    }
}

/// A registered pin.
///
/// # Invariants
///
/// The gate has a pin `id`, which is this one.
#[must_use = "dropping it takes the pin out of the gate"]
pub(super) struct Registered<E: Env, G: Deref<Target = E>> {
    gate: G,
    id: u64,
}

impl<E: Env, G: Deref<Target = E>> Drop for Registered<E, G> {
    fn drop(&mut self) {
        let (pin, wanted) = self.gate.locked(|state| state.unpin(self.id));
        if wanted {
            self.gate.wake();
        }
        // The notifier is dropped without the lock.
        drop(pin);
    }
}

/// Closes `range`, at time `now` in milliseconds, and orders that before all that follows: what
/// is looked for afterwards has either been there before or sees the gate closed.
pub(super) fn close<E: Env, G: Deref<Target = E>>(
    gate: G,
    range: PageRange,
    now: u64,
) -> Result<ClosedRange<E, G>, NoMemory> {
    let mut closed = Some(chain::alloc::<E, _>(Closed::new(range, now))?);
    let id = gate.locked(|state| {
        let id = closed.take().map(|closed| state.close(closed));
        gate.set_word(state.nr_closed());
        id
    });
    E::full_barrier();
    // There was one to take.
    let id = id.ok_or(NoMemory)?;
    Ok(ClosedRange { gate, id, range })
}

/// A range that one drain keeps closed. Dropping it opens the range and wakes who waits.
///
/// # Invariants
///
/// The gate has a closed range `id`, which is this one, and its word counts it.
#[must_use = "dropping it opens the range"]
pub(super) struct ClosedRange<E: Env, G: Deref<Target = E>> {
    gate: G,
    id: u64,
    range: PageRange,
}

impl<E: Env, G: Deref<Target = E>> ClosedRange<E, G> {
    fn with<R: Default>(&self, f: impl FnOnce(&mut Closed<E>) -> R) -> R {
        // By the type invariant there is one.
        self.gate
            .locked(|state| state.closed(self.id).map(f).unwrap_or_default())
    }

    /// What is closed.
    pub(super) fn range(&self) -> PageRange {
        self.range
    }

    /// The drain is about to unmap the range, and to look for references afterwards.
    pub(super) fn begin_round(&self) {
        self.with(Closed::begin_round);
    }

    /// How many registered pins have pages of the range.
    pub(super) fn pins(&self) -> usize {
        self.gate.locked(|state| state.nr_pins(&self.range))
    }

    /// Tells the holders of those pins, the first time it is called; returns how many were told.
    pub(super) fn notify_pins(&self) -> usize {
        self.gate.locked(|state| state.notify(self.id))
    }

    /// Waits until no registered pin has pages of the range, `timeout` milliseconds at most.
    pub(super) fn wait_pins(&self, timeout: Option<u64>) -> Result<Waited, Killed> {
        self.gate.wait(|| self.pins() == 0, timeout)
    }

    /// At `now` a reference that the drain waited for was gone.
    pub(super) fn progress(&self, now: u64) {
        self.with(|closed| closed.progress(now));
    }

    /// If at `now` the drain has only begun, tasks get tickets that wait for a page of the range
    /// next to one that is `held`, which is asked under the lock.
    pub(super) fn admit_halfway(&self, now: u64, held: impl Fn(u64) -> bool) -> Grant {
        let (tickets, next_ms) = self.with(|closed| closed.admit_halfway(now, held));
        if tickets > 0 {
            self.gate.wake();
        }
        Grant { tickets, next_ms }
    }

    /// At `now` the drain still waits: if it has done so for long enough, tasks that wait at the
    /// gate get tickets. First those that wait for a page next to one that is `held`, which is
    /// asked under the lock; if there are none, or that was so the last time, all.
    pub(super) fn no_progress(&self, now: u64, held: impl Fn(u64) -> bool) -> Grant {
        let (tickets, next_ms) = self.with(|closed| closed.no_progress(now, held));
        if tickets > 0 {
            self.gate.wake();
        }
        Grant { tickets, next_ms }
    }
}

impl<E: Env, G: Deref<Target = E>> Drop for ClosedRange<E, G> {
    fn drop(&mut self) {
        let closed = self.gate.locked(|state| {
            let closed = state.open(self.id);
            self.gate.set_word(state.nr_closed());
            closed
        });
        self.gate.wake();
        drop(closed);
    }
}
