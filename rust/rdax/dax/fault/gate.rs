// SPDX-License-Identifier: GPL-2.0

//! Faults at the gate of a file.
//!
//! C source: [`mm/memory.c`](srctree/mm/memory.c)

use super::{
    InvalidateShared,
    Outcome,
    VmFault, //
};
use crate::{
    bindings,
    dax::drain::{
        Drains,
        Gated, //
    },
    delay::{
        self,
        Point, //
    },
    fs::{
        File,
        Inode, //
    },
    gate::{
        Access,
        Gate,
        PageRange,
        Passage, //
    }, //
};
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long a write to a page that is about to be unmapped is held up.
const MKWRITE_PAUSE: Delta = Delta::from_millis(1);

fn wait<T: Gated>(inode: &Inode<T>, access: &Access) -> Result {
    let begun = Instant::<Monotonic>::now();
    let waited = T::gate(inode.data()).wait_access(access);
    Drains::waited_at_gate(inode, access, begun.elapsed());
    waited
}

impl<T: Gated> VmFault<'_, T> {
    /// What it asks of the [`Gate`].
    fn access(&self) -> Access {
        let range = PageRange::aligned(self.pgoff(), self.order);
        Gate::access(self.pgoff(), range)
    }

    /// Asks the gate, but not while it is idle: then there is no access to be made up.
    #[inline]
    fn ask(&self, ask: impl FnOnce(&Gate, &Access) -> Passage) -> Passage {
        let gate = T::gate(self.inode().data());
        if gate.is_idle() {
            return Passage::Open;
        }
        ask(gate, &self.access())
    }

    /// What the gate says. Asked before `invalidate_lock` is taken.
    #[inline]
    pub fn enter(&self) -> Passage {
        let passage = self.ask(Gate::enter);
        delay::point(Point::Entered);
        passage
    }

    /// What the gate says under `invalidate_lock`.
    #[inline]
    pub fn recheck(&self, _lock: &InvalidateShared<'_, T>) -> Passage {
        let passage = self.ask(Gate::recheck);
        delay::point(Point::Rechecked);
        passage
    }

    /// Waits at a gate that is closed to the fault, as far as its kind allows, so that it is tried
    /// again. A fatal signal ends the wait.
    ///
    /// Context: none of the filesystem's locks is held.
    pub fn wait_at_gate(self) -> Outcome {
        if self.mkwrite {
            // The caller holds on to the mapping whatever the answer is. The drain unmaps the page
            // soon, and then this comes as another kind of fault.
            fsleep(MKWRITE_PAUSE);
            return Outcome::AGAIN;
        }
        let access = &self.access();
        // SAFETY: by the type invariant. If the lock is given up, `self` is not used any more.
        let file = unsafe { bindings::rdax_helper_fault_unlock(self.raw) };
        if !file.is_null() {
            // SAFETY: a file of a `T`, with a reference.
            let inode = unsafe { File::<T>::from_ptr(file) }.inode();
            // A fatal signal is found by whoever retries.
            let _ = wait(inode, access);
            // SAFETY: this is the reference.
            unsafe { bindings::fput(file) };
            return Outcome::RETRY;
        }
        // SAFETY: by the type invariant.
        if unsafe { (*self.raw).flags } & bindings::fault_flag_FAULT_FLAG_RETRY_NOWAIT != 0 {
            return Outcome::RETRY;
        }
        // Nobody will try again, and the lock stays held: a drain lets its waiters through before
        // long, so whom it waits for is not kept from letting go for ever.
        match wait(self.inode(), access) {
            Ok(()) | Err(EINTR) => Outcome::AGAIN,
            Err(err) => err.into(),
        }
    }
}
