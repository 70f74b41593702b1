// SPDX-License-Identifier: GPL-2.0

//! What a volume is like.

use crate::{
    dump,
    look::look,
    on_medium, //
};
use anyhow::Result;
use rdaxfs_core::{
    format_types::BLOCK_SIZE,
    load_super, //
};
use rdaxfs_progs::{
    alignment,
    device_of,
    human,
    label_of,
    mount_of,
    uuid_of, //
};
use serde_json::{
    json,
    Value, //
};
use std::path::Path;

/// Tells what the volume on, or at, `target` is like.
pub(crate) fn info(target: &Path) -> Result<Value> {
    let device = match target.is_dir() {
        true => device_of(target)?,
        false => target.to_owned(),
    };
    let (sb, volume) = look(&device, |medium| {
        let sb = on_medium(&device, load_super(medium))?;
        // A corrupt volume still has a superblock to show.
        let volume = dump::mount(&device, medium).ok();
        let volume = volume.map(|volume| (volume.usage(), volume.recovery()));
        let sane = volume.is_some();
        Ok(((sb, volume), sane))
    })?;
    let layout = sb.layout();
    let mount = mount_of(&device)?;
    let mut value = json!({
        "device": device.display().to_string(),
        "uuid": uuid_of(&sb),
        "label": label_of(&sb),
        "state": format!("{:?}", sb.state()).to_lowercase(),
        "mounted_on": mount.map(|mount| mount.path),
        "mounts": sb.mounts.get(),
        "size": layout.bytes(),
        "size_text": human(layout.bytes()),
        "created": sb.created.sec(),
        "last_mounted": sb.mounted.sec(),
        "last_checked": sb.checked.sec(),
        "journal_slots": layout.slots,
    });
    if let Ok(found) = alignment(&device) {
        value["aligned_2m"] = json!(found.is_aligned_to(2 << 20));
        value["aligned_1g"] = json!(found.is_aligned_to(1 << 30));
    }
    if let Some((usage, recovery)) = volume {
        value["blocks"] = json!(usage.blocks);
        value["free_blocks"] = json!(usage.free);
        value["free_text"] = json!(human(usage.free.saturating_mul(BLOCK_SIZE)));
        value["free_huge_pages"] = json!(usage.huge_free);
        value["inodes"] = json!(usage.inodes);
        value["pending_transactions"] = json!(recovery.transactions);
    }
    Ok(value)
}
