// SPDX-License-Identifier: GPL-2.0

//! The journal slots.

use crate::report::{
    Fix,
    Kind,
    Problem,
    Report, //
};
use rdaxfs_core::{
    check_stores,
    format_types::{
        Layout,
        SlotHead,
        BLOCK_SIZE,
        SLOT_SIZE, //
    },
    recover_journal,
    Error,
    Medium,
    Result, //
};

/// Checks all slots. Returns how many transactions are to be replayed.
pub(crate) fn check(medium: &impl Medium, layout: &Layout, report: &mut Report) -> u64 {
    let mut bytes = vec![0; SLOT_SIZE];
    let mut pending = 0;
    for slot in 0..layout.slots {
        let at = layout.slot_at(slot);
        let bad = |kind, text: &str| {
            Problem::new(kind, format!("journal slot {slot}: {text}"))
                .at(at / BLOCK_SIZE)
                .fix(Fix::ClearSlot(slot))
        };
        if medium.load(at, &mut bytes).is_err() {
            report.add(bad(Kind::Io, "cannot be read"));
            continue;
        }
        match SlotHead::decode(&bytes) {
            Ok(None) => {}
            Ok(Some((sequence, payload))) => match check_stores(layout, payload) {
                Ok(stores) => {
                    pending += 1;
                    let text = format!(
                        "journal slot {slot}: transaction {sequence} with {stores} stores is to \
                         be replayed"
                    );
                    let problem = Problem::new(Kind::PendingTransaction, text);
                    report.add(problem.at(at / BLOCK_SIZE).fix(Fix::Recover));
                }
                Err(error) => report.add(bad(Kind::BadSlot, &why(error))),
            },
            Err(why) => report.add(bad(Kind::BadSlot, why.what)),
        }
    }
    pending
}

fn why(error: Error) -> String {
    match error {
        Error::Corrupt(corrupt) => corrupt.to_string(),
        other => format!("{other:?}"),
    }
}

/// Replays the transactions that check out.
pub(crate) fn replay(medium: &impl Medium, layout: &Layout, report: &Report) -> Result {
    for problem in &report.problems {
        for fix in &problem.fixes {
            if let Fix::ClearSlot(slot) = fix {
                clear(medium, layout, *slot)?;
            }
        }
    }
    recover_journal(medium, layout).map(drop)
}

/// Frees a slot: the commit word alone says whether it is.
pub(crate) fn clear(medium: &impl Medium, layout: &Layout, slot: u64) -> Result {
    let at = layout.slot_at(slot);
    if medium.store(at, &[0; 8]).is_ok() {
        medium.flush(at, 8)?;
        medium.fence()?;
    }
    // A poisoned one takes stores of whole blocks only.
    medium.zero(at, SLOT_SIZE as u64)?;
    medium.flush(at, SLOT_SIZE as u64)?;
    medium.fence()
}
