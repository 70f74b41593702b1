// SPDX-License-Identifier: GPL-2.0

//! The rules of patience: when tickets are given out, and whose turn it is.

use crate::{
    patience::{
        FIRST_MS,
        LONGEST_MS,
        YOUNG_MS, //
    },
    plain_env::{
        access,
        huge_access,
        PlainEnv, //
    },
    protocol::{
        close,
        enter,
        wait_access, //
    },
    rule_tests::{
        nothing,
        pages,
        LATER, //
    },
    state::Passage, //
};

#[test]
fn patience_doubles_up_to_a_bound() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 1000).unwrap();
    let (mut now, mut interval) = (1000, FIRST_MS);
    for task in 0..10 {
        gate.sleep(task, 1);
        let early = closed.no_progress(now + interval - 1, nothing);
        assert_eq!((early.tickets, early.next_ms), (0, 1));
        now += interval;
        interval = (interval * 2).min(LONGEST_MS);
        let grant = closed.no_progress(now, nothing);
        assert_eq!((grant.tickets, grant.next_ms), (1, interval));
    }
    assert_eq!(interval, LONGEST_MS);
}

#[test]
fn patience_without_waiters_stays() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    for step in 1..5 {
        let grant = closed.no_progress(step * FIRST_MS, nothing);
        assert_eq!((grant.tickets, grant.next_ms), (0, FIRST_MS));
    }
    gate.sleep(1, 1);
    closed.progress(10 * FIRST_MS);
    assert_eq!(closed.no_progress(11 * FIRST_MS - 1, nothing).tickets, 0);
    assert_eq!(closed.no_progress(11 * FIRST_MS, nothing).tickets, 1);
}

#[test]
fn who_is_halfway_need_not_be_patient() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(10, 100), 1000).unwrap();
    for pos in [10, 17, 19, 30] {
        gate.sleep(pos as usize, pos);
    }
    // Page 9 is not the drain's.
    let held = |page| page == 9 || page == 16;
    let before = gate.wakes.get();
    let grant = closed.admit_halfway(1001, held);
    assert_eq!((grant.tickets, grant.next_ms), (1, FIRST_MS));
    assert_eq!(gate.wakes.get(), before + 1);
    assert_eq!(enter(&gate, &access(17, 17)), Passage::Admitted);
    assert_eq!(gate.visitors(), (3, 1));
    assert_eq!(closed.admit_halfway(1002, held).tickets, 0);
    assert_eq!(gate.wakes.get(), before + 1);
    // Later they have to be.
    let next = |page| page == 18;
    assert_eq!(closed.admit_halfway(1001 + YOUNG_MS, next).tickets, 0);
    assert_eq!(closed.admit_halfway(1000 + YOUNG_MS, next).tickets, 1);
}

/// Lets a task that waits for its first page come second, as it would only hold up the drain.
#[test]
fn who_is_halfway_has_the_first_turn() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(10, 100), 0).unwrap();
    // Neither page 9 nor page 100 is the drain's.
    let held = |page| [9, 16, 100].contains(&page);
    for pos in [10, 17, 30] {
        gate.sleep(pos as usize, pos);
    }
    wait_access(&gate, &huge_access(101, 101, 9)).unwrap();
    assert_eq!(closed.no_progress(FIRST_MS - 1, held).tickets, 0);
    let before = gate.wakes.get();
    let grant = closed.no_progress(FIRST_MS, held);
    assert_eq!((grant.tickets, grant.next_ms), (1, FIRST_MS));
    assert_eq!(gate.wakes.get(), before + 1);
    assert_eq!(enter(&gate, &access(17, 17)), Passage::Admitted);
    // It did not help, and another one seems to be halfway.
    gate.sleep(40, 40);
    let grant = closed.no_progress(2 * FIRST_MS, |page| page == 39);
    assert_eq!((grant.tickets, grant.next_ms), (4, 2 * FIRST_MS));
    assert_eq!(gate.visitors(), (0, 5));
}

/// So whoever waits does so for two intervals at most, or there is progress.
#[test]
fn turns_alternate_until_there_is_progress() {
    let gate = PlainEnv::new();
    let closed = close(&gate, pages(0, 100), 0).unwrap();
    let halfway = |page| page == 49;
    let mut task = 0;
    let mut arrive_and_grant = |round: u64| {
        gate.sleep(task, 50);
        gate.sleep(task + 1, 7);
        task += 2;
        closed.no_progress(round * LATER, halfway).tickets
    };
    assert_eq!([1, 2, 3, 4].map(&mut arrive_and_grant), [1, 3, 1, 3]);
    assert_eq!(arrive_and_grant(5), 1);
    closed.progress(5 * LATER);
    assert_eq!([6, 7].map(&mut arrive_and_grant), [1, 4]);
}
