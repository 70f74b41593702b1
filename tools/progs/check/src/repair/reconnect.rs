// SPDX-License-Identifier: GPL-2.0

//! Names in `/lost+found` for inodes that have none.
//!
//! The volume is mounted to make the names, so that its allocator finds the room, but on an overlay
//! that keeps all stores in memory. They are hard links to a file made for that, `#NUMBER`, each of
//! which is then made to name the lost inode. What differs from the medium at the end goes to it in
//! an order in which each step may be the last one (`publish.rs`).

use super::{
    apply::load_inode,
    publish, //
};
use crate::Overlay;
use rdaxfs_core::{
    format_types::{
        Dirent,
        DiskInode,
        DiskTime,
        SuperBlock,
        BLOCK_SIZE,
        DIR_SLOT,
        DIR_SLOTS,
        MODE_TYPE, //
    },
    Error,
    Medium,
    MountOptions,
    NewInode,
    Node,
    Result,
    Volume, //
};
use std::collections::HashMap;

const STAND_IN: &[u8] = b".stand-in";

/// Gives all of `inodes` names. Link counts and parents are for the next round.
pub(super) fn all(medium: &impl Medium, sb: &SuperBlock, now: DiskTime, inodes: &[u64]) -> Result {
    let overlay = Overlay::new(medium);
    link(&overlay, sb, now, inodes)?;
    publish::all(medium, sb, overlay)
}

/// Stores the names to `overlay`.
fn link<M: Medium>(
    overlay: &Overlay<'_, M>,
    sb: &SuperBlock,
    now: DiskTime,
    inodes: &[u64],
) -> Result {
    let options = MountOptions {
        now,
        ..MountOptions::default()
    };
    let volume = Volume::mount(overlay, &options)?;
    let mut root = volume.iget(volume.root())?;
    let mut dir = lost_and_found(&volume, &mut root, inodes, now)?;
    let stand_in = NewInode {
        mode: 0o100600,
        ..NewInode::default()
    };
    let mut file = match volume.lookup(&mut dir, STAND_IN)? {
        Some(found) => volume.iget(found.ino)?,
        None => volume.create(&mut dir, STAND_IN, &stand_in, now)?,
    };
    let mut names = HashMap::from([(STAND_IN.to_vec(), None)]);
    let mut done = Ok(());
    for &ino in inodes {
        let name = free_name(&volume, &mut dir, ino)?;
        done = volume.link(&mut dir, name.as_bytes(), &mut file, now);
        if done.is_err() {
            break;
        }
        names.insert(name.into_bytes(), Some(ino));
    }
    let blocks = blocks_of(&dir);
    let (dir, stand_in) = (dir.ino(), file.ino());
    drop(volume);
    point(overlay, sb, dir, &blocks, &names)?;
    let old = load_inode(overlay, sb, stand_in)?;
    let mut free = DiskInode::free(stand_in, old.generation.get());
    overlay.store(sb.layout().inode_at(stand_in), free.encode())?;
    // Some have a name now: the next round goes on.
    match names.len() {
        1 => done,
        _ => Ok(()),
    }
}

/// The directory for lost inodes; makes it if there is none.
fn lost_and_found<M: Medium>(
    volume: &Volume<M>,
    root: &mut Node,
    inodes: &[u64],
    now: DiskTime,
) -> Result<Node> {
    let new = NewInode {
        mode: 0o040700,
        ..NewInode::default()
    };
    for number in 0..1000 {
        let name = match number {
            0 => "lost+found".to_string(),
            _ => format!("lost+found.{number}"),
        };
        match volume.lookup(root, name.as_bytes())? {
            None => return volume.create(root, name.as_bytes(), &new, now),
            Some(found) => {
                let node = volume.iget(found.ino)?;
                if node.inode().is_dir() && !inodes.contains(&found.ino) {
                    return Ok(node);
                }
            }
        }
    }
    Err(Error::Exists)
}

/// A name for `ino` that is not there yet.
fn free_name<M: Medium>(volume: &Volume<M>, dir: &mut Node, ino: u64) -> Result<String> {
    let mut name = format!("#{ino}");
    while volume.lookup(dir, name.as_bytes())?.is_some() {
        name.push('+');
    }
    Ok(name)
}

fn blocks_of(dir: &Node) -> Vec<u64> {
    dir.iter_extents()
        .flat_map(|extent| extent.pblk..extent.pend())
        .collect()
}

/// Makes each of `names` in the directory name another inode, or removes it.
fn point(
    medium: &impl Medium,
    sb: &SuperBlock,
    dir: u64,
    blocks: &[u64],
    names: &HashMap<Vec<u8>, Option<u64>>,
) -> Result {
    let mut bytes = vec![0; BLOCK_SIZE as usize];
    for &block in blocks {
        medium.load(block.saturating_mul(BLOCK_SIZE), &mut bytes)?;
        let mut slot = 0;
        while slot < DIR_SLOTS {
            let dirent = Dirent::decode(&bytes, slot, dir)?;
            let new = match names.get(dirent.name) {
                Some(None) => Some(Dirent::free(dirent.slots)),
                Some(&Some(ino)) => {
                    let mode = load_inode(medium, sb, ino)?.mode.get();
                    let file_type = ((mode & MODE_TYPE) >> 12) as u8;
                    Some(Dirent::new(ino, file_type, dirent.name))
                }
                None => None,
            };
            if let Some(new) = new {
                let mut entry = [0; DIR_SLOT * DIR_SLOTS];
                let len = new.encode(dir, &mut entry).ok_or(Error::Invalid)?;
                let at = block.saturating_mul(BLOCK_SIZE);
                let at = at.saturating_add((slot as u64).saturating_mul(DIR_SLOT as u64));
                medium.store(at, entry.get(..len).unwrap_or_default())?;
            }
            slot = slot.saturating_add(dirent.slots.max(1));
        }
    }
    Ok(())
}
