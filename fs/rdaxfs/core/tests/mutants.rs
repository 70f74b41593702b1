// SPDX-License-Identifier: GPL-2.0

//! The same power cuts, but with a flush or a fence left out, or a store moved past the next fence:
//! the tests have to notice.

use crate::common::{
    pm::{
        Event,
        Kind, //
    },
    script::{
        Script,
        Step,
        SIZE, //
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

/// What an event has to do with: the step of a transaction, a superblock or other stores.
fn role(events: &[Event], at: usize) -> &'static str {
    let first_data = (4096 + 8192 * (SIZE as u64 >> 20)).next_multiple_of(4096);
    let mut role = "nothing";
    let mut committed = false;
    for event in &events[..=at] {
        role = match &event.kind {
            Kind::Store { at, .. } if *at < 4096 || *at >= SIZE as u64 - 4096 => "superblock",
            Kind::Store { at, data } if *at < first_data => match data[..] {
                [0, 0, 0, 0, 0, 0, 0, 0] => {
                    committed = false;
                    "step 4: release"
                }
                [_, _, _, _, _, _, _, _] => {
                    committed = true;
                    "step 2: commit"
                }
                _ => "step 1: list",
            },
            Kind::Store { .. } if committed => "step 3: apply",
            // The list is flushed with what it publishes.
            Kind::Store { .. } if role != "step 1: list" => "data and new blocks",
            _ => role,
        };
    }
    role
}

#[derive(Default)]
struct Tally {
    tried: u64,
    noticed: u64,
    /// By role: noticed and tried.
    roles: BTreeMap<&'static str, (u64, u64)>,
}

fn mutate(script: &Script, mutation: Mutation, tally: &mut Tally) {
    let mut verifier = Verifier::new(script, EFFORT, 1);
    for (number, step) in script.steps.iter().enumerate() {
        let concerned = step.events.iter().enumerate();
        for (at, _) in concerned.filter(|(_, event)| !step.quiet && mutation.concerns(event)) {
            let Some(events) = mutation.apply(&step.events, at) else {
                continue;
            };
            let steps = &script.steps[number..];
            // A volume out of order may also be too much for a debug assertion.
            let found = catch_unwind(AssertUnwindSafe(|| noticed(&mut verifier, steps, &events)));
            let found = u64::from(found.unwrap_or(true));
            let by_role = tally.roles.entry(role(&step.events, at)).or_default();
            *by_role = (by_role.0 + found, by_role.1 + 1);
            tally.tried += 1;
            tally.noticed += found;
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
    for (role, (noticed, tried)) in &tally.roles {
        println!("  {role}: {noticed} of {tried}");
    }
    // None is redundant but for the one after the second superblock: the first one is durable.
    for (role, (noticed, _)) in &tally.roles {
        assert!(*noticed > 0 || *role == "superblock", "{role}");
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
