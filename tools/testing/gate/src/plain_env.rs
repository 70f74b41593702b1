// SPDX-License-Identifier: GPL-2.0

//! The gate's surroundings for tests of one thread: memory that can run out, and waits that end as
//! the test says.

use crate::{
    env::{
        Env,
        Killed,
        NoMemory,
        Notify,
        Waited, //
    },
    protocol,
    range::PageRange,
    state::{
        Access,
        Drain,
        Holder,
        State,
        Waiter, //
    },
    ticket::TaskId, //
};
use std::{
    cell::{
        Cell,
        RefCell, //
    },
    rc::Rc, //
};

/// What happens to a task that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It sleeps on, while the test goes on.
    Sleep,
    /// A fatal signal.
    Kill,
    /// Its time is over.
    TimeOut,
    /// The oldest drain gives it a ticket.
    Admit,
}

/// Counts how often it was told.
pub(crate) struct Told(pub(crate) Rc<Cell<usize>>);

impl Notify for Told {
    fn wanted(&self) {
        self.0.set(self.0.get() + 1);
    }
}

thread_local! {
    static NO_MEMORY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without memory.
pub(crate) fn without_memory<R>(f: impl FnOnce() -> R) -> R {
    NO_MEMORY.set(true);
    let result = f();
    NO_MEMORY.set(false);
    result
}

pub(crate) struct PlainEnv {
    state: RefCell<State<PlainEnv>>,
    word: Cell<usize>,
    pub(crate) fate: Cell<Fate>,
    pub(crate) wakes: Cell<usize>,
    /// How often the lock was taken.
    pub(crate) locked: Cell<usize>,
}

impl PlainEnv {
    pub(crate) fn new() -> Self {
        Self {
            state: RefCell::new(State::new()),
            word: Cell::new(0),
            fate: Cell::new(Fate::Sleep),
            wakes: Cell::new(0),
            locked: Cell::new(0),
        }
    }

    pub(crate) fn drains(&self) -> Vec<Drain> {
        let mut drains = Vec::new();
        self.state
            .borrow()
            .for_each_drain(|drain| drains.push(drain));
        drains
    }

    pub(crate) fn waiters(&self) -> Vec<Waiter> {
        let mut waiters = Vec::new();
        self.state
            .borrow()
            .for_each_waiter(|waiter| waiters.push(waiter));
        waiters
    }

    pub(crate) fn holders(&self) -> Vec<Holder> {
        let mut holders = Vec::new();
        self.state
            .borrow()
            .for_each_holder(|holder| holders.push(holder));
        holders
    }

    /// How many tasks wait, and how many have tickets.
    pub(crate) fn visitors(&self) -> (usize, usize) {
        let drains = self.drains();
        (
            drains.iter().map(|drain| drain.waiting).sum(),
            drains.iter().map(|drain| drain.admitted).sum(),
        )
    }

    /// Task `task` goes to sleep at page `pos`.
    pub(crate) fn sleep(&self, task: usize, pos: u64) {
        self.fate.set(Fate::Sleep);
        protocol::wait_access(self, &access(task, pos)).unwrap();
    }
}

impl Env for PlainEnv {
    type Box<T> = Box<T>;
    type Notifier = Told;

    fn alloc<T>(value: T) -> Result<Box<T>, NoMemory> {
        if NO_MEMORY.get() {
            return Err(NoMemory);
        }
        Ok(Box::new(value))
    }

    fn locked<R>(&self, f: impl FnOnce(&mut State<Self>) -> R) -> R {
        self.locked.set(self.locked.get() + 1);
        f(&mut self.state.borrow_mut())
    }

    fn word(&self) -> usize {
        self.word.get()
    }

    fn set_word(&self, value: usize) {
        assert!(self.state.try_borrow().is_err(), "without the lock");
        self.word.set(value);
    }

    fn full_barrier() {}

    fn wait(
        &self,
        mut condition: impl FnMut() -> bool,
        timeout: Option<u64>,
    ) -> Result<Waited, Killed> {
        assert!(self.state.try_borrow().is_ok(), "sleeps under the lock");
        if condition() {
            return Ok(Waited::Done);
        }
        match self.fate.get() {
            Fate::Sleep => Ok(Waited::Done),
            Fate::Kill => Err(Killed),
            Fate::Admit => {
                let mut state = self.state.borrow_mut();
                state.closed(1).unwrap().no_progress(u64::MAX, |_| false);
                drop(state);
                assert!(condition());
                Ok(Waited::Done)
            }
            Fate::TimeOut => {
                timeout.expect("no end was asked for");
                Ok(Waited::TimedOut)
            }
        }
    }

    fn wake(&self) {
        assert!(self.state.try_borrow().is_ok(), "wakes under the lock");
        self.wakes.set(self.wakes.get() + 1);
    }
}

/// A small fault.
pub(crate) fn access(task: usize, pos: u64) -> Access {
    huge_access(task, pos, 0)
}

/// A fault that may map `1 << order` pages.
pub(crate) fn huge_access(task: usize, pos: u64, order: u32) -> Access {
    Access {
        task: TaskId(task),
        pos,
        range: PageRange::aligned(pos, order),
    }
}
