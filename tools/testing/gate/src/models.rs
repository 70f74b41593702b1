// SPDX-License-Identifier: GPL-2.0

//! What the gate promises, under every interleaving and every order of memory accesses that the
//! model checker can tell apart.
//!
//! By default interleavings have two preemptions at most, four in the smallest models, which takes
//! seconds; `LOOM_MAX_PREEMPTIONS` says how many.

mod pair;
mod progress;
mod wakeups;
mod world;

/// Checks a model.
fn check(model: impl Fn() + Sync + Send + 'static) {
    check_to(2, model);
}

/// Checks a model with more preemptions, if the environment does not say how many.
fn check_to(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = checker.preemption_bound.or(Some(preemptions));
    checker.max_branches = 100_000;
    checker.check(model);
}
