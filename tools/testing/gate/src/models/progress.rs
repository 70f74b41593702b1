// SPDX-License-Identifier: GPL-2.0

//! Drains, faults and pins end, whatever they hold and want, and nobody has what is reused.

use super::{
    check,
    world::{
        AfterPin,
        World, //
    }, //
};
use crate::range::PageRange;
use loom::{
    sync::Arc,
    thread, //
};

fn both() -> PageRange {
    PageRange::new(0, 2).unwrap()
}

/// Those who know nothing of the gate but through their faults.
#[test]
fn drain_and_gup() {
    check(|| {
        let world = Arc::new(World::new().touched());
        let pin = thread::spawn({
            let world = world.clone();
            move || drop(world.pin(1, &[0], AfterPin::Keep))
        });
        world.punch(PageRange::page(0));
        pin.join().unwrap();
    });
}

#[test]
fn drain_and_checked_pins_of_both_kinds() {
    check(|| {
        let world = Arc::new(World::new().touched());
        let user = thread::spawn({
            let world = world.clone();
            move || drop(world.pin(1, &[0], AfterPin::Check))
        });
        let file = thread::spawn({
            let world = world.clone();
            move || world.dma(0)
        });
        world.punch(PageRange::page(0));
        user.join().unwrap();
        file.join().unwrap();
        assert!(!world.dma(0));
    });
}

/// One call that holds page 0 while it faults page 1: gets through by ticket.
#[test]
fn a_sweep_that_straddles_gets_through() {
    check(|| {
        let world = Arc::new(World::new());
        let pin = thread::spawn({
            let world = world.clone();
            move || drop(world.pin(1, &[0, 1], AfterPin::Keep))
        });
        world.punch(both());
        pin.join().unwrap();
    });
}

/// Two calls hold what the other faults.
#[test]
fn two_holders_that_want_each_others_pages() {
    check(|| {
        let world = Arc::new(World::new());
        let pins = [[0, 1], [1, 0]].map(|pages| {
            let world = world.clone();
            thread::spawn(move || drop(world.pin(1 + pages[0], &pages, AfterPin::Keep)))
        });
        world.punch(both());
        pins.into_iter().for_each(|pin| pin.join().unwrap());
    });
}

/// A task that touches the page it holds before it lets go of it.
#[test]
fn a_holder_that_touches_its_own_page() {
    check(|| {
        let world = Arc::new(World::new().touched());
        let pin = thread::spawn({
            let world = world.clone();
            move || {
                let held = world.pin(1, &[0], AfterPin::Keep);
                drop(world.pin(1, &[0], AfterPin::Keep));
                drop(held);
            }
        });
        world.punch(PageRange::page(0));
        pin.join().unwrap();
    });
}

/// What lies elsewhere is no concern of the drain, nor of who waits for it.
#[test]
fn a_fault_elsewhere_does_not_wait() {
    check(|| {
        let world = Arc::new(World::new());
        let held = world.pin(2, &[0], AfterPin::Keep);
        let drain = thread::spawn({
            let world = world.clone();
            move || world.punch(PageRange::page(0))
        });
        // Would never end if it waited for page 0, which is held.
        drop(world.pin(1, &[1], AfterPin::Check));
        drop(held);
        assert_eq!(drain.join().unwrap(), 0);
    });
}
