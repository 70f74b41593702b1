// SPDX-License-Identifier: GPL-2.0

//! The journal: transactions that happen as a whole.
//!
//! A transaction is a list of stores. Its way to the medium, each step fenced from the next:
//!
//! 1. the list goes to a free journal slot,
//! 2. the slot's commit word says that it is there: now the transaction has happened,
//! 3. the stores go to their places,
//! 4. the commit word says that the slot is free.
//!
//! A transaction that overlaps with an earlier one begins after step 4 of that: both are made under
//! the lock of the inode, directory or inode map group that they change. So the transactions that
//! recovery finds do not depend on each other.

use crate::{
    env::{
        Atomic,
        Guard,
        Lock,
        LockClass,
        Vec, //
    },
    error::Locate,
    medium::{
        check_range,
        Clean,
        InFlight,
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    DiskInode,
    EntryHead,
    Layout,
    SlotHead,
    BLOCK_SIZE,
    ENTRY_HEAD,
    SLOT_HEAD,
    SLOT_PAYLOAD,
    SLOT_SIZE, //
};

/// The slots of a volume.
pub(crate) struct Journal {
    layout: Layout,
    slots: Vec<Lock<Vec<u8>>>,
    sequence: Atomic,
    /// How many transactions have happened.
    committed: Atomic,
    /// A transaction was interrupted by an error: what is on the medium only recovery can tell.
    broken: Atomic,
}

impl Journal {
    /// The journal of a volume whose slots are all free.
    pub(crate) fn new(layout: Layout) -> Result<Self> {
        let mut slots = Vec::new();
        for _ in 0..layout.slots {
            slots.push(Lock::new(Vec::new(), LockClass::Slot)?)?;
        }
        Ok(Self {
            layout,
            slots,
            sequence: Atomic::new(1),
            committed: Atomic::new(0),
            broken: Atomic::new(0),
        })
    }

    /// Whether the medium failed in the middle of a transaction.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get() != 0
    }

    /// How many transactions have happened since the volume was mounted.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.get()
    }

    /// Begins a transaction; waits for a free slot.
    pub(crate) fn begin<'j, M: Medium>(&'j self, medium: &'j M) -> Result<Tx<'j, M>> {
        if self.is_broken() {
            return Err(Error::Shutdown);
        }
        let sequence = self.sequence.add(1);
        let (slot, mut payload) = self.take_slot(sequence).ok_or(Error::Invalid)?;
        payload.clear();
        payload.reserve(SLOT_PAYLOAD)?;
        Ok(Tx {
            journal: self,
            medium,
            slot,
            sequence,
            payload,
            before: Stored::none(),
        })
    }

    fn take_slot(&self, hint: u64) -> Option<(u64, Guard<'_, Vec<u8>>)> {
        let count = self.slots.len() as u64;
        for step in 0..count {
            let slot = hint.wrapping_add(step).checked_rem(count)?;
            if let Some(guard) = self.slots.get(slot as usize)?.try_lock() {
                return Some((slot, guard));
            }
        }
        let slot = hint.checked_rem(count)?;
        Some((slot, self.slots.get(slot as usize)?.lock()))
    }
}

/// A transaction that has not happened yet. Dropped, it never does.
pub(crate) struct Tx<'j, M: Medium> {
    journal: &'j Journal,
    medium: &'j M,
    slot: u64,
    sequence: u64,
    payload: Guard<'j, Vec<u8>>,
    before: Stored<InFlight>,
}

impl<M: Medium> Tx<'_, M> {
    /// Adds a store of `data` at byte `at`.
    pub(crate) fn store(&mut self, at: u64, data: &[u8]) -> Result {
        push_store(&mut self.payload, &self.journal.layout, at, data)
    }

    /// Adds a store of `inode`.
    pub(crate) fn inode(&mut self, inode: &mut DiskInode) -> Result {
        let at = self.journal.layout.inode_at(inode.ino.get());
        self.store(at, inode.encode())
    }

    /// What must be on the medium before the transaction happens: blocks that it publishes.
    pub(crate) fn after(&mut self, stored: Stored<InFlight>) {
        let before = core::mem::replace(&mut self.before, Stored::none());
        self.before = before.and(stored);
    }

    /// Makes it happen. If that fails before the commit word was stored, it did not happen; later,
    /// the journal is broken.
    pub(crate) fn commit(self) -> Result {
        let medium = self.medium;
        let at = self.journal.layout.slot_at(self.slot);
        let head = SlotHead::new(self.sequence, &self.payload);
        let listed = Stored::write(medium, at.saturating_add(SLOT_HEAD as u64), &self.payload)?
            .and(Stored::write(medium, at, head.bytes())?)
            .and(self.before)
            .fence(medium)?;
        let done = commit(medium, at, self.sequence, listed)
            .and_then(|committed| apply(medium, &self.payload, committed))
            .and_then(|applied| release(medium, at, applied));
        match done {
            Ok(_) => drop(self.journal.committed.add(1)),
            Err(_) => self.journal.broken.set(1),
        }
        done.map(drop)
    }
}

/// Adds a store of `data` at byte `at` of the volume to a list. Fails with [`Error::TooBig`] if a slot
/// has no room for it, and with [`Error::Invalid`] if no transaction may store there.
pub(crate) fn push_store(payload: &mut Vec<u8>, layout: &Layout, at: u64, data: &[u8]) -> Result {
    let len = data.len();
    if !is_target(layout, at, len) {
        return Err(Error::Invalid);
    }
    let padding = len.next_multiple_of(8).saturating_sub(len);
    let needs = ENTRY_HEAD.saturating_add(len).saturating_add(padding);
    if needs > SLOT_PAYLOAD.saturating_sub(payload.len()) {
        return Err(Error::TooBig);
    }
    payload.extend(EntryHead::new(at, len).bytes())?;
    payload.extend(data)?;
    payload.extend([0; 8].get(..padding).unwrap_or_default())
}

/// Step 2.
fn commit(
    medium: &impl Medium,
    slot_at: u64,
    sequence: u64,
    _listed: Stored<Clean>,
) -> Result<Stored<Clean>> {
    Stored::write(medium, slot_at, &sequence.to_le_bytes())?.fence(medium)
}

/// Step 3.
fn apply(medium: &impl Medium, payload: &[u8], _committed: Stored<Clean>) -> Result<Stored<Clean>> {
    store_list(medium, payload)?.fence(medium)
}

/// Stores what a list says to its places.
pub(crate) fn store_list(medium: &impl Medium, payload: &[u8]) -> Result<Stored<InFlight>> {
    let mut stored = Stored::none();
    let mut rest = payload;
    while !rest.is_empty() {
        let (at, data, next) = EntryHead::split(rest)?;
        check_range(medium.size(), at, data.len() as u64)?;
        stored = stored.and(Stored::write(medium, at, data)?);
        rest = next;
    }
    Ok(stored)
}

/// Step 4.
fn release(medium: &impl Medium, slot_at: u64, _applied: Stored<Clean>) -> Result<Stored<Clean>> {
    Stored::write(medium, slot_at, &[0; 8])?.fence(medium)
}

/// Checks that all stores of a transaction go to where metadata can be, which is neither a
/// superblock nor the journal, and returns how many they are.
pub fn check_stores(layout: &Layout, payload: &[u8]) -> Result<u64> {
    let mut rest = payload;
    let mut stores = 0u64;
    while !rest.is_empty() {
        let (at, data, next) = EntryHead::split(rest)?;
        if !is_target(layout, at, data.len()) {
            return Err(Error::corrupt_value(
                "transaction stores to where no metadata is: byte",
                at,
            ));
        }
        rest = next;
        stores = stores.saturating_add(1);
    }
    Ok(stores)
}

/// Returns whether a transaction may store `len` bytes at byte `at`.
fn is_target(layout: &Layout, at: u64, len: usize) -> bool {
    let last = layout.end_block().saturating_mul(BLOCK_SIZE);
    let end = at.checked_add(len as u64);
    at >= layout.imap_at(0) && end.is_some_and(|end| end <= last)
}

/// Returns the transaction in `slot`, which was read from byte `at`, if there is one and all its
/// stores may be done.
fn decode<'s>(layout: &Layout, slot: &'s [u8], at: u64) -> Result<Option<(u64, &'s [u8])>> {
    let block = at / BLOCK_SIZE;
    let found = SlotHead::decode(slot).in_block(block)?;
    if let Some((_, payload)) = found {
        check_stores(layout, payload).in_block(block)?;
    }
    Ok(found)
}

/// Does the transactions again that the slots hold, in their order, and frees the slots. Returns
/// how many there were. Idempotent: it can itself be interrupted. All of them are checked before
/// anything is stored.
#[inline(never)]
pub fn recover(medium: &impl Medium, layout: &Layout) -> Result<u64> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    let mut slot = Vec::filled(SLOT_SIZE, 0u8)?;
    for number in 0..layout.slots {
        let at = layout.slot_at(number);
        medium.load(at, &mut slot)?;
        if let Some((sequence, _)) = decode(layout, &slot, at)? {
            let place = found.partition_point(|&(other, _)| other < sequence);
            found.insert(place, (sequence, at))?;
        }
    }
    for &(_, at) in found.iter() {
        medium.load(at, &mut slot)?;
        if let Some((_, payload)) = decode(layout, &slot, at)? {
            // That it was found says that it is on the medium.
            let applied = apply(medium, payload, Stored::none().fence(medium)?)?;
            release(medium, at, applied)?;
        }
    }
    Ok(found.len() as u64)
}

/// The transactions that [`recover`] would do again: their number, and an error where a slot does
/// not check out.
pub fn pending(medium: &impl Medium, layout: &Layout) -> Result<u64> {
    let mut slot = Vec::filled(SLOT_SIZE, 0u8)?;
    let mut found = 0u64;
    for number in 0..layout.slots {
        let at = layout.slot_at(number);
        medium.load(at, &mut slot)?;
        found = found.saturating_add(decode(layout, &slot, at)?.is_some().into());
    }
    Ok(found)
}
