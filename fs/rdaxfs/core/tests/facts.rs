// SPDX-License-Identifier: GPL-2.0

//! What the error of a corrupt structure says: the inode, the block, the value found and the right
//! one.

use crate::common::{
    make,
    mount,
    Ram, //
};
use rdaxfs_core::{
    format_types::{
        DiskTime,
        BLOCK_SIZE,
        INODES_PER_BLOCK,
        INODE_SIZE, //
    },
    Error,
    NewInode, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(1, 2);

fn text(error: Error) -> String {
    match error {
        Error::Corrupt(corrupt) => corrupt.to_string(),
        other => panic!("{other:?}"),
    }
}

fn file() -> NewInode<'static> {
    NewInode {
        mode: 0o100644,
        ..NewInode::default()
    }
}

fn change(ram: &Ram, at: u64, bytes: &[u8]) {
    let at = at as usize;
    ram.0.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An inode without its magic number, and one with a bad checksum.
#[test]
fn inode() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let ino = volume
        .create(&mut root, b"f", &file(), NOW())
        .unwrap()
        .ino();
    let at = ino * INODE_SIZE as u64;
    change(&ram, at + 4, &[0, 0]);
    let block = ino / INODES_PER_BLOCK;
    let error = volume.iget(ino).err().unwrap();
    assert_eq!(
        text(error),
        format!("inode {ino} (block {block}): bad magic 0x0000, expected 0x4952")
    );
    let Error::Corrupt(corrupt) = error else {
        unreachable!()
    };
    assert_eq!((corrupt.ino(), corrupt.block()), (Some(ino), Some(block)));
    change(&ram, at + 4, &[0x52, 0x49]);
    change(&ram, at, &[1, 2, 3, 4]);
    let said = text(volume.iget(ino).err().unwrap());
    let begins = format!("inode {ino} (block {block}): bad checksum 0x4030201, expected 0x");
    assert!(said.starts_with(&begins), "{said}");
}

/// An entry of a directory, which is found in a block of the directory.
#[test]
fn entry() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    let block = root.iter_extents().next().unwrap().pblk;
    change(&ram, block * BLOCK_SIZE + 4, &[0x11]);
    let mut again = volume.iget(volume.root()).unwrap();
    let error = volume.lookup(&mut again, b"f").err().unwrap();
    assert_eq!(
        text(error),
        format!(
            "inode {} (block {block}): entry has a bad magic 0x0011, expected 0x00d5",
            volume.root()
        )
    );
}

/// A superblock: there is no inode to name.
#[test]
fn superblock() {
    let ram = make(8 << 20);
    let last = (8 << 20) - BLOCK_SIZE;
    change(&ram, 0, &[0; 8]);
    change(&ram, last, &[0; 8]);
    let error = rdaxfs_core::load_super(&&ram).err().unwrap();
    assert!(
        text(error).starts_with("block 0: superblock has a bad magic 0x0000, expected 0x"),
        "{}",
        text(error)
    );
}
