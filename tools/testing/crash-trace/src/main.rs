// SPDX-License-Identifier: GPL-2.0

//! Power cuts of the kernel's own stores.
//!
//! ```text
//! crash-trace prepare IMAGE BYTES     makes a volume that has to be recovered
//! crash-trace check IMAGE TRACE LAST  follows what the kernel did to it until it held LAST, as KTAP
//! ```
//!
//! `RDAX_STATES` multiplies how many states are built at each fence, `RDAX_SEED` is for those at
//! random, `RDAX_LOCKED=1` lets locked instructions be fences, too, `RDAX_MUTANTS=1` counts how
//! many fences and write-backs are noticed when they are left out of the trace.

mod common;
mod expect;
mod follow;
mod mutate;
mod oracle;
mod prepare;
mod shown;
mod trace;

use anyhow::{
    anyhow,
    bail,
    Context,
    Result, //
};
use common::states::Limits;
use expect::{
    expect,
    Expected, //
};
use follow::{
    Counts,
    Effort,
    Follower,
    Omission, //
};
use mutate::{
    mutate,
    Noticed,
    Tally, //
};
use std::{
    env,
    path::Path,
    time::Instant, //
};
use trace::{
    Op,
    Trace, //
};

/// Threads: each follows the whole trace, and looks closely at its share of the operations.
const THREADS: usize = 2;

fn number(name: &str, default: u64) -> Result<u64> {
    match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}

/// Says how thorough to be.
#[derive(Clone, Copy)]
struct Plan {
    effort: Effort,
    /// With something left out, if that is to be tried.
    mutants: Option<Effort>,
}

fn effort(all: u64, few: u64) -> Result<Effort> {
    Ok(Effort {
        limits: Limits {
            all,
            sampled: few,
            torn: few,
        },
        seed: number("RDAX_SEED", 1)?,
        locked: number("RDAX_LOCKED", 0)? != 0,
    })
}

fn plan() -> Result<Plan> {
    let more = number("RDAX_STATES", 1)?;
    let mutants = number("RDAX_MUTANTS", 0)? != 0;
    Ok(Plan {
        effort: effort(256 * more, 32 * more)?,
        mutants: mutants.then(|| effort(64, 4)).transpose()?,
    })
}

/// Holds what was found of an operation.
struct Outcome {
    counts: Counts,
    wrong: Option<String>,
}

/// Holds what one thread has found.
#[derive(Default)]
struct Found {
    outcomes: Vec<(usize, Outcome)>,
    tally: Tally,
}

/// Follows the whole trace, and looks closely at each operation that `mine` says.
fn follow(
    image: &[u8],
    expected: &[Expected<'_>],
    plan: Plan,
    mine: impl Fn(usize) -> bool,
) -> Found {
    let mut found = Found::default();
    let mut follower = Follower::new(image.to_vec(), plan.effort);
    let mut mutant = Follower::new(image.to_vec(), plan.mutants.unwrap_or(plan.effort));
    for (number, own) in expected.iter().enumerate() {
        if mine(number) {
            let wrong = follower.attempt(|follower| {
                let wrong = follower.operation(own, Omission::Nothing).err();
                own.wrong.clone().or(wrong)
            });
            let counts = follower.take_counts();
            found.outcomes.push((number, Outcome { counts, wrong }));
            if plan.mutants.is_some() {
                mutate(&mut mutant, &expected[number..], &mut found.tally);
            }
        }
        follower.pass(own);
        follower.take_counts();
        if plan.mutants.is_some() {
            mutant.pass(own);
        }
    }
    found
}

/// Collects what all threads have found, in the order of the operations.
fn follow_all(image: &[u8], expected: &[Expected<'_>], plan: Plan) -> Result<Found> {
    let threads = std::thread::scope(|scope| {
        let follow = |thread| follow(image, expected, plan, move |op| op % THREADS == thread);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || follow(thread)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.collect::<Vec<_>>()
    });
    let mut all = Found::default();
    for found in threads {
        let found = found.map_err(|_| anyhow!("a thread panicked"))?;
        all.outcomes.extend(found.outcomes);
        all.tally += found.tally;
    }
    all.outcomes.sort_by_key(|(number, _)| *number);
    Ok(all)
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.to_string())
}

fn check(image: &str, trace: &str, last: &str) -> Result<bool> {
    let started = Instant::now();
    let (image, last) = (read(image)?, read(last)?);
    let trace = Trace::read(Path::new(trace))?;
    if image.len() as u64 != trace.size {
        bail!("the image and the memory have different sizes");
    }
    let plan = plan()?;
    let expected = expect(image.clone(), &last, &trace).map_err(|why| anyhow!(why))?;
    println!("KTAP version 1\n1..{}", expected.len());
    println!("# RDAX_SEED={}", plan.effort.seed);
    let found = follow_all(&image, &expected, plan)?;
    let (mut total, mut failed) = (Counts::default(), 0);
    for (number, outcome) in &found.outcomes {
        total += outcome.counts;
        failed += usize::from(outcome.wrong.is_some());
        report(*number, expected[*number].op, outcome);
    }
    let operations = expected.len();
    table(&total, operations, started.elapsed().as_secs_f64());
    if plan.mutants.is_some() {
        mutants(&found.tally);
    }
    if total.recoveries == 0 {
        bail!("no state needed recovery");
    }
    let passed = operations - failed;
    println!("# Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:0 error:0");
    Ok(failed == 0)
}

fn report(number: usize, op: &Op, outcome: &Outcome) {
    let verdict = match &outcome.wrong {
        None => "ok",
        Some(why) => {
            why.lines().for_each(|line| println!("# {line}"));
            "not ok"
        }
    };
    let Counts { points, states, .. } = outcome.counts;
    println!("{verdict} {} {}", number + 1, op.name);
    println!("#   {points} points, {states} states");
}

fn mutants(tally: &Tally) {
    for (what, Noticed { noticed, tried }) in [
        ("fences left out", tally.fences),
        ("write-backs left out", tally.flushes),
        ("stores not around the caches", tally.arounds),
    ] {
        println!("# | crash-trace: {what}: {noticed} of {tried} noticed");
    }
    for missed in &tally.missed {
        println!("# not noticed: {missed}");
    }
}

fn table(counts: &Counts, operations: usize, seconds: f64) {
    let Counts {
        stores,
        around,
        flushes,
        fences,
        points,
        states,
        recoveries,
    } = counts;
    println!(
        "# | crash-trace: {operations} operations, {stores} stores ({around} around the caches), \
         {flushes} write-backs, {fences} fences"
    );
    println!(
        "# | crash-trace: {states} states at {points} points, {recoveries} needed recovery, \
         {seconds:.0} s"
    );
}

fn run() -> Result<bool> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["prepare", image, bytes] => {
            let volume = prepare::dirty(bytes.parse()?).map_err(|why| anyhow!(why))?;
            std::fs::write(image, volume).with_context(|| image.to_string())?;
            Ok(true)
        }
        ["check", image, trace, last] => check(image, trace, last),
        _ => bail!("usage: crash-trace prepare IMAGE BYTES | check IMAGE TRACE LAST"),
    }
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(true) => 0.into(),
        Ok(false) => 1.into(),
        Err(error) => {
            eprintln!("crash-trace: {error:#}");
            2.into()
        }
    }
}
