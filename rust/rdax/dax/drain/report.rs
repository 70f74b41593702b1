// SPDX-License-Identifier: GPL-2.0

//! What drains do, for those who look: which wait, for what, how long they took.
//!
//! A drain enters the list of its mount when it has to wait for the first time, so that one which
//! does not costs the list nothing.
//!
//! # Lock order
//!
//! `i_rwsem`, `invalidate_lock`, the list, the lock of a gate.

use super::{
    Gated,
    Held, //
};
use crate::{
    bindings,
    fs::{
        FileSystem,
        Inode, //
    },
    gate::{
        Access,
        Caller,
        Gate,
        Grant,
        Holder,
        PageRange,
        Waiter, //
    },
    stat::Histogram,
    sync::NoFs, //
};
use core::ptr::NonNull;
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    str::BStr,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// The drains of a mount.
#[pin_data]
pub struct Drains {
    #[pin]
    waiting: Mutex<List>,
    drain_time: Histogram,
    gate_wait: Histogram,
}

struct List {
    entries: KVec<Entry>,
    last_id: u64,
}

/// A drain that waits.
///
/// # Invariants
///
/// `gate` is valid as long as the entry is in the list.
struct Entry {
    id: u64,
    gate: NonNull<Gate>,
    ino: u64,
    range: PageRange,
    caller: Caller,
    busy: Busy,
}

// SAFETY: a gate may be used by any task, and is there by the type invariant.
unsafe impl Send for Entry {}

/// What a drain waits for, as it saw it last.
#[derive(Clone, Copy)]
struct Busy {
    index: u64,
    folio: bindings::rdax_folio_counts,
    registered: usize,
}

impl Busy {
    /// Whether that is something else than before.
    fn differs(&self, before: &Self) -> bool {
        self.folio.pfn != before.folio.pfn || self.index != before.index
    }
}

/// Ends a line with the number and the name of a task, which has no line ends then.
fn show_caller(caller: &Caller, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let len = caller.comm.iter().take_while(|&&byte| byte != 0).count();
    write!(f, "pid={} comm=", caller.pid)?;
    let name = caller.comm.get(..len).unwrap_or(&[]);
    fmt::Display::fmt(BStr::from_bytes(name), f)?;
    f.write_str("\n")
}

impl Entry {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: by the type invariant.
        let gate = unsafe { self.gate.as_ref() };
        let mut rounds = 0;
        gate.for_each_drain(|drain| {
            if drain.range == self.range {
                rounds = drain.rounds;
            }
        });
        let (busy, folio) = (&self.busy, &self.busy.folio);
        write!(
            f,
            "drain ino={} first={} end={} age_ms={} rounds={} index={} pfn={:#x} ",
            self.ino,
            self.range.first(),
            self.range.end(),
            self.caller.age_ms(),
            rounds,
            busy.index,
            folio.pfn
        )?;
        write!(
            f,
            "refs={} maps={} pins={} registered={} ",
            folio.refs, folio.maps, folio.pins, busy.registered
        )?;
        show_caller(&self.caller, f)?;
        let mut shown = Ok(());
        gate.for_each_waiter(|waiter| {
            shown = shown.and_then(|()| self.show_waiter(&waiter, f));
        });
        gate.for_each_holder(|holder| {
            shown = shown.and_then(|()| self.show_holder(&holder, f));
        });
        shown
    }

    fn show_waiter(&self, waiter: &Waiter, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (age, ticket) = (waiter.caller.age_ms(), u8::from(waiter.admitted));
        write!(f, "waiter ino={} index={} ", self.ino, waiter.pos)?;
        write!(f, "age_ms={age} ticket={ticket} ")?;
        show_caller(&waiter.caller, f)
    }

    fn show_holder(&self, holder: &Holder, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, end) = (holder.range.first(), holder.range.end());
        write!(f, "holder ino={} first={first} end={end} ", self.ino)?;
        write!(f, "age_ms={} ", holder.caller.age_ms())?;
        show_caller(&holder.caller, f)
    }
}

impl Drains {
    /// None yet.
    pub fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                waiting <- new_mutex!(
                    List {
                        entries: KVec::new(),
                        last_id: 0,
                    },
                    "rdax::Drains::waiting"
                ),
                drain_time: Histogram::new(),
                gate_wait: Histogram::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Writes a line for each drain that waits, followed by one for each task at its gate, and one
    /// for each registered pin that it waits for. Sleeps.
    pub fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.lock();
        waiting.entries.iter().try_for_each(|entry| entry.show(f))
    }

    /// How long drains took.
    pub fn drain_time(&self) -> &Histogram {
        &self.drain_time
    }

    /// How long faults waited at gates.
    pub fn gate_wait(&self) -> &Histogram {
        &self.gate_wait
    }

    /// A fault has waited at the gate of `inode` for so long.
    pub(crate) fn waited_at_gate<T: Gated>(inode: &Inode<T>, access: &Access, time: Delta) {
        T::drains(inode.sb().data()).gate_wait.add(time);
        // SAFETY: by the type invariant of `Inode`.
        unsafe {
            bindings::rdax_helper_trace_gate_wait(inode.as_ptr(), access.pos, nanos(time));
        }
    }
}

fn nanos(time: Delta) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

/// So many pages of a range are left to those who hold them.
pub(super) fn deferred<T: FileSystem>(inode: &Inode<T>, range: &PageRange, pages: u64, age: u64) {
    if pages == 0 {
        return;
    }
    let (inode, first, end) = (inode.as_ptr(), range.first(), range.end());
    // SAFETY: by the type invariant of `Inode`.
    unsafe { bindings::rdax_helper_trace_drain_defer(inode, first, end, pages, age) };
}

/// A drain of an inode, which tells what it does.
pub(super) struct Report<'a, T: Gated> {
    inode: &'a Inode<T>,
    range: PageRange,
    begun: Instant<Monotonic>,
    /// Number in the list, while it is there.
    listed: Option<u64>,
    busy: Option<Busy>,
}

impl<'a, T: Gated> Report<'a, T> {
    /// A drain begins.
    pub(super) fn new(inode: &'a Inode<T>, range: PageRange) -> Self {
        // SAFETY: by the type invariant of `Inode`.
        unsafe {
            bindings::rdax_helper_trace_drain_start(inode.as_ptr(), range.first(), range.end());
        }
        Self {
            inode,
            range,
            begun: Instant::now(),
            listed: None,
            busy: None,
        }
    }

    /// When it began.
    pub(super) fn begun(&self) -> Instant<Monotonic> {
        self.begun
    }

    fn age(&self) -> u64 {
        nanos(self.begun.elapsed())
    }

    fn drains(&self) -> &'a Drains {
        T::drains(self.inode.sb().data())
    }

    /// It is about to wait for a page, the counts of which have just been read, or for pins alone.
    pub(super) fn busy(&mut self, held: Option<&Held>, registered: usize) {
        let busy = Busy {
            index: held.map_or(self.range.first(), |held| held.index),
            folio: held.map_or_else(Default::default, |held| held.counts),
            registered,
        };
        if self.busy.is_none_or(|before| busy.differs(&before)) {
            // SAFETY: by the type invariant of `Inode`; reads the counts.
            unsafe {
                bindings::rdax_helper_trace_drain_busy(
                    self.inode.as_ptr(),
                    busy.index,
                    &busy.folio,
                    registered as u64,
                    self.age(),
                );
            }
        }
        self.busy = Some(busy);
        let mut list = self.drains().waiting.lock();
        if let Some(id) = self.listed {
            if let Some(entry) = list.entries.iter_mut().find(|entry| entry.id == id) {
                entry.busy = busy;
            }
            return;
        }
        list.last_id = list.last_id.wrapping_add(1);
        let id = list.last_id;
        let _nofs = NoFs::enter();
        // INVARIANT: `self` takes the entry out before the inode goes.
        let entry = Entry {
            id,
            gate: NonNull::from(T::gate(self.inode.data())),
            ino: self.inode.ino(),
            range: self.range,
            caller: self.caller(),
            busy,
        };
        // Without memory it is not seen.
        self.listed = list.entries.push(entry, GFP_KERNEL).is_ok().then_some(id);
    }

    /// The task that drains, since when it does.
    fn caller(&self) -> Caller {
        let mut caller = Gate::caller();
        let age = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0);
        caller.since = caller.since.saturating_sub(age);
        caller
    }

    /// It let tasks in.
    pub(super) fn admitted(&self, grant: &Grant) {
        if grant.tickets == 0 {
            return;
        }
        // SAFETY: by the type invariant of `Inode`.
        unsafe {
            bindings::rdax_helper_trace_drain_admit(
                self.inode.as_ptr(),
                grant.tickets as u64,
                grant.next_ms,
                self.age(),
            );
        }
    }

    /// It does not wait any more.
    pub(super) fn waited(&mut self) {
        if let Some(id) = self.listed.take() {
            let mut list = self.drains().waiting.lock();
            list.entries.retain(|entry| entry.id != id);
        }
    }

    /// It leaves so many pages to those who hold them.
    pub(super) fn deferred(&self, pages: u64) {
        deferred(self.inode, &self.range, pages, self.age());
    }

    /// It is over.
    pub(super) fn done(self, result: Result) -> Result {
        let time = self.begun.elapsed();
        self.drains().drain_time.add(time);
        let error = result.map_or_else(Error::to_errno, |()| 0);
        let (first, end) = (self.range.first(), self.range.end());
        // SAFETY: by the type invariant of `Inode`.
        unsafe {
            bindings::rdax_helper_trace_drain_done(
                self.inode.as_ptr(),
                first,
                end,
                error,
                nanos(time),
            );
        }
        result
    }
}

impl<T: Gated> Drop for Report<'_, T> {
    fn drop(&mut self) {
        self.waited();
    }
}
