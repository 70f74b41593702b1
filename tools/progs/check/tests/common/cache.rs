// SPDX-License-Identifier: GPL-2.0

//! What a power cut can leave of stores that went through the page cache.
//!
//! Until a fence, the page cache writes back what it likes, when it likes, as often as it likes, and
//! a write can be torn: each unit of the medium has any content that it had since the last fence,
//! whatever the others have. What a unit is depends on the device: a page, a sector, a cache line or
//! 8 bytes.

#![allow(dead_code)]

use super::{
    common::{
        now,
        small, //
    },
    model::{
        pm::{
            Event,
            Kind,
            Pm, //
        },
        rng::Rng,
        script::look,
        tree::Tree, //
    },
};
use rdaxfs_check::{
    check,
    repair,
    Options, //
};
use std::collections::BTreeMap;

const UNITS: [u64; 4] = [4096, 512, 64, 8];

/// How many states to build for each size of unit: all, if there are no more, else some.
#[derive(Clone, Copy)]
pub struct Limits {
    pub all: u64,
    /// States with one unit unlike the others, twice, and random ones.
    pub sampled: usize,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub fences: u64,
    pub states: u64,
}

/// A unit: its number and the contents that it can have, what is durable first.
type Choice = (u64, Vec<Vec<u8>>);

/// Which fences do not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    All,
    None,
    AllBut(u64),
}

/// Lets the power go before each fence of `events` and at their end, in all ways, and shows `look`
/// what is left. What `look` does to it is undone.
pub fn cut(
    image: &[u8],
    events: &[Event],
    fences: Fences,
    limits: Limits,
    mut look: impl FnMut(&Pm) -> Result<(), String>,
) -> Result<Counts, String> {
    let disk = Pm::new(image.to_vec());
    let mut rng = Rng(1);
    let mut counts = Counts::default();
    let mut pending: Vec<(u64, &[u8])> = Vec::new();
    let mut number = 0;
    for event in events.iter().map(Some).chain([None]) {
        match event.map(|event| &event.kind) {
            Some(Kind::Store { at, data }) => pending.push((*at, data)),
            Some(Kind::Flush { .. }) => {}
            Some(Kind::Fence) | None => {
                let skipped = match fences {
                    Fences::All => false,
                    Fences::None => true,
                    Fences::AllBut(left_out) => number == left_out,
                };
                number += 1;
                if skipped && event.is_some() {
                    continue;
                }
                counts.fences += 1;
                for unit in UNITS {
                    let choices = choices(&disk, &pending, unit);
                    for state in states(&choices, limits, &mut rng) {
                        counts.states += 1;
                        let mark = disk.mark();
                        for ((number, contents), chosen) in choices.iter().zip(state) {
                            disk.put(number * unit, &contents[chosen]);
                        }
                        let looked = look(&disk);
                        disk.rollback(mark);
                        looked.map_err(|why| format!("fence {number}, unit {unit}: {why}"))?;
                    }
                }
                for (at, data) in pending.drain(..) {
                    disk.put(at, data);
                }
                disk.forget();
            }
        }
    }
    Ok(counts)
}

fn choices(disk: &Pm, pending: &[(u64, &[u8])], unit: u64) -> Vec<Choice> {
    let mut units: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for (at, data) in pending {
        let mut done = 0;
        while done < data.len() {
            let here = at + done as u64;
            let (number, offset) = (here / unit, (here % unit) as usize);
            let len = (unit as usize - offset).min(data.len() - done);
            let contents = units
                .entry(number)
                .or_insert_with(|| vec![disk.bytes(number * unit, unit)]);
            let mut new = contents.last().unwrap().clone();
            new[offset..offset + len].copy_from_slice(&data[done..done + len]);
            contents.push(new);
            done += len;
        }
    }
    for contents in units.values_mut() {
        let mut seen = Vec::new();
        contents.retain(|content| {
            let new = !seen.contains(content);
            if new {
                seen.push(content.clone());
            }
            new
        });
    }
    units.retain(|_, contents| contents.len() > 1);
    units.into_iter().collect()
}

/// For each state the content of each unit.
fn states(choices: &[Choice], limits: Limits, rng: &mut Rng) -> Vec<Vec<usize>> {
    let lens: Vec<usize> = choices.iter().map(|(_, contents)| contents.len()).collect();
    let count = lens
        .iter()
        .try_fold(1u64, |n, &len| n.checked_mul(len as u64));
    if let Some(count) = count.filter(|&count| count <= limits.all) {
        let state = |mut number: u64| {
            let digit = |&len: &usize| {
                let chosen = number % len as u64;
                number /= len as u64;
                chosen as usize
            };
            lens.iter().map(digit).collect()
        };
        return (0..count).map(state).collect();
    }
    let old: Vec<usize> = vec![0; lens.len()];
    let new: Vec<usize> = lens.iter().map(|len| len - 1).collect();
    let mut states = vec![old.clone(), new.clone()];
    let step = lens.len().div_ceil(limits.sampled).max(1);
    for odd in (0..lens.len()).step_by(step) {
        let (mut one, mut others) = (old.clone(), new.clone());
        (one[odd], others[odd]) = (new[odd], 0);
        states.extend([one, others]);
    }
    for _ in 0..limits.sampled {
        states.push(
            lens.iter()
                .map(|&len| rng.below(len as u64) as usize)
                .collect(),
        );
    }
    states
}

const LIMITS: Limits = Limits {
    all: 64,
    sampled: 16,
};

/// A volume and what a tool did to it.
pub struct Case {
    image: Vec<u8>,
    events: Vec<Event>,
    /// The volume when the tool is done.
    pub done: Pm,
}

impl Case {
    pub fn record(image: Vec<u8>, tool: impl FnOnce(&Pm)) -> Self {
        let done = Pm::new(image.clone());
        done.record();
        tool(&done);
        let events = done.recorded();
        Self {
            image,
            events,
            done,
        }
    }

    pub fn cut(
        &self,
        fences: Fences,
        look: impl FnMut(&Pm) -> Result<(), String>,
    ) -> Result<Counts, String> {
        cut(&self.image, &self.events, fences, LIMITS, look)
    }

    /// Nothing is lost with all fences, and something is without any of them.
    pub fn verify(&self, name: &str, look: impl Fn(&Pm) -> Result<(), String>) {
        let Counts { fences, states } = self.cut(Fences::All, &look).unwrap_or_else(|why| {
            panic!("{name}: {why}");
        });
        println!("{name}: {fences} points, {states} states");
        assert!(states > 8);
        assert!(
            self.cut(Fences::None, &look).is_err(),
            "{name}: no fence is needed"
        );
    }

    /// How many fences are missed if they are left out, and of how many.
    pub fn missed(&self, look: impl Fn(&Pm) -> Result<(), String>) -> (u64, u64) {
        let fences = |event: &&Event| matches!(event.kind, Kind::Fence);
        let all = self.events.iter().filter(fences).count() as u64;
        let missed = (0..all).filter(|&number| self.cut(Fences::AllBut(number), &look).is_err());
        (missed.count() as u64, all)
    }
}

pub fn small_image() -> Vec<u8> {
    small().0.into_inner().unwrap()
}

pub fn tree_of(image: &[u8]) -> Tree {
    look(&Pm::new(image.to_vec())).unwrap()
}

/// Repairs what there is, and checks that it helped.
pub fn repair_all(pm: &Pm) -> Result<(), String> {
    let done = repair(pm, now(), |_| true).map_err(|error| format!("repair: {error:?}"))?;
    if !done.left.is_clean() {
        return Err(format!("left after repair:\n{}", done.left));
    }
    let report = check(pm, &Options::default());
    report
        .is_clean()
        .then_some(())
        .ok_or_else(|| format!("found after repair:\n{report}"))
}
