// SPDX-License-Identifier: GPL-2.0

//! The gate's rules one by one.

use crate::{
    env::{
        Killed,
        NoMemory,
        Waited, //
    },
    plain_env::{
        access,
        huge_access,
        without_memory,
        Fate,
        PlainEnv,
        Told, //
    },
    protocol::{
        close,
        closed_after_pin,
        enter,
        recheck,
        register,
        wait_access,
        wait_open,
        Refused, //
    },
    range::PageRange,
    state::Passage, //
};
use std::{
    cell::Cell,
    rc::Rc, //
};

/// After any patience.
pub(crate) const LATER: u64 = 1 << 40;

pub(crate) fn pages(first: u64, end: u64) -> PageRange {
    PageRange::new(first, end).unwrap()
}

/// No page is held.
pub(crate) fn nothing(_page: u64) -> bool {
    false
}

#[test]
fn an_idle_gate_costs_one_load() {
    let gate = PlainEnv::new();
    assert_eq!(enter(&gate, &access(1, 5)), Passage::Open);
    assert_eq!(recheck(&gate, &access(1, 5)), Passage::Open);
    assert!(!closed_after_pin(&gate, &pages(0, 9)));
    assert_eq!(gate.locked.get(), 0);
    drop(close(&gate, pages(0, 9), 0).unwrap());
    let before = gate.locked.get();
    assert_eq!(enter(&gate, &access(1, 5)), Passage::Open);
    assert_eq!(gate.locked.get(), before);
}

#[test]
fn ranges_are_exact() {
    let gate = PlainEnv::new();
    let _closed = close(&gate, pages(10, 20), 0).unwrap();
    for (pos, passage) in [
        (9, Passage::Open),
        (10, Passage::Closed),
        (19, Passage::Closed),
        (20, Passage::Open),
    ] {
        assert_eq!(enter(&gate, &access(1, pos)), passage);
        assert_eq!(recheck(&gate, &access(1, pos)), passage);
        let range = PageRange::page(pos);
        assert_eq!(closed_after_pin(&gate, &range), passage == Passage::Closed);
        assert_eq!(
            register(&gate, range, None).is_ok(),
            passage == Passage::Open
        );
    }
    // A huge page that reaches into it.
    assert_eq!(enter(&gate, &huge_access(1, 500, 9)), Passage::Closed);
    assert_eq!(enter(&gate, &huge_access(1, 512, 9)), Passage::Open);
}

#[test]
fn one_ticket_is_one_ascending_sweep() {
    let gate = PlainEnv::new();
    let closed = close(&gate, PageRange::ALL, 0).unwrap();
    gate.sleep(1, 100);
    closed.no_progress(LATER, nothing);
    for pos in (100..600).chain([5000, 9000]) {
        closed.begin_round();
        assert_eq!(enter(&gate, &access(1, pos)), Passage::Admitted);
        assert_eq!(recheck(&gate, &access(1, pos)), Passage::Admitted);
    }
    assert_eq!(gate.visitors(), (0, 1));
    assert_eq!(enter(&gate, &access(1, 8999)), Passage::Closed);
    assert_eq!(gate.visitors(), (0, 0));
    // It is over for what would have fitted, too.
    assert_eq!(enter(&gate, &access(1, 9001)), Passage::Closed);
}

#[test]
fn a_page_is_faulted_again_until_it_was_unmapped_twice() {
    let gate = PlainEnv::new();
    let closed = close(&gate, PageRange::ALL, 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    // Before the task even runs.
    closed.begin_round();
    closed.begin_round();
    let retried_huge_and_small = || {
        for order in [9, 9, 0, 0, 0] {
            let fault = huge_access(1, 7, order);
            assert_eq!(enter(&gate, &fault), Passage::Admitted);
            assert_eq!(recheck(&gate, &fault), Passage::Admitted);
        }
    };
    retried_huge_and_small();
    closed.begin_round();
    retried_huge_and_small();
    closed.begin_round();
    assert_eq!(enter(&gate, &access(1, 7)), Passage::Closed);
}

/// A task that pins one page over and over must not keep its ticket.
#[test]
fn a_storm_on_one_page_ends() {
    let gate = PlainEnv::new();
    let closed = close(&gate, PageRange::ALL, 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    let pins = (0..100)
        .take_while(|_| {
            closed.begin_round();
            recheck(&gate, &access(1, 7)) == Passage::Admitted
        })
        .count();
    assert_eq!(pins, 2);
}

/// Looking does not use a ticket up: between the look and the lock the drain may unmap.
#[test]
fn entering_does_not_count() {
    let gate = PlainEnv::new();
    let closed = close(&gate, PageRange::ALL, 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    for _ in 0..10 {
        closed.begin_round();
        assert_eq!(enter(&gate, &access(1, 7)), Passage::Admitted);
    }
    assert_eq!(recheck(&gate, &access(1, 7)), Passage::Admitted);
}

#[test]
fn tickets_are_for_those_who_wait() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    gate.sleep(1, 7);
    gate.sleep(2, 8);
    assert_eq!(closed.no_progress(LATER, nothing).tickets, 2);
    assert_eq!(enter(&gate, &access(3, 7)), Passage::Closed);
    gate.sleep(3, 7);
    assert_eq!(gate.visitors(), (1, 2));
    // The others have theirs already.
    assert_eq!(closed.no_progress(2 * LATER, nothing).tickets, 1);
}

/// Who finds its page mapped needs no fault, and must not have one to spare for its next call.
#[test]
fn a_ticket_that_is_not_used_ends() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    gate.fate.set(Fate::Admit);
    wait_access(&gate, &access(1, 7)).unwrap();
    closed.begin_round();
    assert_eq!(enter(&gate, &access(1, 7)), Passage::Admitted);
    closed.begin_round();
    assert_eq!(enter(&gate, &access(1, 7)), Passage::Closed);
    assert_eq!(gate.visitors(), (0, 0));
}

/// The faults of one call come soon after each other.
#[test]
fn a_sweep_that_pauses_is_over() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    assert_eq!(recheck(&gate, &access(1, 7)), Passage::Admitted);
    closed.begin_round();
    assert_eq!(recheck(&gate, &access(1, 8)), Passage::Admitted);
    closed.begin_round();
    closed.begin_round();
    assert_eq!(recheck(&gate, &access(1, 9)), Passage::Closed);
}

#[test]
fn tickets_end_with_their_drain() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    let other = close(&gate, pages(50, 200), 0).unwrap();
    gate.sleep(1, 40);
    closed.no_progress(LATER, nothing);
    assert_eq!(enter(&gate, &access(1, 40)), Passage::Admitted);
    // The other drain has given none.
    assert_eq!(enter(&gate, &access(1, 60)), Passage::Closed);
    drop(closed);
    assert_eq!(enter(&gate, &access(1, 40)), Passage::Open);
    let again = close(&gate, pages(0, 100), 0).unwrap();
    assert_eq!(enter(&gate, &access(1, 41)), Passage::Closed);
    drop((again, other));
    assert_eq!(gate.visitors(), (0, 0));
}

#[test]
fn times_do_not_overflow() {
    let gate = PlainEnv::new();
    let closed = close(&gate, PageRange::ALL, u64::MAX - 1).unwrap();
    gate.sleep(1, u64::MAX);
    gate.sleep(1, u64::MAX - 1);
    closed.progress(u64::MAX);
    closed.no_progress(u64::MAX, nothing);
    assert_eq!(
        enter(&gate, &huge_access(1, u64::MAX, 70)),
        Passage::Admitted
    );
}

#[test]
fn a_killed_waiter_leaves_nothing() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    gate.fate.set(Fate::Kill);
    assert_eq!(wait_access(&gate, &access(1, 7)), Err(Refused::Killed));
    assert_eq!(wait_open(&gate, &pages(7, 8)), Err(Killed));
    assert_eq!(gate.visitors(), (0, 0));
    assert_eq!(closed.no_progress(LATER, nothing).tickets, 0);
    // What is open is not waited for.
    assert_eq!(wait_access(&gate, &access(1, 100)), Ok(()));
    assert_eq!(wait_open(&gate, &pages(100, 200)), Ok(()));
}

#[test]
fn those_who_wait_are_seen() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    let other = close(&gate, pages(200, 300), 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    gate.sleep(2, 8);
    gate.sleep(3, 200);
    let mut seen: Vec<_> = gate
        .waiters()
        .iter()
        .map(|waiter| (waiter.pos, waiter.admitted))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(7, true), (8, false), (200, false)]);
    drop(closed);
    assert_eq!(gate.waiters().len(), 1);
    drop(other);
    assert!(gate.waiters().is_empty());
}

#[test]
fn those_whose_pins_are_wanted_are_seen() {
    let gate = PlainEnv::new();
    let wanted = register(&gate, pages(5, 8), None).unwrap();
    let elsewhere = register(&gate, pages(100, 101), None).unwrap();
    assert!(gate.holders().is_empty());
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    let seen: Vec<_> = gate.holders().iter().map(|holder| holder.range).collect();
    assert_eq!(seen, [pages(5, 8)]);
    drop(wanted);
    assert!(gate.holders().is_empty());
    drop((closed, elsewhere));
}

/// A task exits with a ticket or in the queue; another gets its address.
#[test]
fn a_successor_at_the_same_address_waits_once() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    gate.sleep(1, 7);
    closed.no_progress(LATER, nothing);
    assert_eq!(enter(&gate, &access(1, 3)), Passage::Closed);
    gate.sleep(1, 3);
    gate.sleep(1, 2);
    assert_eq!(gate.visitors(), (1, 0));
    closed.no_progress(2 * LATER, nothing);
    assert_eq!(enter(&gate, &access(1, 2)), Passage::Admitted);
}

#[test]
fn without_memory_nothing_changes() {
    let gate = PlainEnv::new();
    without_memory(|| {
        assert_eq!(close(&gate, pages(0, 9), 0).map(drop), Err(NoMemory));
        let pin = register(&gate, pages(0, 9), None).map(drop);
        assert_eq!(pin, Err(Refused::NoMemory));
    });
    assert_eq!(enter(&gate, &access(1, 5)), Passage::Open);
    let closed = close(&gate, pages(0, 9), 0).unwrap();
    assert_eq!(closed.pins(), 0);
    without_memory(|| {
        let waited = wait_access(&gate, &access(1, 5));
        assert_eq!(waited, Err(Refused::NoMemory));
    });
    assert_eq!(gate.visitors(), (0, 0));
}

#[test]
fn pins_are_told_once_and_waited_for() {
    let gate = PlainEnv::new();
    let told = [(); 3].map(|()| Rc::new(Cell::new(0)));
    let notifier = |i: usize| Some(Told(told[i].clone()));
    let near = register(&gate, pages(0, 10), notifier(0)).unwrap();
    let far = register(&gate, pages(10, 20), notifier(1)).unwrap();
    let mute = register(&gate, pages(0, 1), None).unwrap();
    let closed = close(&gate, pages(5, 10), 0).unwrap();
    assert_eq!((closed.pins(), closed.notify_pins()), (1, 1));
    assert_eq!(closed.notify_pins(), 0);
    let whole = close(&gate, PageRange::ALL, 0).unwrap();
    assert_eq!((whole.pins(), whole.notify_pins()), (3, 2));
    assert_eq!(told.each_ref().map(|told| told.get()), [2, 1, 0]);
    gate.fate.set(Fate::TimeOut);
    assert_eq!(closed.wait_pins(Some(1)), Ok(Waited::TimedOut));
    drop(whole);
    gate.fate.set(Fate::Kill);
    assert_eq!(closed.wait_pins(None), Err(Killed));
    let before = gate.wakes.get();
    drop((far, mute));
    assert_eq!(gate.wakes.get(), before);
    drop(near);
    assert_eq!(gate.wakes.get(), before + 1);
    assert_eq!(closed.wait_pins(None), Ok(Waited::Done));
}

/// The stack of a kernel is small.
#[test]
fn long_lists_are_dropped_one_by_one() {
    std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(|| {
            let gate = PlainEnv::new();
            let closed = close(&gate, PageRange::ALL, 0).unwrap();
            (0..5_000).for_each(|task| gate.sleep(task, 0));
            assert_eq!(gate.visitors(), (5_000, 0));
            drop(closed);
            assert_eq!(gate.visitors(), (0, 0));
        })
        .unwrap()
        .join()
        .unwrap();
}
