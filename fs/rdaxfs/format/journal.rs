// SPDX-License-Identifier: GPL-2.0

//! Journal slots: each holds at most one transaction, a list of stores to be done again.

use crate::{
    crc32c,
    ensure_eq,
    Bad,
    Result, //
};
use zerocopy::{
    little_endian::{
        U32,
        U64, //
    },
    FromBytes as _,
    IntoBytes as _, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

/// Bytes of a slot.
pub const SLOT_SIZE: usize = 8192;
/// Bytes of a slot's head.
pub const SLOT_HEAD: usize = 64;
/// Bytes that a transaction can take.
pub const SLOT_PAYLOAD: usize = SLOT_SIZE - SLOT_HEAD;
/// Bytes of an entry before its data.
pub const ENTRY_HEAD: usize = 16;

/// What a slot begins with.
///
/// `commit` is stored last, on its own: 0 is a free slot, anything else is the number of the
/// transaction that the slot holds.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SlotHead {
    commit: U64,
    sequence: U64,
    len: U32,
    crc: U32,
    reserved: [u8; 40],
}

const _: () = assert!(size_of::<SlotHead>() == SLOT_HEAD);

impl SlotHead {
    /// The head, not yet committed, of transaction `sequence` with `payload`.
    pub fn new(sequence: u64, payload: &[u8]) -> Self {
        Self {
            commit: U64::ZERO,
            sequence: U64::new(sequence),
            len: U32::new(payload.len() as u32),
            crc: U32::new(checksum(sequence, payload)),
            reserved: [0; 40],
        }
    }

    /// The bytes for the medium.
    pub fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    /// Decodes a slot and gives the number and payload of its transaction, if it holds one.
    pub fn decode(slot: &[u8]) -> Result<Option<(u64, &[u8])>> {
        let (head, rest) =
            Self::read_from_prefix(slot).map_err(|_| Bad::new("journal slot is short"))?;
        let sequence = head.commit.get();
        if sequence == 0 {
            return Ok(None);
        }
        ensure_eq(
            head.sequence.get(),
            sequence,
            "journal slot has two numbers:",
        )?;
        let payload = usize::try_from(head.len.get())
            .ok()
            .and_then(|len| rest.get(..len));
        let payload = payload.ok_or(Bad::new("transaction is longer than its slot"))?;
        ensure_eq(
            head.crc.get(),
            checksum(sequence, payload),
            "transaction has a bad checksum",
        )?;
        Ok(Some((sequence, payload)))
    }
}

fn checksum(sequence: u64, payload: &[u8]) -> u32 {
    let crc = crc32c(0, &sequence.to_le_bytes());
    crc32c(crc, payload)
}

/// What each store in a transaction begins with; the data follows, padded to 8 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EntryHead {
    at: U64,
    len: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<EntryHead>() == ENTRY_HEAD);

impl EntryHead {
    /// A store of `len` bytes at byte `at` of the volume.
    pub fn new(at: u64, len: usize) -> Self {
        Self {
            at: U64::new(at),
            len: U32::new(len as u32),
            reserved: U32::ZERO,
        }
    }

    /// The bytes for the medium.
    pub fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    /// Takes the first store off `payload`: where, the data, and what is left.
    pub fn split(payload: &[u8]) -> Result<(u64, &[u8], &[u8])> {
        let (head, rest) =
            Self::read_from_prefix(payload).map_err(|_| Bad::new("journal entry is short"))?;
        let len = usize::try_from(head.len.get()).unwrap_or(usize::MAX);
        let data = rest
            .get(..len)
            .ok_or(Bad::new("journal entry is too long"))?;
        let rest = rest.get(len.next_multiple_of(8)..);
        Ok((
            head.at.get(),
            data,
            rest.ok_or(Bad::new("journal entry is cut off"))?,
        ))
    }
}
