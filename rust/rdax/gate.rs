// SPDX-License-Identifier: GPL-2.0

//! The gate of a DAX file: which of its pages are being taken away (truncate in progress).
//!
//! Blocks of a file may not be reused while somebody holds a reference to their pages. A drain
//! unmaps them and waits for the references; the gate keeps new ones from being taken meanwhile.
//!
//! | who | does |
//! | --- | --- |
//! | drain | [`Gate::close`] (ends with a full barrier); unmap; look for references and registered pins; wait, locks dropped; again until there are none; change the extents; drop the [`ClosedRange`] |
//! | fault | [`Gate::enter`], and if closed [`Gate::wait_access`]; take `invalidate_lock` shared; [`Gate::recheck`], and if closed drop it and begin anew; map |
//! | pin of user memory | take the references through the page table; [`Gate::closed_after_pin`] (begins with a full barrier); if closed drop them, and [`Gate::wait_open`] or give up |
//! | pin of a file range | [`Gate::register`], which fails while the range is closed; then find the blocks and take the references; drop the [`Registered`] after them |
//!
//! # What is promised
//!
//! While a [`ClosedRange`] lives, no fault maps a page of the range but with a ticket (see
//! [`ticket`]), no pin of a file range begins, and no pin of user memory that began later is kept.
//! What was there before is seen by who looks after [`Gate::close`] has returned. Nobody waits for
//! ever as long as the drain goes on calling [`ClosedRange::no_progress`].
//!
//! Tickets are about waiting only: safety is with the drain, which ends no sooner than a look
//! under `invalidate_lock`, held exclusively, has found nothing.
//!
//! # Lock order
//!
//! `i_rwsem`, `invalidate_lock`, the gate's spinlock. Who waits here holds neither of the former.
//!
//! # Context
//!
//! What allocates (`close`, `wait_access`, `register`) may sleep; who holds locks that reclaim may
//! want is in a [`NoFs`](crate::sync::NoFs) section. `Documentation/drain.rst` has the proofs.

use crate::{
    bindings,
    sync::wait_var, //
};
use core::ops::Deref;
use kernel::{
    current,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::{
            smp_mb,
            Full, //
        },
        static_lock_class,
        Arc,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        ClockSource,
        Monotonic, //
    }, //
};

mod chain;
mod env;
mod patience;
mod protocol;
mod range;
mod state;
pub mod ticket;

pub use self::{
    env::{
        Caller,
        Notify,
        Waited, //
    },
    protocol::Grant,
    range::PageRange,
    state::{
        Access,
        Drain,
        Holder,
        Passage,
        Waiter, //
    }, //
};
use self::{
    env::{
        Env,
        Killed,
        NoMemory, //
    },
    protocol::Refused,
    state::State,
    ticket::TaskId, //
};

/// What a pin leaves to be told by.
pub type Notifier = Arc<dyn Notify + Send + Sync>;

impl Notify for Notifier {
    fn wanted(&self) {
        (**self).wanted();
    }
}

/// The gate of one inode.
///
/// # Invariants
///
/// `closed` is how many ranges `state` has, whenever its lock is not held.
#[pin_data]
pub struct Gate {
    #[pin]
    state: SpinLock<State<Gate>>,
    closed: Atomic<usize>,
}

impl Env for Gate {
    type Box<T> = KBox<T>;
    type Notifier = Notifier;

    fn alloc<T>(value: T) -> Result<KBox<T>, NoMemory> {
        KBox::new(value, GFP_KERNEL).map_err(|_| NoMemory)
    }

    fn caller() -> Caller {
        let mut comm = [0; bindings::TASK_COMM_LEN as usize];
        // SAFETY: writes that many bytes.
        unsafe { bindings::rdax_helper_current_comm(comm.as_mut_ptr()) };
        Caller {
            pid: current!().pid(),
            comm,
            since: now(),
        }
    }

    fn locked<R>(&self, f: impl FnOnce(&mut State<Self>) -> R) -> R {
        f(&mut self.state.lock())
    }

    #[inline]
    fn word(&self) -> usize {
        self.closed.load(Relaxed)
    }

    fn set_word(&self, value: usize) {
        self.closed.store(value, Relaxed);
    }

    fn full_barrier() {
        smp_mb(Full);
    }

    fn wait(
        &self,
        condition: impl FnMut() -> bool,
        timeout: Option<u64>,
    ) -> Result<Waited, Killed> {
        let Some(timeout) = timeout else {
            wait_var::wait_killable(&self.closed, condition).map_err(|_| Killed)?;
            return Ok(Waited::Done);
        };
        let timeout = msecs_to_jiffies(timeout.try_into().unwrap_or(u32::MAX));
        match wait_var::wait_killable_timeout(&self.closed, condition, timeout) {
            Ok(true) => Ok(Waited::Done),
            Ok(false) => Ok(Waited::TimedOut),
            Err(_) => Err(Killed),
        }
    }

    fn wake(&self) {
        wait_var::wake(&self.closed);
    }
}

impl From<NoMemory> for Error {
    fn from(_: NoMemory) -> Self {
        ENOMEM
    }
}

impl From<Killed> for Error {
    fn from(_: Killed) -> Self {
        EINTR
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => EBUSY,
            Refused::NoMemory => ENOMEM,
            Refused::Killed => EINTR,
        }
    }
}

/// The monotonic clock, in milliseconds.
fn now() -> u64 {
    u64::try_from(Monotonic::ktime_get() / 1_000_000).unwrap_or(0)
}

impl Caller {
    /// How many milliseconds ago it came.
    pub fn age_ms(&self) -> u64 {
        now().saturating_sub(self.since)
    }
}

/// Lockdep compares the address, and [`Gate::new`] is compiled into other modules as well.
static LOCK_NAME: &CStr = c"rdax::Gate::state";

impl Gate {
    /// An open one.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- SpinLock::new(State::new(), LOCK_NAME, static_lock_class!()),
            closed: Atomic::new(0),
        })
    }

    /// An access of the current task: it needs the page at offset `pos` and may map `range`.
    pub fn access(pos: u64, range: PageRange) -> Access {
        Access {
            task: TaskId(current!().as_ptr() as usize),
            pos,
            range,
        }
    }

    /// Whether nothing at all drains: one load, which may be stale unless `invalidate_lock` is held.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        protocol::is_idle(self)
    }

    /// What a fault is to do before it takes `invalidate_lock`. One load if nothing drains.
    ///
    /// If `Closed`, it waits with [`wait_access`](Self::wait_access) and asks again, or is retried
    /// or given up by its caller.
    #[inline]
    pub fn enter(&self, access: &Access) -> Passage {
        protocol::enter(self, access)
    }

    /// What a fault is to do under `invalidate_lock`: unless `Closed`, it maps.
    ///
    /// The drain closes the gate with that lock held exclusively, so this cannot miss it.
    #[inline]
    pub fn recheck(&self, access: &Access) -> Passage {
        protocol::recheck(self, access)
    }

    /// Waits until it is worth to [`enter`](Self::enter) again: the range is open, or the task has
    /// got a ticket. `EINTR` if a fatal signal came, `ENOMEM`.
    ///
    /// Context: sleeps. Neither `invalidate_lock` nor freeze protection is held; nor is, where the
    /// fault may be retried, the lock of the address space or the VMA.
    pub fn wait_access(&self, access: &Access) -> Result {
        Ok(protocol::wait_access(self, access)?)
    }

    /// Whether a drain wants pages that have just been pinned through a page table.
    pub fn closed_after_pin(&self, range: PageRange) -> bool {
        protocol::closed_after_pin(self, &range)
    }

    /// Waits until nothing drains in `range`; `EINTR` if a fatal signal came.
    ///
    /// Who holds a pin of the range itself may wait for itself, until the drain gives up: tickets
    /// are for faults.
    pub fn wait_open(&self, range: PageRange) -> Result {
        Ok(protocol::wait_open(self, &range)?)
    }

    /// Registers a pin of a file range, before its blocks are looked up. A drain that comes later
    /// waits for it. `notifier` is told, once for each drain, that it does. `EBUSY` if the range is
    /// being drained, `ENOMEM`.
    ///
    /// `gate` is a reference, or something that keeps the gate where it is.
    pub fn register<G>(
        gate: G,
        range: PageRange,
        notifier: Option<Notifier>,
    ) -> Result<Registered<G>>
    where
        G: Deref<Target = Self>,
    {
        Ok(Registered {
            _pin: protocol::register(gate, range, notifier)?,
        })
    }

    /// Closes `range`, before it is unmapped. `ENOMEM`.
    ///
    /// Context: `invalidate_lock` is held exclusively. It may be dropped while the drain waits; it
    /// is held again for the last look, and until the extents have changed.
    pub fn close<G>(gate: G, range: PageRange) -> Result<ClosedRange<G>>
    where
        G: Deref<Target = Self>,
    {
        Ok(ClosedRange(protocol::close(gate, range, now())?))
    }

    /// Shows each drain to `f`, which must not sleep.
    pub fn for_each_drain(&self, f: impl FnMut(Drain)) {
        self.state.lock().for_each_drain(f);
    }

    /// Shows each task that waits at a drain, or has a ticket of one, to `f`, which must not sleep.
    pub fn for_each_waiter(&self, f: impl FnMut(Waiter)) {
        self.state.lock().for_each_waiter(f);
    }

    /// Shows each registered pin that a drain waits for to `f`, which must not sleep.
    pub fn for_each_holder(&self, f: impl FnMut(Holder)) {
        self.state.lock().for_each_holder(f);
    }

    /// The current task, as a gate remembers those who wait.
    pub(crate) fn caller() -> Caller {
        <Self as Env>::caller()
    }
}

/// A registered pin of a file range. Dropping it wakes a drain that waits for it.
pub struct Registered<G: Deref<Target = Gate>> {
    _pin: protocol::Registered<Gate, G>,
}

/// A range that a drain keeps closed. Dropping it opens the range and wakes who waits.
#[must_use = "dropping it opens the range"]
pub struct ClosedRange<G: Deref<Target = Gate>>(protocol::ClosedRange<Gate, G>);

impl<G: Deref<Target = Gate>> ClosedRange<G> {
    /// What is closed.
    pub fn range(&self) -> PageRange {
        self.0.range()
    }

    /// To be called before each unmapping of the range: what has a ticket and is mapped again
    /// afterwards counts as repeated.
    pub fn begin_round(&self) {
        self.0.begin_round();
    }

    /// How many registered pins have pages of the range. The drain waits for them as for page
    /// references.
    pub fn pins(&self) -> usize {
        self.0.pins()
    }

    /// Tells the holders of those pins, the first time it is called; returns how many were told.
    pub fn notify_pins(&self) -> usize {
        self.0.notify_pins()
    }

    /// Waits until there are no such pins, `timeout` milliseconds at most. `EINTR` if a fatal
    /// signal came.
    pub fn wait_pins(&self, timeout: Option<u64>) -> Result<Waited> {
        Ok(self.0.wait_pins(timeout)?)
    }

    /// A reference that the drain waited for is gone.
    pub fn progress(&self) {
        self.0.progress(now());
    }

    /// The drain waits. If it has only begun, tasks get tickets that wait for a page next to one
    /// that is `held`: they may be who holds it, in the middle of a call. What is said of
    /// [`no_progress`](Self::no_progress) holds for these tickets, too.
    ///
    /// Context: `held` is asked for page offsets of the range, under a spinlock.
    pub fn admit_halfway(&self, held: impl Fn(u64) -> bool) -> Grant {
        self.0.admit_halfway(now(), held)
    }

    /// The drain still waits. If it has done so for long enough, tasks that wait at the gate get
    /// tickets: those that wait for a page next to one that is `held`, or, if there are none or
    /// they had their turn without any progress since, all.
    ///
    /// Then the drain has to unmap the range again: what has been mapped has a reference, so that
    /// the last one of its holder wakes nobody. It should sleep a little before, since a ticket
    /// does not outlast two unmappings of the page that its task is about to pin.
    ///
    /// Context: as [`admit_halfway`](Self::admit_halfway).
    pub fn no_progress(&self, held: impl Fn(u64) -> bool) -> Grant {
        self.0.no_progress(now(), held)
    }
}
