// SPDX-License-Identifier: GPL-2.0

//! No wake-up is lost: if one were, the model checker would find all threads asleep.

use super::check;
use crate::{
    env::Waited,
    loom_env::{
        Flag,
        LoomEnv, //
    },
    protocol::{
        close,
        register,
        wait_access,
        wait_open,
        Refused, //
    },
    range::PageRange,
    state::Access,
    ticket::TaskId, //
};
use loom::{
    sync::{
        atomic::{
            AtomicUsize,
            Ordering::Relaxed, //
        },
        Arc, //
    },
    thread, //
};

fn access(task: usize, pos: u64) -> Access {
    Access {
        task: TaskId(task),
        pos,
        range: PageRange::page(pos),
    }
}

/// A task that faults on page 0.
fn fault(gate: &Arc<LoomEnv>) -> thread::JoinHandle<Result<(), Refused>> {
    let gate = gate.clone();
    thread::spawn(move || wait_access(&*gate, &access(1, 0)))
}

#[test]
fn opening_wakes_faults_and_pins() {
    check(|| {
        let gate = Arc::new(LoomEnv::new());
        let closed = close(gate.clone(), PageRange::page(0), 0).unwrap();
        let fault = fault(&gate);
        let pin = thread::spawn({
            let gate = gate.clone();
            move || wait_open(&*gate, &PageRange::page(0))
        });
        drop(closed);
        assert_eq!(fault.join().unwrap(), Ok(()));
        assert_eq!(pin.join().unwrap(), Ok(()));
    });
}

/// Who waits for two drains is woken by the second one as well.
#[test]
fn overlapping_drains_wake_the_same_fault() {
    check(|| {
        let gate = Arc::new(LoomEnv::new());
        let first = close(gate.clone(), PageRange::page(0), 0).unwrap();
        let fault = thread::spawn({
            let gate = gate.clone();
            move || {
                while gate.locked_out(0) {
                    wait_access(&*gate, &access(1, 0)).unwrap();
                }
            }
        });
        let second = thread::spawn({
            let gate = gate.clone();
            move || drop(close(gate, PageRange::aligned(0, 9), 0))
        });
        drop(first);
        second.join().unwrap();
        fault.join().unwrap();
        assert_eq!(gate.nr_closed(), 0);
    });
}

#[test]
fn a_ticket_wakes_its_task() {
    check(|| {
        let gate = Arc::new(LoomEnv::new());
        let closed = close(gate.clone(), PageRange::page(0), 0).unwrap();
        let fault = fault(&gate);
        gate.arrivals.wait(0);
        assert_eq!(closed.no_progress(1000, |_| false).tickets, 1);
        assert_eq!(fault.join().unwrap(), Ok(()));
        drop(closed);
    });
}

/// A holder that is told lets go, and the drain goes on.
#[test]
fn a_notified_pin_lets_the_drain_go_on() {
    check(|| {
        let gate = Arc::new(LoomEnv::new());
        let told = Arc::new(AtomicUsize::new(0));
        let pin = register(gate.clone(), PageRange::page(3), Some(Flag(told.clone()))).unwrap();
        let holder = thread::spawn(move || drop(pin));
        let closed = close(&*gate, PageRange::ALL, 0).unwrap();
        closed.notify_pins();
        closed.notify_pins();
        assert_eq!(closed.wait_pins(None), Ok(Waited::Done));
        holder.join().unwrap();
        assert!(told.load(Relaxed) <= 1);
    });
}
