// SPDX-License-Identifier: GPL-2.0

//! Builds what a power cut can leave at each fence of a script, recovers it, and looks at it.

use super::{
    pm::{
        Event,
        Kind,
        Pm, //
    },
    rng::Rng,
    script::{
        look,
        options,
        Script,
        Step, //
    },
    states::{
        Limits,
        Pendings,
        State, //
    },
    tree::{
        check,
        is_one_of,
        walk,
        Loose,
        Tree, //
    }, //
};
use rdaxfs_core::Volume;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub fences: u64,
    pub states: u64,
    /// Those of them where a transaction was done again or an inode freed.
    pub recoveries: u64,
    /// States of recoveries that were cut off themselves.
    pub nested: u64,
}

/// How thorough to be.
#[derive(Clone, Copy)]
pub struct Effort {
    pub limits: Limits,
    /// Recoveries of each step that are cut off themselves.
    pub nested: u64,
    pub nested_limits: Limits,
}

/// Follows a script with power cuts.
pub struct Verifier {
    disk: Pm,
    pendings: Pendings,
    tree: Tree,
    effort: Effort,
    rng: Rng,
    pub counts: Counts,
}

/// What is allowed to be seen.
struct Allowed<'a> {
    pre: &'a Tree,
    post: &'a Tree,
    loose: &'a Loose,
}

impl Verifier {
    pub fn new(script: &Script, effort: Effort, seed: u64) -> Self {
        Self {
            disk: Pm::new(script.image.clone()),
            pendings: Pendings::default(),
            tree: script.tree.clone(),
            effort,
            rng: Rng(seed),
            counts: Counts::default(),
        }
    }

    /// Follows `step`, with power cuts before each fence and at its end.
    pub fn step(&mut self, step: &Step, events: &[Event]) -> Result<(), String> {
        let pre = std::mem::replace(&mut self.tree, step.post.clone());
        let allowed = Allowed {
            pre: &pre,
            post: &step.post,
            loose: &step.loose,
        };
        let mut nested = self.effort.nested;
        let mut fence = 0;
        for event in events {
            if matches!(event.kind, Kind::Fence) {
                self.cut(&allowed, &mut nested)
                    .map_err(|why| format!("{}, fence {fence}: {why}", step.name))?;
                fence += 1;
            }
            self.pendings.follow(&self.disk, event);
        }
        let post = Allowed {
            pre: &step.post,
            post: &step.post,
            loose: &None,
        };
        self.cut(&post, &mut nested)
            .map_err(|why| format!("{}, at its end: {why}", step.name))
    }

    /// As [`step`](Self::step), but without power cuts.
    pub fn pass(&mut self, step: &Step) {
        self.tree = step.post.clone();
        for event in &step.events {
            self.pendings.follow(&self.disk, event);
        }
    }

    /// Calls `f`, and forgets what it did to the volume.
    pub fn attempt<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let (pendings, tree) = (self.pendings.clone(), self.tree.clone());
        let mark = self.disk.mark();
        let result = f(self);
        self.disk.rollback(mark);
        (self.pendings, self.tree) = (pendings, tree);
        result
    }

    /// Lets the power go, in all ways.
    fn cut(&mut self, allowed: &Allowed<'_>, nested: &mut u64) -> Result<(), String> {
        self.counts.fences += 1;
        let states = self
            .pendings
            .states(&self.disk, &self.effort.limits, &mut self.rng);
        for (number, state) in states.iter().enumerate() {
            let mark = self.disk.mark();
            let looked = self.look_at(state, allowed, nested);
            self.disk.rollback(mark);
            looked.map_err(|why| format!("state {number} of {}: {why}", states.len()))?;
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        state: &State,
        allowed: &Allowed<'_>,
        nested: &mut u64,
    ) -> Result<(), String> {
        self.counts.states += 1;
        for (line, bytes) in state {
            self.disk.put(line * 64, bytes);
        }
        if self.counts.states % 4 == 0 {
            check(&self.disk)?;
        }
        let mark = self.disk.mark();
        self.disk.record();
        let mounted = Volume::mount(self.disk.clone(), &options());
        let events = self.disk.recorded();
        let volume = mounted.map_err(|error| format!("mount: {error:?}"))?;
        let tree = walk(&volume)?;
        if !is_one_of(&tree, allowed.pre, allowed.post, allowed.loose) {
            return Err(difference(&tree, allowed));
        }
        check(&self.disk).map_err(|why| format!("recovered: {why}"))?;
        let recovery = volume.recovery();
        if recovery.transactions != 0 || recovery.orphans != 0 {
            self.counts.recoveries += 1;
            if *nested > 0 {
                *nested -= 1;
                self.disk.rollback(mark);
                return self.cut_recovery(&events, &tree);
            }
        }
        Ok(())
    }

    /// Lets the power go again while recovery does `events`.
    fn cut_recovery(&mut self, events: &[Event], tree: &Tree) -> Result<(), String> {
        let mut pendings = Pendings::default();
        for event in events {
            if matches!(event.kind, Kind::Fence) {
                let limits = self.effort.nested_limits;
                for state in pendings.states(&self.disk, &limits, &mut self.rng) {
                    self.counts.nested += 1;
                    let mark = self.disk.mark();
                    for (line, bytes) in &state {
                        self.disk.put(line * 64, bytes);
                    }
                    let looked = look(&self.disk);
                    self.disk.rollback(mark);
                    if looked.map_err(|why| format!("recovery cut off: {why}"))? != *tree {
                        return Err("recovery cut off came to something else".into());
                    }
                }
            }
            pendings.follow(&self.disk, event);
        }
        Ok(())
    }
}

fn difference(tree: &Tree, allowed: &Allowed<'_>) -> String {
    let mut text = String::from("neither what was before nor what is after:");
    for (name, other) in [("before", allowed.pre), ("after", allowed.post)] {
        let paths: std::collections::BTreeSet<_> = tree.keys().chain(other.keys()).collect();
        for path in paths {
            let (a, b) = (tree.get(path), other.get(path));
            if a != b {
                let show = |file: Option<&super::tree::File>| match file {
                    None => "none".to_string(),
                    Some(file) => {
                        let mut file = file.clone();
                        file.data.truncate(16);
                        format!("{file:?}")
                    }
                };
                text += &format!("\n  '{path}' is {}\n    {name}: {}", show(a), show(b));
            }
        }
    }
    text
}
