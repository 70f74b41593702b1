// SPDX-License-Identifier: GPL-2.0

//! Structures on the medium.

use crate::{
    look::{
        look,
        Read, //
    },
    on_medium, //
};
use anyhow::Result;
use clap::Subcommand;
use rdaxfs_check::Overlay;
use rdaxfs_core::{
    format_types::{
        DiskTime,
        EntryHead,
        ImapGroup,
        SlotHead,
        SuperBlock,
        BLOCK_SIZE,
        IMAP_GROUP_BLOCKS,
        IMAP_GROUP_SIZE,
        SLOT_SIZE,
        SUPER_SIZE, //
    },
    load_super,
    Medium,
    MountOptions,
    Volume, //
};
use rdaxfs_progs::{
    label_of,
    uuid_of,
    FileMedium, //
};
use serde_json::{
    json,
    Value, //
};
use std::path::{
    Path,
    PathBuf, //
};

/// What to show.
#[derive(Subcommand, Debug)]
pub(crate) enum What {
    /// Both superblocks
    Super {
        /// Device or image
        device: PathBuf,
    },
    /// An inode (0: the root directory)
    Inode {
        /// Its number
        ino: u64,
        /// Device or image
        device: PathBuf,
    },
    /// The extents of an inode
    Extents {
        /// Its number
        ino: u64,
        /// Device or image
        device: PathBuf,
    },
    /// The entries of a directory (0: the root directory)
    Dir {
        /// Its number
        ino: u64,
        /// Device or image
        device: PathBuf,
    },
    /// The transactions in the journal, before they are replayed
    Journal {
        /// Device or image
        device: PathBuf,
    },
    /// The blocks that hold inodes
    Imap {
        /// Device or image
        device: PathBuf,
    },
}

pub(crate) fn dump(what: &What) -> Result<Value> {
    match what {
        What::Super { device } => look(device, supers),
        What::Journal { device } => look(device, |medium| journal(device, medium)),
        What::Imap { device } => look(device, |medium| imap(device, medium)),
        What::Inode { ino, device } => with_volume(device, |volume| inode(device, volume, *ino)),
        What::Extents { ino, device } => {
            with_volume(device, |volume| extents(device, volume, *ino))
        }
        What::Dir { ino, device } => with_volume(device, |volume| dir(device, volume, *ino)),
    }
}

type Shown<'a> = Volume<Overlay<'a, FileMedium>>;

/// Mounts the volume on `medium` read-only; what replay stores is kept in memory.
pub(crate) fn mount<'a>(device: &Path, medium: &'a FileMedium) -> Result<Shown<'a>> {
    let options = MountOptions {
        read_only: true,
        ..MountOptions::default()
    };
    on_medium(device, Volume::mount(Overlay::new(medium), &options))
}

fn with_volume(device: &Path, show: impl Fn(&Shown<'_>) -> Result<Value>) -> Result<Value> {
    look(device, |medium| Ok((show(&mount(device, medium)?)?, true)))
}

fn time(time: &DiskTime) -> String {
    format!("{}.{:09}", time.sec(), time.nsec())
}

fn supers(medium: &FileMedium) -> Result<Read<Value>> {
    let last = load_super(medium).map_or(medium.size() / BLOCK_SIZE, |sb| sb.layout().blocks);
    let mut shown = serde_json::Map::new();
    let mut sane = true;
    for (name, block) in [("first", 0), ("second", last.saturating_sub(1))] {
        let mut bytes = [0; SUPER_SIZE];
        let loaded = medium.load(block.saturating_mul(BLOCK_SIZE), &mut bytes);
        let value = match loaded.map(|()| SuperBlock::decode(&bytes)) {
            Err(error) => json!({ "block": block, "error": format!("{error:?}") }),
            Ok(Err(bad)) => json!({ "block": block, "error": bad.to_string() }),
            Ok(Ok(sb)) => super_value(block, &sb),
        };
        sane &= value.get("error").is_none();
        shown.insert(name.into(), value);
    }
    Ok((Value::Object(shown), sane))
}

fn super_value(block: u64, sb: &SuperBlock) -> Value {
    let layout = sb.layout();
    json!({
        "block": block,
        "serial": sb.serial.get(),
        "uuid": uuid_of(sb),
        "label": label_of(sb),
        "state": format!("{:?}", sb.state()).to_lowercase(),
        "features": {
            "compat": sb.compat.get(),
            "ro_compat": sb.ro_compat.get(),
            "incompat": sb.incompat.get(),
        },
        "blocks": layout.blocks,
        "journal_slots": layout.slots,
        "inode_map_block": layout.imap_block(),
        "first_block": layout.first_block(),
        "root": sb.root.get(),
        "mounts": sb.mounts.get(),
        "created": time(&sb.created),
        "mounted": time(&sb.mounted),
        "checked": time(&sb.checked),
    })
}

fn journal(device: &Path, medium: &FileMedium) -> Result<Read<Value>> {
    let layout = on_medium(device, load_super(medium))?.layout();
    let mut bytes = vec![0; SLOT_SIZE];
    let mut found = Vec::new();
    for slot in 0..layout.slots {
        on_medium(device, medium.load(layout.slot_at(slot), &mut bytes))?;
        match SlotHead::decode(&bytes) {
            Ok(None) => {}
            Ok(Some((sequence, payload))) => found.push(json!({
                "slot": slot,
                "sequence": sequence,
                "stores": stores(payload),
            })),
            Err(bad) => found.push(json!({ "slot": slot, "error": bad.to_string() })),
        }
    }
    let sane = found.iter().all(|slot| slot.get("error").is_none());
    Ok((
        json!({ "slots": layout.slots, "transactions": found }),
        sane,
    ))
}

fn stores(payload: &[u8]) -> Vec<Value> {
    let mut list = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        match EntryHead::split(rest) {
            Ok((at, data, next)) => {
                list.push(json!({ "byte": at, "block": at / BLOCK_SIZE, "bytes": data.len() }));
                rest = next;
            }
            Err(bad) => {
                list.push(json!({ "error": bad.to_string() }));
                break;
            }
        }
    }
    list
}

fn imap(device: &Path, medium: &FileMedium) -> Result<Read<Value>> {
    let layout = on_medium(device, load_super(medium))?.layout();
    let mut bytes = [0; IMAP_GROUP_SIZE];
    let mut blocks = Vec::new();
    let mut errors = Vec::new();
    for index in 0..layout.imap_groups() {
        on_medium(device, medium.load(layout.imap_at(index), &mut bytes))?;
        match ImapGroup::decode(&bytes, index) {
            Ok(group) => blocks.extend(
                (0..IMAP_GROUP_BLOCKS)
                    .filter(|&bit| group.get(bit))
                    .map(|bit| index.saturating_mul(IMAP_GROUP_BLOCKS).saturating_add(bit)),
            ),
            Err(bad) => errors.push(json!({ "group": index, "error": bad.to_string() })),
        }
    }
    let sane = errors.is_empty();
    let value = json!({
        "groups": layout.imap_groups(),
        "errors": errors,
        "inode_blocks": blocks,
    });
    Ok((value, sane))
}

fn number(volume: &Shown<'_>, ino: u64) -> u64 {
    match ino {
        0 => volume.root(),
        other => other,
    }
}

fn inode(device: &Path, volume: &Shown<'_>, ino: u64) -> Result<Value> {
    let node = on_medium(device, volume.iget(number(volume, ino)))?;
    let disk = node.inode();
    let mut names = Vec::new();
    on_medium(
        device,
        volume.xattr_list(&node, &mut |name| {
            names.push(String::from_utf8_lossy(name).into_owned());
        }),
    )?;
    let mut value = json!({
        "inode": node.ino(),
        "block": volume.layout().inode_block(node.ino()),
        "mode": format!("{:o}", disk.mode.get()),
        "uid": disk.uid.get(),
        "gid": disk.gid.get(),
        "links": disk.nlink.get(),
        "flags": disk.flags.get(),
        "size": node.size(),
        "blocks": node.blocks(),
        "extents": node.extents(),
        "extents_block": disk.extents.get(),
        "xattrs_block": disk.xattrs.get(),
        "xattrs": names,
        "generation": disk.generation.get(),
        "rdev": disk.rdev.get(),
        "parent": disk.parent.get(),
        "atime": time(&disk.atime),
        "mtime": time(&disk.mtime),
        "ctime": time(&disk.ctime),
        "btime": time(&disk.btime),
    });
    if disk.is_symlink() {
        let target = on_medium(device, volume.read_link(&node))?;
        value["target"] = json!(String::from_utf8_lossy(&target));
    }
    Ok(value)
}

fn extents(device: &Path, volume: &Shown<'_>, ino: u64) -> Result<Value> {
    let node = on_medium(device, volume.iget(number(volume, ino)))?;
    let list: Vec<Value> = node
        .iter_extents()
        .map(|extent| {
            json!({
                "file_block": extent.lblk,
                "block": extent.pblk,
                "blocks": extent.len,
                "unwritten": extent.unwritten,
            })
        })
        .collect();
    Ok(Value::Array(list))
}

fn dir(device: &Path, volume: &Shown<'_>, ino: u64) -> Result<Value> {
    let mut node = on_medium(device, volume.iget(number(volume, ino)))?;
    let mut list = Vec::new();
    let read = volume.readdir(&mut node, 0, &mut |entry| {
        list.push(json!({
            "inode": entry.ino,
            "type": entry.file_type,
            "name": String::from_utf8_lossy(entry.name),
        }));
        true
    });
    on_medium(device, read)?;
    Ok(Value::Array(list))
}
