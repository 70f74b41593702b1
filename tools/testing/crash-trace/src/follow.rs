// SPDX-License-Identifier: GPL-2.0

//! Follows a trace, and lets the power go at each fence.

use crate::{
    common::{
        pm::{
            self,
            Pm, //
        },
        rng::Rng,
        states::{
            Limits,
            Pendings,
            State, //
        },
        tree::check, //
    },
    expect::{
        recover,
        Expected, //
    },
    oracle::Allowed,
    trace::Event, //
};
use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    ops::AddAssign,
    panic::{
        catch_unwind,
        AssertUnwindSafe, //
    }, //
};

/// The kernel's half of the addresses.
const KERNEL: u64 = 1 << 63;

/// Limits the power cuts that are tried.
#[derive(Clone, Copy)]
pub struct Effort {
    pub limits: Limits,
    pub seed: u64,
    /// Instructions that order for another reason make durable what was flushed.
    pub locked: bool,
}

/// Counts what was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub stores: u64,
    pub around: u64,
    pub flushes: u64,
    pub fences: u64,
    /// Fences and ends of operations where the power went.
    pub points: u64,
    pub states: u64,
    pub recoveries: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.stores += other.stores;
        self.around += other.around;
        self.flushes += other.flushes;
        self.fences += other.fences;
        self.points += other.points;
        self.states += other.states;
        self.recoveries += other.recoveries;
    }
}

/// Names what is left out of an operation on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    Nothing,
    /// The event at this place.
    Event(usize),
    /// That the stores of this instruction go around the caches.
    Around(u64),
}

/// The memory, and what of it is durable.
pub struct Follower {
    /// The durable contents.
    disk: Pm,
    pendings: Pendings,
    /// Lines where the kernel has left something in the CPU's caches.
    cached: BTreeSet<u64>,
    /// The address of the code that stored to each line last.
    authors: BTreeMap<u64, u64>,
    /// Stored since the last power cut.
    changed: bool,
    effort: Effort,
    rng: Rng,
    counts: Counts,
}

impl Follower {
    pub fn new(image: Vec<u8>, effort: Effort) -> Self {
        Self {
            disk: Pm::new(image),
            pendings: Pendings::default(),
            cached: BTreeSet::new(),
            authors: BTreeMap::new(),
            changed: false,
            effort,
            rng: Rng(effort.seed),
            counts: Counts::default(),
        }
    }

    /// Takes the counts since the last time.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Follows an operation without power cuts.
    pub fn pass(&mut self, expected: &Expected<'_>) {
        let events = expected.before.iter().chain(expected.events);
        events.for_each(|event| self.event(event, true));
        self.disk.forget();
    }

    /// Calls `f`, and forgets what it did.
    pub fn attempt<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let saved = (self.pendings.clone(), self.cached.clone(), self.changed);
        let mark = self.disk.mark();
        let result = f(self);
        self.disk.rollback(mark);
        (self.pendings, self.cached, self.changed) = saved;
        result
    }

    /// Follows an operation, with power cuts before each fence and at its end.
    pub fn operation(&mut self, expected: &Expected<'_>, omission: Omission) -> Result<(), String> {
        let during = Allowed {
            trees: &expected.trees,
            open: &expected.open,
        };
        // What is stored between operations belongs to none: most likely to nothing.
        expected
            .before
            .iter()
            .for_each(|event| self.event(event, true));
        for (number, event) in expected.events.iter().enumerate() {
            if self.is_fence(event) {
                self.cut(&during)?;
            }
            match (omission, event) {
                (Omission::Event(at), _) if at == number => {}
                (Omission::Around(pc), Event::Store { pc: own, .. }) => {
                    self.event(event, *own != pc);
                }
                _ => self.event(event, true),
            }
        }
        let after = Allowed {
            trees: &expected.trees[expected.trees.len() - 1..],
            open: &expected.open_after,
        };
        self.changed = true;
        self.cut(&after)
            .map_err(|why| format!("after it had returned: {why}"))
    }

    /// Follows the events, and tells of each whether it is a fence that makes something durable.
    pub fn useful_fences(&mut self, expected: &Expected<'_>) -> Vec<bool> {
        self.attempt(|this| {
            expected
                .before
                .iter()
                .for_each(|event| this.event(event, true));
            let useful = expected.events.iter().map(|event| {
                let before = this.disk.mark();
                this.event(event, true);
                this.is_fence(event) && this.disk.mark() != before
            });
            useful.collect()
        })
    }

    pub fn is_fence(&self, event: &Event) -> bool {
        matches!(event, Event::Fence { locked } if !locked || self.effort.locked)
    }

    fn event(&mut self, event: &Event, may_go_around: bool) {
        let kind = match event {
            Event::Store {
                at,
                data,
                around,
                pc,
            } => {
                self.counts.stores += 1;
                self.changed = true;
                self.authors.insert(at / 64, *pc);
                let (at, len) = (*at, data.len() as u64);
                let data = data.clone();
                self.follow(pm::Kind::Store { at, data });
                if !around || !may_go_around {
                    if *pc >= KERNEL {
                        self.cached.insert(at / 64);
                    }
                    return;
                }
                self.counts.around += 1;
                // It is on its way to the medium, and so is what the caches hold of its line: they
                // evict it (Intel SDM 1, "Caching of Temporal vs. Non-Temporal Data"). The kernel
                // is not to count on that for its own stores.
                if self.cached.contains(&(at / 64)) {
                    return;
                }
                pm::Kind::Flush { at, len }
            }
            Event::Flush { at } => {
                self.counts.flushes += 1;
                self.cached.remove(&(at / 64));
                pm::Kind::Flush { at: *at, len: 1 }
            }
            Event::Fence { .. } if self.is_fence(event) => {
                self.counts.fences += 1;
                pm::Kind::Fence
            }
            _ => return,
        };
        self.follow(kind);
    }

    fn follow(&mut self, kind: pm::Kind) {
        let event = pm::Event { cpu: 0, kind };
        self.pendings.follow(&self.disk, &event);
    }

    /// Lets the power go, in all ways.
    fn cut(&mut self, allowed: &Allowed<'_>) -> Result<(), String> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        self.counts.points += 1;
        let limits = self.effort.limits;
        let states = self.pendings.states(&self.disk, &limits, &mut self.rng);
        for (number, state) in states.iter().enumerate() {
            let mark = self.disk.mark();
            // What is out of order may also be too much for a debug assertion.
            let looked = catch_unwind(AssertUnwindSafe(|| self.look_at(state, allowed)));
            let looked = looked.unwrap_or_else(|_| Err("recovery panicked".into()));
            self.disk.rollback(mark);
            looked.map_err(|why| {
                let of = states.len();
                format!("state {number} of {of}: {why}{}", self.culprits(state))
            })?;
        }
        Ok(())
    }

    fn look_at(&mut self, state: &State, allowed: &Allowed<'_>) -> Result<(), String> {
        self.counts.states += 1;
        for (line, bytes) in state {
            self.disk.put(line * 64, bytes);
        }
        check(&self.disk)?;
        let (tree, recovery) = recover(&self.disk)?;
        if recovery.transactions != 0 || recovery.orphans != 0 {
            self.counts.recoveries += 1;
        }
        allowed.check(&tree)?;
        check(&self.disk).map_err(|why| format!("recovered: {why}"))
    }

    /// The lines that are not durable, and the code that stored to them.
    fn culprits(&self, state: &State) -> String {
        let mut text = format!("\n{} lines are not durable:", state.len());
        for (line, _) in state.iter().take(16) {
            let pc = self.authors.get(line).copied().unwrap_or(0);
            text += &format!("\n  {:#x}, stored by {pc:#x}", line * 64);
        }
        text
    }
}
