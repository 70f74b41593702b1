// SPDX-License-Identifier: GPL-2.0

//! What a volume is like.

use crate::{
    dump,
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
    uuid_of,
    FileMedium, //
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
    let medium = FileMedium::open(&device)?;
    let sb = on_medium(&device, load_super(&medium))?;
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
    // A corrupt volume still has a superblock to show.
    if let Ok(volume) = dump::mount(&device, &medium) {
        let usage = volume.usage();
        value["blocks"] = json!(usage.blocks);
        value["free_blocks"] = json!(usage.free);
        value["free_text"] = json!(human(usage.free.saturating_mul(BLOCK_SIZE)));
        value["free_huge_pages"] = json!(usage.huge_free);
        value["inodes"] = json!(usage.inodes);
        value["pending_transactions"] = json!(volume.recovery().transactions);
    }
    Ok(value)
}
