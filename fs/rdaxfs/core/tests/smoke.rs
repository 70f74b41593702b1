// SPDX-License-Identifier: GPL-2.0

//! Each operation once, and what a new mount sees of it.

use crate::common::{
    make,
    mount, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    AttrChange,
    Error,
    Medium,
    NewInode,
    Node,
    Rename,
    RenameKind,
    Span,
    Volume,
    XattrMode, //
};

const NOW: fn() -> DiskTime = || DiskTime::new(1, 2);

fn file() -> NewInode<'static> {
    NewInode {
        mode: 0o100644,
        ..NewInode::default()
    }
}

fn dir() -> NewInode<'static> {
    NewInode {
        mode: 0o040755,
        ..NewInode::default()
    }
}

fn write<M: Medium>(
    volume: &Volume<M>,
    node: &mut Node,
    pos: u64,
    data: &[u8],
) -> Result<(), Error> {
    let mut done = 0;
    while done < data.len() {
        let pos = pos + done as u64;
        let mapping = volume.begin_write(node, pos, (data.len() - done) as u64, &NOW().into())?;
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        let offset = pos - mapping.lblk * 4096;
        let len = (mapping.len * 4096 - offset).min((data.len() - done) as u64);
        volume
            .medium()
            .store(block * 4096 + offset, &data[done..done + len as usize])?;
        volume.medium().flush(block * 4096 + offset, len)?;
        volume.end_write(node, pos, len, NOW())?;
        done += len as usize;
    }
    Ok(())
}

fn read<M: Medium>(volume: &Volume<M>, node: &Node) -> Vec<u8> {
    let mut data = vec![0; node.size() as usize];
    for extent in node.iter_extents().filter(|extent| !extent.unwritten) {
        let pos = (extent.lblk * 4096) as usize;
        if pos < data.len() {
            let end = data.len().min(pos + (extent.len * 4096) as usize);
            volume
                .medium()
                .load(extent.pblk * 4096, &mut data[pos..end])
                .unwrap();
        }
    }
    data
}

#[test]
fn namespace() {
    let ram = make(16 << 20);
    let volume = mount(&ram);
    let fresh = volume.usage();
    let mut root = volume.iget(volume.root()).unwrap();
    let mut sub = volume.create(&mut root, b"sub", &dir(), NOW()).unwrap();
    let mut node = volume.create(&mut root, b"file", &file(), NOW()).unwrap();
    assert_eq!(
        volume.create(&mut root, b"file", &file(), NOW()).err(),
        Some(Error::Exists)
    );
    volume.link(&mut sub, b"other", &mut node, NOW()).unwrap();
    assert_eq!(node.inode().nlink.get(), 2);
    let rename = Rename {
        from: &mut root,
        from_name: b"file",
        to: Some(&mut sub),
        to_name: b"moved",
        node: &mut node,
        target: None,
        kind: RenameKind::Move,
    };
    assert!(volume.rename(rename, NOW()).unwrap().is_none());
    let mut names = Vec::new();
    volume
        .readdir(&mut sub, 0, &mut |entry| {
            names.push(entry.name.to_vec());
            true
        })
        .unwrap();
    assert_eq!(names, [b"other".to_vec(), b"moved".to_vec()]);
    let long = [b'x'; 3000];
    let link = NewInode {
        mode: 0o120777,
        target: &long,
        ..NewInode::default()
    };
    let mut link = volume.create(&mut root, b"link", &link, NOW()).unwrap();
    assert_eq!(&*volume.read_link(&link).unwrap(), &long);
    volume
        .xattr_set(
            &mut link,
            b"user.a",
            Some(&[7; 10000]),
            XattrMode::Any,
            &AttrChange::default(),
        )
        .unwrap();
    let mut value = vec![0; 10000];
    assert_eq!(
        volume.xattr_get(&link, b"user.a", Some(&mut value)),
        Ok(10000)
    );
    assert_eq!(value, [7; 10000]);
    assert_eq!(
        volume.rmdir(&mut root, b"sub", &mut sub, NOW()),
        Err(Error::NotEmpty)
    );
    volume.unlink(&mut sub, b"moved", &mut node, NOW()).unwrap();
    volume.unlink(&mut sub, b"other", &mut node, NOW()).unwrap();
    volume.evict(&mut node).unwrap();
    volume.rmdir(&mut root, b"sub", &mut sub, NOW()).unwrap();
    volume.evict(&mut sub).unwrap();
    volume.unlink(&mut root, b"link", &mut link, NOW()).unwrap();
    volume.evict(&mut link).unwrap();
    assert_eq!(root.inode().nlink.get(), 2);
    assert_eq!(volume.usage().free, fresh.free);
    volume.deactivate().unwrap();
    let again = mount(&ram);
    assert_eq!(again.usage(), volume.usage());
    assert!(!again.recovery().unclean);
}

#[test]
fn many_names() {
    let ram = make(64 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    for i in 0..5000 {
        let name = format!("{:0width$}", i, width = 5 + i % 200);
        volume
            .create(&mut root, name.as_bytes(), &file(), NOW())
            .unwrap();
    }
    drop(volume);
    let volume = mount(&ram);
    assert!(volume.recovery().unclean);
    let mut root = volume.iget(volume.root()).unwrap();
    for i in (0..5000).rev() {
        let name = format!("{:0width$}", i, width = 5 + i % 200);
        let found = volume.lookup(&mut root, name.as_bytes()).unwrap().unwrap();
        let mut node = volume.iget(found.ino).unwrap();
        volume
            .unlink(&mut root, name.as_bytes(), &mut node, NOW())
            .unwrap();
        volume.evict(&mut node).unwrap();
    }
    let mut count = 0;
    volume
        .readdir(&mut root, 0, &mut |_| {
            count += 1;
            true
        })
        .unwrap();
    assert_eq!(count, 0);
}

#[test]
fn data() {
    let ram = make(32 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut node = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    let fresh = volume.usage().free;
    let mut model: Vec<u8> = Vec::new();
    for i in 0..200u64 {
        let data = vec![i as u8 + 1; 1000 + (i as usize * 37) % 9000];
        let pos = (i * 7919) % 300_000;
        write(&volume, &mut node, pos, &data).unwrap();
        let end = pos as usize + data.len();
        if model.len() < end {
            model.resize(end, 0);
        }
        model[pos as usize..end].copy_from_slice(&data);
        assert!(read(&volume, &node) == model, "after {i}");
    }
    volume.punch(&mut node, 5000, 50_000, NOW()).unwrap();
    model[5000..55_000].fill(0);
    assert!(read(&volume, &node) == model);
    volume.collapse(&mut node, 8192, 4096 * 5, NOW()).unwrap();
    model.drain(8192..8192 + 4096 * 5);
    assert!(read(&volume, &node) == model);
    volume.insert(&mut node, 4096, 4096 * 3, NOW()).unwrap();
    model.splice(4096..4096, vec![0; 4096 * 3]);
    assert!(read(&volume, &node) == model);
    volume
        .allocate(&mut node, 0, 1 << 20, false, 0, NOW())
        .unwrap();
    model.resize(1 << 20, 0);
    assert!(read(&volume, &node) == model);
    volume
        .zero_range(&mut node, 10_000, 30_000, false, 0, NOW())
        .unwrap();
    model[10_000..40_000].fill(0);
    assert!(read(&volume, &node) == model);
    volume.set_size(&mut node, 100_001, NOW()).unwrap();
    volume.set_size(&mut node, 200_000, NOW()).unwrap();
    model.truncate(100_001);
    model.resize(200_000, 0);
    assert!(read(&volume, &node) == model);
    let node2 = volume.iget(node.ino()).unwrap();
    assert!(node2.iter_extents().eq(node.iter_extents()));
    volume.set_size(&mut node, 0, NOW()).unwrap();
    assert_eq!(volume.usage().free, fresh);
}

#[test]
fn full() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut node = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    let fresh = volume.usage();
    let mut pos = 0;
    // Every other block, so that there are many extents.
    while write(&volume, &mut node, pos, &[1; 4096]).is_ok() {
        pos += 8192;
    }
    assert_eq!(volume.usage().available, 0);
    volume.punch(&mut node, 0, 4096, NOW()).unwrap();
    let again = volume.iget(node.ino()).unwrap();
    assert!(again.iter_extents().eq(node.iter_extents()));
    volume.set_size(&mut node, 0, NOW()).unwrap();
    assert_eq!(volume.usage().free, fresh.free);
}

/// Zeroing a range whose edges are holes gives them blocks that a new mount sees, too.
#[test]
fn zero_range_over_holes() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut node = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    volume.set_size(&mut node, 1 << 20, NOW()).unwrap();
    volume
        .zero_range(&mut node, 1000, 20_000, false, 0, NOW())
        .unwrap();
    volume
        .write_zeroes(&mut node, 101_000, 20_000, NOW())
        .unwrap();
    let again = volume.iget(node.ino()).unwrap();
    assert!(again.iter_extents().eq(node.iter_extents()));
    assert_eq!(again.blocks(), node.blocks());
}

/// What is read by number is an inode in use that has a name.
#[test]
fn numbers() {
    let ram = make(16 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let free = |ino: u64| volume.iget(ino).err() == Some(Error::Stale);
    for ino in [0, 1, volume.layout().blocks * 16, u64::MAX] {
        assert!(free(ino), "{ino}");
    }
    let reserved = volume.reserve(&root, file().mode).unwrap();
    let ino = reserved.ino();
    assert!(free(ino));
    assert_eq!(reserved.hashed(&(ino + 1)).err(), Some(Error::Invalid));
    // What was not made can be made again.
    let inodes = volume.usage().inodes;
    drop(reserved);
    assert_eq!(volume.usage().inodes, inodes - 1);
    let mut node = volume.tmpfile(&root, &file(), NOW()).unwrap();
    assert_eq!(node.ino(), ino);
    assert!(free(ino));
    volume.link(&mut root, b"name", &mut node, NOW()).unwrap();
    assert_eq!(volume.iget(ino).unwrap().inode().nlink.get(), 1);
    volume.unlink(&mut root, b"name", &mut node, NOW()).unwrap();
    assert!(free(ino));
    volume.evict(&mut node).unwrap();
    assert!(free(ino));
}

/// Refuses numbers that are not in use without reading what is stored there: a damaged inode that is
/// free, data of a file that looks like inodes.
#[test]
fn numbers_not_in_use() {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let mut node = volume.create(&mut root, b"f", &file(), NOW()).unwrap();
    write(&volume, &mut node, 0, &[0; 4096]).unwrap();
    let block = node.iter_extents().next().unwrap().pblk;
    let first = node.ino() / 16 * 16;
    let free: Vec<u64> = (first..first + 16)
        .filter(|&ino| volume.iget(ino).is_err())
        .collect();
    assert!(!free.is_empty());
    for ino in free {
        volume.medium().store(ino * 256 + 40, &[0xee; 8]).unwrap();
        assert_eq!(volume.iget(ino).err(), Some(Error::Stale), "{ino}");
    }
    for ino in block * 16..block * 16 + 16 {
        let mut inode = *node.inode();
        inode.ino.set(ino);
        volume.medium().store(ino * 256, inode.encode()).unwrap();
        assert_eq!(volume.iget(ino).err(), Some(Error::Stale), "{ino}");
    }
}
