// SPDX-License-Identifier: GPL-2.0

//! Names in `/lost+found` for inodes that have none.
//!
//! The volume is mounted to make the names, so that its allocator finds the room. They are hard
//! links to a file made for that, `#NUMBER`, each of which is then made to name the lost inode.

use super::apply::{
    load_inode,
    store_entry,
    store_inode, //
};
use rdaxfs_core::{
    format_types::{
        Dirent,
        DiskInode,
        DiskTime,
        SuperBlock,
        BLOCK_SIZE,
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

/// A medium by reference: a volume wants one of its own.
struct By<'a, M: Medium>(&'a M);

impl<M: Medium> Medium for By<'_, M> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn load(&self, at: u64, out: &mut [u8]) -> Result {
        self.0.load(at, out)
    }

    fn store(&self, at: u64, data: &[u8]) -> Result {
        self.0.store(at, data)
    }

    fn flush(&self, at: u64, len: u64) -> Result {
        self.0.flush(at, len)
    }

    fn fence(&self) -> Result {
        self.0.fence()
    }

    fn zero(&self, at: u64, len: u64) -> Result {
        self.0.zero(at, len)
    }
}

/// Gives all of `inodes` names. Link counts and parents are for the next round.
pub(super) fn all(medium: &impl Medium, sb: &SuperBlock, now: DiskTime, inodes: &[u64]) -> Result {
    let options = MountOptions {
        now,
        ..MountOptions::default()
    };
    let volume = Volume::mount(By(medium), &options)?;
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
    let (dir_ino, blocks) = (dir.ino(), blocks_of(&dir));
    let stand_in = file.ino();
    volume.deactivate()?;
    drop(volume);
    point(medium, sb, dir_ino, &blocks, &names)?;
    let old = load_inode(medium, sb, stand_in)?;
    let mut free = DiskInode::free(stand_in, old.generation.get());
    store_inode(medium, sb, &mut free)?;
    medium.fence()?;
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
                store_entry(medium, dir, block, slot, &new)?;
            }
            slot = slot.saturating_add(dirent.slots.max(1));
        }
    }
    Ok(())
}
