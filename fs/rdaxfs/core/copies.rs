// SPDX-License-Identifier: GPL-2.0

//! The two copies of the superblock.
//!
//! One of them is good at every instant: a copy is stored only while the other one is good and
//! durable, or while it is not good itself. So a store begins with the copy that is not good, or
//! with the older one.

use crate::{
    medium::{
        Medium,
        Stored, //
    },
    Error,
    Result, //
};
use rdaxfs_format::{
    Layout,
    SuperBlock,
    BLOCK_SIZE,
    SUPER_SIZE, //
};

/// Stores both copies of the superblock, the second one when the first is durable. A place that is
/// poisoned for good is left out if it is not both.
pub(crate) fn store_super(medium: &impl Medium, layout: &Layout, sb: &mut SuperBlock) -> Result {
    let last = layout.end_block().saturating_mul(BLOCK_SIZE);
    let order = match keeps_first(medium, last, sb) {
        true => [last, 0],
        false => [0, last],
    };
    let mut done = Err(Error::Poison);
    for at in order {
        match medium.heal(at, BLOCK_SIZE) {
            Err(Error::Poison) => continue,
            healed => healed?,
        }
        Stored::write(medium, at, sb.encode())?.fence(medium)?;
        done = Ok(());
    }
    done
}

/// Returns whether the first copy is the one to keep until the second one is stored.
#[inline(never)]
fn keeps_first(medium: &impl Medium, last: u64, sb: &SuperBlock) -> bool {
    let mut bytes = [0; SUPER_SIZE];
    let mut good = |at: u64| {
        medium.load(at, &mut bytes).ok()?;
        let found = SuperBlock::decode(&bytes).ok()?;
        (found.uuid == sb.uuid && found.layout() == sb.layout()).then_some(found.serial.get())
    };
    match (good(0), good(last)) {
        (Some(first), Some(second)) => SuperBlock::is_newer(first, second),
        (first, _) => first.is_some(),
    }
}

/// Changes the superblock of a volume that is not mounted, and returns it as it is then.
///
/// Its serial number grows. After a power cut the superblock is as it was or as it is to be.
#[cfg(not(CONFIG_RUST))]
pub fn update_super(
    medium: &impl Medium,
    change: impl FnOnce(&mut SuperBlock),
) -> Result<SuperBlock> {
    let mut sb = crate::load_super(medium)?;
    let layout = sb.layout();
    change(&mut sb);
    sb.serial.set(sb.serial.get().wrapping_add(1));
    store_super(medium, &layout, &mut sb)?;
    Ok(sb)
}

/// Makes both copies of the superblock of a volume that is not mounted `sb`, which is the newer one
/// of them, or is newer than both.
#[cfg(not(CONFIG_RUST))]
pub fn restore_super(medium: &impl Medium, sb: &SuperBlock) -> Result {
    let mut sb = *sb;
    let layout = sb.layout();
    store_super(medium, &layout, &mut sb)
}
