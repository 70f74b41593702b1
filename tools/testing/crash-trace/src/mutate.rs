// SPDX-License-Identifier: GPL-2.0

//! The same power cuts, but with a fence or a write-back left out of the trace, or a store that goes
//! around the caches made one that does not: how many of them are noticed.

use crate::{
    expect::Expected,
    follow::{
        Follower,
        Omission, //
    },
    trace::Event, //
};
use std::{
    collections::BTreeSet,
    ops::AddAssign, //
};

/// Counts what was left out, and what of that was noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noticed {
    pub noticed: u64,
    pub tried: u64,
}

impl AddAssign<bool> for Noticed {
    fn add_assign(&mut self, noticed: bool) {
        self.noticed += u64::from(noticed);
        self.tried += 1;
    }
}

impl AddAssign for Noticed {
    fn add_assign(&mut self, other: Self) {
        self.noticed += other.noticed;
        self.tried += other.tried;
    }
}

/// Counts by what was left out.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub fences: Noticed,
    pub flushes: Noticed,
    pub arounds: Noticed,
    /// Fences and write-backs that were not noticed.
    pub missed: Vec<String>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.fences += other.fences;
        self.flushes += other.flushes;
        self.arounds += other.arounds;
        self.missed.extend(other.missed);
    }
}

/// Tries whether it is noticed in the first operation or the two after it.
fn noticed(follower: &mut Follower, expected: &[Expected<'_>], omission: Omission) -> bool {
    follower.attempt(|follower| {
        let mut operations = expected.iter().take(3);
        let first = operations.next();
        first.is_some_and(|first| follower.operation(first, omission).is_err())
            || operations.any(|next| follower.operation(next, Omission::Nothing).is_err())
    })
}

/// Leaves out of the first of `expected` one after the other.
pub fn mutate(follower: &mut Follower, expected: &[Expected<'_>], tally: &mut Tally) {
    let Some(first) = expected.first() else {
        return;
    };
    let useful = follower.useful_fences(first);
    let mut around = BTreeSet::new();
    // Lines that hold what no store around the caches and no write-back has sent off.
    let mut dirty = BTreeSet::new();
    for (at, event) in first.events.iter().enumerate() {
        match event {
            Event::Fence { .. } if useful[at] => {
                let found = noticed(follower, expected, Omission::Event(at));
                tally.fences += found;
                if !found {
                    let rest = useful[at + 1..].iter().filter(|useful| **useful).count();
                    tally.missed.push(format!(
                        "a fence of '{}' with {rest} after it",
                        first.op.name
                    ));
                }
            }
            Event::Flush { at: byte } if dirty.remove(&(byte / 64)) => {
                let found = noticed(follower, expected, Omission::Event(at));
                tally.flushes += found;
                if !found {
                    let (name, line) = (&first.op.name, byte & !63);
                    tally
                        .missed
                        .push(format!("a write-back of line {line:#x} by '{name}'"));
                }
            }
            Event::Store {
                around: true, pc, ..
            } if around.insert(*pc) => {
                tally.arounds += noticed(follower, expected, Omission::Around(*pc));
            }
            Event::Store {
                around: false, at, ..
            } => {
                dirty.insert(at / 64);
            }
            _ => {}
        }
    }
}
