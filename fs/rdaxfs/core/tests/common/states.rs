// SPDX-License-Identifier: GPL-2.0

//! What a power cut can leave of stores that are not durable yet.
//!
//! A cache line holds all contents that it had since it was last durable. The medium has one of
//! them, or, torn, for each 8 bytes those of one of them; which one of each line is independent of
//! the other lines. A fence of a CPU makes durable what that CPU had flushed.

use super::{
    pm::{
        Event,
        Kind,
        Pm, //
    },
    rng::Rng, //
};
use std::collections::BTreeMap;

const CPUS: usize = 2;

/// The contents of a cache line.
pub type Line = [u8; 64];

#[derive(Clone, Default)]
struct Pending {
    /// Since it was durable, oldest first.
    versions: Vec<Line>,
    /// The version that each CPU flushed.
    flushed: [Option<usize>; CPUS],
}

/// Lines that are not durable.
#[derive(Clone, Default)]
pub struct Pendings(BTreeMap<u64, Pending>);

/// How many states to build.
#[derive(Clone, Copy)]
pub struct Limits {
    /// All, if there are no more.
    pub all: u64,
    /// Else this many at random, besides those where one line differs from the others.
    pub sampled: u64,
    /// Torn ones.
    pub torn: u64,
}

/// The lines of a state that differ from what is durable.
pub type State = Vec<(u64, Line)>;

impl Pendings {
    /// Follows `event`; what it makes durable goes to `durable`.
    pub fn follow(&mut self, durable: &Pm, event: &Event) {
        match &event.kind {
            Kind::Store { at, data } => self.store(durable, *at, data),
            Kind::Flush { at, len } if *len > 0 => {
                let lines = at / 64..=(at + len - 1) / 64;
                for (_, pending) in self.0.range_mut(lines) {
                    pending.flushed[event.cpu] = Some(pending.versions.len() - 1);
                }
            }
            Kind::Flush { .. } => {}
            Kind::Fence => self.fence(durable, event.cpu),
        }
    }

    fn store(&mut self, durable: &Pm, at: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = at + done as u64;
            let (line, offset) = (at / 64, (at % 64) as usize);
            let len = (64 - offset).min(data.len() - done);
            let pending = self.0.entry(line).or_default();
            let last = pending.versions.last().copied();
            let mut new = last.unwrap_or_else(|| durable.line(line));
            new[offset..offset + len].copy_from_slice(&data[done..done + len]);
            pending.versions.push(new);
            done += len;
        }
    }

    fn fence(&mut self, durable: &Pm, cpu: usize) {
        self.0.retain(|&line, pending| {
            let Some(version) = pending.flushed[cpu].take() else {
                return true;
            };
            durable.put(line * 64, &pending.versions[version]);
            pending.versions.drain(..=version);
            for other in &mut pending.flushed {
                *other = other.and_then(|other| other.checked_sub(version + 1));
            }
            !pending.versions.is_empty()
        });
    }

    /// The contents that each line can have, what is durable first.
    fn options(&self, durable: &Pm) -> Vec<(u64, Vec<Line>)> {
        let options = self.0.iter().map(|(&line, pending)| {
            let mut list = vec![durable.line(line)];
            for &version in &pending.versions {
                if !list.contains(&version) {
                    list.push(version);
                }
            }
            (line, list)
        });
        options.filter(|(_, list)| list.len() > 1).collect()
    }

    /// The states that a power cut now can leave.
    pub fn states(&self, durable: &Pm, limits: &Limits, rng: &mut Rng) -> Vec<State> {
        let options = self.options(durable);
        let count = options
            .iter()
            .try_fold(1u64, |n, (_, list)| n.checked_mul(list.len() as u64));
        let mut states = Vec::new();
        let state = |choose: &mut dyn FnMut(usize, usize) -> usize| -> State {
            let lines = options.iter().enumerate();
            let lines = lines.map(|(i, (line, list))| (*line, list[choose(i, list.len())]));
            lines.collect()
        };
        match count.filter(|&count| count <= limits.all) {
            Some(count) => {
                for mut number in 0..count {
                    states.push(state(&mut |_, len| {
                        let choice = number % len as u64;
                        number /= len as u64;
                        choice as usize
                    }));
                }
            }
            None => {
                states.push(state(&mut |_, _| 0));
                states.push(state(&mut |_, len| len - 1));
                for odd in spread(options.len(), limits.sampled) {
                    states.push(state(&mut |i, len| if i == odd { len - 1 } else { 0 }));
                    states.push(state(&mut |i, len| if i == odd { 0 } else { len - 1 }));
                }
                for _ in 0..limits.sampled {
                    states.push(state(&mut |_, len| rng.below(len as u64) as usize));
                }
            }
        }
        if !options.is_empty() {
            for _ in 0..limits.torn {
                states.push(torn(&options, rng));
            }
        }
        states
    }
}

/// Up to `most` of `count` indexes, the first and the last among them.
fn spread(count: usize, most: u64) -> impl Iterator<Item = usize> {
    let step = count.div_ceil(most.max(1) as usize).max(1);
    (0..count)
        .step_by(step)
        .chain((step > 1).then_some(count - 1))
}

fn torn(options: &[(u64, Vec<Line>)], rng: &mut Rng) -> State {
    let lines = options.iter().map(|(line, list)| {
        let mut mixed = list[0];
        for word in (0..64).step_by(8) {
            let from = &list[rng.below(list.len() as u64) as usize];
            mixed[word..word + 8].copy_from_slice(&from[word..word + 8]);
        }
        (*line, mixed)
    });
    lines.collect()
}
