// SPDX-License-Identifier: GPL-2.0

//! What the gate promises, under every interleaving and every order of memory accesses that the
//! model checker can tell apart.
//!
//! By default interleavings have two preemptions at most, which takes seconds;
//! `LOOM_MAX_PREEMPTIONS=3` (or more) looks further.

mod pair;
mod progress;
mod wakeups;
mod world;

/// Checks a model.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = checker.preemption_bound.or(Some(2));
    checker.max_branches = 100_000;
    checker.check(model);
}
