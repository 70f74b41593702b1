// SPDX-License-Identifier: GPL-2.0

//! What many files cost: time of a mount, memory of an index. `RDAXFS_SCALE` files instead of 10000.

use crate::common::{
    make,
    script::{
        dir,
        file, //
    },
    Ram, //
};
use rdaxfs_core::{
    format_types::DiskTime,
    Medium,
    MountOptions,
    Node,
    Volume, //
};
use std::time::Instant;

const NOW: fn() -> DiskTime = || DiskTime::new(3, 0);

fn mount(ram: &Ram) -> Volume<&Ram> {
    let options = MountOptions {
        shards: 4,
        ..MountOptions::default()
    };
    Volume::mount(ram, &options).unwrap()
}

fn add<M: Medium>(volume: &Volume<M>, dir: &mut Node, number: u64) {
    let name = format!("file-{number:010}");
    let mut node = volume.create(dir, name.as_bytes(), &file(), NOW()).unwrap();
    // One extent each, and a few attributes would be one block more.
    volume
        .allocate(&mut node, 0, 4096, false, 0, NOW())
        .unwrap();
}

#[test]
fn many_files() {
    let scale = std::env::var("RDAXFS_SCALE").ok();
    let files: u64 = scale.and_then(|scale| scale.parse().ok()).unwrap_or(10_000);
    let ram = make((64 << 20) + files as usize * 4500);
    let volume = mount(&ram);
    let mut root = volume.iget(volume.root()).unwrap();
    let started = Instant::now();
    let mut memory = 0;
    for number in 0..files.div_ceil(10_000) {
        let name = number.to_string();
        let mut dir = volume
            .create(&mut root, name.as_bytes(), &dir(), NOW())
            .unwrap();
        for file in 0..10_000.min(files) {
            add(&volume, &mut dir, file);
        }
        memory = dir.memory();
    }
    let created = started.elapsed();
    volume.deactivate().unwrap();
    let usage = volume.usage();
    drop(volume);
    let started = Instant::now();
    let volume = mount(&ram);
    let mounted = started.elapsed();
    assert_eq!(volume.usage(), usage);
    let mut dir = {
        let mut root = volume.iget(volume.root()).unwrap();
        let found = volume.lookup(&mut root, b"0").unwrap().unwrap();
        volume.iget(found.ino).unwrap()
    };
    let started = Instant::now();
    assert!(volume
        .lookup(&mut dir, b"file-0000000007")
        .unwrap()
        .is_some());
    println!(
        "{files} files: created in {created:?}, mounted in {mounted:?} ({} ns a file); the index of \
         a directory of 10000 names is built in {:?} and takes {} bytes a name",
        mounted.as_nanos() as u64 / files,
        started.elapsed(),
        memory / 10_000,
    );
}
