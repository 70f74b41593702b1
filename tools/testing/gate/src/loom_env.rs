// SPDX-License-Identifier: GPL-2.0

//! The gate's surroundings under the model checker.
//!
//! The wait queue is the kernel's in what matters: a waker looks, without the lock of the queue,
//! whether there is anybody to wake. It has no barriers at all, fewer than the kernel's: the gate
//! looks at what it waits for under the lock under which that changes, and that has to do.
//!
//! There are no clocks. Drains sleep until a reference is given up or somebody waits at the gate.

use super::{
    env::{
        Env,
        Killed,
        NoMemory,
        Notify,
        Waited, //
    },
    range::PageRange,
    state::State, //
};
use loom::sync::{
    atomic::{
        fence,
        AtomicUsize,
        Ordering::{
            Relaxed,
            SeqCst, //
        }, //
    },
    Arc,
    Condvar,
    Mutex, //
};

/// A count of events, to sleep until there are more.
pub(super) struct Events {
    count: Mutex<u64>,
    more: Condvar,
}

impl Events {
    fn new() -> Self {
        Self {
            count: Mutex::new(0),
            more: Condvar::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        *self.count.lock().unwrap()
    }

    pub(super) fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.more.notify_all();
    }

    /// Sleeps until there have been others than `seen`.
    pub(super) fn wait(&self, seen: u64) {
        let mut count = self.count.lock().unwrap();
        while *count == seen {
            count = self.more.wait(count).unwrap();
        }
    }
}

/// Told when a drain wants a pin.
pub(super) struct Flag(pub(super) Arc<AtomicUsize>);

impl Notify for Flag {
    fn wanted(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

pub(super) struct LoomEnv {
    state: Mutex<State<LoomEnv>>,
    word: AtomicUsize,
    sleepers: AtomicUsize,
    wakes: Events,
    /// What a drain that waits for tickets to be due sleeps on.
    pub(super) arrivals: Events,
}

impl LoomEnv {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::new()),
            word: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            wakes: Events::new(),
            arrivals: Events::new(),
        }
    }

    /// How many ranges are closed.
    pub(super) fn nr_closed(&self) -> usize {
        self.locked(|state| state.nr_closed())
    }

    /// Whether page `pgoff` is closed.
    pub(super) fn locked_out(&self, pgoff: u64) -> bool {
        self.locked(|state| state.is_closed(&PageRange::page(pgoff)))
    }

    /// How many tasks wait for tickets.
    pub(super) fn waiting(&self) -> usize {
        let mut waiting = 0;
        self.locked(|state| state.for_each_drain(|drain| waiting += drain.waiting));
        waiting
    }
}

impl Env for LoomEnv {
    type Box<T> = Box<T>;
    type Notifier = Flag;

    fn alloc<T>(value: T) -> Result<Box<T>, NoMemory> {
        Ok(Box::new(value))
    }

    fn locked<R>(&self, f: impl FnOnce(&mut State<Self>) -> R) -> R {
        f(&mut self.state.lock().unwrap())
    }

    fn word(&self) -> usize {
        self.word.load(Relaxed)
    }

    fn set_word(&self, value: usize) {
        self.word.store(value, Relaxed);
    }

    fn full_barrier() {
        fence(SeqCst);
    }

    fn wait(
        &self,
        mut condition: impl FnMut() -> bool,
        _timeout: Option<u64>,
    ) -> Result<Waited, Killed> {
        let mut seen = self.wakes.count();
        self.sleepers.fetch_add(1, Relaxed);
        while !condition() {
            self.arrivals.add();
            self.wakes.wait(seen);
            seen = self.wakes.count();
        }
        self.sleepers.fetch_sub(1, Relaxed);
        Ok(Waited::Done)
    }

    fn wake(&self) {
        if self.sleepers.load(Relaxed) != 0 {
            self.wakes.add();
        }
    }
}
