// SPDX-License-Identifier: GPL-2.0

//! Putting a volume in order.
//!
//! Each round checks and applies the fixes of what was found, until nothing is found any more:
//! what one fix takes away another one accounts for in the next round. Each fix stands for itself,
//! so that a repair can be cut off at any time and begun again.

mod apply;
mod batch;
mod publish;
mod reconnect;

use crate::{
    check,
    report::Severity,
    Fix,
    Kind,
    Options,
    Problem,
    Report, //
};
use batch::Batch;
use rdaxfs_core::{
    format_types::{
        DiskTime,
        State,
        SuperBlock, //
    },
    load_super,
    update_super,
    Medium,
    Result, //
};

/// A round takes problems away that the one before could not see: corrupt things within corrupt
/// things. There are only so many kinds.
const MAX_ROUNDS: usize = 32;

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// Transactions that were replayed.
    pub replayed: u64,
    /// What was found and put in order, of all rounds.
    pub fixed: Vec<Problem>,
    /// What is left, and what is on the volume.
    pub left: Report,
}

/// Repairs the volume on `medium`, as far as `allow` says yes to what is found. What a power cut
/// may have left is always dealt with. `now` is the time.
pub fn repair(
    medium: &impl Medium,
    now: DiskTime,
    mut allow: impl FnMut(&Problem) -> bool,
) -> Result<Repaired> {
    let mut done = Repaired::default();
    let options = Options { replay: false };
    let mut refused = Refused::default();
    for _ in 0..MAX_ROUNDS {
        let report = journal_first(medium, &options, &mut done, &mut allow)?;
        let sb = load_super(medium);
        // What was not replayed may be what makes the rest right.
        let (Ok(sb), 0) = (sb, report.count(Kind::PendingTransaction)) else {
            done.left = report;
            return Ok(done);
        };
        let mut report = report;
        let mut chosen = Vec::new();
        for problem in std::mem::take(&mut report.problems) {
            if !problem.repairable {
                report.problems.push(problem);
                continue;
            }
            let wanted =
                problem.severity == Severity::Note || (!refused.has(&problem) && (allow(&problem)));
            if problem.repairable && wanted {
                chosen.push(problem);
            } else {
                refused.add(&problem);
                report.problems.push(problem);
            }
        }
        let changed = round(medium, &sb, now, &mut chosen, &mut report)?;
        done.fixed.append(&mut chosen);
        done.left = report;
        if !changed {
            break;
        }
    }
    Ok(done)
}

/// Checks and, if there are transactions, replays them before anything else is looked at.
fn journal_first(
    medium: &impl Medium,
    options: &Options,
    done: &mut Repaired,
    allow: &mut impl FnMut(&Problem) -> bool,
) -> Result<Report> {
    let report = check(medium, options);
    if report.count(Kind::PendingTransaction) == 0 {
        return Ok(report);
    }
    let Ok(sb) = load_super(medium) else {
        return Ok(report);
    };
    let layout = sb.layout();
    let mut batch = Batch::new(medium, layout);
    let of_journal = |problem: &&Problem| {
        let slot = |fix: &Fix| matches!(fix, Fix::ClearSlot(_));
        problem.fixes.iter().any(slot)
    };
    let mut complete = true;
    for problem in report.problems.iter().filter(of_journal) {
        if allow(problem) {
            apply::problem(&mut batch, &sb, problem)?;
            done.fixed.push(problem.clone());
        } else {
            complete = false;
        }
    }
    batch.put()?;
    if !complete {
        return Ok(report);
    }
    done.replayed += rdaxfs_core::recover_journal(medium, &layout)?;
    Ok(check(medium, options))
}

/// Applies the fixes of one round. Whether it changed anything.
fn round(
    medium: &impl Medium,
    sb: &SuperBlock,
    now: DiskTime,
    chosen: &mut Vec<Problem>,
    report: &mut Report,
) -> Result<bool> {
    let lost = |problem: &Problem| problem.kind == Kind::Lost;
    // Lost inodes get a name once everything else is in order: that takes a volume to mount.
    let first = chosen
        .iter()
        .any(|problem| !lost(problem) && matters(problem));
    let mut batch = Batch::new(medium, sb.layout());
    for problem in chosen.iter().filter(|problem| !lost(problem)) {
        apply::problem(&mut batch, sb, problem)?;
    }
    batch.put()?;
    if first {
        chosen.retain(|problem| !lost(problem) && matters(problem));
        return Ok(true);
    }
    let inodes: Vec<u64> = chosen
        .iter()
        .filter(|problem| lost(problem))
        .filter_map(|problem| problem.inode)
        .collect();
    let mut changed = false;
    if !inodes.is_empty() && report.is_consistent() {
        changed = reconnect::all(medium, sb, now, &inodes).is_ok();
    }
    if !changed {
        let (left, fixed) = std::mem::take(chosen).into_iter().partition(lost);
        *chosen = fixed;
        report.problems.extend::<Vec<Problem>>(left);
        finish(medium, now, report.is_consistent())?;
    }
    Ok(changed)
}

/// Whether there has to be another round after it was put in order. The end of the repair takes
/// the marks off.
fn matters(problem: &Problem) -> bool {
    !matches!(
        problem.kind,
        Kind::NotUnmounted | Kind::StaleSuper | Kind::MarkedBad
    )
}

/// Says on the medium that the volume was checked.
fn finish(medium: &impl Medium, now: DiskTime, consistent: bool) -> Result {
    let state = match consistent {
        true => State::Clean,
        false => State::Errors,
    };
    let changed = update_super(medium, |sb| {
        sb.set_state(state);
        sb.checked = now;
    });
    changed.map(drop)
}

/// What the user did not want to be put in order, so that he is asked once.
#[derive(Default)]
struct Refused(std::collections::HashSet<String>);

impl Refused {
    fn has(&self, problem: &Problem) -> bool {
        self.0.contains(&problem.to_string())
    }

    fn add(&mut self, problem: &Problem) {
        self.0.insert(problem.to_string());
    }
}
