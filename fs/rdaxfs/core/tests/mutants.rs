// SPDX-License-Identifier: GPL-2.0

//! The same power cuts, but with a flush or a fence left out, or a store moved past the next fence:
//! the tests have to notice.

mod common;

use common::{
    pm::{
        Event,
        Kind, //
    },
    script::{
        Script,
        Step, //
    },
    scripts,
    states::Limits,
    verify::{
        Effort,
        Verifier, //
    }, //
};
use std::{
    collections::BTreeMap,
    panic::{
        catch_unwind,
        AssertUnwindSafe, //
    }, //
};

const EFFORT: Effort = Effort {
    limits: Limits {
        all: 64,
        sampled: 8,
        torn: 4,
    },
    nested: 0,
    nested_limits: Limits {
        all: 0,
        sampled: 0,
        torn: 0,
    },
};

/// What can be wrong with the order of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mutation {
    DropFlush,
    DropFence,
    DeferStore,
}

impl Mutation {
    fn concerns(self, event: &Event) -> bool {
        match self {
            Self::DropFlush => matches!(event.kind, Kind::Flush { .. }),
            Self::DropFence => matches!(event.kind, Kind::Fence),
            Self::DeferStore => matches!(event.kind, Kind::Store { .. }),
        }
    }

    /// `events` with the one at `at` not as it should be.
    fn apply(self, events: &[Event], at: usize) -> Option<Vec<Event>> {
        let mut events = events.to_vec();
        let event = events.remove(at);
        if self == Self::DeferStore {
            let fence = events[at..]
                .iter()
                .position(|event| matches!(event.kind, Kind::Fence))?;
            events.insert(at + fence + 1, event);
        }
        Some(events)
    }
}

/// Whether the mutation is noticed in its step or the two after it.
fn noticed(verifier: &mut Verifier, steps: &[Step], events: &[Event]) -> bool {
    verifier.attempt(|verifier| {
        let first = verifier.step(&steps[0], events);
        let rest = steps[1..].iter().take(2);
        first
            .and_then(|()| {
                rest.clone()
                    .try_for_each(|step| verifier.step(step, &step.events))
            })
            .is_err()
    })
}

/// What each fence and flush of a step is for.
fn label(step: &Step, mutation: Mutation, at: usize) -> String {
    let count = |events: &[Event]| {
        let concerned = events.iter().filter(|event| mutation.concerns(event));
        concerned.count()
    };
    let (nth, of) = (count(&step.events[..at]), count(&step.events));
    format!("{mutation:?} {} of {of} of {}", nth + 1, step.name)
}

#[derive(Default)]
struct Tally {
    tried: u64,
    noticed: u64,
    unnoticed: BTreeMap<String, u64>,
}

fn mutate(script: &Script, mutation: Mutation, tally: &mut Tally) {
    let mut verifier = Verifier::new(script, EFFORT, 1);
    for (number, step) in script.steps.iter().enumerate() {
        let concerned = step.events.iter().enumerate();
        for (at, _) in concerned.filter(|(_, event)| !step.quiet && mutation.concerns(event)) {
            let Some(events) = mutation.apply(&step.events, at) else {
                continue;
            };
            tally.tried += 1;
            let steps = &script.steps[number..];
            // A volume out of order may also be too much for a debug assertion.
            let found = catch_unwind(AssertUnwindSafe(|| noticed(&mut verifier, steps, &events)));
            if found.unwrap_or(true) {
                tally.noticed += 1;
            } else {
                *tally
                    .unnoticed
                    .entry(label(step, mutation, at))
                    .or_default() += 1;
            }
        }
        verifier.pass(step);
    }
}

fn check(mutation: Mutation) {
    let mut tally = Tally::default();
    for (_, script) in scripts::all() {
        mutate(&script, mutation, &mut tally);
    }
    println!("{mutation:?}: noticed {} of {}", tally.noticed, tally.tried);
    for (label, count) in &tally.unnoticed {
        println!("  not noticed: {label} ({count})");
    }
    assert!(tally.noticed > 0);
}

#[test]
fn dropped_flush() {
    check(Mutation::DropFlush);
}

#[test]
fn dropped_fence() {
    check(Mutation::DropFence);
}

#[test]
fn deferred_store() {
    check(Mutation::DeferStore);
}
