// SPDX-License-Identifier: GPL-2.0

//! Derives what each operation of a trace may leave from what the CPU saw of the memory.

use crate::{
    common::{
        pm::Pm,
        tree::{
            walk,
            Tree, //
        }, //
    },
    oracle::Open,
    shown::compare,
    trace::{
        Class,
        Event,
        How,
        Op,
        Trace, //
    }, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    MountOptions,
    Recovery,
    Volume, //
};

/// An operation and what it may leave.
pub struct Expected<'a> {
    pub op: &'a Op,
    /// The events since the operation before, which belong to none.
    pub before: &'a [Event],
    pub events: &'a [Event],
    /// The trees that may be seen during it, oldest first; the last one after it.
    pub trees: Vec<Tree>,
    /// The ranges that may be old in them, during the operation and after it.
    pub open: Vec<Open>,
    pub open_after: Vec<Open>,
    /// The fault that the CPU saw already.
    pub wrong: Option<String>,
}

fn options() -> MountOptions {
    MountOptions {
        shards: 1,
        now: DiskTime::new(1, 0),
        ..MountOptions::default()
    }
}

/// Mounts `pm` as recovery does and reads all of it.
pub fn recover(pm: &Pm) -> Result<(Tree, Recovery), String> {
    let volume =
        Volume::mount(pm.clone(), &options()).map_err(|error| format!("mount: {error:?}"))?;
    Ok((walk(&volume)?, volume.recovery()))
}

/// As [`recover`], leaving `pm` as it was.
pub fn look(pm: &Pm) -> Result<(Tree, Recovery), String> {
    let mark = pm.mark();
    let found = recover(pm);
    pm.rollback(mark);
    pm.forget();
    found
}

/// Lists what each operation may leave. `last` is what the memory held at the end: none of its stores may
/// be missing in the trace.
pub fn expect<'a>(
    image: Vec<u8>,
    last: &[u8],
    trace: &'a Trace,
) -> Result<Vec<Expected<'a>>, String> {
    let seen = Pm::new(image);
    let mut all = Vec::new();
    let mut lazy = Vec::new();
    let mut events = &trace.events[..];
    while let Some(at) = events.iter().position(|e| matches!(e, Event::Begin(_))) {
        let (before, rest) = events.split_at(at);
        let Some((Event::Begin(op), rest)) = rest.split_first() else {
            return Err("no operation".into());
        };
        let end = rest.iter().position(|event| matches!(event, Event::Done));
        let (own, rest) = rest.split_at(end.ok_or_else(|| format!("'{}' has no end", op.name))?);
        events = &rest[1..];
        before.iter().for_each(|event| store(&seen, event));
        let expected = operation(&seen, op, before, own, lazy)
            .map_err(|why| format!("'{}', as it was stored: {why}", op.name))?;
        lazy = expected.open_after.clone();
        all.push(expected);
    }
    events.iter().for_each(|event| store(&seen, event));
    let traced = seen.image();
    match (0..traced.len()).find(|&at| last.get(at) != traced.get(at)) {
        None => Ok(all),
        Some(at) => Err(format!("the trace lacks a store to byte {at:#x}")),
    }
}

fn store(seen: &Pm, event: &Event) {
    if let Event::Store { at, data, .. } = event {
        seen.put(*at, data);
    }
}

fn operation<'a>(
    seen: &Pm,
    op: &'a Op,
    before: &'a [Event],
    events: &'a [Event],
    lazy: Vec<Open>,
) -> Result<Expected<'a>, String> {
    let trees = trees(seen, events)?;
    let mut open = lazy.clone();
    let part = op.part.as_ref();
    if let Some(part) = part.filter(|part| part.how != How::Synced) {
        let file = trees[0].get(&part.path);
        open.push(Open {
            part: part.clone(),
            old: file.map(|file| file.data.clone()).unwrap_or_default(),
        });
    }
    let mut open_after = lazy;
    match part {
        Some(part) if part.how == How::Lazy => open_after.clone_from(&open),
        Some(part) if part.how == How::Synced => open_after.retain(|open| {
            let is_it = open.part.path == part.path && open.part.range == part.range;
            !is_it
        }),
        _ => {}
    }
    let shown = compare(events, &trees[trees.len() - 1]);
    let wrong = check_class(op, &trees).and(shown).err();
    Ok(Expected {
        op,
        before,
        events,
        trees,
        open,
        open_after,
        wrong,
    })
}

/// Collects what the CPU saw at each fence of an operation.
fn trees(seen: &Pm, events: &[Event]) -> Result<Vec<Tree>, String> {
    let mut trees = vec![look(seen)?.0];
    let mut changed = false;
    for event in events.iter().map(Some).chain([None]) {
        if let Some(event @ Event::Store { .. }) = event {
            store(seen, event);
            changed = true;
        } else if matches!(event, Some(Event::Fence { .. }) | None) && changed {
            let (tree, _) = look(seen)?;
            if trees.last() != Some(&tree) {
                trees.push(tree);
            }
            changed = false;
        }
    }
    Ok(trees)
}

/// Checks that an operation did what it is said to do.
fn check_class(op: &Op, trees: &[Tree]) -> Result<(), String> {
    match (op.class, trees.len()) {
        (Class::Atomic, 1) => Err("it changed nothing".into()),
        (Class::Same, 2..) => Err("it changed something".into()),
        // Data in place is stored step by step.
        (Class::Atomic, 3..) if op.part.is_none() => {
            Err(format!("it has {} steps that can be seen", trees.len() - 1))
        }
        _ => Ok(()),
    }
}
