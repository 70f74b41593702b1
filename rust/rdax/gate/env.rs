// SPDX-License-Identifier: GPL-2.0

//! What the gate takes from where it runs: memory, a spinlock, an atomic word, a wait queue, a
//! barrier. This is all that differs between the kernel, a test and a model checker.

use super::state::State;
use core::ops::DerefMut;

/// Memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

/// A fatal signal ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Killed;

/// How a wait without a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for has come.
    Done,
    /// The time is over.
    TimedOut,
}

/// Who waits, since when. The gate only keeps it, for those who look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The task's number, in the first PID namespace.
    pub pid: i32,
    /// Its name, padded with zeroes.
    pub comm: [u8; 16],
    /// The time when it came, in milliseconds of the clock that the gate is told the time of.
    pub since: u64,
}

/// Told when a drain wants the range of a pin.
pub trait Notify {
    /// Called under the gate's spinlock: must not sleep, nor call the gate.
    fn wanted(&self);
}

/// A gate's surroundings; an implementation *is* the memory of one gate.
pub(super) trait Env: Sized {
    /// An owned heap object. Dropping it does not sleep.
    type Box<T>: DerefMut<Target = T>;
    /// What a pin leaves to be told by.
    type Notifier: Notify;

    /// Allocates. May sleep.
    fn alloc<T>(value: T) -> Result<Self::Box<T>, NoMemory>;

    /// The current task, now.
    fn caller() -> Caller {
        Caller::default()
    }

    /// Runs `f` under the gate's spinlock. `f` neither sleeps nor calls this again.
    fn locked<R>(&self, f: impl FnOnce(&mut State<Self>) -> R) -> R;

    /// Reads the gate's word, without any ordering.
    fn word(&self) -> usize;

    /// Writes the gate's word, without any ordering. Only under the spinlock.
    fn set_word(&self, value: usize);

    /// `smp_mb()`: orders all before it against all after it.
    fn full_barrier();

    /// Sleeps until `condition` holds, for `timeout` milliseconds at most; a fatal signal ends it.
    ///
    /// The condition, which may use [`Env::locked`], is looked at first, and again after each
    /// [`Env::wake`]. Between announcing itself and looking, the waiter has a full barrier.
    fn wait(&self, condition: impl FnMut() -> bool, timeout: Option<u64>)
        -> Result<Waited, Killed>;

    /// Wakes all who wait, after a full barrier that pairs with that of [`Env::wait`]. Not under
    /// the spinlock.
    fn wake(&self);
}
