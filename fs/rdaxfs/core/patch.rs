// SPDX-License-Identifier: GPL-2.0

//! Stores to a volume that is not mounted, made to happen as a whole by its journal.

use crate::{
    env::Vec,
    journal::{
        push_store,
        store_list, //
    },
    medium::{
        Clean,
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    Layout,
    SlotHead,
    SLOT_HEAD,
    SLOT_SIZE, //
};

/// A list of stores that are to happen as a whole.
#[derive(Default)]
pub struct Patch {
    payload: Vec<u8>,
}

impl Patch {
    /// Makes an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a store of `data` at byte `at`. Fails with [`Error::TooBig`] if a journal slot has no
    /// room for it, and with [`Error::Invalid`] if no transaction may store there; the list is what
    /// it was then.
    pub fn store(&mut self, layout: &Layout, at: u64, data: &[u8]) -> Result {
        push_store(&mut self.payload, layout, at, data)
    }
}

/// Makes each of `patches` happen as a whole. What several of them store to must not overlap.
///
/// As many as there are free journal slots take four fences together. A power cut leaves any of
/// those done and the others not; recovery finishes those that are in the journal. Patches for
/// which no slot is left are begun when all before them are done. Fails with [`Error::NoSpace`] if
/// no slot is free: none but free slots are used.
pub fn apply_patches(medium: &impl Medium, layout: &Layout, patches: &[Patch]) -> Result {
    if patches.is_empty() {
        return Ok(());
    }
    let slots = free_slots(medium, layout)?;
    if slots.is_empty() {
        return Err(Error::NoSpace);
    }
    for some in patches.chunks(slots.len()) {
        apply_together(medium, &slots, some)?;
    }
    Ok(())
}

/// Returns the bytes where the slots begin that can be read and are free.
fn free_slots(medium: &impl Medium, layout: &Layout) -> Result<Vec<u64>> {
    let mut free = Vec::new();
    let mut slot = Vec::filled(SLOT_SIZE, 0u8)?;
    for at in (0..layout.slots).map(|number| layout.slot_at(number)) {
        if medium.load(at, &mut slot).is_ok() && SlotHead::decode(&slot) == Ok(None) {
            free.push(at)?;
        }
    }
    Ok(free)
}

/// The steps of the journal, each for all of `patches` before the next.
fn apply_together(medium: &impl Medium, slots: &[u64], patches: &[Patch]) -> Result {
    let numbered = || (1u64..).zip(slots.iter().zip(patches));
    let mut listed = Stored::none();
    for (sequence, (&at, patch)) in numbered() {
        let head = SlotHead::new(sequence, &patch.payload);
        let payload_at = at.saturating_add(SLOT_HEAD as u64);
        listed = listed
            .and(Stored::write(medium, payload_at, &patch.payload)?)
            .and(Stored::write(medium, at, head.bytes())?);
    }
    let committed = commit(medium, numbered(), listed.fence(medium)?)?;
    let applied = apply(medium, patches, committed)?;
    release(medium, slots.iter().take(patches.len()), applied)
}

/// Step 2.
fn commit<'a>(
    medium: &impl Medium,
    numbered: impl Iterator<Item = (u64, (&'a u64, &'a Patch))>,
    _listed: Stored<Clean>,
) -> Result<Stored<Clean>> {
    let mut stored = Stored::none();
    for (sequence, (&at, _)) in numbered {
        stored = stored.and(Stored::write(medium, at, &sequence.to_le_bytes())?);
    }
    stored.fence(medium)
}

/// Step 3.
fn apply(
    medium: &impl Medium,
    patches: &[Patch],
    _committed: Stored<Clean>,
) -> Result<Stored<Clean>> {
    let mut stored = Stored::none();
    for patch in patches {
        stored = stored.and(store_list(medium, &patch.payload)?);
    }
    stored.fence(medium)
}

/// Step 4.
fn release<'a>(
    medium: &impl Medium,
    slots: impl Iterator<Item = &'a u64>,
    _applied: Stored<Clean>,
) -> Result {
    let mut stored = Stored::none();
    for &at in slots {
        stored = stored.and(Stored::write(medium, at, &[0; 8])?);
    }
    stored.fence(medium).map(drop)
}
