// SPDX-License-Identifier: GPL-2.0

//! The journal slots.

use crate::report::{
    Fix,
    Kind,
    Problem,
    Report, //
};
use rdaxfs_core::{
    format_types::{
        EntryHead,
        Layout,
        SlotHead,
        BLOCK_SIZE,
        SLOT_SIZE, //
    },
    recover_journal,
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
                Err(why) => report.add(bad(Kind::BadSlot, why)),
            },
            Err(why) => report.add(bad(Kind::BadSlot, why.what)),
        }
    }
    pending
}

/// Checks that all stores of a transaction go to where metadata can be, and counts them.
fn check_stores(layout: &Layout, payload: &[u8]) -> std::result::Result<u64, &'static str> {
    let mut rest = payload;
    let mut stores = 0;
    let first = layout.imap_at(0);
    let end = layout.end_block().saturating_mul(BLOCK_SIZE);
    while !rest.is_empty() {
        let (at, data, next) = EntryHead::split(rest).map_err(|bad| bad.what)?;
        let last = at.checked_add(data.len() as u64);
        if at < first || last.is_none_or(|last| last > end) {
            return Err("transaction stores to where no metadata is");
        }
        rest = next;
        stores += 1;
    }
    Ok(stores)
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

/// Frees a slot.
pub(crate) fn clear(medium: &impl Medium, layout: &Layout, slot: u64) -> Result {
    let at = layout.slot_at(slot);
    medium.zero(at, SLOT_SIZE as u64)?;
    medium.flush(at, SLOT_SIZE as u64)?;
    medium.fence()
}
