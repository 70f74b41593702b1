// SPDX-License-Identifier: GPL-2.0

//! Power cuts at each fence of each operation: every state that one can leave is recovered, and
//! has to be what was before the operation or what is after it.

use crate::common::{
    script::Script,
    scripts,
    states::Limits,
    verify::{
        Counts,
        Effort,
        Verifier, //
    }, //
};

const EFFORT: Effort = Effort {
    limits: Limits {
        all: 1024,
        sampled: 64,
        torn: 64,
    },
    nested: 4,
    nested_limits: Limits {
        all: 32,
        sampled: 8,
        torn: 4,
    },
};

fn enumerate(name: &str, script: &Script) {
    let mut verifier = Verifier::new(script, EFFORT, 1);
    for (number, step) in script.steps.iter().enumerate() {
        if step.quiet {
            verifier.pass(step);
        } else if let Err(why) = verifier.step(step, &step.events) {
            panic!("{name}, step {number}: {why}");
        }
    }
    let Counts {
        fences,
        states,
        recoveries,
        nested,
    } = verifier.counts;
    println!(
        "{name}: {} operations, {fences} points, {states} states, {recoveries} needed recovery, \
         {nested} states of cut off recoveries",
        script.steps.len()
    );
    assert!(recoveries > 0 && nested > 0);
}

#[test]
fn names() {
    enumerate("names", &scripts::names());
}

#[test]
fn renames() {
    enumerate("renames", &scripts::renames());
}

#[test]
fn data() {
    enumerate("data", &scripts::data());
}

#[test]
fn ends() {
    enumerate("ends", &scripts::ends());
}

#[test]
fn extents() {
    enumerate("extents", &scripts::extents());
}

#[test]
fn attributes() {
    enumerate("attributes", &scripts::attributes());
}

#[test]
fn growth() {
    enumerate("growth", &scripts::growth());
}
