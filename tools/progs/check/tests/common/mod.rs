// SPDX-License-Identifier: GPL-2.0

//! Memory as a medium, with a volume that has something of everything.

#![allow(dead_code)]

use rdaxfs_core::{
    format,
    format_types::DiskTime,
    AttrChange,
    FormatOptions,
    Medium,
    MountOptions,
    NewInode,
    Node,
    Result,
    Span,
    Volume,
    XattrMode, //
};

#[path = "../../../../../fs/rdaxfs/core/tests/common/ram.rs"]
mod ram;
pub use ram::Ram;

pub fn now() -> DiskTime {
    DiskTime::new(1_700_000_000, 5)
}

/// An empty volume.
pub fn make(size: usize) -> Ram {
    let ram = Ram::new(size);
    let options = FormatOptions {
        label: b"test",
        now: now(),
        ..FormatOptions::default()
    };
    format(&&ram, &options, |_, _| {}).unwrap();
    ram
}

pub fn inode(mode: u16) -> NewInode<'static> {
    NewInode {
        mode,
        ..NewInode::default()
    }
}

fn write(volume: &Volume<&Ram>, node: &mut Node, pos: u64, data: &[u8]) -> Result {
    let mut done = 0;
    while done < data.len() {
        let pos = pos + done as u64;
        let mapping = volume.begin_write(node, pos, (data.len() - done) as u64, &now().into())?;
        let Span::Written(block) = mapping.span else {
            panic!("{mapping:?}")
        };
        let offset = pos - mapping.lblk * 4096;
        let len = (mapping.len * 4096 - offset).min((data.len() - done) as u64);
        let data = &data[done..done + len as usize];
        volume.medium().store(block * 4096 + offset, data)?;
        volume.end_write(node, pos, len, now())?;
        done += len as usize;
    }
    Ok(())
}

/// Fills directory `dir` with one of each kind, and with `depth` directories below each other.
fn populate(volume: &Volume<&Ram>, dir: &mut Node, depth: u32) -> Result {
    for i in 0..20 {
        let name = format!("{i:0width$}", width = 1 + i * 13);
        let mut node = volume.create(dir, name.as_bytes(), &inode(0o100644), now())?;
        write(volume, &mut node, 0, &vec![i as u8; 100 + i * 1500])?;
        if i % 5 == 0 {
            let link = format!("link{i}");
            volume.link(dir, link.as_bytes(), &mut node, now())?;
        }
        if i % 4 == 0 {
            let value = vec![7; 10 + i * 400];
            let (mode, change) = (XattrMode::Any, AttrChange::default());
            volume.xattr_set(&mut node, b"user.one", Some(&value), mode, &change)?;
            volume.xattr_set(&mut node, b"user.two", Some(b"2"), mode, &change)?;
        }
    }
    let mut holey = volume.create(dir, b"holey", &inode(0o100600), now())?;
    for i in 0..60 {
        write(volume, &mut holey, i * 8192, &[1; 4096])?;
    }
    volume.allocate(&mut holey, 1 << 20, 1 << 16, true, 0, now())?;
    for len in [5, 128, 129, 3000, 4095] {
        let target = vec![b't'; len];
        let link = NewInode {
            mode: 0o120777,
            target: &target,
            ..NewInode::default()
        };
        volume.create(dir, format!("symlink{len}").as_bytes(), &link, now())?;
    }
    volume.create(dir, b"fifo", &inode(0o010644), now())?;
    if depth > 0 {
        for name in [b"left", b"down"] {
            let mut sub = volume.create(dir, name, &inode(0o040755), now())?;
            populate(volume, &mut sub, depth - 1)?;
        }
    }
    Ok(())
}

pub fn mount(ram: &Ram) -> Volume<&Ram> {
    Volume::mount(ram, &MountOptions::default()).unwrap()
}

/// As small a volume as can be with something of everything, unmounted.
pub fn small() -> Ram {
    let ram = make(8 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    populate(&volume, &mut root, 0).unwrap();
    let mut sub = volume
        .create(&mut root, b"dir", &inode(0o040755), now())
        .unwrap();
    volume
        .create(&mut sub, b"file", &inode(0o100644), now())
        .unwrap();
    volume.deactivate().unwrap();
    ram
}

/// A volume with something of everything, unmounted.
pub fn populated() -> Ram {
    let ram = make(16 << 20);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    populate(&volume, &mut root, 2).unwrap();
    volume.deactivate().unwrap();
    ram
}
